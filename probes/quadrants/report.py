"""The quadrants of a set of languages as a report: gains with intervals against each baseline, classes, agreement, causes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from interp.provenance import Signature
from probes.quadrants.agreement import Agreement, agreement, target_gains
from probes.quadrants.causes import COLUMNS, regress, stagnant_routes
from probes.quadrants.classes import CEILING, FLOOR, GROUP, QUADRANTS, UNDETERMINED, Scores, at_the_ends, classify, read_scores
from probes.quadrants.figures import arm_gains, cause_dots, consistency_map, quadrant_scatter
from probes.quadrants.guideline import check_guideline
from probes.report import Report
from probes.sweep.scores import direction_scores
from probes.sweep.seed_means import FULL, units_of
from probes.translation.metrics import label_of
from probes.translation.scorers import CORPUS_SCORES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AGAINST = {"base": "the untuned model", "format": "the format-tuned model", "shuffled": "tuning on shuffled answers"}
_ENOUGH = 4  # languages for a correlation
_ROUTES = {"output": "could not be learned (frozen output)", "unlearned": "were not learned in these updates",
           "data": "were learned but do not generalise (data)",
           "ceiling": "were known before (ceiling)", "unknown": "have no data to decide"}  # fmt: skip


class QuadrantReport(Report):
    """Gains of tuning on one language, for itself and for others, as `QuadrantStudy` measures them (arXiv 2311.09071).

    `table` is that of `measure_cells`: one row per tuned model (`language` it was tuned on, `method`, `size`, `seed`), `target`
    language and `item`, with the output and each metric beside its `<metric>_baseline`. `arrays["scores"]` has the score of every
    seed, model and target, once and in each resample of the items. `classes()` is read from them: one row per tuned model and
    baseline, with both gains and the class.

    Example
    -------
    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> models = [("base", "", "", 0), ("tuned", "deu_Latn", "full", 100)]
    >>> rows = [(*model, target, item) for model in models for target in ("deu_Latn", "nld_Latn") for item in range(9)]
    >>> table = pd.DataFrame(rows, columns=["role", "language", "method", "size", "target", "item"])
    >>> table = pd.concat([table.assign(seed=seed, cell=table["role"] + str(seed)) for seed in (0, 1)], ignore_index=True)
    >>> table = table.assign(source="eng_Latn", exact=0.25, exact_baseline=0.0, final_loss=1.0)
    >>> table.loc[table["role"] == "tuned", "exact"] = 0.75
    >>> made_by = Signature("quadrants", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 9))
    >>> settings = {"metric": "exact", "resamples": 20, "seed": 0, "probes": ["nld_Latn"], "against": ["base"], "threshold": 0.0,
    ...             "relative": False, "level": 0.95, "methods": ["full"], "tie": "none"}
    >>> report = report_quadrants(table, made_by, settings)
    >>> report.classes()[["language", "bilingual", "multilingual", "quadrant"]].values.tolist()
    [['deu_Latn', 50.0, 50.0, 'reciprocal']]
    """

    question = "Does tuning on one language improve that language, others, both or neither?"

    @cached_property
    def scores(self) -> Scores:
        """S(f; pivot -> y) of every model, with its draws: what the array of that name holds, in the order of the table."""
        groups = self.table[[*GROUP, "target"]].drop_duplicates()
        columns = {tuple(row): n for n, row in enumerate(groups.itertuples(index=False, name=None))}
        return Scores(columns, self.arrays["scores"], units_of(self.table))

    @property
    def main(self) -> tuple[str, int]:
        """The method and size that quadrants are reported for: the first method at its largest size."""
        method = self.settings["methods"][0]
        return method, max(size for _, own, size in self.scores.tuned() if own == method)

    @property
    def control(self) -> str:
        """The main baseline: the format-tuned one where there is one."""
        return "format" if "format" in self.settings["against"] else "base"

    def classes(self) -> pd.DataFrame:
        """Both gains with intervals, the share of draws in each quadrant, and the class (`probes.quadrants.classes.classify`)."""
        return self._classes.copy()

    @cached_property
    def _classes(self) -> pd.DataFrame:
        how = {name: self.settings[name] for name in ("against", "threshold", "relative", "level")}
        return at_the_ends(classify(self.scores, self.settings["probes"], **how), self._copied, self.settings["relative"])

    @cached_property
    def _copied(self) -> dict[str, float]:
        """What the source left as it is scores in each target language, 0 to 100."""
        untuned = self.table[self.table["role"] == "base"]
        first = untuned[untuned["seed"] == untuned["seed"].iloc[0]]
        scores = direction_scores(first, self.settings["metric"], baseline=True)[0].groupby("target").mean()
        return (scores * (1 if self.settings["metric"] in CORPUS_SCORES else FULL)).to_dict()

    def main_classes(self, against: str | None = None) -> pd.DataFrame:
        """The classes of the main method and size over one baseline, `against` (by default the main one)."""
        method, size = self.main
        rows = self._classes[(self._classes["method"] == method) & (self._classes["size"] == size)]
        return rows[rows["against"] == (against or self.control)].reset_index(drop=True)

    def summary(self) -> pd.DataFrame:
        """One row per tuned model, baseline and axis, with the class of the model and the share of draws in each quadrant.

        `p` is of the gain being the threshold, corrected over all languages, baselines and gains of a method and size.
        """
        parts = []
        for axis in ("bilingual", "multilingual"):
            part = self._classes[["language", "method", "size", "against"]].assign(gain=axis)
            ends = {"estimate": axis, "lower": f"{axis}_lower", "upper": f"{axis}_upper", "baseline": f"{axis}_baseline"}
            part = part.assign(**{name: self._classes[column] for name, column in ends.items()}, n=self._items)
            part = part.assign(p=self._classes[f"{axis}_p"])
            parts.append(part.assign(quadrant=self._classes["quadrant"], **{name: self._classes[name] for name in QUADRANTS}))
        return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)

    @property
    def _items(self) -> int:
        return self.table["item"].nunique()

    def agreement(self, against: str = "base") -> Agreement:
        """How far the gains over one baseline, `against`, agree over target languages."""
        return agreement(target_gains(self.scores, self.settings["probes"], *self.main, against), self.settings["seed"])

    def causes(self, against: str | None = None) -> pd.DataFrame:
        """The gains regressed on how the tokenizer spells each language. Raises `ValueError` where that was not measured.

        `against` is the baseline of the gains; by default the main one.
        """
        spelling = self.settings.get("tokenization")
        if not spelling:
            raise ValueError(
                "got a report without a survey of the tokenizer, expected one with it. "
                "Give tokenization= to QuadrantStudy, or --survey."
            )
        return regress(
            self.main_classes(against), pd.DataFrame(spelling), resamples=self.settings["resamples"], seed=self.settings["seed"]
        )

    def routes(self) -> pd.DataFrame:
        """Why languages without a bilingual gain have none: the frozen output layer, the data, or a ceiling."""
        return stagnant_routes(self.table, self._classes)

    def guideline(self, against: str = "base") -> pd.DataFrame:
        """Whether the published advice holds: the advised way of tuning against another, where both were tried.

        `against` is the baseline whose quadrants are taken. Quadrants and differences come from other items and other seeds.
        """
        how = {name: self.settings[name] for name in ("threshold", "relative", "resamples", "seed")}
        return check_guideline(self.table, self.settings["metric"], self.settings["probes"], against=against, **how)

    def finds(self) -> bool:
        """Whether the verdict claims a gain or a class of any language over any baseline."""
        rows = pd.concat([self.main_classes(name) for name in self.settings["against"]])
        sure = [(rows[f"{axis}_p"] < 1 - self.settings["level"]) & (self._seeds > 1) for axis in ("bilingual", "multilingual")]
        return bool((sure[0] | sure[1] | rows["quadrant"].isin(QUADRANTS)).any())

    def verdict(self) -> str:
        """How many languages surely gain, how many are in each class over each baseline, and how much of it the format explains."""
        method, size = self.main
        points = label_of(self.settings["metric"])
        parts = [_counted(self.main_classes(name), AGAINST[name]) for name in self.settings["against"]]
        shares = _shares(self.main_classes("base"), self.main_classes()) if self.control == "format" else ""
        how = f"Tuning ({method}, {size} pairs, {self._items} items, seeds: {self._seeds}, {points}): {'; '.join(parts)}."
        return f"{self._gained()} {how}{shares}"

    @property
    def _seeds(self) -> int:
        return self.table["seed"].nunique()

    def _gained(self) -> str:
        """The first sentence: in how many languages tuning surely does something beyond the main baseline."""
        rows = self.main_classes()
        end = f"(n={self._items} items, seeds: {self._seeds})"
        if self._seeds < 2:
            return f"One training seed cannot tell a gain from training noise, so none of {len(rows)} languages is classed {end}."
        if rows["quadrant"].eq(FLOOR).all():
            return f"The tuned models translate no better than copying the source, so this run cannot answer the question {end}."
        own, others = (
            int(((rows[f"{axis}_p"] < 1 - self.settings["level"]) & (rows[axis] > self.settings["threshold"])).sum())
            for axis in ("bilingual", "multilingual")
        )
        beyond = f"beyond {AGAINST[self.control]}" if own or others else f"over {AGAINST[self.control]}"
        if not own and not others:
            return f"Tuning on a language is not shown to help it or others {beyond}, in {len(rows)} languages {end}."
        return f"Tuning helps the language itself in {own} and others in {others} of {len(rows)} languages, {beyond} {end}."

    def figures(self) -> dict[str, Figure]:
        """The quadrants against each baseline; the agreement of targets; the arms, where several were tried."""
        sign, unit = (
            str(self.signature),
            label_of(self.settings["metric"]) + (" (% of the baseline)" if self.settings["relative"] else ""),
        )
        panels = {f"against {AGAINST[name]}": self.main_classes(name) for name in self.settings["against"]}
        figures = {
            "quadrants": quadrant_scatter(panels, self.settings["threshold"], unit, self._title(), sign, self.settings["caption"])
        }
        gains = target_gains(self.scores, self.settings["probes"], *self.main)
        if len(gains) >= _ENOUGH and gains.shape[1] > 1:
            alike = self.agreement()
            figures["consistency"] = consistency_map(
                alike.matrix, alike.stability, alike.share, alike.chance, alike.languages, sign, alike.stability_chance
            )
        if self._classes[["method", "size"]].drop_duplicates().shape[0] > 1:
            last = self.settings["against"][-1]
            figures["arms"] = arm_gains(
                self._classes[self._classes["against"] == last], self.main_classes(last), AGAINST[last], unit, sign
            )
        if len(self.main_classes()) > _ENOUGH + len(COLUMNS) and self.settings["tokenization"]:
            figures["spelling"] = cause_dots(self.causes(), AGAINST[self.control], sign)
        return figures

    def _title(self) -> str:
        method, size = self.main
        return f"What tuning on one language does for it and for others ({method}, {size} pairs)"


def report_quadrants(table: pd.DataFrame, signature: Signature, settings: Mapping[str, Any]) -> QuadrantReport:
    """The report of a study's table: its scores with their bootstrap draws, and notes on what limits them.

    `table` is that of `QuadrantStudy.scores`; `signature` is the line under every figure; `settings` are those that
    `QuadrantStudy.measure` writes.
    """
    scores = read_scores(table, settings["metric"], settings["resamples"], settings["seed"])
    report = QuadrantReport(table, signature, {"scores": scores.values}, settings)
    return replace(report, notes=tuple(_notes(report)))


def _notes(report: QuadrantReport) -> Iterator[str]:
    classes = report.main_classes()
    if report.signature.corpus.name.startswith("cldr:"):
        yield "cldr text: lexical translation. It shows mechanisms (shared rows, format, metric), not families of languages."
    if report.control == "format":
        same = (report.main_classes("base")["nearest"].to_numpy() == classes["nearest"].to_numpy()).sum()
        yield f"The estimate lies in the same quadrant against both baselines for {same} of {len(classes)} languages."
    if report.settings["tie"] == "both":
        yield "Input and output embedding are one table and both moved: this is not the published intervention."
    if report.table["seed"].nunique() == 1:
        yield "One seed: intervals are over items alone, without training noise, so no language is classed. Give --seeds 2 or more."
    yield "The paper leaves open whether gains are absolute or relative, and its probe languages: both are settings here."
    method, size = report.main
    routes = report.routes()
    main_routes = routes[(routes["against"] == report.control) & (routes["method"] == method) & (routes["size"] == size)]
    if len(main_routes):
        often = main_routes["route"].value_counts()
        yield "Languages without a bilingual gain: " + ", ".join(f"{n} {_ROUTES[name]}" for name, n in often.items()) + "."
    checked = report.guideline()
    if len(checked):
        often = checked["holds"].value_counts()
        yield (
            f"The advised way of tuning against another, {len(checked)} tried on items and seeds that did not choose it: "
            f"better {often.get('yes', 0)}, "
            f"worse {often.get('no', 0)}, not distinguishable {often.get('not distinguishable', 0)}."
        )


def _counted(classes: pd.DataFrame, against: str) -> str:
    counts: Mapping[str, int] = classes["quadrant"].value_counts().to_dict()
    first, *rest = [name for name in (*QUADRANTS, FLOOR, CEILING, UNDETERMINED) if counts.get(name)]
    counts_text = [f"{counts[first]} of {len(classes)} languages {first}", *(f"{counts[name]} {name}" for name in rest)]
    return f"against {against} {', '.join(counts_text)}"


def _shares(untuned: pd.DataFrame, controlled: pd.DataFrame) -> str:
    """How much of the mean gains is left when the baseline knows the format."""
    before, after = (classes[["bilingual", "multilingual"]].mean() for classes in (untuned, controlled))
    return (
        f" Mean gain over the untuned model: {before['bilingual']:.1f} for the language itself, {before['multilingual']:.1f} for "
        f"others; over the format-tuned model: {after['bilingual']:.1f} and {after['multilingual']:.1f}."
    )

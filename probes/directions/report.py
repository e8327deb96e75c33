"""Scores of tuned models by how far a direction is from those tuned on, and of the models that they are compared with."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.directions.figures import class_means, direction_matrix
from probes.directions.means import ALL, COLUMNS, TUNED, DirectionMeans
from probes.directions.roles import CLASSES, Roles
from probes.figures.shares import stacked_shares
from probes.report import Report
from probes.statistics.crossed import additive
from probes.statistics.resampling import bracketed
from probes.statistics.significance import LEVEL, holm
from probes.translation.errors import ERRORS, NONE
from probes.translation.metrics import label_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = ("published", "corrected")


class DirectionReport(Report):
    """Translation in seen and unseen directions after tuning on some, as `DirectionStudy` measures it.

    `table` is that of `measure_cells`: one row per `system`, direction (`source`, `target`) and `item`: `text`, `reference`,
    `hypothesis`, each metric beside its `<metric>_baseline`, and errors. `system` "tuned" has a row for each role `rotation` and
    `seed`; the others ("base", "few-shot", "copy", "shuffled", "all") are what it is compared with. `corrected_repeats` to
    `corrected_long`, and `published_...`, say which error rules hold; `corrected` and `published` say which is the first. The roles
    of each rotation are in `settings["roles"]`.

    When it misleads: "unseen" is unseen in tuning; the model has read every language it can translate. Classes hold other
    languages, which rotations average out. Base and few-shot score low where the untuned model does not know the prompt's format.

    Example
    -------
    >>> from dataclasses import asdict
    >>> import pandas as pd, probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> from probes.directions.cells import with_errors
    >>> roles = probes.Roles(mix=("eng_Latn", "deu_Latn"), read_only=("fra_Latn",), write_only=("spa_Latn",), unseen=("fin_Latn",))
    >>> rows = [(source, target, item) for source, target in roles.directions for item in range(3)]
    >>> table = pd.DataFrame(rows, columns=["source", "target", "item"]).assign(exact_baseline=0.0, seed=0, rotation=0)
    >>> table = with_errors(table.assign(text="bridge", reference="Brücke", hypothesis="Brücke"))
    >>> tuned, base = (table.assign(system=name, cell=name, exact=score) for name, score in (("tuned", 0.75), ("base", 0.25)))
    >>> table = pd.concat([tuned, base.assign(seed=-1, rotation=-1)], ignore_index=True)
    >>> made_by = Signature("directions", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 3))
    >>> settings = {"metrics": ["exact"], "roles": [asdict(roles)], "resamples": 20, "seed": 0}
    >>> report = probes.DirectionReport(table, made_by, settings=settings)
    >>> summary = report.summary()
    >>> summary[(summary["class"] == "seen") & (summary["against"] == "base")]["estimate"].tolist()
    [0.5]
    """

    question = "Does tuning on some translation directions transfer to unseen ones?"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that were scored, the main one first."""
        return tuple(self.settings["metrics"])

    @cached_property
    def means(self) -> DirectionMeans:
        """The scores in all cells, and their draws."""
        roles = tuple(Roles(**{role: tuple(codes) for role, codes in plain.items()}) for plain in self.settings["roles"])
        return DirectionMeans(self.table, roles, self.settings["resamples"], self.settings["seed"])

    def summary(self) -> pd.DataFrame:
        """One row per system, class and metric; with `against`, the paired difference from another system or from seen directions.

        Means over directions of corpus scores (chrF++, BLEU) or item means; error rates as `corrected_repeats`. Intervals are
        over source and target languages and items (`probes.statistics.crossed`), and over training runs where there are several. p
        is of the value being 0, uncorrected. `baseline` is the source left as it is (0 for a difference), `languages` the fewer of
        a class's sources and targets over all rotations.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rates = [f"{rules}_{name}" for rules in RULES for name in ERRORS]
        rows = [row for name in rates for row in self.means.levels(name, differences=False)]
        return pd.concat([self._scored, pd.DataFrame(rows, columns=COLUMNS)], ignore_index=True)

    @cached_property
    def _scored(self) -> pd.DataFrame:
        """The rows of the summary of the metrics, which claims are made of."""
        return pd.DataFrame([row for metric in self.metrics for row in self.means.levels(metric)], columns=COLUMNS)

    def matrix(self, metric: str | None = None, system: str = TUNED, rotation: int = 0) -> pd.DataFrame:
        """The score of every direction, source by target, mean over seeds; ordered so that classes lie together.

        `metric` is one of `metrics` (by default the main one), `system` the model that is scored, and `rotation` the number of a
        partition, from 0.
        """
        cells, roles = self.means.cells, self.means.roles[rotation]
        own = cells.assign(score=self.means.scores(metric or self.metrics[0], system).once)[cells["rotation"] == rotation]
        table = own.pivot_table(index="source", columns="target", values="score")
        rows = (*roles.read_only, *roles.mix, *roles.write_only, *roles.unseen)
        columns = (*roles.write_only, *roles.mix, *roles.read_only, *roles.unseen)
        return table.reindex(index=rows, columns=columns)

    def additivity(self, metric: str | None = None) -> pd.DataFrame:
        """Is S(a, b) the sum of an effect of a as a source and of b as a target? One row per run.

        `metric` is one of `metrics`, by default the main one. `explained` and `predicted` (each direction from all others) are
        shares of the variance over directions; a class's column is the mean residual there: what a pair gains or loses beyond its
        two languages.
        """
        cells = self.means.cells.assign(score=self.means.scores(metric or self.metrics[0]).once)
        rows = []
        for run, part in cells.groupby("run", sort=False):
            fit = additive(part["source"].tolist(), part["target"].tolist(), part["score"].to_numpy())
            left = pd.Series(fit.residual).groupby(part["class"].to_numpy()).mean()
            rows.append({"run": run, "explained": fit.explained, "predicted": fit.predicted, **left.to_dict()})
        return pd.DataFrame(rows)

    def claims(self) -> pd.DataFrame:
        """What the verdict speaks of: each class less the seen one, and the tuned model less each other, in the main metric.

        Rows of the summary with `p_holm`, p corrected for all of these rows, and `sure`: p_holm below 0.05, and more than one
        training run, as one cannot tell a difference from training noise.
        """
        frame = self._scored
        rows = frame[(frame["metric"] == self.metrics[0]) & (frame["system"] == TUNED) & (frame["against"] != "")]
        rows = rows[rows["class"] != ALL]
        p = holm(rows["p"].to_numpy(dtype=float))
        return rows.assign(p_holm=p, sure=(p < LEVEL) & (self.means.runs > 1))

    def finds(self) -> bool:
        """Whether the verdict claims any difference."""
        return bool(self.claims()["sure"].any())

    @cached_property
    def _claimed(self) -> pd.Index:
        """The rows of the summary that the verdict claims."""
        claims = self.claims()
        return claims.index[claims["sure"]]

    def verdict(self) -> str:
        """Whether unseen directions gain significantly; the class means, which are below seen ones, and what fails most."""
        frame, label = self._summary[self._summary["class"] != ALL], label_of(self.metrics[0])
        own = frame[(frame["metric"] == self.metrics[0]) & (frame["system"] == TUNED)].set_index("class")
        levels = own[own["against"] == ""]
        levels_text = [
            f"{row.Index} {row.estimate:.2f} {_interval(row.lower, row.upper, row.languages)}" for row in levels.itertuples()
        ]
        claims = self.claims().set_index("class")
        sure, parts = claims[claims["sure"]], [f"{label} after tuning: {', '.join(levels_text)}"]
        if self.means.runs > 1:
            parts.append(f"clearly below seen: {_names(sure[(sure['against'] == 'seen') & (sure['estimate'] < 0)])}")
            parts += [
                f"clearly above {other} in {_names(sure[(sure['against'] == other) & (sure['estimate'] > 0)])}"
                for other in self.means.systems[1:]
            ]
        errors = frame[frame["metric"].str.startswith("corrected_") & (frame["system"] == TUNED)]
        errors = errors[errors["class"].str.contains("unseen")]
        if len(errors) and errors["estimate"].max() > 0:
            top = errors.loc[errors["estimate"].idxmax()]
            name = top["metric"].removeprefix("corrected_")
            parts.append(
                f"the commonest error in unseen directions is {name}, {top['estimate']:.0%} of the outputs ({top['class']})"
            )
        return f"{self._transfers(claims)} {'; '.join(parts)}."

    def _transfers(self, claims: pd.DataFrame) -> str:
        """The first sentence: in how many classes of untuned directions the tuned model is better than its main control."""
        runs = self.means.runs
        end = f"(n={self.table['item'].nunique()} items, training runs: {runs})"
        if (self.table.loc[self.table["system"] == TUNED, self.metrics[0]] == 0).all():
            return f"The tuned model got nothing right, so this run cannot answer the question {end}."
        if runs < 2:
            return f"One training run cannot tell transfer from training noise, so nothing is claimed {end}."
        control = next((name for name in ("copy", "base") if name in self.means.systems), None)
        if control is None:
            return f"There is no model to compare with, so transfer cannot be shown {end}."
        rows = claims[(claims["against"] == control) & (claims.index != "seen")]
        better = int((rows["sure"] & (rows["estimate"] > 0)).sum())
        than = {"copy": "tuning on the format alone", "base": "the untuned model"}[control]
        if not better:
            return f"Tuning on some directions is not shown to help others more than {than} {end}."
        return f"Tuning on some directions helps {better} of {len(rows)} classes of others more than {than} {end}."

    def figures(self) -> dict[str, Figure]:
        """The matrix with class borders, the class means, and which errors make up what goes wrong."""
        figures, line = {}, str(self.signature)
        roles, seeds = self.means.roles, self.means.cells.loc[self.means.cells["rotation"] == 0, "seed"].nunique()
        kinds = roles[0].classes() | {(code, code): roles[0].kind(code, code) for code in roles[0].languages}
        kinds = dict(sorted(kinds.items(), key=lambda item: CLASSES.index(item[1])))
        which = "the roles as given" if len(roles) > 1 else "one partition"
        for metric in self.metrics:
            title = f"{self.question[:-1]}: {label_of(metric)}"
            note = f"{which}, {f'mean of {seeds} seeds' if seeds > 1 else 'one seed'}; unseen: not in tuning"
            figures[f"matrix-{metric}"] = direction_matrix(self.matrix(metric), kinds, title, label_of(metric), line, note)
            rows = self._summary[self._summary["metric"] == metric]
            rows = rows.assign(claimed=rows.index.isin(self._claimed))
            note = "95 % over languages, items and runs, differences paired; filled: a difference that the verdict claims"
            figures[f"classes-{metric}"] = class_means(rows, title, label_of(metric), line, note)
        figures["errors"] = self._error_figure()
        return figures

    def _error_figure(self) -> Figure:
        roles, tuned = self.means.roles, self.table["system"] == TUNED
        rows = self.table[["rotation", "source", "target"]].itertuples(index=False)
        kinds = [roles[max(turn, 0)].kind(source, target) for turn, source, target in rows]
        table = self.table.assign(bar=np.where(tuned, kinds, self.table["system"]), group=np.where(tuned, 0, 1))
        order = {name: row for row, name in enumerate((*CLASSES, *self.means.systems))}
        frames = []
        for rules in RULES:
            shares = pd.crosstab([table["group"], table["bar"]], table[rules], normalize="index").reindex(columns=[*ERRORS, NONE])
            frames.append(shares.fillna(0).reset_index().assign(panel=f"{rules} rules"))
        frame = pd.concat(frames).sort_values("bar", key=lambda names: names.map(order), kind="stable")
        note = "none: no rule holds, which is no proof of a right translation; below: the other models, all directions"
        title = "What goes wrong, by class of direction"
        return stacked_shares(frame, [*ERRORS, NONE], title, "share of outputs, by the first rule that holds", self.signature, note)


def _interval(lower: float, upper: float, languages: int) -> str:
    return "(no interval: one language)" if languages < 2 else bracketed(lower, upper, ".2f")


def _names(rows: pd.DataFrame) -> str:
    return ", ".join(map(str, rows.index)) or "none"

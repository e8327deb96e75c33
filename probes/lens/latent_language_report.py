"""Report of the probability of a word in several languages at every layer: peak, crossover, verdict and figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from interp.languages import language
from probes.item_values import ItemColumns
from probes.lens.latent_language_verdict import LensEvidence, lens_verdict
from probes.lens.leads import (
    WORD_MEASURES,
    Leads,
    Reading,
    Role,
    common_items,
    find_leads,
    mean_readings,
    role_of,
)
from probes.report import Report
from probes.statistics.crossover import Crossover, Peak, find_crossover, find_peak
from probes.statistics.resampling import bootstrap, known_mean
from probes.statistics.significance import FEWEST

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ALL = "all"


@dataclass(frozen=True, repr=False)
class LatentLanguageReport(Report):
    """The readout of every layer, as `measure_latent_language` reads it.

    `table` has one row per item, target language, weights (`trained`, `random`), layer, measure and series (a language or script);
    `role` says whether a language is the `pivot`, the `target`, the `source` (its word is given in the prompt) or an `other`.
    Measures: `probability` of the word in a language, with the mean over unrelated words as `baseline`, and their difference
    `corrected`; `rank` of its best token (log10, 0 is the first); the probability of each `script`; `entropy`, and `divergence`
    from the last layer, in bits; token `energy`, how token-like the state is (Wendler et al. 2024, section 3.3).
    Layers are `embed`, then the output of each block.

    Example
    -------
    >>> import interp, probes
    >>> words = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "fra_Latn"], limit=12)
    >>> report = probes.measure_latent_language(
    ...     interp.load("bundled"), words, source="deu_Latn", shots=1, controls=False, resamples=20
    ... )
    >>> report.targets, report.layers[:2]
    (('fra_Latn',), ('embed', '0'))
    """

    question: ClassVar[str] = "Which language does the model think in?"
    item_columns = ItemColumns("item", ("target",), series="series", only={"weights": "trained"})

    @property
    def targets(self) -> tuple[str, ...]:
        """The target languages."""
        return tuple(self.settings["items"])

    @cached_property
    def sources(self) -> dict[str, str]:
        """The language of the word given in the prompt, for each target language."""
        return dict(self.table.drop_duplicates("target")[["target", "source"]].astype(str).to_numpy().tolist())

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers: `embed`, then the output of each block."""
        return tuple(self.settings["layers"])

    def values(self, measure: str, series: str, target: str, weights: str = "trained", column: str = "value") -> np.ndarray:
        """One `measure` of a `series` for a `target` language, `[item layer]`; without items if it was not read.

        `weights` are `trained` or `random`, and `column` is `value` or `baseline`.
        """
        block = self._blocks.get((target, measure, series, weights))
        return np.empty((0, len(self.layers))) if block is None else block[column].to_numpy().reshape(len(self.layers), -1).T

    @cached_property
    def _blocks(self) -> dict[tuple[str, ...], pd.DataFrame]:
        return dict(iter(self.table.groupby(["target", "measure", "series", "weights"], sort=False)[["value", "baseline"]]))

    def summary(self) -> pd.DataFrame:
        """One row per target, measure, series and layer; `role` says what a series is: pivot, target, source, or another.

        `baseline` is the mean over unrelated words for words, otherwise the randomly initialised model, which is always in
        `random_init`.
        """
        return self._summary

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return pd.concat([self._sum_up(*key) for *key, weights in self._blocks if weights == "trained"], ignore_index=True)

    def _sum_up(self, target: str, measure: str, series: str) -> pd.DataFrame:
        values = self.values(measure, series, target)
        chance = known_mean(self.values(measure, series, target, "random"))
        prior = known_mean(self.values(measure, series, target, column="baseline"))
        values = values[~np.isnan(values).all(1)]
        lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"]) if len(values) else (np.nan, np.nan)
        columns = {"estimate": known_mean(values), "lower": lower, "upper": upper, "n": len(values)}
        baseline = np.where(np.isnan(prior), chance, prior)
        role = role_of(series, self.sources[target], target, self.settings["pivot"]) if measure in WORD_MEASURES else ""
        return pd.DataFrame({"target": target, "measure": measure, "series": series, "role": role, "layer": self.layers, **columns,
                             "baseline": baseline, "random_init": chance})  # fmt: skip

    def crossover(self, target: str | None = None) -> Crossover:
        """The layer from which the `target` language stays more probable than the reference. Default: over all targets."""
        pivot, own, _ = self._curves(target)
        return find_crossover(pivot, own, self.layers, resamples=self.settings["resamples"], seed=self.settings["seed"])

    def peak(self, target: str | None = None, weights: str = "trained") -> Peak:
        """The intermediate layer where the reference language is most probable, for a `target` (default: over all).

        `weights` is "trained", or "random" for the randomly initialised model.
        """
        pivot, _, prior = self._curves(target, weights)
        return find_peak(pivot, prior, self.layers, resamples=self.settings["resamples"], seed=self.settings["seed"])

    def leads(self, target: str | None = None) -> Leads:
        """Whose word leads at which layers, for a `target`; by default for the mean over all of them.

        The words are those of the reference language, of the target, and the one given in the prompt where that is a third. Only
        items in which all of them could be read are compared. All targets and their mean share one correction.
        """
        return self._leads[language(target).code if target else self._whole]

    def readings(self, target: str | None = None) -> dict[Role, Reading]:
        """The words that are weighed against each other, for a `target` or (default) their mean over all."""
        return self._readings[language(target).code if target else self._whole]

    @property
    def _whole(self) -> str:
        return self.targets[0] if len(self.targets) == 1 else ALL

    @cached_property
    def _leads(self) -> dict[str, Leads]:
        return find_leads(self._readings, seed=self.settings["seed"])

    @cached_property
    def _readings(self) -> dict[str, dict[Role, Reading]]:
        each = {target: self._words_of(target) for target in self.targets}
        return each if len(each) == 1 else {ALL: mean_readings(list(each.values())), **each}

    def _words_of(self, target: str) -> dict[Role, Reading]:
        pivot, source = self.settings["pivot"], self.sources[target]
        codes: dict[Role, str] = {"source": source, "pivot": pivot, "target": target}
        if source not in (pivot, target):
            three: dict[Role, Reading] = {role: self._reading(code, target) for role, code in codes.items()}
            if common_items(three).sum() >= FEWEST:
                return three
        return {role: self._reading(codes[role], target) for role in ("pivot", "target")}

    def _reading(self, series: str, target: str) -> Reading:
        return Reading(*(
            self._by_item(series, target, weights, column).reindex(self._items).to_numpy()
            for weights, column in (("trained", "value"), ("trained", "baseline"), ("random", "value"))
        ))  # fmt: skip

    @cached_property
    def _items(self) -> list[str]:
        return list(dict.fromkeys(item for target in self.targets for item in self.settings["items"][target]))

    def _curves(self, target: str | None, weights: str = "trained") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P(reference), P(target) and P(unrelated words of the reference language), `[item layer]`, averaged over targets."""
        pivot = self.settings["pivot"]
        targets = [language(target).code] if target else self.targets
        both = [(pivot, "value"), (None, "value"), (pivot, "baseline")]
        frames = [[self._by_item(series or code, code, weights, column) for series, column in both] for code in targets]
        pivot_curve, own, prior = (
            pd.concat(column).groupby(level=0, sort=False).mean().to_numpy() for column in zip(*frames, strict=True)
        )
        return pivot_curve, own, prior

    def _by_item(self, series: str, target: str, weights: str, column: str) -> pd.DataFrame:
        values = self.values("probability", series, target, weights, column)
        return pd.DataFrame(values, index=self.settings["items"][target][: len(values)])

    def finds(self) -> bool:
        """Whether the verdict claims anything: that a word leads, or is above chance, at any layer for any target language."""
        return any(any(lead.leader) or any(above.any() for above in lead.above.values()) for lead in self._leads.values())

    def verdict(self) -> str:
        """Which language's word leads at which layers, the evidence, and what limits it."""
        given, items = self.settings, self.settings["items"]
        return lens_verdict(
            LensEvidence(
                pivot=given["pivot"], task=given.get("task", "translation"), sources=self.sources,
                kept={target: len(kept) for target, kept in items.items()}, of=given["of"], layers=self.layers,
                readings=self._readings, leads=self._leads, crossover=self.crossover(), resamples=given["resamples"],
                seed=given["seed"],
            )
        )  # fmt: skip

    def _runs(self, target: str) -> list[tuple[str, int, int]]:
        codes: dict[Role, str] = {"source": self.sources[target], "pivot": self.settings["pivot"], "target": target}
        leads = self.leads(target)
        return [(codes[role], first, last) for role in leads.roles for first, last in leads.runs(role)]

    def figures(self) -> dict[str, Figure]:
        """The probability of the word in each language, of each script, and the token energy, over layers."""
        from probes.lens.figures import energy_curves, language_curves
        from probes.lens.scripts_figures import script_areas

        summary, line = self.summary(), str(self.signature)
        leads = {target: self._runs(target) for target in self.targets}
        led = [target for target, runs in leads.items() if any(code == self.settings["pivot"] for code, _, _ in runs)]
        crossings = {target: self.crossover(target) for target in led}
        marks = {target: (one.layer, one.lower, one.upper) for target, one in crossings.items() if one.certain}
        return {
            "languages": language_curves(summary, self.settings["pivot"], marks, line, leads),
            "scripts": script_areas(summary[summary["measure"] == "script"], line),
            "energy": energy_curves(summary, line),
        }

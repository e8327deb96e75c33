"""Report of the probability of a word in several languages at every layer: peak, crossover, verdict and figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from interp.languages import language
from probes.item_values import ItemColumns
from probes.report import Report
from probes.statistics.crossover import Crossover, Peak, find_crossover, find_peak
from probes.statistics.resampling import bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class LatentLanguageReport(Report):
    """The readout of every layer, as `measure_latent_language` reads it.

    `table` has one row per item, target language, weights (`trained`, `random`), layer, measure and series (a language or script).
    Measures: `probability` of the word in a language, with the mean over unrelated words as `baseline`, and their difference
    `corrected`; `rank` of its best token (log10, 0 is the first); the probability of each `script`; `entropy`, and `divergence`
    from the last layer, in bits; token `energy`, how token-like the state is (Wendler et al. 2024, section 3.3).
    Layers are `embed`, then the output of each block.

    Example
    -------
    >>> import interp, probes
    >>> words = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "fra_Latn"], limit=12)
    >>> report = probes.measure_latent_language(
    ...     interp.load("bundled"), words, source="deu_Latn", shots=1, controls=False, boot=20
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

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers: `embed`, then the output of each block."""
        return tuple(self.settings["layers"])

    def values(self, measure: str, series: str, target: str, weights: str = "trained", column: str = "value") -> np.ndarray:
        """One measure of a series for a target language, `[item layer]`; without items if it was not read.

        `weights` are `trained` or `random`, and `column` is `value` or `baseline`.
        """
        block = self._blocks.get((target, measure, series, weights))
        return np.empty((0, len(self.layers))) if block is None else block[column].to_numpy().reshape(len(self.layers), -1).T

    @cached_property
    def _blocks(self) -> dict[tuple[str, ...], pd.DataFrame]:
        return dict(iter(self.table.groupby(["target", "measure", "series", "weights"], sort=False)[["value", "baseline"]]))

    def summary(self) -> pd.DataFrame:
        """One row per target, measure, series and layer.

        `baseline` is the mean over unrelated words for words, otherwise the randomly initialised model, which is always in
        `random_init`.
        """
        return self._summary

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return pd.concat([self._sum_up(*key) for *key, weights in self._blocks if weights == "trained"], ignore_index=True)

    def _sum_up(self, target: str, measure: str, series: str) -> pd.DataFrame:
        values = self.values(measure, series, target)
        chance = _mean(self.values(measure, series, target, "random"))
        prior = _mean(self.values(measure, series, target, column="baseline"))
        values = values[~np.isnan(values).all(1)]
        lower, upper = bootstrap(values, self.settings["boot"], self.settings["seed"]) if len(values) else (np.nan, np.nan)
        columns = {"estimate": _mean(values), "lower": lower, "upper": upper, "n": len(values)}
        baseline = np.where(np.isnan(prior), chance, prior)
        return pd.DataFrame({"target": target, "measure": measure, "series": series, "layer": self.layers, **columns,
                             "baseline": baseline, "random_init": chance})  # fmt: skip

    def crossover(self, target: str | None = None) -> Crossover:
        """The layer from which the `target` language stays more probable than the reference. Default: over all targets."""
        pivot, own, _ = self._curves(target)
        return find_crossover(pivot, own, self.layers, boot=self.settings["boot"], seed=self.settings["seed"])

    def peak(self, target: str | None = None, weights: str = "trained") -> Peak:
        """The intermediate layer where the reference language is most probable, for a `target` (default: over all)."""
        pivot, _, prior = self._curves(target, weights)
        return find_peak(pivot, prior, self.layers, boot=self.settings["boot"], seed=self.settings["seed"])

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
        return pd.DataFrame(self.values("probability", series, target, weights, column), index=self.settings["items"][target])

    def verdict(self) -> str:
        name, kept = language(self.settings["pivot"]).name, sum(map(len, self.settings["items"].values()))
        peak, items = self.peak(), f"{kept} of {self.settings['of'] * len(self.targets)} items kept"
        where = f"{len(self.targets)} target languages" if len(self.targets) > 1 else language(self.targets[0]).name
        chance = f", random weights {self.peak(weights='random').estimate:.3f}" if "random" in set(self.table["weights"]) else ""
        seen = f"P({name}) peaks at {peak} at layer {peak.layer} (unrelated {name} words {peak.baseline:.3f}{chance})"
        if not peak.p < 0.05:  # also where it is NaN: there are no unrelated words
            return (
                f"{name} is not distinguishable from unrelated {name} words at any intermediate layer: {seen}, "
                f"corrected p = {peak.p:.2f}; {where}, {items}."
            )
        crossover = self.crossover()
        ending = "s" if len(self.targets) == 1 else ""
        if crossover.certain:
            return f"{name} comes first: {seen}, and {where} overtake{ending} it for good at {crossover}; {items}."
        pivot, own, _ = (curve.mean(0)[-1] for curve in self._curves(None))
        said = f"{where} never overtake{ending} it for good" if pivot >= own else "it does not clearly lead anywhere"
        return f"{name} shows on the way: {seen}, corrected p = {peak.p:.2g}, but {said}; {items}."

    def figures(self) -> dict[str, Figure]:
        from probes.lens.figures import energy_curves, language_curves
        from probes.lens.scripts_figures import script_areas

        summary, line = self.summary(), str(self.signature)
        crossings = {target: self.crossover(target) for target in self.targets}
        marks = {target: (one.layer, one.lower, one.upper) for target, one in crossings.items() if one.certain}
        return {
            "languages": language_curves(summary, self.settings["pivot"], marks, line),
            "scripts": script_areas(summary[summary["measure"] == "script"], line),
            "energy": energy_curves(summary, line),
        }


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of each layer over the items that have a value; NaN if none has."""
    known = ~np.isnan(values)
    return np.divide(np.nansum(values, 0), known.sum(0), out=np.full(values.shape[1], np.nan), where=known.any(0))

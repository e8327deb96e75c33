"""What every layer says about the same word in several languages: curves, peak, crossover, verdict, figures."""

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
    """What each layer would say, one row an item, target, weights (trained, random), layer, measure and series.

    Measures: `probability` of the word in a language, with the mean of unrelated words as `baseline`, and their difference
    `corrected`; `rank` of its best token (log10, 0 is first); `script` mass; `entropy`, and `divergence` from the last row,
    in bits; token `energy`.
    """

    question: ClassVar[str] = "Which language does the model think in?"
    item_columns = ItemColumns("item", ("target",), series="series", only={"weights": "trained"})

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.settings["items"])

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.settings["layers"])

    def values(self, measure: str, series: str, target: str, weights: str = "trained", column: str = "value") -> np.ndarray:
        """One measure as `[item layer]`; without items where it was not read."""
        found = self._blocks.get((target, measure, series, weights))
        return np.empty((0, len(self.layers))) if found is None else found[column].to_numpy().reshape(len(self.layers), -1).T

    @cached_property
    def _blocks(self) -> dict[tuple[str, ...], pd.DataFrame]:
        return dict(iter(self.table.groupby(["target", "measure", "series", "weights"], sort=False)[["value", "baseline"]]))

    def summary(self) -> pd.DataFrame:
        """One row a target, measure, series and layer. `baseline` is what unrelated words get where there are any, else random
        weights; `random_init` is always the latter."""
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
        """Where the target overtakes the pivot for good; over all targets where none is named."""
        pivot, own, _ = self._curves(target)
        return find_crossover(pivot, own, self.layers, boot=self.settings["boot"], seed=self.settings["seed"])

    def peak(self, target: str | None = None, weights: str = "trained") -> Peak:
        """The intermediate layer where the pivot is most probable; over all targets where none is named."""
        pivot, _, prior = self._curves(target, weights)
        return find_peak(pivot, prior, self.layers, boot=self.settings["boot"], seed=self.settings["seed"])

    def _curves(self, target: str | None, weights: str = "trained") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P(pivot), P(target) and P(unrelated pivot words), each `[item layer]`, averaged over targets for each item."""
        pivot = self.settings["pivot"]
        targets = [language(target).code] if target else self.targets
        both = [(pivot, "value"), (None, "value"), (pivot, "baseline")]
        frames = [[self._by_item(series or code, code, weights, column) for series, column in both] for code in targets]
        found = [pd.concat(column).groupby(level=0, sort=False).mean() for column in zip(*frames, strict=True)]
        return tuple(frame.to_numpy() for frame in found)

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
        marks = {target: (found.layer, found.lower, found.upper) for target, found in crossings.items() if found.certain}
        return {
            "languages": language_curves(summary, self.settings["pivot"], marks, line),
            "scripts": script_areas(summary[summary["measure"] == "script"], line),
            "energy": energy_curves(summary, line),
        }


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of each layer over the items that have a value; NaN where none has."""
    known = ~np.isnan(values)
    return np.divide(np.nansum(values, 0), known.sum(0), out=np.full(values.shape[1], np.nan), where=known.any(0))

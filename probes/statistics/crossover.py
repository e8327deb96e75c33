"""Where one curve overtakes another for good, and how sure that is. Pure numpy; rows of layers in, names of layers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.statistics.resampling import bootstrap, draws, highest, max_statistic, mean

Curves = Float[np.ndarray, "item layer"]


@dataclass(frozen=True)
class Crossover:
    """The first layer from which the target stays ahead of a pivot that led before; None where that never happens.

    `lower` and `upper` hold the layer in 95 of 100 resamples that cross at all; `share` of all resamples do.
    """

    layer: str | None
    lower: str | None
    upper: str | None
    share: float

    @property
    def certain(self) -> bool:
        """Whether 95 of 100 resamples cross at all."""
        return self.layer is not None and self.share >= 0.95

    def __str__(self) -> str:
        if self.layer is None:
            return "no layer"
        return f"layer {self.layer} [{self.lower}, {self.upper}]"


def find_crossover(pivot: Curves, target: Curves, layers: Sequence[str], *, boot: int = 1000, seed: int = 0) -> Crossover:
    """Where the mean of `target` overtakes the mean of `pivot` for good.

    A crossover counts only where the pivot leads at its own highest intermediate layer, so that two curves near zero cross
    nowhere. The interval resamples items. Items that are NaN at a layer are left out there; a layer without any item makes
    it unknown (`share` NaN). Misleads where the curves touch more than once: only the last time counts.
    """
    curves = np.stack([pivot, target], axis=-1)
    if not len(curves) or np.isnan(curves).all(0).any():
        return Crossover(None, None, None, float("nan"))
    observed = _crossing(_means(curves))
    resampled = np.array([_crossing(sample) for sample in mean(curves, draws(len(curves), boot, seed))])
    crossings = resampled[~np.isnan(resampled)]
    if np.isnan(observed) or not len(crossings):
        return Crossover(None, None, None, float(len(crossings) / boot))
    lower, upper = np.quantile(crossings, [0.025, 0.975], method="inverted_cdf")
    return Crossover(layers[int(observed)], layers[int(lower)], layers[int(upper)], float(len(crossings) / boot))


def _crossing(means: Float[np.ndarray, "layer 2"]) -> float:
    pivot, target = means.T
    if np.isnan(means).any():
        return float("nan")
    peak = _inner(pivot).argmax() + 1
    behind = np.flatnonzero(target <= pivot)
    if target[peak] >= pivot[peak] or behind[-1] == len(means) - 1:
        return float("nan")
    return float(behind[-1] + 1)


@dataclass(frozen=True)
class Peak:
    """Where a curve stands out most from unrelated words: `layer`, its height with interval, what those get there, and p.

    The height is read on items that did not choose the layer. `p` says how often signs alone would lift any intermediate
    layer so far above unrelated words as the clearest one is.
    """

    layer: str
    estimate: float
    lower: float
    upper: float
    baseline: float
    p: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.lower:.3f}, {self.upper:.3f}]"


def find_peak(values: Curves, baseline: Curves, layers: Sequence[str], *, boot: int = 1000, seed: int = 0) -> Peak:
    """The intermediate layer, neither the embedding row nor the last one, where a mean curve is highest above its baseline.

    Each half of the items chooses a layer, and its height is read on the other half, so that it is not the luck of the
    choice. Items that are NaN at a layer are left out there; without any baseline `p` is NaN. Raises `ValueError` under two
    items, where there is no intermediate layer, or no value at any of them.
    """
    if len(values) < 2 or len(layers) < 3:
        raise ValueError(f"{len(values)} items and {len(layers)} layers: a peak needs two items and an intermediate layer.")
    difference = values - baseline
    unknown = bool(np.isnan(_inner(difference.T)).all())
    difference = values if unknown else difference  # nothing to hold it against: the highest layer, with p NaN
    half = np.random.default_rng(seed).permutation(len(values)) % 2
    chosen = np.array([_top(difference[half != side], _means(difference)) for side in (0, 1)])[half]
    rows = np.arange(len(values))
    height, floor = values[rows, chosen], baseline[rows, chosen]
    lower, upper = bootstrap(height, boot, seed)
    inner = _inner(difference.T).T
    p, means = max_statistic(inner * np.nan if unknown else inner, seed=seed), _means(inner)
    p = np.where(means > 0, p, np.where(np.isnan(p), np.nan, 1.0))
    best = highest(means) + 1
    low = float(np.fmin.reduce(p))  # the lowest p; NaN where all are
    return Peak(layers[best], float(_means(height)), float(lower), float(upper), float(_means(floor)), low)


def _top(half: Curves, means: Float[np.ndarray, " layer"]) -> int:
    """The intermediate layer that is highest in one half of the items; by the `means` of all where the half has no value."""
    own = _inner(_means(half))
    return highest(_inner(means) if np.isnan(own).all() else own) + 1


def _means(values: Float[np.ndarray, "item ..."]) -> np.ndarray:
    """The mean over items, NaN left out."""
    return np.asarray(mean(values, np.ones((1, len(values))))[0])


def _inner(rows: np.ndarray) -> np.ndarray:
    """All rows but the embedding and the last."""
    return rows[1:-1]

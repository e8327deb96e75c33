"""Where one curve over layers overtakes another for good, and where it peaks, with confidence intervals. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from probes.statistics.resampling import bootstrap, bracketed, draws, highest, known_mean, mean, tails
from probes.statistics.significance import max_statistic

Curves = Float[np.ndarray, "item layer"]


@dataclass(frozen=True)
class Crossover:
    """The first layer from which the target stays ahead of a pivot that led before; None where that never happens.

    `lower` and `upper` are the 95 % confidence interval of the layer, over the resamples that cross at all; `share` is the share
    of resamples that do.
    """

    layer: str | None
    lower: str | None
    upper: str | None
    share: float

    @property
    def certain(self) -> bool:
        """Whether the curves cross in at least 95 % of the resamples."""
        return self.layer is not None and self.share >= 0.95

    def __str__(self) -> str:
        if self.layer is None:
            return "no layer"
        return f"layer {self.layer}" + (f" [{self.lower}, {self.upper}]" if self.lower is not None else "")


def find_crossover(pivot: Curves, target: Curves, layers: Sequence[str], *, resamples: int = 1000, seed: int = 0) -> Crossover:
    """Where the mean of one curve overtakes the mean of another for good.

    A crossover counts only where the pivot leads at its own highest intermediate layer, so that two curves near zero cross
    nowhere.

    Parameters
    ----------
    pivot, target
        `[item layer]`, such as the probability of the English and of the target word. An item that is NaN at a layer is left out
        there.
    layers
        Name of each layer, the embedding row first.
    resamples
        Bootstrap resamples of the items behind the 95 % confidence interval.
    seed
        Random seed of the resamples.

    Returns
    -------
    Crossover
        Its `layer` is None where the curves do not cross, and its `share` NaN where a layer has no value.

    Notes
    -----
    Misleads where the curves meet more than once: only the last time counts.

    Example
    -------
    >>> import numpy as np
    >>> noise = 0.05 * np.random.default_rng(0).normal(size=(2, 40, 5))
    >>> english, german = noise + np.array([[[0, 0.6, 0.5, 0.2, 0.1]], [[0, 0.1, 0.3, 0.7, 0.9]]])
    >>> print(find_crossover(english, german, ["embed", "0", "1", "2", "3"]))
    layer 2 [2, 2]
    """
    curves = np.stack([pivot, target], axis=-1)
    if not len(curves) or np.isnan(curves).all(0).any():
        return Crossover(None, None, None, float("nan"))
    observed = _crossing(known_mean(curves))
    resampled = np.array([_crossing(sample) for sample in mean(curves, draws(len(curves), resamples, seed))])
    crossings = resampled[~np.isnan(resampled)]
    if np.isnan(observed) or not len(crossings):
        return Crossover(None, None, None, float(len(crossings) / resamples))
    if len(curves) < 2:
        return Crossover(layers[int(observed)], None, None, float("nan"))
    lower, upper = np.quantile(crossings, tails(len(curves)), method="inverted_cdf")
    return Crossover(layers[int(observed)], layers[int(lower)], layers[int(upper)], float(len(crossings) / resamples))


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
    """The layer where a curve is furthest above its baseline.

    `layer` is its name; `estimate`, `lower` and `upper` are the height of the curve there with its 95 % confidence interval, and
    `baseline` is the height of the baseline, all on items that did not choose the layer. `p` is the sign-flip p-value of the
    clearest intermediate layer, corrected for the number of layers.
    """

    layer: str
    estimate: float
    lower: float
    upper: float
    baseline: float
    p: float

    def __str__(self) -> str:
        return f"{self.estimate:.3f} {bracketed(self.lower, self.upper, '.3f')}"


def find_peak(values: Curves, baseline: Curves, layers: Sequence[str], *, resamples: int = 1000, seed: int = 0) -> Peak:
    """The intermediate layer (neither the embedding row nor the last one) where a mean curve is highest above its baseline.

    Each half of the items chooses a layer, and the height is read on the other half, so that it is not inflated by the choice.

    Parameters
    ----------
    values
        `[item layer]`, such as the probability of the English word. An item that is NaN at a layer is left out there.
    baseline
        `[item layer]`, such as the probability of an unrelated word. Where all of it is NaN, the highest layer is taken, and p is
        NaN.
    layers
        Name of each layer, the embedding row first.
    resamples
        Bootstrap resamples of the items behind the 95 % confidence interval.
    seed
        Random seed of the halves, the resamples and the sign flips.

    Raises
    ------
    ValueError
        Where there are fewer than two items, no intermediate layer, or no value at any of them.

    Example
    -------
    >>> import numpy as np
    >>> values, baseline = 0.05 * np.random.default_rng(0).normal(size=(2, 40, 4))
    >>> peak = find_peak(values + np.array([0, 0.2, 0.6, 0.9]), baseline, ["embed", "0", "1", "2"])
    >>> peak.layer, round(peak.estimate, 1), peak.p < 0.001
    ('1', 0.6, True)
    """
    if len(values) < 2 or len(layers) < 3:
        raise ValueError(
            f"got {len(values)} items and {len(layers)} layers, expected two items and an intermediate layer, or more."
        )
    difference = values - baseline
    unknown = bool(np.isnan(_inner(difference.T)).all())
    difference = values if unknown else difference  # nothing to hold it against: the highest layer, with p NaN
    half = np.random.default_rng(seed).permutation(len(values)) % 2
    chosen = np.array([_top(difference[half != side], known_mean(difference)) for side in (0, 1)])[half]
    rows = np.arange(len(values))
    height, floor = values[rows, chosen], baseline[rows, chosen]
    lower, upper = bootstrap(height, resamples, seed)
    inner = _inner(difference.T).T
    p, means = max_statistic(inner * np.nan if unknown else inner, seed=seed), known_mean(inner)
    p = np.where(means > 0, p, np.where(np.isnan(p), np.nan, 1.0))
    best = highest(means) + 1
    low = float(np.fmin.reduce(p))  # the lowest p; NaN where all are
    return Peak(layers[best], float(known_mean(height)), float(lower), float(upper), float(known_mean(floor)), low)


def _top(half: Curves, means: Float[np.ndarray, " layer"]) -> int:
    """The intermediate layer that is highest in one half of the items; by the `means` of all where the half has no value."""
    own = _inner(known_mean(half))
    return highest(_inner(means) if np.isnan(own).all() else own) + 1


def _inner(rows: np.ndarray) -> np.ndarray:
    """All rows but the embedding and the last."""
    return rows[1:-1]

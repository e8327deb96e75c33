"""How sure we are: intervals, tests and corrections over sentences. Pure numpy.

NaN is a missing value: left out of its cell. A cell without any value gives NaN, never a p or a bound. Infinity is refused.

Items are sentence ids, never rows: translations of one sentence are one item, so `values` is `[item ...]` with every cell
(language, layer, metric) on the trailing axes, and one draw of items serves all cells. Where sentences come from the same
text, `clusters` names the text of each item and whole texts are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from interp.models.checks.finite import check_finite

Labels = Sequence | np.ndarray
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
_BLOCK = 4_000_000  # numbers held at once by a resampling loop


def mean(values: Shaped[np.ndarray, "item ..."], weights: Float[np.ndarray, "resample item"]) -> Float[np.ndarray, "resample ..."]:
    """The mean of each cell under each weighting of the items; NaN items are left out of their cell."""
    flat = values.reshape(len(values), -1)
    present = ~np.isnan(flat)
    if present.all():
        means = weights @ flat / weights.sum(axis=1, keepdims=True)
    else:
        total = weights @ present
        means = np.divide(weights @ np.where(present, flat, 0.0), total, out=np.full(total.shape, np.nan), where=total > 0)
    return means.reshape(len(weights), *values.shape[1:])


def draws(n: int, resamples: int, seed: int, clusters: Labels | None = None) -> Float[np.ndarray, "resample item"]:
    """How often each of `n` items is drawn in each bootstrap resample; items of one cluster are drawn together."""
    groups, count = _groups(n, clusters)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, groups].astype(float)


def bootstrap(
    values: Shaped[np.ndarray, "item ..."],
    resamples: int = 1000,
    seed: int = 0,
    clusters: Labels | None = None,
    statistic: Statistic = mean,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Between which two values the mean of each cell falls in most repetitions of the study: `(lower, upper)`, one a cell.

    Percentile interval over items or clusters (Efron & Tibshirani 1993, ch. 13); BCa gives NaN on saturated scores. Another
    `statistic` maps `values` and `weights [resample item]` to `[resample ...]`.
    Misleads under about 20 clusters (too narrow), and where every item scores the same: [1, 1] is not certainty.
    """
    values = _items(values)
    weights = draws(len(values), resamples, seed, clusters)
    tails = [(1 - level) / 2, (1 + level) / 2]
    if statistic is not mean:
        lower, upper = np.quantile(statistic(values, weights), tails, axis=0)
        return np.asarray(lower), np.asarray(upper)
    flat = values.reshape(len(values), -1)
    width = max(1, _BLOCK // resamples)
    blocks = [np.quantile(mean(flat[:, k : k + width], weights), tails, axis=0) for k in range(0, flat.shape[1], width)]
    lower, upper = np.concatenate(blocks, axis=1) if blocks else np.empty((2, 0))
    return lower.reshape(values.shape[1:]), upper.reshape(values.shape[1:])


def sign_flip(
    differences: Shaped[np.ndarray, "item ..."], resamples: int = 10_000, seed: int = 0, clusters: Labels | None = None
) -> np.ndarray:
    """How often chance alone gives a paired mean difference this far from zero: two-sided p of each cell.

    Every item's difference (NaN counts as none) keeps or changes its sign at random, whole clusters together;
    p = (b+1)/(m+1) (Phipson & Smyth 2010), NaN where all are NaN. Exact where differences are symmetric around zero under the
    null.
    """
    values = _items(differences)
    sums = _cluster_sums(values, clusters)
    observed = np.abs(sums.sum(axis=0))
    reached = np.zeros(observed.shape)
    for signs in _signs(len(sums), resamples, seed, sums.shape[1]):
        reached += (np.abs(signs @ sums) >= observed * (1 - 1e-9)).sum(axis=0)
    return _known(values, (reached + 1) / (resamples + 1))


def max_statistic(
    differences: Shaped[np.ndarray, "item ..."], resamples: int = 10_000, seed: int = 0, clusters: Labels | None = None
) -> np.ndarray:
    """p of each cell of a grid, corrected for having looked at all of them: the chance that ANY cell gets so far by luck.

    Signs are flipped for all cells at once and each cell's |t| is held against the largest |t| of the grid (Westfall &
    Young 1993, single step), so the family-wise error holds under any dependence between cells. Cells that never differ get 1,
    cells that are all NaN get NaN.
    """
    values = _items(differences)
    sums = _cluster_sums(values, clusters)
    scale = np.sqrt((sums**2).sum(axis=0))
    scaled = np.divide(sums, scale, out=np.zeros_like(sums), where=scale > 0)
    observed = np.abs(scaled.sum(axis=0))
    reached = np.zeros(observed.shape)
    for signs in _signs(len(sums), resamples, seed, sums.shape[1]):
        largest = np.sort(np.abs(signs @ scaled).max(axis=1))
        reached += len(largest) - np.searchsorted(largest, observed * (1 - 1e-9))
    return _known(values, (reached + 1) / (resamples + 1))


def permutation_p(observed: np.ndarray, shuffled: Shaped[np.ndarray, "shuffle ..."]) -> np.ndarray:
    """How often a shuffled pairing scores at least as high as the true one: one-sided p = (b+1)/(m+1) of each cell.

    The Mantel test where the statistic is a correlation of two similarity matrices (Mantel 1967). NaN where the statistic or
    one of its shuffles is not finite: a comparison with NaN is false, and would make the smallest p there is.
    """
    observed = np.asarray(observed, dtype=float)
    finite = np.isfinite(observed) & np.isfinite(shuffled).all(axis=0)
    bar = np.where(finite, observed, 0.0)
    slack = 1e-6 * np.maximum(1e-6, np.abs(bar))
    return np.where(finite, ((shuffled >= bar - slack).sum(axis=0) + 1) / (len(shuffled) + 1), np.nan)


def holm(p: np.ndarray, axis: int | None = None) -> np.ndarray:
    """p-values corrected for looking at several (Holm 1979), over all of them or along one axis (layers, say).

    A p of NaN stays NaN, and is no test that the others are corrected for. Raises `ValueError` outside 0 to 1.
    """
    p = np.asarray(p, dtype=float)
    if (outside := p[(p < 0) | (p > 1)]).size:
        raise ValueError(f"holm: got a p-value of {outside.flat[0]:g}, expected 0 to 1, or NaN where there was no test.")
    if axis is None:
        return holm(p.reshape(-1), axis=0).reshape(p.shape)
    along = np.moveaxis(p, axis, -1)
    order = np.argsort(along, axis=-1)
    tests = (~np.isnan(along)).sum(axis=-1, keepdims=True)  # NaN is sorted behind them
    ranked = np.take_along_axis(along, order, axis=-1) * np.maximum(tests - np.arange(along.shape[-1]), 1)
    corrected = np.minimum(np.maximum.accumulate(ranked, axis=-1), 1.0)
    in_order = np.empty_like(along)
    np.put_along_axis(in_order, order, corrected, axis=-1)
    return np.moveaxis(in_order, -1, axis)


def minimum_detectable(n: int, sd: float = 0.5, level: float = 0.95) -> float:
    """The smallest difference `n` items can tell from none: the half-width of an interval. 0.14 for the accuracy of 50 items."""
    return float(stats.norm.ppf((1 + level) / 2) * sd / np.sqrt(n))


def _items(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(f"got values of shape {values.shape}, expected at least one item on the first axis.")
    if np.isinf(values).any():
        check_finite(np.where(np.isnan(values), 0.0, values), lambda item, *cell: f"item {item}, cell {cell}")
    return values


def _known(values: Shaped[np.ndarray, "item ..."], results: Float[np.ndarray, " cell"]) -> np.ndarray:
    """What was found of each cell; NaN where every item of it is NaN."""
    return np.where(np.isnan(values).all(axis=0), np.nan, results.reshape(values.shape[1:]))


def highest(values: np.ndarray) -> int:
    """The index of the largest number; NaN is none. Raises `ValueError` where all are NaN, or one is infinite."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or np.isnan(values).all() or np.isinf(values).any():
        raise ValueError(f"got values of shape {values.shape}, expected a row of finite values (NaN is left out).")
    return int(np.nanargmax(values))


def _groups(n: int, clusters: Labels | None) -> tuple[np.ndarray, int]:
    if clusters is None:
        return np.arange(n), n
    if len(clusters) != n:
        raise ValueError(f"got {len(clusters)} cluster names for {n} items, expected one an item.")
    names, groups = np.unique(np.asarray(clusters), return_inverse=True)
    return groups, len(names)


def _cluster_sums(values: np.ndarray, clusters: Labels | None) -> Float[np.ndarray, "cluster cell"]:
    groups, count = _groups(len(values), clusters)
    sums = np.zeros((count, int(np.prod(values.shape[1:]))))
    np.add.at(sums, groups, np.nan_to_num(values).reshape(len(values), -1))
    return sums


def _signs(n: int, resamples: int, seed: int, cells: int) -> Iterator[Float[np.ndarray, "resample cluster"]]:
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK // max(n, cells, 1))
    for start in range(0, resamples, size):
        yield rng.integers(0, 2, (min(size, resamples - start), n)) * 2.0 - 1.0

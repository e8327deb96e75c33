"""Confidence intervals, tests and corrections for multiple testing, over sentences. Pure numpy.

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

Labels = Sequence[object] | np.ndarray
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
_BLOCK = 4_000_000  # numbers held at once by a resampling loop


def mean(values: Shaped[np.ndarray, "item ..."], weights: Float[np.ndarray, "resample item"]) -> Float[np.ndarray, "resample ..."]:
    """The weighted mean of each cell over the items, once for every weighting (a row of `draws` is one weighting).

    Parameters
    ----------
    values
        `[item ...]`, the cells (language, layer, metric) on the trailing axes. An item that is NaN is left out of that cell.
    weights
        `[resample item]`, how often each item counts; not negative.

    Returns
    -------
    np.ndarray
        `[resample ...]`; NaN where no item with a value has a weight.

    Example
    -------
    The second weighting counts the item without a value, which is left out:

    >>> import numpy as np
    >>> mean(np.array([0.0, 1.0, np.nan]), np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 1.0]]))
    array([0.5, 1. ])
    """
    flat = values.reshape(len(values), -1)
    present = ~np.isnan(flat)
    if present.all():
        means = weights @ flat / weights.sum(axis=1, keepdims=True)
    else:
        total = weights @ present
        means = np.divide(weights @ np.where(present, flat, 0.0), total, out=np.full(total.shape, np.nan), where=total > 0)
    return means.reshape(len(weights), *values.shape[1:])


def draws(n: int, resamples: int, seed: int, clusters: Labels | None = None) -> Float[np.ndarray, "resample item"]:
    """How often each item is drawn in each bootstrap resample (with replacement, as many draws as there are items).

    Parameters
    ----------
    n
        Number of items.
    resamples
        Number of resamples.
    seed
        Random seed. Equal arguments give equal draws, so one resample of the items can serve several statistics.
    clusters
        Label of each item, such as its text. Items with one label are drawn together (cluster bootstrap). None: each item alone.

    Returns
    -------
    np.ndarray
        `[resample item]`, counts as floats. Without clusters every row sums to `n`.

    Raises
    ------
    ValueError
        Where `clusters` has not one label for each item.

    Example
    -------
    >>> draws(4, resamples=2, seed=0)
    array([[1., 0., 0., 3.],
           [0., 2., 2., 0.]])
    """
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
    """The percentile bootstrap confidence interval of the mean of each cell (Efron & Tibshirani 1993, ch. 13).

    BCa intervals are not used: they are NaN where every item scores the same, as saturated retrieval does.

    Parameters
    ----------
    values
        `[item ...]`, one value for each item and cell. NaN is left out of its cell.
    resamples
        Number of bootstrap resamples.
    seed
        Random seed of the resamples.
    clusters
        Label of each item, such as its text; whole clusters are drawn. None: each item alone.
    statistic
        What the interval is of, if not the mean: a function of `values` and `weights [resample item]` that gives
        `[resample ...]`.
    level
        Coverage of the interval.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Lower and upper bound, `[...]`, in the unit of the values; NaN for a cell with values of fewer than two items (or
        clusters): one value says nothing of how others would vary.

    Raises
    ------
    ValueError
        Where there is no item, a value is infinite, or `clusters` has not one label for each item.

    Notes
    -----
    Misleads below about 20 clusters, where it is too narrow, and where every item scores the same: [1, 1] is not certainty.

    Example
    -------
    60 hits among 80 items:

    >>> import numpy as np
    >>> lower, upper = bootstrap(np.repeat([1.0, 0.0], [60, 20]))
    >>> round(float(lower), 2), round(float(upper), 2)
    (0.66, 0.84)
    """
    values = _items(values)
    weights = draws(len(values), resamples, seed, clusters)
    tails = [(1 - level) / 2, (1 + level) / 2]
    if statistic is not mean:
        return percentiles(statistic(values, weights), _groups(len(values), clusters)[1], level)
    flat = values.reshape(len(values), -1)
    width = max(1, _BLOCK // resamples)
    blocks = [np.quantile(mean(flat[:, k : k + width], weights), tails, axis=0) for k in range(0, flat.shape[1], width)]
    lower, upper = np.concatenate(blocks, axis=1) if blocks else np.empty((2, 0))
    lower[single := _are_single(flat, clusters)], upper[single] = np.nan, np.nan
    return lower.reshape(values.shape[1:]), upper.reshape(values.shape[1:])


def percentiles(drawn: Shaped[np.ndarray, "resample ..."], units: int, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of what was computed in each resample, left blank where there was nothing to resample.

    Parameters
    ----------
    drawn
        `[resample ...]`, a statistic of each resample.
    units
        Number of units drawn: items, or clusters of them. With fewer than two, all resamples are the same, and an interval of no
        width would pass for certainty.
    level
        Coverage of the interval.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Lower and upper bound, `[...]`; NaN with fewer than two units.

    Example
    -------
    >>> import numpy as np
    >>> percentiles(np.ones(5), units=1)
    (array(nan), array(nan))
    """
    if units < 2:
        return np.full(drawn.shape[1:], np.nan), np.full(drawn.shape[1:], np.nan)
    lower, upper = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(lower), np.asarray(upper)


def bracketed(lower: float | np.ndarray, upper: float | np.ndarray, form: str = ".3f") -> str:
    """The interval from `lower` to `upper` as it stands in a sentence; "[–]" where it was left blank. `form` formats its numbers.

    >>> bracketed(0.25, 0.5, ".2f"), bracketed(np.nan, np.nan)
    ('[0.25, 0.50]', '[–]')
    """
    return "[–]" if np.isnan(lower) or np.isnan(upper) else f"[{float(lower):{form}}, {float(upper):{form}}]"


def sign_flip(
    differences: Shaped[np.ndarray, "item ..."], resamples: int = 10_000, seed: int = 0, clusters: Labels | None = None
) -> np.ndarray:
    """The p-value of each cell's mean paired difference, two-sided, by flipping signs at random.

    Under the null hypothesis a difference is as likely as its negative. The sign of every item's difference is kept or changed
    at random, whole clusters together: p = (b + 1) / (m + 1), where b of m flips reach a mean at least as far from zero
    (Phipson & Smyth 2010).

    Parameters
    ----------
    differences
        `[item ...]`, one difference for each item and cell. NaN counts as no difference.
    resamples
        Number m of flips; no p is below 1 / (m + 1).
    seed
        Random seed of the flips.
    clusters
        Label of each item, such as its text; the differences of a cluster change sign together. None: each item alone.

    Returns
    -------
    np.ndarray
        p of each cell, `[...]`, not corrected for the number of cells; NaN where all items are NaN.

    Raises
    ------
    ValueError
        Where there is no item, a value is infinite, or `clusters` has not one label for each item.

    Notes
    -----
    Exact where differences are symmetric around zero under the null hypothesis. Ten items cannot give a p below about 0.002,
    however clear the difference: few items have few sign patterns.

    Example
    -------
    All ten differences are positive in the first cell, and half of them in the second:

    >>> import numpy as np
    >>> sign_flip(np.stack([np.full(10, 0.2), np.tile([0.2, -0.2], 5)], axis=1)).round(3)
    array([0.002, 1.   ])
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
    """The p-value of each cell, corrected for having looked at all of them (Westfall & Young 1993, single-step max-T).

    Signs are flipped as in `sign_flip`, for all cells at once. The statistic of each cell, its sum over the root of its sum of
    squares, is compared with the largest of all cells in each flip. So the chance of any false finding in the grid is held at
    the level of p, whatever the dependence between cells.

    Parameters
    ----------
    differences
        `[item ...]`, one difference for each item and cell. NaN counts as no difference.
    resamples
        Number of flips.
    seed
        Random seed of the flips.
    clusters
        Label of each item, such as its text; the differences of a cluster change sign together. None: each item alone.

    Returns
    -------
    np.ndarray
        Corrected p of each cell, `[...]`: 1 where all differences are zero, NaN where all items are NaN.

    Raises
    ------
    ValueError
        Where there is no item, a value is infinite, or `clusters` has not one label for each item.

    Example
    -------
    >>> import numpy as np
    >>> differences = np.random.default_rng(0).normal(size=(50, 3)) + np.array([1.0, 0.0, 0.0])
    >>> (max_statistic(differences) < 0.05).tolist()
    [True, False, False]
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
    """The one-sided p-value of a score against scores of shuffled pairings: p = (b + 1) / (m + 1) (Phipson & Smyth 2010).

    b of m shuffles score at least as high. Where the statistic is a correlation of two similarity matrices, this is the Mantel
    test (Mantel 1967).

    Parameters
    ----------
    observed
        `[...]`, the score of the true pairing in each cell.
    shuffled
        `[shuffle ...]`, the same score of each shuffled pairing.

    Returns
    -------
    np.ndarray
        p of each cell, `[...]`, not corrected for the number of cells. NaN where the score or one of its shuffles is not
        finite: a comparison with NaN is false, and would give the smallest p there is.

    Example
    -------
    >>> import numpy as np
    >>> permutation_p(np.array([0.9, 0.1]), np.array([[0.2, 0.3], [0.1, 0.0], [0.3, 0.2]]))
    array([0.25, 0.75])
    """
    observed = np.asarray(observed, dtype=float)
    finite = np.isfinite(observed) & np.isfinite(shuffled).all(axis=0)
    bar = np.where(finite, observed, 0.0)
    slack = 1e-6 * np.maximum(1e-6, np.abs(bar))
    return np.where(finite, ((shuffled >= bar - slack).sum(axis=0) + 1) / (len(shuffled) + 1), np.nan)


def holm(p: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Correct p-values for the number of tests (Holm 1979): the family-wise error is held whatever the dependence.

    Parameters
    ----------
    p
        p-values, of any shape. NaN stays NaN, and does not count as a test.
    axis
        The axis over which tests are counted, such as that of the layers. None: all values are one family.

    Returns
    -------
    np.ndarray
        Corrected p-values of the same shape, at most 1.

    Raises
    ------
    ValueError
        Where a p-value is not between 0 and 1.

    Example
    -------
    >>> import numpy as np
    >>> holm(np.array([0.01, 0.04, 0.03, np.nan]))
    array([0.03, 0.06, 0.06,  nan])
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
    """The smallest mean that `n` items can tell from zero: the half-width of a normal confidence interval, z sd / sqrt(n).

    Parameters
    ----------
    n
        Number of items.
    sd
        Standard deviation of an item's value. The default is the largest that a share of hits can have.
    level
        Coverage of the interval.

    Returns
    -------
    float
        In the unit of `sd`.

    Example
    -------
    >>> round(minimum_detectable(50), 2)  # the accuracy of 50 items
    0.14
    """
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
    """The index of the largest value of a row, `values [...]` with one axis; NaN is left out.

    Raises `ValueError` where all are NaN, one is infinite, or there is more than one axis.

    >>> import numpy as np
    >>> highest(np.array([0.2, np.nan, 0.7]))
    2
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or np.isnan(values).all() or np.isinf(values).any():
        raise ValueError(f"got values of shape {values.shape}, expected a row of finite values (NaN is left out).")
    return int(np.nanargmax(values))


def _groups(n: int, clusters: Labels | None) -> tuple[np.ndarray, int]:
    if clusters is None:
        return np.arange(n), n
    if len(clusters) != n:
        raise ValueError(f"got {len(clusters)} cluster names for {n} items, expected one per item.")
    names, groups = np.unique(np.asarray(clusters), return_inverse=True)
    return groups, len(names)


def _are_single(values: Shaped[np.ndarray, "item cell"], clusters: Labels | None) -> np.ndarray:
    """The cells whose values are of one item, or cluster, or none, `[cell]`."""
    groups, count = _groups(len(values), clusters)
    present = ~np.isnan(values)
    if clusters is None:
        return present.sum(axis=0) < 2
    seen = np.zeros((count, values.shape[1]), dtype=bool)
    np.logical_or.at(seen, groups, present)
    return seen.sum(axis=0) < 2


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

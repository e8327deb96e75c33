"""Tests over sentences, and corrections for their number. Pure numpy.

Items, cells and clusters are those of `probes.statistics.resampling`. NaN is a missing value; a cell without any value gives NaN,
never a p. Infinity is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Shaped
from scipy import special, stats

from probes.statistics.resampling import BLOCK, Labels, groups_of, items_of

LEVEL, FEWEST = 0.05, 6
"""The p below which something is claimed, and the fewest items (or documents) with which a sign flip can give one: no p over n
items is below 2^(1-n).
"""


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
    values = items_of(differences)
    sums = _cluster_sums(values, clusters)
    observed = np.abs(sums.sum(axis=0))
    reached = np.zeros(observed.shape)
    for signs in _signs(len(sums), resamples, seed, sums.shape[1]):
        reached += (np.abs(signs @ sums) >= observed * (1 - 1e-9)).sum(axis=0)
    return _known(values, (reached + 1) / (resamples + 1))


def max_statistic(
    differences: Shaped[np.ndarray, "item ..."],
    resamples: int = 10_000,
    seed: int = 0,
    clusters: Labels | None = None,
    *,
    above: bool = False,
    borrow: bool = True,
) -> np.ndarray:
    """The p-value of each cell, corrected for having looked at all of them (Westfall & Young 1993, single-step max-T).

    Signs are flipped as in `sign_flip`, for all cells at once. The statistic of each cell, its sum over the root of its sum of
    squares, is compared with the largest of all cells in each flip. So the chance of any false finding in the grid is held at
    the level of p, whatever the dependence between cells. Sums of squares are moderated (`moderated`): where cells vary alike, an
    effect of one standard deviation in 30 items is found among a thousand cells in nine studies of ten, without it in eight.

    Parameters
    ----------
    differences, resamples, seed, clusters
        As in `sign_flip`, and so are the errors.
    above
        Test whether a cell is above 0, where one below 0 would claim nothing. By default both sides are tested.
    borrow
        Moderate the sums of squares. Not where most cells lie far from 0, as differences from a threshold do: what they have in
        common is then their distance and not how they vary, and one effect among them is lost.

    Returns
    -------
    np.ndarray
        Corrected p of each cell, `[...]`: 1 where all differences are zero, NaN where all items are NaN.

    Example
    -------
    >>> import numpy as np
    >>> differences = np.random.default_rng(0).normal(size=(50, 3)) + np.array([1.0, 0.0, 0.0])
    >>> (max_statistic(differences) < 0.05).tolist()
    [True, False, False]
    """
    values = items_of(differences)
    sums = _cluster_sums(values, clusters)
    squares = (sums**2).sum(axis=0)
    scale = np.sqrt(moderated(squares, len(sums)) if borrow else squares)
    scaled = np.divide(sums, scale, out=np.zeros_like(sums), where=scale > 0)
    observed = scaled.sum(axis=0) if above else np.abs(scaled.sum(axis=0))
    reached = np.zeros(observed.shape)
    for signs in _signs(len(sums), resamples, seed, sums.shape[1]):
        flipped = signs @ scaled
        largest = np.sort((flipped if above else np.abs(flipped)).max(axis=1))
        reached += len(largest) - np.searchsorted(largest, observed - 1e-9 * np.abs(observed))
    return _known(values, (reached + 1) / (resamples + 1))


def moderated(squares: Float[np.ndarray, " cell"], n: int) -> Float[np.ndarray, " cell"]:
    """`squares`, sums of `n` each, drawn towards what all cells have in common, as far as they are alike (Smyth 2004, limma).

    Few items give a poor estimate of how much a cell varies; where all cells vary alike, all of them tell. How much is borrowed is
    read from how the sums differ between cells: nothing where what is common would weigh less than the cell's own items. Signs do
    not change a square, so a sign-flip test stays exact. Cells that are 0 stay 0; up to two others are left as they are.

    References
    ----------
    Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in microarray experiments",
    Stat. Appl. Genet. Mol. Biol. 3(1), section 6.2.

    Example
    -------
    >>> import numpy as np
    >>> moderated(np.array([9.0, 10.0, 11.0]), n=10).round(1), moderated(np.array([0.1, 10.0, 9000.0]), n=10)
    (array([11.1, 11.1, 11.1]), array([1.e-01, 1.e+01, 9.e+03]))
    """
    known = squares > 0
    if known.sum() < 3:
        return squares
    logs = np.log(squares[known] / n) - special.digamma(n / 2) + np.log(n / 2)
    middle, beyond = float(logs.mean()), float(logs.var(ddof=1) - special.polygamma(1, n / 2))
    if beyond <= 0:
        return np.where(known, n * np.exp(middle), 0.0)
    weight = 2 * _inverse_trigamma(beyond)
    if weight < n:
        return squares
    common = np.exp(middle + special.digamma(weight / 2) - np.log(weight / 2))
    return np.where(known, n * (weight * common + squares) / (weight + n), 0.0)


def _inverse_trigamma(y: float) -> float:
    """x with trigamma(x) = y, by Newton's method on 1 / trigamma, which is nearly linear."""
    x = 0.5 + 1 / y
    for _ in range(50):
        value = float(special.polygamma(1, x))
        x += value * (1 - value / y) / float(special.polygamma(2, x))
    return x


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


def said_p(p: float) -> str:
    """A `p` in words, which is never 0: a test of finitely many draws, or of an approximate form, cannot show that.

    >>> said_p(0.0314), said_p(1e-9), said_p(0.5)
    ('p = 0.031', 'p < 0.001', 'p = 0.500')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def _known(values: Shaped[np.ndarray, "item ..."], results: Float[np.ndarray, " cell"]) -> np.ndarray:
    """What was found of each cell; NaN where every item of it is NaN."""
    return np.where(np.isnan(values).all(axis=0), np.nan, results.reshape(values.shape[1:]))


def _cluster_sums(values: np.ndarray, clusters: Labels | None) -> Float[np.ndarray, "cluster cell"]:
    groups, count = groups_of(len(values), clusters)
    sums = np.zeros((count, int(np.prod(values.shape[1:]))))
    np.add.at(sums, groups, np.nan_to_num(values).reshape(len(values), -1))
    return sums


def _signs(n: int, resamples: int, seed: int, cells: int) -> Iterator[Float[np.ndarray, "resample cluster"]]:
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK // max(n, cells, 1))
    for start in range(0, resamples, size):
        yield rng.integers(0, 2, (min(size, resamples - start), n)) * 2.0 - 1.0

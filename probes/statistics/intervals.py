"""Confidence intervals of means, from the sums and the numbers of values of independent units (items, or clusters of items).

Three cases, as no single formula covers 95 % in all of them. Pure numpy; axes are `[unit cell]`, one interval a cell.

mean of numbers     the wider, on each side, of Student's t and the bootstrap-t: t is right for few items, the other for a long tail
share of hits       Wilson's score interval, which has a width also where all items are hits or none is
difference of hits  the interval of Agresti & Min, for values of -1, 0 and 1

References: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", 12.5 (bootstrap-t); Wilson 1927; Agresti & Min 2005,
"Simple improved confidence intervals for comparing matched proportions", Stat. Med. 24; Fieller 1954, "Some problems in interval
estimation", JRSS B 16. Clusters enter by the robust error of a ratio of sums, and for hits by the number of independent items
that has the same error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy import stats

Cell = Float[np.ndarray, " cell"]
Bounds = tuple[Cell, Cell]
_WIDEST = 3.0  # times Student's t: with few items some resamples have nearly no spread, and their t has no bound


@dataclass(frozen=True)
class Units:
    """The sum of the values of every unit in each cell, their number (0 where it has none), and the level of an interval.

    `squares` is the sum of squared values over all units, `[cell]`.
    """

    sums: Float[np.ndarray, "unit cell"]
    counts: Float[np.ndarray, "unit cell"]
    squares: Cell
    level: float = 0.95

    @cached_property
    def number(self) -> Cell:
        """The number of units with a value."""
        return np.asarray((self.counts > 0).sum(axis=0), dtype=float)

    @cached_property
    def values(self) -> Cell:
        """The number of values."""
        return np.asarray(self.counts.sum(axis=0))

    @cached_property
    def mean(self) -> Cell:
        """The mean over all values."""
        return _over(self.sums.sum(axis=0), self.values)

    @cached_property
    def residuals(self) -> Float[np.ndarray, "unit cell"]:
        """What each unit has beyond the mean, times its number of values."""
        return np.where(self.counts > 0, self.sums - np.nan_to_num(self.mean) * self.counts, 0.0)

    @cached_property
    def error(self) -> Cell:
        """The standard error of the mean, robust to dependence within units."""
        inflated = _over(self.number, self.number - 1)
        return _over(np.sqrt(inflated * (self.residuals**2).sum(axis=0)), self.values)

    @cached_property
    def quantile(self) -> Cell:
        """The quantile of Student's t with as many degrees of freedom as there are units beside the first."""
        return np.asarray(stats.t.ppf((1 + self.level) / 2, np.maximum(self.number - 1, 1)))

    @cached_property
    def independent(self) -> Cell:
        """How many independent values have the same error: between the number of units and that of values."""
        variance = np.maximum(_over(self.squares, self.values) - self.mean**2, 0)
        same = np.divide(variance, self.error**2, out=np.zeros_like(variance), where=self.error > 0)
        return np.clip(same, self.number, self.values)


def number_interval(units: Units, weights: Float[np.ndarray, "resample unit"]) -> Bounds:
    """The interval of a mean of numbers: on each side the wider of Student's t and the bootstrap-t.

    Parameters
    ----------
    units
        The values.
    weights
        How often each unit is drawn in each resample.
    """
    cap = _WIDEST * units.quantile
    drawn = np.clip(_studentized(units, weights), -cap, cap)
    low, high = np.quantile(drawn, [(1 - units.level) / 2, (1 + units.level) / 2], axis=0)
    return (
        units.mean - np.maximum(high, units.quantile) * units.error,
        units.mean - np.minimum(low, -units.quantile) * units.error,
    )


def _studentized(units: Units, weights: Float[np.ndarray, "resample unit"]) -> Float[np.ndarray, "resample cell"]:
    """How far the mean of each resample is from that of all, in its own standard errors; 0 where it has no value."""
    own, counts = units.residuals, units.counts
    if (counts == counts[:1]).all():
        total, drawn = units.values, weights.sum(axis=1, keepdims=True)
        moved = weights @ own / total
        squares = weights @ own**2 - total * counts[0] * moved**2
    else:
        total, drawn = weights @ counts, weights @ (counts > 0)
        moved = _over(weights @ own, total)
        squares = weights @ own**2 - 2 * moved * (weights @ (own * counts)) + moved**2 * (weights @ counts**2)
    error = np.sqrt(np.maximum(squares, 0) * _over(drawn, drawn - 1)) / np.maximum(total, 1)
    tiny = 1e-9 * units.error
    far = np.select([moved > tiny, moved < -tiny], [np.inf, -np.inf], 0.0)
    return np.divide(moved, error, out=far, where=error > tiny)


def share_interval(units: Units) -> Bounds:
    """Wilson's interval of a share of hits, with Student's t for the normal quantile, from values of 0 and 1 in `units`."""
    return wilson(units.mean, np.maximum(units.independent, 1), units.quantile)


def wilson(share: np.ndarray, n: np.ndarray | float, quantile: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's score interval of a `share` (0 to 1) of `n` independent hits and misses, with this `quantile` for the normal one.

    >>> import numpy as np
    >>> [round(float(bound), 2) for bound in wilson(np.array(1.0), 20, 2.09)]
    [0.82, 1.0]
    """
    middle = (share + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
    half = quantile / (1 + quantile**2 / n) * np.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2))
    return np.asarray(np.clip(middle - half, 0, 1)), np.asarray(np.clip(middle + half, 0, 1))


def wilson_of_error(
    share: np.ndarray, error: np.ndarray, quantile: np.ndarray | float, units: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a `share` with a standard `error` that was found otherwise: of as many hits as have that error.

    Where there is no error at all, as where everything is a hit, they are as many as there are independent `units` (items,
    documents, languages). Where training seeds differ they are fewer. `quantile` is how many standard errors the interval reaches.

    >>> import numpy as np
    >>> [bound.round(2).tolist() for bound in wilson_of_error(np.array([0.5, 1.0]), np.array([0.05, 0.0]), 2.0, 12)]
    [[0.4, 0.75], [0.6, 1.0]]
    """
    variance = share * (1 - share)
    same = np.divide(variance, error**2, out=np.full(np.shape(variance), float(units)), where=error > 0)
    return wilson(share, np.maximum(same, 1), quantile)


def difference_interval(units: Units) -> Bounds:
    """Agresti & Min's interval of a mean difference of hits, from values of -1, 0 and 1 in `units`.

    One pair more in which only the first hits, half of one, and so for the second: two items are added, one of them different.
    The bounds stay within -1 and 1.
    """
    n = np.maximum(units.independent, 1)
    shrunk = units.mean * n / (n + 2)
    squares = (_over(units.squares, units.values) * n + 1) / (n + 2)
    half = units.quantile * np.sqrt(np.maximum(squares - shrunk**2, 0) / (n + 2))
    return np.maximum(shrunk - half, -1.0), np.minimum(shrunk + half, 1.0)


def ratio_interval(above: Units, below: Units) -> Bounds:
    """Fieller's interval of a ratio of two means over the same units: all ratios that a t test does not reject.

    Parameters
    ----------
    above, below
        The values of the numerator and of the denominator. Their units are the same in the same order; both have all their values.

    Returns
    -------
    NaN where the denominator is not clearly different from 0: then no ratio can be told.
    """
    share = _over(above.number, above.number - 1)
    # the residual of a unit is above - ratio * below; its variance is quadratic in the ratio
    over, under = (units.residuals / units.values for units in (above, below))
    upper, mixed, lower = (share * (one * other).sum(axis=0) for one, other in ((over, over), (over, under), (under, under)))
    t = above.quantile**2
    a = below.mean**2 - t * lower
    b = above.mean * below.mean - t * mixed
    c = above.mean**2 - t * upper
    root = np.sqrt(np.maximum(b**2 - a * c, 0))
    known = a > 0
    low, high = (np.divide(end, a, out=np.full_like(a, np.nan), where=known) for end in (b - root, b + root))
    return low, high


def _over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """A quotient; NaN where there is nothing to divide by."""
    above, below = np.broadcast_arrays(above, below)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)

"""Means and their confidence intervals, by resampling sentences. Pure numpy.

NaN is a missing value: left out of its cell. A cell without any value gives NaN, never a bound. Infinity is refused.

Items are sentence ids, never rows: translations of one sentence are one item, so `values` is `[item ...]` with every cell
(language, layer, metric) on the trailing axes, and one draw of items serves all cells. Where sentences come from the same
text, `clusters` names the text of each item and whole texts are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from interp.models.checks.finite import check_finite
from probes.statistics.intervals import Units, difference_interval, number_interval, ratio_interval, share_interval

Labels = Sequence[object] | np.ndarray
Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
BLOCK = 4_000_000
"""Numbers held at once by a resampling loop."""
FEWEST_DRAWN = 6
"""The fewest items (or clusters) whose resamples give a percentile interval."""


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
    flat = values.reshape(len(values), int(np.prod(values.shape[1:])))
    present = ~np.isnan(flat)
    if len(flat) and present.all():
        means = weights @ flat / weights.sum(axis=1, keepdims=True)
    else:
        total = weights @ present
        means = np.divide(weights @ np.where(present, flat, 0.0), total, out=np.full(total.shape, np.nan), where=total > 0)
    return means.reshape(len(weights), *values.shape[1:])


def known_mean(values: Shaped[np.ndarray, "item ..."]) -> Float[np.ndarray, ...]:
    """The mean of each cell of `values` over the first axis: NaN is left out, and a cell without a value is NaN.

    >>> import numpy as np
    >>> known_mean(np.array([[0.0, np.nan], [1.0, np.nan]]))
    array([0.5, nan])
    """
    return np.asarray(mean(values, np.ones((1, len(values))))[0])


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
    groups, count = groups_of(n, clusters)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, groups].astype(float)


def bootstrap(
    values: Shaped[np.ndarray, "item ..."],
    resamples: int = 1000,
    seed: int = 0,
    clusters: Labels | None = None,
    statistic: Statistic = mean,
    level: float = 0.95,
    difference: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The confidence interval of the mean of each cell, over items like these (or clusters like these).

    The mean of numbers has, on each side, the wider of Student's t and the bootstrap-t interval; a share of hits Wilson's; a
    difference of hits that of Agresti & Min (`probes.statistics.intervals`). Percentile bootstrap intervals cover too rarely for
    few items or clusters, and not at all where every item scores the same.

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
        `[resample ...]`. It has the percentile interval of `percentiles`.
    level
        Coverage of the interval.
    difference
        The values are differences of two scores: they may be negative, though none here is. Without it, cells of 0 and 1 are taken
        for hits and misses, whose interval stays within 0 and 1. A cell with a negative value holds differences in any case.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Lower and upper bound, `[...]`, in the unit of the values; NaN for a cell with values of fewer than two items (or
        clusters), and for numbers that are all the same: they say nothing of how others would vary. Where all values are between 0
        and 1, so are the bounds.

    Raises
    ------
    ValueError
        Where there is no item, a value is infinite, or `clusters` has not one label for each item.

    Notes
    -----
    A dozen values do not show how long a tail is: of a lognormal their interval covers 91 %, of thirty 94 %.

    Example
    -------
    60 hits among 80 items, and 20 among 20:

    >>> import numpy as np
    >>> lower, upper = bootstrap(np.repeat([1.0, 0.0], [60, 20]))
    >>> round(float(lower), 2), round(float(upper), 2)
    (0.64, 0.83)
    >>> lower, upper = bootstrap(np.ones(20))
    >>> round(float(lower), 2), round(float(upper), 2)
    (0.82, 1.0)
    """
    values = items_of(values)
    groups, count = groups_of(len(values), clusters)
    if statistic is not mean:
        return percentiles(statistic(values, draws(len(values), resamples, seed, clusters)), count, level)
    flat = values.reshape(len(values), -1)
    weights, bounds = draws(count, resamples, seed), np.full((2, flat.shape[1]), np.nan)
    counted = _counted(flat, difference or bool(np.nanmin(flat, initial=0.0) < 0))
    known = np.flatnonzero(~are_single(flat, clusters))
    for columns in np.array_split(known, -(-len(known) * resamples // BLOCK) or 1):
        signed = difference | (flat[:, columns] < 0).any(axis=0)
        hits = counted[columns]
        for cells, interval in (
            (columns[~hits], lambda units: number_interval(units, weights)),
            (columns[hits & signed], difference_interval),
            (columns[hits & ~signed], share_interval),
        ):
            if len(cells):
                bounds[:, cells] = interval(units_of(flat[:, cells], groups, count, level))
    if not difference and np.nanmin(flat, initial=0.0) >= 0 and np.nanmax(flat, initial=0.0) <= 1:
        bounds = np.clip(bounds, 0, 1)
    return without_width(bounds[0].reshape(values.shape[1:]), bounds[1].reshape(values.shape[1:]))


def bootstrap_ratio(
    above: Shaped[np.ndarray, "item ..."],
    below: Shaped[np.ndarray, "item ..."],
    clusters: Labels | None = None,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """The confidence interval of mean(above) / mean(below) of each cell, where both vary from item to item (Fieller 1954).

    Parameters
    ----------
    above, below
        `[item ...]`, of shapes that broadcast; no value is missing.
    clusters
        Label of each item; items with one label are one unit. None: each item alone.
    level
        Coverage of the interval.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Lower and upper bound, `[...]`; NaN with fewer than two items or clusters, where the mean below is not clearly different
        from 0, and where the ratio is the same in all items, unless that is 0 or 1: nothing, or the whole itself, is known exactly.

    Example
    -------
    About half of a difference is restored: how much the difference itself varies does not matter.

    >>> import numpy as np
    >>> difference, noise = np.random.default_rng(0).normal([4.0, 0.0], [2.0, 0.1], size=(30, 2)).T
    >>> lower, upper = bootstrap_ratio(difference / 2 + noise, difference)
    >>> round(float(lower), 2), round(float(upper), 2)
    (0.5, 0.51)
    """
    above, below = np.broadcast_arrays(items_of(above), items_of(below))
    groups, count = groups_of(len(above), clusters)
    if count < 2:
        return np.full(above.shape[1:], np.nan), np.full(above.shape[1:], np.nan)
    parts = (units_of(part.reshape(len(part), -1), groups, count, level) for part in (above, below))
    lower, upper = (bound.reshape(above.shape[1:]) for bound in ratio_interval(*parts))
    exact = (above == 0).all(axis=0) | (above == below).all(axis=0)
    blank_lower, blank_upper = without_width(lower, upper)
    return np.where(exact, lower, blank_lower), np.where(exact, upper, blank_upper)


def units_of(flat: Shaped[np.ndarray, "item cell"], groups: np.ndarray, count: int, level: float = 0.95) -> Units:
    """The values of `flat` by independent unit: `groups` says to which of `count` each item belongs; NaN is left out.

    `level` is that of the interval that is made of them.
    """
    present = ~np.isnan(flat)
    known = np.where(present, flat, 0.0)
    if count == len(flat):
        order = np.argsort(groups)
        return Units(known[order], present[order].astype(float), (known**2).sum(axis=0), level)
    sums, counts = np.zeros((count, flat.shape[1])), np.zeros((count, flat.shape[1]))
    np.add.at(sums, groups, known)
    np.add.at(counts, groups, present)
    return Units(sums, counts, (known**2).sum(axis=0), level)


def _counted(flat: Shaped[np.ndarray, "item cell"], difference: bool) -> np.ndarray:
    """The cells that hold hits, or differences of hits: nothing but -1, 0 and 1.

    Nothing but zeros may be a number that is 0, so such cells count where a 1 is seen in others, or no number at all is. A
    `difference` of 0 everywhere is that of a thing from itself, and no count.
    """
    counted = (np.isnan(flat) | np.isin(flat, (-1.0, 0.0, 1.0))).all(axis=0)
    ones = (np.abs(flat) == 1).any(axis=0)
    if not (counted & ones).any() and (difference or (~counted).any()):
        return np.zeros_like(counted)
    return counted


def percentiles(drawn: Shaped[np.ndarray, "resample ..."], units: int, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The percentile interval of what was computed in each resample, left blank where there was nothing to resample.

    The tails are smaller than those of the level by the ratio of Student's t to the normal quantile and by sqrt(n / (n - 1)), as
    resamples of few units vary too little (the expanded percentile interval, Hesterberg 2015).

    Parameters
    ----------
    drawn
        `[resample ...]`, a statistic of each resample.
    units
        Number of units drawn: items, or clusters of them. Of fewer than six the tails are not known: resamples take few values.
    level
        Coverage of the interval.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Lower and upper bound, `[...]`; NaN with fewer than six units, and where all resamples are the same.

    Example
    -------
    >>> import numpy as np
    >>> percentiles(np.ones(5), units=30)
    (array(nan), array(nan))
    """
    if units < FEWEST_DRAWN:
        return np.full(drawn.shape[1:], np.nan), np.full(drawn.shape[1:], np.nan)
    lower, upper = np.quantile(drawn, tails(units, level), axis=0)
    return without_width(np.asarray(lower), np.asarray(upper))


def without_width(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bounds `lower` and `upper`, left blank where they are the same: an interval of no width passes for certainty.

    >>> import numpy as np
    >>> without_width(np.array([0.25, 1.0]), np.array([0.5, 1.0]))
    (array([0.25,  nan]), array([0.5, nan]))
    """
    same = np.abs(upper - lower) <= 1e-9 * np.maximum(np.abs(upper), np.abs(lower))
    return np.where(same, np.nan, lower), np.where(same, np.nan, upper)


def tails(units: int, level: float = 0.95) -> tuple[float, float]:
    """The shares of resamples of two or more `units` below the bounds of an expanded percentile interval of a `level`.

    >>> [round(tail, 3) for tail in (*tails(1000), *tails(12))]
    [0.025, 0.975, 0.011, 0.989]
    """
    tail = float(stats.norm.cdf(-np.sqrt(units / (units - 1)) * stats.t.ppf((1 + level) / 2, units - 1)))
    return tail, 1 - tail


def bracketed(lower: float | np.ndarray, upper: float | np.ndarray, form: str = ".3f") -> str:
    """The interval from `lower` to `upper` as it stands in a sentence; "[–]" where it was left blank. `form` formats its numbers.

    >>> bracketed(0.25, 0.5, ".2f"), bracketed(np.nan, np.nan)
    ('[0.25, 0.50]', '[–]')
    """
    return "[–]" if np.isnan(lower) or np.isnan(upper) else f"[{float(lower):{form}}, {float(upper):{form}}]"


def items_of(values: np.ndarray) -> np.ndarray:
    """The `values` as floats; `ValueError` where there is no item, or one is infinite."""
    values = np.asarray(values, dtype=float)
    if values.ndim == 0 or len(values) == 0:
        raise ValueError(f"got values of shape {values.shape}, expected at least one item on the first axis.")
    if np.isinf(values).any():
        check_finite(np.where(np.isnan(values), 0.0, values), lambda item, *cell: f"item {item}, cell {cell}")
    return values


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


def groups_of(n: int, clusters: Labels | None) -> tuple[np.ndarray, int]:
    """The number of the cluster that each of `n` items is in, and how many `clusters` there are; without any, each item is one."""
    if clusters is None:
        return np.arange(n), n
    if len(clusters) != n:
        raise ValueError(f"got {len(clusters)} cluster names for {n} items, expected one per item.")
    names, groups = np.unique(np.asarray(clusters), return_inverse=True)
    return groups, len(names)


def are_single(values: Shaped[np.ndarray, "item cell"], clusters: Labels | None) -> np.ndarray:
    """The cells of `values` with a value of one item (or of one of the `clusters`) or of none, `[cell]`."""
    groups, count = groups_of(len(values), clusters)
    present = ~np.isnan(values)
    if clusters is None:
        return present.sum(axis=0) < 2
    seen = np.zeros((count, values.shape[1]), dtype=bool)
    np.logical_or.at(seen, groups, present)
    return seen.sum(axis=0) < 2

"""Choosing the best of several options (layers, cells, strengths), and what is known of it afterwards.

The highest of several means is biased upwards, and its bootstrap interval covers the truth too rarely; the bootstrap of its place
says "layer 1, for certain" of a flat curve. Here the place is a confidence set, and the value is measured on items that did not
choose it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped
from scipy import stats

from probes.statistics.resampling import Labels, are_single, draws, groups_of, highest, known_mean, mean


class Choice(NamedTuple):
    """The `option` that one half of the items chose, and the items of the other half (`rows`), on which it is measured."""

    option: int
    rows: Int[np.ndarray, " row"]


def choose_on_half(values: Shaped[np.ndarray, "item option"], seed: int = 0, clusters: Labels | None = None) -> Choice:
    """Choose the best option on a random half of the items, to measure it on the other half; a single one is measured on all.

    The mean of `values[rows, option]` is unbiased for the option chosen, and an ordinary confidence interval over `rows` covers it.
    (Exchanging the halves and averaging would use all items, but both results then depend on each other: such an interval covers
    86 to 90 % instead of 95 %.)

    Parameters
    ----------
    values
        The score of every item under every option, `[item option]`; higher is better. An option with a NaN mean is not chosen.
    seed
        Seed of the halves.
    clusters
        The cluster of each item (its document, say). A cluster is never divided.

    Raises
    ------
    ValueError
        There are fewer than two items or clusters, or `clusters` has not one label for each item.

    References
    ----------
    Cox 1975, "A note on data-splitting for the evaluation of significance levels", Biometrika 62(2).

    Example
    -------
    >>> import numpy as np
    >>> from probes.statistics.selection import choose_on_half
    >>> noise = np.random.default_rng(0).normal(size=(400, 50))  # fifty options, none better than another
    >>> option, rows = choose_on_half(noise)
    >>> bool(noise.mean(axis=0).max() > 0.08), bool(abs(noise[rows, option].mean()) < 0.08)
    (True, True)
    """
    groups, count = groups_of(len(values), clusters)
    if count < 2:
        raise ValueError(f"got {count} items or clusters to choose on and to measure, expected at least 2.")
    if values.shape[1] == 1:
        return Choice(0, np.arange(len(values)))
    choosing = np.zeros(count, dtype=bool)
    choosing[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
    means = mean(values, choosing[groups][None].astype(float))[0]
    return Choice(highest(means), np.flatnonzero(~choosing[groups]))


def best_set(
    values: Shaped[np.ndarray, "item option"],
    resamples: int = 1000,
    seed: int = 0,
    clusters: Labels | None = None,
    level: float = 0.95,
) -> list[int]:
    """The options that may be the best: a confidence set, which holds the truly best one in 95 % of studies.

    An option is left out where some other is significantly better: where the largest studentized difference to the others is above
    the 95 % quantile of its bootstrap distribution under equality. On a flat curve nearly all options stay. The test of one option
    has that error; the set therefore needs no correction for their number.

    Parameters
    ----------
    values
        The score of every item under every option, `[item option]`; higher is better. An option that is NaN everywhere is left out.
    resamples
        Number of bootstrap resamples.
    seed
        Seed of the resamples.
    clusters
        The cluster of each item. Whole clusters are drawn.
    level
        How often the set holds the best option.

    Returns
    -------
    Indices of options, ascending. The one with the highest mean is always among them, and so is one with
    a value in one item (or cluster) alone, which says nothing of others.

    References
    ----------
    Hsu 1984, "Constrained simultaneous confidence intervals for multiple comparisons with the best", Ann. Stat. 12(3).

    Example
    -------
    >>> import numpy as np
    >>> from probes.statistics.selection import best_set
    >>> random = np.random.default_rng(0)
    >>> best_set(random.normal(size=(100, 3)) + np.array([0.0, 2.0, 2.0]))
    [1, 2]
    """
    means, single = known_mean(values), are_single(values, clusters)
    judged, best = np.flatnonzero(~single), highest(means)
    drawn = mean(values[:, judged], draws(len(values), resamples, seed, clusters)) - means[judged]
    units = groups_of(len(values), clusters)[1]
    student = stats.t.ppf((1 + level) / 2, max(1, units - 1)) / stats.norm.ppf((1 + level) / 2)  # few items: wider
    best_options = np.flatnonzero(single & ~np.isnan(means)).tolist()
    for column, option in enumerate(judged):
        gaps = means[judged] - means[option]
        moved = (drawn - drawn[:, column : column + 1])[~np.isnan(drawn[:, column])]
        error = np.nanstd(moved, axis=0)
        certain = error <= 1e-12
        scale = np.where(certain, 1.0, error)
        largest = np.fmax.reduce(np.where(certain, 0.0, moved / scale), axis=1)
        worst = np.where(certain, np.where(gaps > 1e-12, np.inf, 0.0), gaps / scale).max()
        if option == best or worst <= student * np.quantile(largest, level):
            best_options.append(int(option))
    return sorted(best_options)

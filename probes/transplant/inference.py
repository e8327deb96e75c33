"""What a chosen cell proves: tests and intervals that choose the cell anew in every resample, as the study itself did.

Held-out folds are not independent: what one fold is tested on, another chooses by. Taken as independent items they give an
effect where there is none in one study of six. `change` is `[item source target]`, the change of every item's score in every cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from probes.statistics.resampling import BLOCK, Labels, draws, groups_of, mean
from probes.transplant.selection import Rule, allowed_cells

Folds = Sequence[Bool[np.ndarray, " item"]]
"""Which items each fold holds out."""


class Tested(NamedTuple):
    """The change of held-out items in the cell that the others chose: its error, and its distance from what no effect gives.

    `shuffled` are those distances under sign flips `[flip]`, in standard deviations of themselves as `observed` is.
    """

    error: float
    observed: float
    shuffled: Float[np.ndarray, " flip"]

    @property
    def p(self) -> float:
        """Two-sided p: how often a flip is as far from its mean (Phipson & Smyth 2010)."""
        return float(((np.abs(self.shuffled) >= abs(self.observed) - 1e-9).sum() + 1) / (len(self.shuffled) + 1))


def held_out_test(
    change: Float[np.ndarray, "item source target"], rule: Rule, folds: Folds, clusters: Labels | None, resamples: int, seed: int
) -> Tested:
    """Is the change of held-out items in the cell that the others chose more than chance?

    Under the null hypothesis an item's changes are as likely as their negatives, all cells at once. In each of 2000 sign flips the
    cell is chosen and tested again, so the dependence of the folds is in p. The squared error is the mean of two variances over
    bootstrap resamples: with the cell chosen anew, and with it held fixed.

    Parameters
    ----------
    change
        The change of every item's score in every cell; a NaN counts as no change.
    rule
        Which cells may be chosen.
    folds
        Which items each fold holds out, of `splits`.
    clusters
        Label of each item, such as its document; whole clusters are flipped and drawn.
    resamples, seed
        Bootstrap resamples, and the seed of these and of the flips.

    Example
    -------
    >>> import numpy as np
    >>> from probes.transplant.selection import splits
    >>> change = np.random.default_rng(0).normal(size=(30, 4, 4))
    >>> change[:, 2, 1] += 1
    >>> held_out_test(change, "overall", splits(30, None, 5, None, 0), None, 200, 0).p < 0.01
    True
    """
    n = len(change)
    groups, units = groups_of(n, clusters)
    cells, allowed = _in_order(change), _in_order(allowed_cells(change.shape[1:], rule)[None])[0].astype(bool)
    cells = np.nan_to_num(cells[:, allowed])
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(_FLIPS, units))[:, groups]
    observed = _chosen_means(cells, np.ones((1, n)), folds)[0]
    flipped = _chosen_means(cells, signs, folds)
    drawn = _chosen_means(cells, draws(n, resamples, seed, clusters), folds)
    # Resamples choose among cells that carry the sample's noise already, so the variance that comes from choosing counts twice.
    error = float(np.sqrt((np.nanvar(drawn) + np.nanvar(_fixed_means(cells, folds, resamples, seed, clusters))) / 2))
    error *= np.sqrt(units / max(units - 1, 1))
    scale = float(flipped.std())
    centred = (flipped - flipped.mean()) / scale if scale > 1e-12 else np.zeros_like(flipped)
    return Tested(error, float((observed - flipped.mean()) / scale) if scale > 1e-12 else 0.0, centred)


def held_out_interval(estimate: float, error: float, units: int, level: float = 0.95) -> tuple[float, float]:
    """The t interval of a held-out change (`estimate`), at the confidence `level`.

    `error` is its bootstrap standard error, over so many `units` (items or documents). NaN for fewer than two.
    """
    if units < 2:
        return np.nan, np.nan
    half = float(stats.t.ppf((1 + level) / 2, units - 1)) * error
    return estimate - half, estimate + half


def over_pairs(tested: Sequence[Tested]) -> list[float]:
    """p of each pair corrected for all of them, by the largest distance of any pair in each flip (Westfall & Young 1993).

    The pairs share their items, and so the flips of `tested`, one for each pair.
    """
    largest = np.max([np.abs(each.shuffled) for each in tested], axis=0)
    return [float(((largest >= abs(each.observed) - 1e-9).sum() + 1) / (len(largest) + 1)) for each in tested]


class Band(NamedTuple):
    """The best cell as one of many: half the width of a band over all cells, p over all, and what the best reaches by chance."""

    half: float
    p: float
    by_chance: float


def best_of_all(
    change: Float[np.ndarray, "item source target"], cell: tuple[int, int], clusters: Labels | None, seed: int, level: float = 0.95
) -> Band:
    """What is known of a `cell` that is the best of all on the same items, in the `change` `[item source target]`.

    The band is simultaneous over the grid: the `level` quantile of the largest studentized deviation, by sign flips of the
    deviations from each cell's mean. `by_chance` is the mean over sign flips of the highest mean change of any cell, and p how
    often the largest studentized one is as large as that of the cell. Whole `clusters` are flipped, by `seed`.
    """
    flat = np.nan_to_num(change.reshape(len(change), -1))
    column = int(np.ravel_multi_index(cell, change.shape[1:]))
    groups, units = groups_of(len(flat), clusters)
    sums, apart = np.zeros((2, units, flat.shape[1]))
    np.add.at(sums, groups, flat)
    np.add.at(apart, groups, flat - flat.mean(axis=0))
    norm, own = (np.sqrt((each**2).sum(axis=0)) for each in (sums, apart))
    t, deviations, highest = [], [], []
    for signs in _sign_blocks(units, flat.shape[1], seed):
        flipped = signs @ sums
        highest.append(flipped.max(axis=1) / len(flat))
        t.append(np.abs(_over(flipped, norm)).max(axis=1))
        deviations.append(np.abs(_over(signs @ apart, own)).max(axis=1))
    observed = abs(float(_over(sums.sum(axis=0), norm)[column]))
    reached = int((np.concatenate(t) >= observed - 1e-9).sum())
    student = stats.t.ppf((1 + level) / 2, max(units - 1, 1)) / stats.norm.ppf((1 + level) / 2)
    error = own[column] * np.sqrt(units / max(units - 1, 1)) / len(flat)
    half = float(np.quantile(np.concatenate(deviations), level) * student * error) if units > 1 else float("nan")
    return Band(half, (reached + 1) / (_FLIPS + 1), float(np.concatenate(highest).mean()))


_FLIPS = 2000


def _in_order(values: np.ndarray) -> np.ndarray:
    """Cells as columns, those first that `choose` prefers in a tie: early targets, then late sources."""
    return values[:, ::-1].swapaxes(1, 2).reshape(len(values), -1)


def _chosen_means(cells: np.ndarray, weights: np.ndarray, folds: Folds) -> np.ndarray:
    """For each weighting of the items, the weighted mean of held-out items in the cell that is best in the others."""
    results = []
    size = max(1, BLOCK // (cells.shape[1] * (len(folds) + 1)))
    for start in range(0, len(weights), size):
        block = weights[start : start + size]
        parts = [block[:, out] @ cells[out] for out in folds]
        whole = block @ cells
        total, counted = np.zeros(len(block)), np.zeros(len(block))
        for out, part in zip(folds, parts, strict=True):
            chosen = (whole - part).argmax(axis=1)
            total += part[np.arange(len(block)), chosen]
            counted += np.abs(block[:, out]).sum(axis=1)
        results.append(np.divide(total, counted, out=np.full(len(block), np.nan), where=counted > 0))
    return np.concatenate(results)


def _fixed_means(cells: np.ndarray, folds: Folds, resamples: int, seed: int, clusters: Labels | None) -> np.ndarray:
    """The mean over held-out items in every resample, in the cells that were chosen in the sample."""
    values = np.full(len(cells), np.nan)
    for out in folds:
        values[out] = cells[out, (cells.sum(axis=0) - cells[out].sum(axis=0)).argmax()]
    return np.asarray(mean(values, draws(len(cells), resamples, seed, clusters)))


def _sign_blocks(units: int, cells: int, seed: int) -> list[np.ndarray]:
    rng, size = np.random.default_rng(seed), max(1, BLOCK // cells)
    return [rng.choice([-1.0, 1.0], size=(min(size, _FLIPS - start), units)) for start in range(0, _FLIPS, size)]


def _over(sums: np.ndarray, norm: np.ndarray) -> np.ndarray:
    return np.divide(sums, norm, out=np.zeros_like(sums), where=norm > 1e-12)

"""Choosing one cell of a grid on some items and evaluating it on others.

`values` are `[item source target]`, higher is better. NaN cells are never chosen.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

Rule = Literal["overall", "first_target", "last_source"]
"""Which cells may be chosen: all, those into the first target layer, those from the last source layer."""


def choose(values: Float[np.ndarray, "item source target"], rule: Rule = "overall") -> tuple[int, int]:
    """The source and target index of the cell with the highest mean of `values`, among the cells that `rule` allows.

    Ties go to the earliest target, then to the latest source, as in the released XTransplant code. This alone favours late sources
    and early targets. Raises `ValueError` if no allowed cell has a value.
    """
    means = np.full(values.shape[1:], -np.inf)
    allowed = allowed_cells(means.shape, rule)
    measured = allowed & ~np.isnan(values).all(axis=0)
    means[measured] = np.nanmean(values[:, measured], axis=0)
    if not measured.any():
        raise ValueError(f"no cell of {values.shape[1]} x {values.shape[2]} has a value to choose by ({rule}). Measure more cells.")
    best = np.argwhere(means >= means.max() - 1e-12)
    source, target = min(best.tolist(), key=lambda cell: (cell[1], -cell[0]))
    return source, target


def allowed_cells(shape: tuple[int, ...], rule: Rule) -> np.ndarray:
    """Which cells of a grid of that `shape` may be chosen by `rule`."""
    allowed = np.zeros(shape, dtype=bool)
    if rule == "overall":
        allowed[:] = True
    elif rule == "first_target":
        allowed[:, 0] = True
    else:
        allowed[-1] = True
    return allowed


def splits(n: int, clusters: Shaped[np.ndarray, " item"] | None, folds: int, pilot: int | None, seed: int) -> list[np.ndarray]:
    """Split `n` items, and give the held-out items of each split, a mask `[item]`.

    Parameters
    ----------
    n
        Number of items.
    clusters
        Label of each item, such as its document. Items with one label are never separated. Default: each its own.
    folds
        Number of splits.
    pilot
        If given, a single split that holds out all but this number of items.
    seed
        Random seed.

    Raises
    ------
    ValueError
        There is only one cluster, or the pilot leaves no item.
    """
    labels = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    if labels.max() == 0:
        raise ValueError(
            f"got {n} items of one text, expected two texts at least, to choose a cell on some and evaluate it on others."
        )
    order = np.random.default_rng(seed).permutation(labels.max() + 1)
    if pilot is None:
        return [np.isin(labels, part) for part in np.array_split(order, min(folds, len(order))) if len(part)]
    ranked = np.argsort(np.argsort(order)[labels], kind="stable")
    if not 0 < pilot < n:
        raise ValueError(f"got a pilot of {pilot} items out of {n}, expected at least 1, and some left to evaluate on.")
    out = np.zeros(n, dtype=bool)
    out[ranked[pilot:]] = True
    return [out]


def held_out(
    values: Float[np.ndarray, "item source target"], rule: Rule, parts: list[np.ndarray]
) -> tuple[Float[np.ndarray, " item"], Float[np.ndarray, " split"], Int[np.ndarray, "split two"]]:
    """Choose a cell of `values` by `rule` outside each split of `parts`, and evaluate it on the held-out items of the split.

    Returns the values of the held-out items `[item]` (NaN if never held out); the mean value of each chosen cell on the items it
    was chosen on `[split]`; and the source and target index of each cell `[split two]`.
    """
    evaluated = np.full(len(values), np.nan)
    promised, cells = [], []
    for out in parts:
        source, target = choose(values[~out], rule)
        evaluated[out] = values[out, source, target]
        promised.append(np.nanmean(values[~out, source, target]))
        cells.append((source, target))
    return evaluated, np.array(promised), np.array(cells)


def oracle(values: Float[np.ndarray, "item source target"], axis: tuple[int, ...] = (1, 2)) -> np.ndarray:
    """The highest of `values` over the cells (over `axis`), an upper bound that knows the answer; NaN without values."""
    best = np.where(np.isnan(values), -np.inf, values).max(axis=axis)
    return np.where(np.isneginf(best), np.nan, best)

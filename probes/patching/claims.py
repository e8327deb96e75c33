"""Where patching restores the answer and where it pushes the other way: a signed claim for every cell, and runs of blocks in words.

A cell is a token position and a block (or head). What patching moves there is counted towards the donor's answer: 1 is all of the
difference between the clean and the corrupt run, a negative number is a push the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from probes.statistics.resampling import Labels, max_statistic

CARRIES, OPPOSES, SURE, FEWEST = "carries", "opposes", 0.05, 6
"""The two claims, the p below which one is made, and the fewest items with which it can be (2 / 2^6 < 0.05)."""


class Claims(NamedTuple):
    """For each cell the `claim` ("carries", "opposes" or "") and the `p` of its test, corrected over all cells."""

    claim: Shaped[np.ndarray, " cell"]
    p: Float[np.ndarray, " cell"]


def claims(
    moved: Float[np.ndarray, "item cell"],
    whole: Float[np.ndarray, " item"],
    share: float,
    *,
    seed: int = 0,
    clusters: Labels | None = None,
    families: int = 1,
) -> Claims:
    """Which cells move more than a share of the difference towards the donor's answer, and which move away from it.

    Parameters
    ----------
    moved
        The change of the metric towards the donor's run, for every item and cell.
    whole
        The change that would make the two runs equal, for every item. Where its mean is negative (`kl`), both are turned round.
    share
        Share of `whole` that a cell must exceed to carry the answer. To push the other way, it must only be below zero.
    seed
        Random seed of the sign flips.
    clusters
        Items that are the same question in several languages. Their signs are flipped together.
    families
        Number of tests like this one that one sentence speaks of. p is multiplied by it (Bonferroni).

    Returns
    -------
    `Claims`. p is of a sign-flip test with the largest |t| of all cells (`max_statistic`); 1 where the mean is on neither side.
    """
    sign = -1.0 if whole.mean() < 0 else 1.0
    towards, away = sign * (moved - share * whole[:, None]), -sign * moved
    both = np.concatenate([towards, away], axis=1)
    p = np.minimum(1, families * max_statistic(both, seed=seed, clusters=clusters)).reshape(2, -1)
    p = np.where(both.mean(axis=0).reshape(2, -1) > 0, p, 1.0)
    claim = np.where(p[0] < SURE, CARRIES, np.where(p[1] < SURE, OPPOSES, ""))
    return Claims(claim, p.min(axis=0))


def runs(blocks: Sequence[int], among: Sequence[int]) -> list[tuple[int, int]]:
    """The first and last of each unbroken stretch of `blocks`, where `among` are all blocks that were patched.

    >>> runs([0, 1, 2, 3, 21, 23], range(24))
    [(0, 3), (21, 21), (23, 23)]
    >>> runs([0, 4], [0, 4, 8])
    [(0, 4)]
    """
    order = sorted(among)
    indices = sorted(order.index(block) for block in blocks)
    starts = [k for k, index in enumerate(indices) if k == 0 or index > indices[k - 1] + 1]
    ends = [*(start - 1 for start in starts[1:]), len(indices) - 1]
    return [(order[indices[start]], order[indices[end]]) for start, end in zip(starts, ends, strict=True)]


def spell(stretches: Sequence[tuple[int, int]], among: Sequence[int]) -> str:
    """`stretches` of blocks (first and last of each) in words, `among` all blocks that were patched.

    >>> spell([(0, 3), (21, 23)], range(24))
    'at blocks 0-3 and 21-23'
    >>> spell([(0, 3)], range(24)), spell([(21, 23)], range(24)), spell([(5, 5)], range(24)), spell([(0, 23)], range(24))
    ('up to block 3', 'from block 21', 'at block 5', 'at every block')
    """
    first, last = min(among), max(among)
    if list(stretches) == [(first, last)]:
        return "at every block"
    if len(stretches) == 1 and stretches[0][0] == first != stretches[0][1]:
        return f"up to block {stretches[0][1]}"
    if len(stretches) == 1 and stretches[0][1] == last != stretches[0][0]:
        return f"from block {stretches[0][0]}"
    parts = [str(start) if start == end else f"{start}-{end}" for start, end in stretches]
    word = "block" if len(parts) == 1 and stretches[0][0] == stretches[0][1] else "blocks"
    return f"at {word} " + (f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0])

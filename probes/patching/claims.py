"""Where patching restores the answer and where it pushes the other way: a signed claim for every cell.

A cell is a token position and a block (or head). What patching moves there is counted towards the donor's answer: 1 is all of the
difference between the clean and the corrupt run, a negative number is a push the other way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from probes.statistics.resampling import Labels
from probes.statistics.significance import max_statistic

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

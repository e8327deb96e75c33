"""Where patching restores the answer and where it pushes the other way: a signed claim for every cell.

A cell is a token position and a block (or head). What patching moves there is counted towards the donor's answer: 1 is all of the
difference between the clean and the corrupt run, a negative number is a push the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped

from probes.statistics.resampling import Labels, known_mean
from probes.statistics.significance import FEWEST, LEVEL, max_statistic

CARRIES, OPPOSES = "carries", "opposes"
"""The two claims."""


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
    claim = np.where(p[0] < LEVEL, CARRIES, np.where(p[1] < LEVEL, OPPOSES, ""))
    return Claims(claim, p.min(axis=0))


def more_than(
    values: Float[np.ndarray, "item layer"], against: Sequence[np.ndarray], *, seed: int = 0
) -> Bool[np.ndarray, " layer"]:
    """The layers at which `values` are surely higher than each of several controls (`against`), item by item.

    One max-statistic covers all layers and controls. With fewer than six items there is none. `seed` draws the signs.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(2, 20, 3))
    >>> more_than(noise[0] + [0, 0, 3], [noise[1], np.zeros((20, 1))]).tolist()
    [False, False, True]
    """
    gains = np.stack([values - other for other in against], axis=1)
    if len(gains) < FEWEST:
        return np.zeros(values.shape[1], dtype=bool)
    return np.asarray(((max_statistic(gains, seed=seed) < LEVEL) & (known_mean(gains) > 0)).all(axis=0))

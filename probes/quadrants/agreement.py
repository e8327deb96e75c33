"""Do all targets agree? How far the gains of tuning agree from one probe language to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.models.checks.finite import check_finite
from probes.quadrants.classes import Scores, gap

_SHUFFLES = 1000
_FEW = 4  # languages: fewer give no useful correlation


@dataclass(frozen=True)
class Agreement:
    """`matrix` is the correlation over tuned languages of the gains of two targets; `share` the part of the (standardised) gains
    that one common factor holds, and `chance` what it holds when every target's gains are shuffled (95 % of shuffles lie below);
    `stability` the rank correlation of dM without each target in turn with dM over all.

    A small set of probe languages is enough where `share` is far above `chance` and every `stability` is near 1.
    """

    matrix: pd.DataFrame
    share: float
    chance: float
    stability: pd.Series
    languages: int


def target_gains(scores: Scores, probes: Sequence[str], method: str, size: int, against: str = "base") -> pd.DataFrame:
    """S(f_x; pivot -> y) - S(f0; pivot -> y): tuned languages x in rows, targets y in columns; NaN where x is y.

    `scores` are those of all models; `probes` the targets y; `method` and `size` choose the tuned models f_x; `against` names the
    baseline f0, as in `Scores.baseline`.
    """
    codes = [language for language, own, n in scores.tuned() if (own, n) == (method, size)]
    rows = {x: {y: gap(scores, against, x, method, size, [y])[0][0] if x != y else np.nan for y in probes} for x in codes}
    return pd.DataFrame.from_dict(rows, orient="index")[list(probes)]


def agreement(gains: pd.DataFrame, seed: int = 0) -> Agreement:
    """How consistent the gains of tuning are across targets. Raises `ValueError` below four languages or two targets.

    `gains` are those of `target_gains`; `seed` is the random seed of the shuffles. A language's own column is left out of its
    pairs. When it misleads: targets of one family agree because they are alike, and with few languages the first factor is large by
    chance, so hold `share` against `chance`.
    """
    if len(gains) < _FEW or gains.shape[1] < 2:
        raise ValueError(
            f"got gains of {len(gains)} languages into {gains.shape[1]} targets, expected {_FEW} or more, into 2 or more."
        )
    rng, measured = np.random.default_rng(seed), gains.notna().to_numpy()
    shuffled = [_share(_shuffled(gains.to_numpy(dtype=float), measured, rng)) for _ in range(_SHUFFLES)]
    ranks = {y: gains.drop(columns=y).mean(axis=1).corr(gains.mean(axis=1), method="spearman") for y in gains}
    return Agreement(
        gains.corr(), _share(gains.to_numpy(dtype=float)), float(np.quantile(shuffled, 0.95)), pd.Series(ranks), len(gains)
    )


def _share(gains: Float[np.ndarray, "language target"]) -> float:
    """The largest eigenvalue of the correlation matrix, as a part of all; a missing gain counts as its column's mean."""
    centred = np.where(np.isnan(gains), 0.0, gains - np.nanmean(gains, axis=0))
    check_finite(centred, lambda row, column: f"the gain of language {row} into target {column}")
    norms = np.sqrt((centred**2).sum(axis=0))
    standard = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 0)
    return float(np.linalg.eigvalsh(standard.T @ standard)[-1] / gains.shape[1])


def _shuffled(gains: np.ndarray, measured: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every target's gains given to other languages; a missing one stays where it is."""
    shuffled = gains.copy()
    for column in range(gains.shape[1]):
        shuffled[measured[:, column], column] = rng.permutation(gains[measured[:, column], column])
    return shuffled

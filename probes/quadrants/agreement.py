"""Do all targets agree? How far the gains of tuning agree from one probe language to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from interp.models.checks.finite import check_finite
from probes.quadrants.classes import Scores, gap

_SHUFFLES = 1000
_FEW = 4  # languages: fewer give no useful correlation


@dataclass(frozen=True)
class Agreement:
    """`matrix` is the correlation over tuned languages of the gains of two targets; `share` the part of the (standardised) gains
    that one common factor holds, and `chance` what it holds when every target's gains are shuffled (95 % of shuffles lie below);
    `stability` the rank correlation of dM without each target in turn with dM over all, and `stability_chance` what its mean is in
    95 % of the same shuffles at most: near 1 with many targets even where no two agree, as all but one target stand on both sides.

    A small set of probe languages is enough where `share` is far above `chance` and every `stability` above `stability_chance`.
    """

    matrix: pd.DataFrame
    share: float
    chance: float
    stability: pd.Series
    languages: int
    stability_chance: float


def target_gains(scores: Scores, probes: Sequence[str], method: str, size: int, against: str = "base") -> pd.DataFrame:
    """S(f_x; pivot -> y) - S(f0; pivot -> y), mean over seeds: tuned languages x in rows, targets y in columns; NaN where x is y.

    `scores` are those of all models; `probes` the targets y; `method` and `size` choose the tuned models f_x; `against` names the
    baseline f0, as in `Scores.baseline`.
    """
    codes = [language for language, own, n in scores.tuned() if (own, n) == (method, size)]
    rows = {x: {y: gap(scores, against, x, method, size, [y])[0][0].mean() if x != y else np.nan for y in probes} for x in codes}
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
    rng, values = np.random.default_rng(seed), gains.to_numpy(dtype=float)
    measured = ~np.isnan(values)
    shuffled = [_shuffled(values, measured, rng) for _ in range(_SHUFFLES)]
    stable = [_stability(each).mean() for each in shuffled]
    return Agreement(
        gains.corr(),
        _share(values),
        float(np.quantile([_share(each) for each in shuffled], 0.95)),
        pd.Series(_stability(values), gains.columns),
        len(gains),
        float(np.nanquantile(stable, 0.95)),
    )


def _stability(gains: Float[np.ndarray, "language target"]) -> Float[np.ndarray, " target"]:
    """The rank correlation of the mean gain over all targets with that without each; NaN where a language has no other target."""
    total, counted = np.nansum(gains, axis=1, keepdims=True), (~np.isnan(gains)).sum(axis=1, keepdims=True)
    rest = counted - ~np.isnan(gains)
    without = np.divide(total - np.nan_to_num(gains), rest, out=np.full(gains.shape, np.nan), where=rest > 0)
    ranks = stats.rankdata(np.column_stack([total / counted, without]), axis=0, nan_policy="omit")
    return np.array([_correlation(ranks[:, 0], ranks[:, 1 + column]) for column in range(gains.shape[1])])


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    both = ~(np.isnan(one) | np.isnan(other))
    x, y = one[both] - one[both].mean(), other[both] - other[both].mean()
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / scale) if scale > 0 else float("nan")


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

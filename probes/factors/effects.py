"""How large is the effect of each level of a factor, beyond what other sentences and other training seeds would make?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes.factors.contrasts import Contrast, Factors, contrasts
from probes.factors.scores import CombinationScores
from probes.statistics.significance import FEWEST, LEVEL, holm, max_statistic
from probes.statistics.training_noise import Spread, spread

_TESTED = ("difference", "interaction")


def measure_effects(scores: CombinationScores, factors: Factors, seed: int = 0) -> pd.DataFrame:
    """One row per mean, difference and interaction: its 95 % interval, and the p of those that compare.

    Intervals are over sentences (or documents) and training seeds (`probes.statistics.training_noise`). What seeds differ by is
    pooled over the combinations that a number is a mean of. `p_max` is corrected for every difference and interaction of the
    sweep: the larger of two, the max-statistic over the sentences, and with several seeds the p of the interval, corrected by Holm.
    With one seed only the sentences speak, and nothing is claimed.

    Parameters
    ----------
    scores
        The scores of every combination.
    factors
        The factors that vary, with the labels of their levels.
    seed
        Random seed of the sign flips.

    Returns
    -------
    pd.DataFrame
        `kind, factor, level, estimate, lower, upper, n, seeds, combinations, baseline, p_max, claimed`. The `baseline` is the
        untuned model's: its mean, or its difference where the levels have different ones.
    """
    asked = contrasts(factors, scores.combinations)
    units = len(scores.added)
    found = [_spread_of(each, scores, units) for each in asked]
    tested = [row for row, each in enumerate(asked) if each.kind in _TESTED]
    p = np.full(len(asked), np.nan)
    if tested:
        weights = np.stack([asked[row].parts.mean(axis=0) for row in tested])
        p[tested] = _p_max(scores.added @ weights.T, [found[row] for row in tested], len(scores.seeds), seed)
    rows = []
    for each, measured, chance in zip(asked, found, p, strict=True):
        lower, upper = measured.interval()
        if each.kind in ("mean", "cell") and scores.highest is not None:
            lower, upper = np.clip(lower, 0.0, scores.highest), np.clip(upper, 0.0, scores.highest)
        rows.append({
            "kind": each.kind, "factor": each.factor, "level": each.level, "estimate": float(measured.estimate),
            "lower": float(lower), "upper": float(upper), "n": units, "seeds": len(scores.seeds), "combinations": len(each.parts),
            "baseline": float((each.parts @ scores.untuned).mean()), "p_max": float(chance),
            "claimed": bool(chance < LEVEL and len(scores.seeds) > 1 and units >= FEWEST),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _p_max(added: Float[np.ndarray, "unit contrast"], found: list[Spread], seeds: int, seed: int) -> Float[np.ndarray, " contrast"]:
    by_items = max_statistic(added, seed=seed)
    if seeds < 2:
        return by_items
    return np.maximum(by_items, holm(np.array([float(each.p()) for each in found])))


def _spread_of(contrast: Contrast, scores: CombinationScores, units: int) -> Spread:
    """The estimate of a contrast, with the error that other sentences and other seeds would make."""
    parts = scores.once @ contrast.parts.T
    between = mean_between_seeds(parts) if len(parts) > 1 else None
    return spread(parts.mean(axis=1), scores.drawn @ contrast.parts.mean(axis=0), units, between)


def mean_between_seeds(parts: Float[np.ndarray, "seed part"]) -> tuple[np.ndarray, np.ndarray]:
    """The variance between seeds of the mean over some parts, and its degrees of freedom, pooled over the parts.

    Parts may be unequally noisy: the degrees of freedom are Satterthwaite's (1946), few where one part makes most of the noise.
    What parts have in common (the same examples, drawn with the same seed) has the degrees of freedom of one part.

    Parameters
    ----------
    parts
        `[seed part]`, a difference of scores of every seed; two seeds or more.

    Example
    -------
    >>> import numpy as np
    >>> variance, freedom = mean_between_seeds(np.random.default_rng(0).normal(size=(3, 400)))
    >>> bool(0.5 < 400 * variance < 2), bool(freedom > 3)
    (True, True)
    """
    seeds, many = parts.shape
    each, of_mean = parts.var(axis=0, ddof=1), parts.mean(axis=1).var(ddof=1)
    pooled = each.mean()
    shared = np.clip((many * of_mean - pooled) / (many - 1), 0.0, pooled) if many > 1 else pooled
    own = (pooled - shared) / many
    unequal = (each**2).sum() / each.sum() ** 2 if each.any() else 1.0
    error = (shared**2 + own**2 * unequal) / (seeds - 1)
    freedom = (shared + own) ** 2 / error if error > 0 else seeds - 1.0
    return np.asarray(shared + own), np.asarray(float(freedom))

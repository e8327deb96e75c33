"""The score of every combination of a sweep: once a seed, under resamples of the items, and what each item adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes.statistics.resampling import BLOCK, draws, groups_of
from probes.sweep.scores import direction_scores
from probes.sweep.seed_means import FULL
from probes.translation.scorers import CORPUS_SCORES

PREFIX = "factor_"
"""What stands before a factor's name in the columns of a table, where "steps" or "model" may be a factor."""
TUNED, UNTUNED = "tuned", "untuned"


class CombinationScores(NamedTuple):
    """Scores of the tuned models, on a scale of 0 to 100 where the metric is a share or a corpus score.

    `combinations` has the level of each factor, `once [seed combination]` the scores, `drawn [resample seed combination]` the same
    under resamples of the items, `added [unit combination]` what each item (or document) adds to the mean over seeds (jackknife
    pseudo-values: for a mean, the item's own score), and `untuned [combination]` the score of the model that each was tuned from.
    `highest` is the highest score there is; None where that is not known.
    """

    combinations: tuple[Mapping[str, str], ...]
    seeds: tuple[int, ...]
    once: Float[np.ndarray, "seed combination"]
    drawn: Float[np.ndarray, "resample seed combination"]
    added: Float[np.ndarray, "unit combination"]
    untuned: Float[np.ndarray, " combination"]
    highest: float | None


def combination_scores(
    table: pd.DataFrame, factors: Sequence[str], metric: str, resamples: int, seed: int, outside: bool = False
) -> CombinationScores:
    """The score of every combination of levels: the mean over its directions of the score in each.

    Parameters
    ----------
    table
        One row per cell, direction and item: that of `FactorStudy.scores`.
    factors
        Names of the factors.
    metric
        A metric of the table.
    resamples, seed
        Number and random seed of the bootstrap resamples; each takes the same items (or documents) in every cell.
    outside
        The scores are those of an outside judge, on a scale of its own.

    Raises
    ------
    ValueError
        Combinations have different seeds, directions or items.
    """
    scale = 1.0 if outside or metric in CORPUS_SCORES else FULL
    one = table[table["cell"] == table["cell"].iloc[0]]
    one = one[(one["target"] == one["target"].iloc[0]) & (one["source"] == one["source"].iloc[0])].sort_values("item")
    documents = one["document"].to_numpy() if "document" in one else None
    groups, units = groups_of(len(one), documents)
    once = _cells(direction_scores(table, metric)) * scale
    drawn = _cells(direction_scores(table, metric, draws(len(one), resamples, seed, documents))) * scale
    left_out = _without_each(table, metric, groups, units) * scale
    own = table[table["role"] == TUNED].drop_duplicates("cell")
    columns = [PREFIX + name for name in factors]
    seeds = tuple(sorted(int(each) for each in own["seed"].unique()))
    combinations, cells, bare = [], [], []
    for key, part in own.groupby(columns, sort=False):
        if len(part) != len(seeds) or set(part["seed"]) != set(seeds):
            raise ValueError(
                f"{key}: got seeds {sorted(part['seed'])} where others have {list(seeds)}, expected the same everywhere."
            )
        combinations.append(dict(zip(factors, map(str, key), strict=True)))
        cells.append(part.sort_values("seed")["cell"].tolist())
        bare.append(part["untuned"].iloc[0])
    names = np.array(cells).T
    scores = np.stack([once.loc[row].to_numpy()[:, 0] for row in names])
    resampled = np.stack([drawn.loc[row].to_numpy().T for row in names], axis=1)
    without = np.stack([left_out.loc[row].to_numpy().T for row in names]).mean(axis=0)
    added = units * scores.mean(axis=0) - (units - 1) * without
    untuned, highest = once.loc[bare].to_numpy()[:, 0], None if outside else FULL
    return CombinationScores(tuple(combinations), seeds, scores, resampled, added, untuned, highest)


def _without_each(table: pd.DataFrame, metric: str, groups: np.ndarray, units: int) -> pd.DataFrame:
    """The score of every cell without each item (or document), a column each; some at a time, as there are items squared."""
    at_once = max(1, BLOCK // len(groups))
    parts = [np.arange(start, min(start + at_once, units)) for start in range(0, units, at_once)]
    return pd.concat([_cells(direction_scores(table, metric, (groups != part[:, None]).astype(float))) for part in parts], axis=1)


def _cells(by_direction: pd.DataFrame) -> pd.DataFrame:
    """The mean over directions, a row a cell."""
    counts = by_direction.groupby(level="cell", sort=False).size()
    if counts.nunique() > 1:
        raise ValueError(
            f"cell {counts.idxmin()!r} has {counts.min()} directions where {counts.idxmax()!r} has {counts.max()}, "
            "expected the same directions everywhere."
        )
    return by_direction.groupby(level="cell", sort=False).mean()

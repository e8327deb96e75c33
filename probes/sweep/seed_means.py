"""Scores of a sweep by training seed, with draws over sentences: what the error of a mean over seeds is computed from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes.statistics.resampling import draws
from probes.sweep.scores import direction_scores
from probes.translation.scorers import CORPUS_SCORES, Overlap

FULL = 100.0


def seed_scores(
    table: pd.DataFrame, metric: Overlap | str, by: Sequence[str], resamples: int, seed: int
) -> tuple[pd.DataFrame, Float[np.ndarray, "seed group"], Float[np.ndarray, "resample seed group"]]:
    """How well does each group of cells translate, on a scale of 0 to 100, with each training seed?

    A resample takes the same sentences (or documents) for every group and seed, so that differences are paired. chrF++ and BLEU are
    corpus scores within a cell.

    Parameters
    ----------
    table
        That of `measure_cells`, with the tags `by` and `seed`. Cells of a group differ in their seed and direction only.
    metric
        A metric of the table, such as "chrf".
    by
        Columns that define a group.
    resamples
        Number of bootstrap resamples.
    seed
        Random seed of the resamples.

    Returns
    -------
    tuple[pd.DataFrame, np.ndarray, np.ndarray]
        The groups, their scores `[seed group]`, and the scores in each resample `[resample seed group]`; seeds ascend.
        `probes.statistics.training_noise.spread` makes their means and errors of them.

    Raises
    ------
    ValueError
        Where groups have different seeds.

    Example
    -------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"cell": "base", "seed": 0, "source": "eng_Latn", "target": "deu_Latn", "item": ["1", "2"],
    ...                       "exact": [1.0, 0.0], "exact_baseline": 0.0})
    >>> groups, scores, drawn = seed_scores(table, "exact", ["target"], resamples=10, seed=0)
    >>> scores.tolist(), drawn.shape
    ([[50.0]], (10, 1, 1))
    """
    first = table[table["cell"] == table["cell"].iloc[0]]
    first = first[first["target"] == first["target"].iloc[0]].sort_values("item")
    documents = first["document"].to_numpy() if "document" in first else None
    once = direction_scores(table, metric)
    drawn = direction_scores(table, metric, draws(len(first), resamples, seed, documents)).to_numpy()
    scale = 1.0 if metric in CORPUS_SCORES else FULL
    tags = table.drop_duplicates(["cell", "source", "target"]).set_index(["cell", "source", "target"]).loc[once.index]
    seeds = sorted(tags["seed"].unique())
    groups, scores, draws_of = [], [], []
    for key, rows in tags.groupby(list(by), sort=False).indices.items():
        own_seeds = tags["seed"].to_numpy()[rows]
        if set(own_seeds) != set(seeds):
            raise ValueError(
                f"{key}: got seeds {sorted(set(own_seeds))} where others have {seeds}, expected the same seeds everywhere."
            )
        mine = [rows[own_seeds == each] for each in seeds]
        groups.append(key)
        scores.append([scale * once.to_numpy()[each, 0].mean() for each in mine])
        draws_of.append([scale * drawn[each].mean(axis=0) for each in mine])
    return pd.DataFrame(groups, columns=list(by)), np.array(scores).T, np.moveaxis(np.array(draws_of), -1, 0).swapaxes(1, 2)


def units_of(table: pd.DataFrame) -> int:
    """How many sentences of a sweep's `table` are resampled, or documents where it names them."""
    return int(table["document" if "document" in table else "item"].nunique())

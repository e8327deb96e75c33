"""Scores of a sweep averaged over training seeds, with draws over sentences and seeds: the interval of what was trained, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes.statistics.resampling import draws
from probes.sweep.scores import direction_scores
from probes.translation.report import CORPUS_SCORES
from probes.translation.text_scores import Overlap

FULL = 100.0


def seed_means(
    table: pd.DataFrame, metric: Overlap | str, by: Sequence[str], resamples: int, seed: int
) -> tuple[pd.DataFrame, Float[np.ndarray, " group"], Float[np.ndarray, "resample group"]]:
    """How well does each group of cells translate, on a scale of 0 to 100, averaged over training seeds?

    A resample takes the same sentences (or documents) and the same seeds for every group, so that differences of groups are paired.
    chrF++ and BLEU are corpus scores within a cell.

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
        The groups, their scores `[group]`, and the scores in each resample `[resample group]`.

    Raises
    ------
    ValueError
        Where groups have different seeds.

    Notes
    -----
    When it misleads: seeds are few. With k of them the part of the interval that comes from seeds is too narrow by
    sqrt((k - 1) / k); with one, the interval is of sentences alone and says nothing of training noise.

    Example
    -------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"cell": "base", "seed": 0, "source": "eng_Latn", "target": "deu_Latn", "item": ["1", "2"],
    ...                       "exact": [1.0, 0.0], "exact_baseline": 0.0})
    >>> groups, scores, draws_of = seed_means(table, "exact", ["target"], resamples=10, seed=0)
    >>> scores.tolist(), draws_of.shape
    ([50.0], (10, 1))
    """
    first = table[table["cell"] == table["cell"].iloc[0]]
    first = first[first["target"] == first["target"].iloc[0]].sort_values("item")
    documents = first["document"].to_numpy() if "document" in first else None
    once = direction_scores(table, metric)
    drawn = direction_scores(table, metric, draws(len(first), resamples, seed, documents)).to_numpy()
    scale = 1.0 if metric in CORPUS_SCORES else FULL
    tags = table.drop_duplicates(["cell", "source", "target"]).set_index(["cell", "source", "target"]).loc[once.index]
    seeds = sorted(tags["seed"].unique())
    often = draws(len(seeds), resamples, seed + 1)
    groups, scores, draws_of = [], [], []
    for key, rows in tags.groupby(list(by), sort=False).indices.items():
        own_seeds = tags["seed"].to_numpy()[rows]
        if set(own_seeds) != set(seeds):
            raise ValueError(
                f"{key}: got seeds {sorted(set(own_seeds))} where others have {seeds}, expected the same seeds everywhere."
            )
        weight = often[:, [seeds.index(own_seed) for own_seed in own_seeds]]
        groups.append(key)
        scores.append(scale * once.to_numpy()[rows, 0].mean())
        draws_of.append(scale * (drawn[rows].T * weight).sum(1) / weight.sum(1))
    return pd.DataFrame(groups, columns=list(by)), np.array(scores), np.stack(draws_of, axis=1)

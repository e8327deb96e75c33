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
    """How well does each group of cells translate, on a scale of 0 to 100: the groups, their scores, and draws of them.

    `table` is that of `measure_cells` with the tags `by` and `seed`; cells of a group differ in their seed and direction
    only. A draw takes the same sentences (or documents) and the same seeds for every group, so that differences of groups
    are paired. chrF++ and BLEU are corpus scores within a cell.

    When it misleads: seeds are few. With k of them the part of the interval that they make is too narrow by
    sqrt((k - 1) / k); one seed says nothing of training noise, and the interval is then of sentences alone.
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

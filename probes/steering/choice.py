"""At which layer, and how strongly, to edit: chosen on prompts that neither fitted the edit nor test it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from interp.text.corpus import ParallelCorpus
from probes.statistics.folds import take

CANDIDATES, CHOOSING = 8, 8
"""The number of layers that are tried, and of sentences that they are tried on, where nothing else is asked for."""


def candidates(layers: Sequence[str], count: int = CANDIDATES) -> tuple[str, ...]:
    """Some of the `layers`, evenly spread over the depth: `count` blocks with the first and the last, without "embed".

    >>> candidates(["embed", *map(str, range(24))])
    ('0', '3', '7', '10', '13', '16', '20', '23')
    >>> candidates(["embed", "0", "1"])
    ('0', '1')
    """
    blocks = [layer for layer in layers if layer != "embed"] or list(layers)
    indices = np.linspace(0, len(blocks) - 1, min(count, len(blocks))).round().astype(int)
    return tuple(blocks[index] for index in indices)


def part(corpus: ParallelCorpus, count: int, seed: int) -> tuple[ParallelCorpus, ParallelCorpus]:
    """Split `corpus` by sentence (by document, where known): about `count`, drawn by `seed`, to choose on, the rest to test on.

    Raises `ValueError` if nothing is left to test on.
    """
    names = np.array(corpus.documents or corpus.ids)
    order = np.random.default_rng(seed).permutation(sorted(set(names)))
    sizes = np.cumsum([(names == name).sum() for name in order])
    first = order[: 1 + int(np.searchsorted(sizes, count))]
    chosen = np.flatnonzero(np.isin(names, first))
    rest = np.setdiff1d(np.arange(len(corpus)), chosen)
    if not len(rest):
        raise ValueError(
            f"got {len(corpus)} sentences in {len(order)} documents, expected more: {count} choose the layer and the strength, and "
            "others must test them. Give more sentences, or `layers` and one strength, with which nothing is chosen."
        )
    return take(corpus, chosen), take(corpus, rest)


def choices(table: pd.DataFrame) -> pd.DataFrame:
    """How each layer and strength did: the means over sentences, one row per layer and strength, the best first.

    Parameters
    ----------
    table
        Rows of `Judge.judge` with the columns `layer` and `alpha`.

    Returns
    -------
    `layer, alpha, score, identified, language, plausible, repetition, fidelity, surprise, n`. The score of a text is
    plausible * (1 + fidelity / 100): it counts if it is in the target language, no repetition and plausible, and then counts more
    the more it says the same. Equal scores are ordered by strength, the weakest first.
    """
    scored = table.assign(score=table["plausible"] * (1 + table["fidelity"] / 100))
    columns = ["score", "identified", "language", "plausible", "repetition", "fidelity", "surprise"]
    groups = scored.groupby(["layer", "alpha"], sort=False)
    frame = groups[columns].mean().assign(n=groups.size()).reset_index()
    return frame.sort_values(["score", "language", "alpha"], ascending=[False, False, True], kind="stable").reset_index(drop=True)

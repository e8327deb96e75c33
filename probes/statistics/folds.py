"""Which sentences are held out: always whole sentences in all their languages, never rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from interp.text.corpus import ParallelCorpus

Parts = Sequence[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]
"""One (train, test) pair of sentence positions a fold."""


def split(clusters: Sequence[str] | np.ndarray, folds: int, seed: int, labels: Sequence[str] | None = None) -> Parts:
    """Train and test positions of SENTENCES, whole clusters (their ids, or documents) to a side.

    A position is a sentence in every language at once, so a translation of a training sentence cannot be in the test part.
    Where `labels` are given, one a sentence, each part has them in like shares.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    distinct = len(set(clusters))
    if folds < 2 or distinct < folds:
        raise ValueError(f"got {distinct} sentences (or documents) in {folds} folds, expected at least 2 folds with one in each.")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(clusters)), [""] * len(clusters) if labels is None else list(labels), clusters))


def halves(corpus: ParallelCorpus, seed: int) -> tuple[ParallelCorpus, ParallelCorpus]:
    """Two corpora of other sentences (documents, where known): one to find something on, the other to try it on."""
    first, second = split(corpus.documents or corpus.ids, 2, seed)[0]
    return take(corpus, first), take(corpus, second)


def take(corpus: ParallelCorpus, rows: Int[np.ndarray, " item"]) -> ParallelCorpus:
    """The sentences of a corpus at some positions, with their ids, documents and labels."""
    return replace(
        corpus,
        sentences={code: tuple(texts[row] for row in rows) for code, texts in corpus.sentences.items()},
        ids=tuple(corpus.ids[row] for row in rows),
        documents=tuple(corpus.documents[row] for row in rows) if corpus.documents else None,
        labels={name: tuple(values[row] for row in rows) for name, values in corpus.labels.items()},
    )

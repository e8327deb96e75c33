"""Training and test sets of sentences: a sentence is in one of them in all its languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from interp.text.corpus import ParallelCorpus

Parts = Sequence[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]
"""One (train, test) pair of sentence positions a fold."""


def split(clusters: Sequence[str] | np.ndarray, folds: int, seed: int, labels: Sequence[str] | None = None) -> Parts:
    """Split sentences into training and test sets for cross-validation; a sentence is in one of them in all its languages.

    So a translation of a training sentence is never tested on.

    Parameters
    ----------
    clusters
        Label of each sentence: its id, or its document. Sentences with one label stay together.
    folds
        Number of folds, at least 2.
    seed
        Random seed.
    labels
        A class of each sentence. Where given, all parts have the classes in like shares.

    Returns
    -------
    Sequence[tuple[np.ndarray, np.ndarray]]
        Positions of the training and of the test sentences, for each fold. Every sentence is tested once.

    Raises
    ------
    ValueError
        Where there are fewer than 2 folds, or fewer clusters than folds.

    Example
    -------
    >>> for train, test in split(["a", "a", "b", "b", "c", "c"], folds=3, seed=0):
    ...     print(train, test)
    [0 1 2 3] [4 5]
    [0 1 4 5] [2 3]
    [2 3 4 5] [0 1]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    distinct = len(set(clusters))
    if folds < 2 or distinct < folds:
        raise ValueError(f"got {distinct} sentences (or documents) in {folds} folds, expected at least 2 folds with one in each.")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(clusters)), [""] * len(clusters) if labels is None else list(labels), clusters))


def halves(corpus: ParallelCorpus, seed: int) -> tuple[ParallelCorpus, ParallelCorpus]:
    """Two corpora with different sentences (or documents, where known): one to choose something on, the other to test it on.

    Parameters
    ----------
    corpus
        Parallel text.
    seed
        Random seed.

    Raises
    ------
    ValueError
        Where the corpus has fewer than two sentences (or documents).

    Example
    -------
    >>> import interp
    >>> corpus = interp.read("cldr:names", languages=["en", "de"]).select(limit=10, seed=0)
    >>> first, second = halves(corpus, seed=0)
    >>> len(first), len(second), set(first.ids) & set(second.ids)
    (5, 5, set())
    """
    first, second = split(corpus.documents or corpus.ids, 2, seed)[0]
    return take(corpus, first), take(corpus, second)


def take(corpus: ParallelCorpus, rows: Int[np.ndarray, " item"]) -> ParallelCorpus:
    """The sentences of `corpus` at some positions (`rows`), with their ids, documents and labels."""
    return replace(
        corpus,
        sentences={code: tuple(texts[row] for row in rows) for code, texts in corpus.sentences.items()},
        ids=tuple(corpus.ids[row] for row in rows),
        documents=tuple(corpus.documents[row] for row in rows) if corpus.documents else None,
        labels={name: tuple(values[row] for row in rows) for name, values in corpus.labels.items()},
    )

"""How a tokenizer treats each language: tokens it costs, bytes it falls back to, tokens shared with others, leads it could save.

Needs no weights. Misleads across corpora: overlap and Jaccard grow with the text, and parallel items share names and digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.sparse import csr_array

from interp.languages import language
from interp.provenance import ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus
from interp.vocabulary.fingerprint import fingerprint_tokenizer
from interp.vocabulary.shortening import plan_shortening, split_characters
from interp.vocabulary.spelling import Vocabulary, read_vocabulary
from probes.statistics.resampling import draws
from probes.tokenization.report import TokenizationReport, by_language
from probes.translation.text_scores import UNSPACED

_NOTE = "Words are counted between spaces, and not at all in scripts without them."


def measure_tokenization(tokenizer: Any, corpus: ParallelCorpus, pivot: str = "eng_Latn") -> pd.DataFrame:
    """What does the tokenizer do to each language? One row a language, the corpus as a whole, without intervals.

    `premium` is tokens beside the pivot's for the same items (Petrov et al. 2023), `fertility` tokens a character, `byte_rate` the
    share of tokens that are only part of a character, `overlap_pivot` the frequency-weighted overlap with the pivot's tokens,
    sum over t of min(p(t), q(t)), `jaccard_pivot` that of the two sets. `lead` is the commonest first byte of characters spelled
    in parts, `constancy` its share of them, `saved` the share of tokens that leaving it out saves, `saved_two` with the second
    byte.
    """
    return by_language(survey_tokenization(tokenizer, corpus, pivot, resamples=0))


def survey_tokenization(
    tokenizer: Any,
    corpus: ParallelCorpus,
    pivot: str = "eng_Latn",
    *,
    name: str = "tokenizer",
    resamples: int = 1000,
    seed: int = 0,
) -> TokenizationReport:
    """The same with the items kept, an interval for each number, and the overlap of every pair of languages.

    `name` is what people call the model. A shortened tokenizer is measured as it is, and has no lead left to save.
    """
    code = language(pivot).code
    if code not in corpus.languages:
        raise ValueError(f"pivot {code} is not in {corpus.name}. It has {', '.join(corpus.languages)}.")
    vocabulary, frames, counts, leads = read_vocabulary(tokenizer), [], {}, {}
    for each in corpus.languages:
        sequences = tokenizer(list(corpus[each]), add_special_tokens=False)["input_ids"]
        counts[each] = _occurrences(vocabulary, sequences)
        frame, leads[each] = _by_item(tokenizer, vocabulary, corpus[each], sequences, each)
        frames.append(frame.assign(item=list(corpus.ids)))
    table = pd.concat(frames, ignore_index=True)
    settings = {"pivot": code, "leads": leads, "resamples": resamples, "seed": seed}
    return TokenizationReport(
        table=table,
        signature=Signature("tokenization", identify_tokenizer(tokenizer, name), corpus.identity,
                            {"pivot": code, "boot": resamples, "seed": seed}),
        arrays=_overlaps(counts, code, resamples, seed),
        settings=settings,
        notes=(_NOTE,),
    )  # fmt: skip


def identify_tokenizer(tokenizer: Any, name: str) -> ModelIdentity:
    """Which tokenizer: a name, and a hash of all it does. There are no weights, so no layers and no width."""
    return ModelIdentity(name, fingerprint_tokenizer(tokenizer), 0, 0, "tokenizer")


def _by_item(
    tokenizer: Any, vocabulary: Vocabulary, texts: Sequence[str], sequences: Sequence[Sequence[int]], code: str
) -> tuple[pd.DataFrame, str]:
    """One row an item with its counts, and the commonest lead of the language's split characters in hexadecimal."""
    partial = {token for token, kind in enumerate(vocabulary.scripts) if kind == "bytes"}
    unspaced = language(code).script in UNSPACED
    shortened = hasattr(tokenizer, "shortening")
    split = [[] if shortened else [each.character[0] for each in split_characters(vocabulary, ids)] for ids in sequences]
    lead = Counter(first for firsts in split for first in firsts).most_common(1)
    rows = {
        "language": code,
        "tokens": [len(ids) for ids in sequences],
        "characters": [len(text) for text in texts],
        "words": [np.nan if unspaced else float(len(text.split())) for text in texts],
        "parts": [sum(token in partial for token in ids) for ids in sequences],
        "split": [np.nan if shortened else float(len(firsts)) for firsts in split],
        "led": [float(firsts.count(lead[0][0])) if lead else np.nan for firsts in split],
        "saved": _saved(tokenizer, texts, sequences, 1) if lead else [0] * len(texts),
        "saved_two": _saved(tokenizer, texts, sequences, 2) if lead else [0] * len(texts),
    }
    return pd.DataFrame(rows), f"{lead[0][0]:02X}" if lead else ""


def _saved(tokenizer: Any, texts: Sequence[str], sequences: Sequence[Sequence[int]], drop: Any) -> list[int]:
    """The tokens that shortening takes from each item: none where the lead is merged with its neighbours."""
    try:
        plan = plan_shortening(tokenizer, texts, drop)
    except ValueError:
        return [0] * len(texts)
    return [len(ids) - len(plan.shorten(ids)) for ids in sequences]


def _occurrences(vocabulary: Vocabulary, sequences: Sequence[Sequence[int]]) -> csr_array:
    """How often each token stands in each item, control tokens left out."""
    kept = [(row, token) for row, ids in enumerate(sequences) for token in ids if vocabulary.spelling[token] is not None]
    rows, columns = zip(*kept, strict=True) if kept else ((), ())
    return csr_array((np.ones(len(kept)), (rows, columns)), shape=(len(sequences), len(vocabulary)))


def _overlaps(counts: dict[str, csr_array], pivot: str, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Overlap and Jaccard of every pair of languages, and the intervals of each language with the pivot."""
    totals = np.stack([table.sum(axis=0) for table in counts.values()])
    totals = totals[:, totals.any(axis=0)]
    shares, used = totals / totals.sum(axis=1, keepdims=True), (totals > 0).astype(float)
    shared = used @ used.T
    found = {
        "overlap": np.stack([np.minimum(row, shares).sum(axis=1) for row in shares]),
        "jaccard": shared / (used.sum(1)[:, None] + used.sum(1)[None] - shared),
    }
    if resamples:
        weights, at = draws(counts[pivot].shape[0], resamples, seed), list(counts).index(pivot)
        drawn = [_drawn(table, counts[pivot], weights) for table in counts.values()]
        for place, name in enumerate(("overlap", "jaccard")):
            spread = np.stack([each[place] for each in drawn])
            spread -= spread.mean(axis=1, keepdims=True)
            found[f"{name}_interval"] = found[name][:, at, None] + np.quantile(spread, [0.025, 0.975], axis=1).T
    return found


def _drawn(
    one: csr_array, other: csr_array, weights: Float[np.ndarray, "resample item"]
) -> tuple[Float[np.ndarray, " resample"], Float[np.ndarray, " resample"]]:
    """Overlap and Jaccard of two languages in each resample of the items. A resample has fewer token types, so only the spread
    counts."""
    own = np.flatnonzero(one.sum(axis=0))
    mine, theirs = weights @ one[:, own], weights @ other[:, own]
    least = np.minimum(mine / mine.sum(1, keepdims=True), theirs / (weights @ other.sum(axis=1))[:, None]).sum(1)
    both, others = ((mine > 0) & (theirs > 0)).sum(1), (weights @ other[:, np.flatnonzero(other.sum(axis=0))] > 0).sum(1)
    return least, both / ((mine > 0).sum(1) + others - both)

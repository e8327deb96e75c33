"""How does a tokenizer treat each language? Tokens needed, byte tokens, overlap with other languages, savings by shortening.

Needs no weights. Numbers of two corpora do not compare: overlaps grow with the amount of text, and parallel items share names and
digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.sparse import csr_array

from interp.languages import language
from interp.provenance import ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus
from interp.text.numbers import is_unspaced
from interp.vocabulary.fingerprint import fingerprint_tokenizer
from interp.vocabulary.shortening import Drop, plan_shortening, split_characters
from interp.vocabulary.spelling import Vocabulary, read_vocabulary
from probes.statistics.resampling import draws, percentiles
from probes.tokenization.report import TokenizationReport, by_language

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NOTE = "Words are counted between spaces, and not in scripts written without them."


def measure_tokenization(tokenizer: PreTrainedTokenizerBase, corpus: ParallelCorpus, pivot: str = "eng_Latn") -> pd.DataFrame:
    """How does the tokenizer treat each language, over the corpus as a whole and without confidence intervals?

    Parameters
    ----------
    tokenizer
        A Hugging Face tokenizer.
    corpus
        Parallel text.
    pivot
        Reference language of the corpus, by FLORES code or name.

    Returns
    -------
    pd.DataFrame
        One row per language (the index). `premium`: tokens divided by the pivot's for the same items. `fertility`: tokens
        per character. `tokens_per_word`. `byte_rate`: share of tokens that are partial characters. `overlap_pivot`:
        frequency-weighted overlap with the pivot's tokens, sum over t of min(p(t), q(t)). `jaccard_pivot`: Jaccard index of
        the two sets of tokens. `lead`: the commonest first byte of characters spelled in parts, in hexadecimal. `constancy`: its
        share among their first bytes. `saved`: share of tokens saved by dropping it; `saved_two`: by dropping the commonest second
        byte too.

    References
    ----------
    Premium: Petrov et al. 2023.

    Examples
    --------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=20, seed=0)
    >>> table = probes.measure_tokenization(interp.load("bundled").tokenizer, corpus)
    >>> float(table.loc["eng_Latn", "premium"])
    1.0
    """
    return by_language(survey_tokenization(tokenizer, corpus, pivot, resamples=0))


def survey_tokenization(
    tokenizer: PreTrainedTokenizerBase,
    corpus: ParallelCorpus,
    pivot: str = "eng_Latn",
    *,
    name: str = "tokenizer",
    resamples: int = 1000,
    seed: int = 0,
) -> TokenizationReport:
    """How does the tokenizer treat each language, item by item?

    The numbers of `measure_tokenization` with confidence intervals, and the token overlap of every pair of languages.

    Parameters
    ----------
    tokenizer
        A Hugging Face tokenizer. A shortened one is measured as it is, and has no lead byte left to drop.
    corpus
        Parallel text.
    pivot
        Reference language of the corpus, by FLORES code or name.
    name
        What people call the model; it stands in the signature.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval; 0 for none.
    seed
        Of the resamples.

    Returns
    -------
    TokenizationReport
        One row per language and item.

    Raises
    ------
    ValueError
        Where the pivot is not in the corpus.

    Examples
    --------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=20, seed=0)
    >>> report = probes.survey_tokenization(interp.load("bundled").tokenizer, corpus, resamples=100)
    >>> list(report.overlap().columns)
    ['eng_Latn', 'deu_Latn']
    """
    pivot_code = language(pivot).code
    if pivot_code not in corpus.languages:
        raise ValueError(f"got pivot {pivot_code}, expected one of the languages of {corpus.name}: {', '.join(corpus.languages)}.")
    vocabulary, frames, counts, leads = read_vocabulary(tokenizer), [], {}, {}
    for code in corpus.languages:
        sequences = tokenizer(list(corpus[code]), add_special_tokens=False)["input_ids"]
        counts[code] = _occurrences(vocabulary, sequences)
        frame, leads[code] = _by_item(tokenizer, vocabulary, corpus[code], sequences, code)
        frames.append(frame.assign(item=list(corpus.ids)))
    table = pd.concat(frames, ignore_index=True)
    settings = {"pivot": pivot_code, "leads": leads, "resamples": resamples, "seed": seed}
    return TokenizationReport(
        table=table,
        signature=Signature("tokenization", identify_tokenizer(tokenizer, name), corpus.identity,
                            {"pivot": pivot_code, "boot": resamples, "seed": seed}),
        arrays=_overlaps(counts, pivot_code, resamples, seed),
        settings=settings,
        notes=(_NOTE,),
    )  # fmt: skip


def identify_tokenizer(tokenizer: PreTrainedTokenizerBase, name: str) -> ModelIdentity:
    """The identity of `tokenizer`: the model's `name`, and a hash of all that the tokenizer does; layers and width are 0."""
    return ModelIdentity(name, fingerprint_tokenizer(tokenizer), 0, 0, "tokenizer")


def _by_item(
    tokenizer: PreTrainedTokenizerBase, vocabulary: Vocabulary, texts: Sequence[str], sequences: Sequence[Sequence[int]], code: str
) -> tuple[pd.DataFrame, str]:
    """One row per item with its counts, and the commonest first byte of characters spelled in parts, in hexadecimal."""
    partial = {token for token, kind in enumerate(vocabulary.scripts) if kind == "bytes"}
    unspaced = is_unspaced(code)
    shortened = hasattr(tokenizer, "shortening")
    split = [[] if shortened else [character.character[0] for character in split_characters(vocabulary, ids)] for ids in sequences]
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


def _saved(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], sequences: Sequence[Sequence[int]], drop: Drop) -> list[int]:
    """How many tokens shortening saves in each item: none where the lead byte is merged with its neighbours."""
    try:
        plan = plan_shortening(tokenizer, texts, drop)
    except ValueError:
        return [0] * len(texts)
    return [len(ids) - len(plan.shorten(ids)) for ids in sequences]


def _occurrences(vocabulary: Vocabulary, sequences: Sequence[Sequence[int]]) -> csr_array:
    """How often each token occurs in each item, without control tokens: `[item token]`."""
    occurrences = [(row, token) for row, ids in enumerate(sequences) for token in ids if vocabulary.spelling[token] is not None]
    rows, columns = zip(*occurrences, strict=True) if occurrences else ((), ())
    return csr_array((np.ones(len(occurrences)), (rows, columns)), shape=(len(sequences), len(vocabulary)))


def _overlaps(counts: dict[str, csr_array], pivot: str, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Overlap and Jaccard index of every pair of languages, and confidence intervals of those with the pivot."""
    totals = np.stack([table.sum(axis=0) for table in counts.values()])
    totals = totals[:, totals.any(axis=0)]
    shares, used = totals / totals.sum(axis=1, keepdims=True), (totals > 0).astype(float)
    shared = used @ used.T
    arrays = {
        "overlap": np.stack([np.minimum(row, shares).sum(axis=1) for row in shares]),
        "jaccard": shared / (used.sum(1)[:, None] + used.sum(1)[None] - shared),
    }
    if resamples:
        weights, column = draws(counts[pivot].shape[0], resamples, seed), list(counts).index(pivot)
        overlaps, jaccards = zip(*(_resampled(table, counts[pivot], weights) for table in counts.values()), strict=True)
        for name, values in (("overlap", np.stack(overlaps)), ("jaccard", np.stack(jaccards))):
            deviations = values - values.mean(axis=1, keepdims=True)
            arrays[f"{name}_interval"] = arrays[name][:, column, None] + np.stack(
                percentiles(deviations.T, len(weights[0])), axis=1
            )
    return arrays


def _resampled(
    one: csr_array, other: csr_array, weights: Float[np.ndarray, "resample item"]
) -> tuple[Float[np.ndarray, " resample"], Float[np.ndarray, " resample"]]:
    """Overlap and Jaccard index of two languages in each resample of the items.

    A resample has fewer token types than the text, so the values are too low: only their deviations from their mean are used.
    """
    used = np.flatnonzero(one.sum(axis=0))
    counts, other_counts = weights @ one[:, used], weights @ other[:, used]
    overlap = np.minimum(counts / counts.sum(1, keepdims=True), other_counts / (weights @ other.sum(axis=1))[:, None]).sum(1)
    shared, other_types = (
        ((counts > 0) & (other_counts > 0)).sum(1),
        (weights @ other[:, np.flatnonzero(other.sum(axis=0))] > 0).sum(1),
    )
    return overlap, shared / ((counts > 0).sum(1) + other_types - shared)

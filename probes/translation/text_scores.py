"""Scores of one written answer: exact match, F1, containment, script; chrF++, BLEU and spBLEU by sacreBLEU.

Which answers are the same, and what is counted in them, is said in `probes.translation.normalisation`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from interp.text.numbers import is_unspaced
from probes.translation.normalisation import amounts, amounts_differ, same_answer, units
from probes.translation.scorers import Overlap, scorer

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric
    from sacrebleu.metrics.bleu import BLEU


def exact_match(answer: str, accepted: Sequence[str], code: str | None = None) -> float:
    """1 where the `answer` is the same as one of the `accepted` answers (`same_answer`), else 0; `code` is their language."""
    return float(any(same_answer(answer, gold, code) for gold in accepted))


def contains(answer: str, accepted: Sequence[str], code: str | None = None) -> bool:
    """Whether a written answer contains one of the accepted answers.

    Parameters
    ----------
    answer
        What the model wrote.
    accepted
        The accepted answers.
    code
        None asks for the characters alone, whatever their case: the published measure (metric `contains`), that of the released
        code of arXiv 2308.04948 and of XTransplant for XQuAD and MLQA. It finds 서울 in 서울에서, and an answer of one or two
        characters by chance. With the language of the answer, accepted answers must stand there as whole units, a measure of
        this project (metric `contains_whole`): "euro" is in "the Euro.", not in "European", and 8 is not in 18.

    Notes
    -----
    Misleads upwards for long answers: one that lists everything contains everything.
    """
    if code is None:
        return any(bool(text) and text.lower() in answer.lower() for text in accepted)
    words = units(answer, code)
    accepted_units = [units(text, code) for text in accepted if not amounts_differ(answer, text)]
    return any(
        bool(gold) and gold == words[start : start + len(gold)]
        for gold in accepted_units
        for start in range(len(words) - len(gold) + 1)
    )


def f1(answer: str, accepted: Sequence[str], code: str) -> float:
    """F1 of the units that `answer` shares with an accepted answer, the best over `accepted`; `code` is the language.

    That of Rajpurkar et al. 2016 over the units of `probes.translation.normalisation`. Where an answer has no unit (an empty text,
    a sign alone) it is exact match.
    """
    best = exact_match(answer, accepted, code)
    for text in accepted:
        differ = amounts_differ(answer, text)  # then their signs are units too
        said, gold = (Counter([*units(each, code), *(amounts(each) if differ else ())]) for each in (answer, text))
        shared = (said & gold).total()
        best = max(best, 2 * shared / (said.total() + gold.total()) if shared else 0.0)
    return best


def in_script(text: str, code: str) -> float:
    """1 where more than half of the letters of `text` are in a script of the language `code`; 0 where not, or without letters.

    Does not tell languages apart that share a script: German passes for English. Use a language identifier for those.
    """
    from fontTools.unicodedata import script

    from interp.vocabulary.spelling import scripts_of

    letters = Counter(script(letter) for letter in text if letter.isalpha())
    own = sum(letters[name] for name in scripts_of(code))
    return float(2 * own > letters.total())


@lru_cache(maxsize=100_000)
def sentence_bleu(hypothesis: str, reference: str, code: str = "eng_Latn") -> float:
    """BLEU of one sentence, 0 to 100, of the n-gram orders that it is long enough for.

    `hypothesis` and `reference` are split into words, or into characters where the script of the language `code` writes no spaces.
    """
    return _sentence_scorer(is_unspaced(code)).sentence_score(hypothesis, [reference]).score


@cache
def _sentence_scorer(characters: bool) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="char" if characters else "13a", effective_order=True)


def overlap_counts(
    name: Overlap, hypotheses: Sequence[str], references: Sequence[str], code: str
) -> Float[np.ndarray, "item count"]:
    """The counts (n-gram matches, totals, lengths) that each item adds to a corpus score.

    Parameters
    ----------
    name
        The corpus score.
    hypotheses, references
        One of each for every item.
    code
        The target language.
    """
    return np.array(scorer(name, code)._extract_corpus_statistics(hypotheses, [references]), dtype=float)


def overlap_score(
    name: Overlap, counts: Float[np.ndarray, "item count"], weights: Float[np.ndarray, "resample item"]
) -> Float[np.ndarray, " resample"]:
    """The corpus score of weighted items.

    Parameters
    ----------
    name
        The corpus score.
    counts
        What each item adds, from `overlap_counts`.
    weights
        How often each item is drawn in each resample; a row of ones gives sacreBLEU's own score.

    Returns
    -------
    Float[np.ndarray, "resample"]
        The score of each resample, 0 to 100.
    """
    metric = _summed(name, effective_order=False)
    return np.array([metric._compute_score_from_stats(list(summed)).score for summed in weights @ counts])


def item_scores(name: Overlap, counts: Float[np.ndarray, "item count"]) -> Float[np.ndarray, " item"]:
    """The score of every item alone, 0 to 100, for paired tests.

    `name` and `counts` as for `overlap_score`. BLEU leaves out the n-gram orders that a sentence is too short for.
    """
    metric = _summed(name, effective_order=True)
    return np.array([metric._compute_score_from_stats(list(row)).score for row in counts])


@cache
def _summed(name: Overlap, effective_order: bool) -> Metric:
    """What makes a score of counts, which asks for no tokens any more."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=2) if name == "chrf" else BLEU(tokenize="none", effective_order=effective_order, force=True)

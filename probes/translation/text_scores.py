"""How good one written answer is: exact match, F1, containment, script; chrF++, BLEU and spBLEU by sacreBLEU.

Normalisation for every language alike: NFKC, case-folding, punctuation away (by Unicode category, so that vowel signs of
Indic scripts stay), spaces joined. No articles are stripped: SQuAD's rule knows English alone.
"""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from interp.languages import language

Overlap = Literal["chrf", "bleu", "spbleu"]
"""Corpus scores: they are computed from summed counts, so the score of many items is not the mean of their scores."""

UNSPACED = frozenset({"Hans", "Hant", "Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Yiii", "Bopo"})
"""Scripts that write no spaces between words: their text is counted in characters."""
_SPM = "flores200"
_log = logging.getLogger(__name__)


def normalise(text: str) -> str:
    """A text without the differences that no reader minds: width, case, punctuation, spacing."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(" " if unicodedata.category(letter)[0] == "P" else letter for letter in folded).split())


def units(text: str, code: str) -> list[str]:
    """What F1 counts: words, or characters (with their marks) where a script writes no spaces between words."""
    if language(code).script not in UNSPACED:
        return normalise(text).split()
    found: list[str] = []
    for letter in normalise(text):
        if found and unicodedata.category(letter)[0] == "M":
            found[-1] += letter
        elif not letter.isspace():
            found.append(letter)
    return found


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1 where the normalised answer is one of those accepted."""
    return float(any(normalise(answer) == normalise(gold) for gold in accepted))


def contains(answer: str, accepted: Sequence[str], code: str) -> float:
    """1 where an accepted answer stands in the answer as whole units: "euro" is in "the Euro.", not in "European".

    Misleads upwards for long answers: one that lists everything contains everything.
    """
    said = units(answer, code)
    golds = [units(gold, code) for gold in accepted]
    return float(any(gold and gold == said[at : at + len(gold)] for gold in golds for at in range(len(said) - len(gold) + 1)))


def f1(answer: str, accepted: Sequence[str], code: str) -> float:
    """The best F1 of shared units over the accepted answers (Rajpurkar et al. 2016, character-wise for unspaced scripts)."""
    said = Counter(units(answer, code))
    best = 0.0
    for gold in (Counter(units(text, code)) for text in accepted):
        shared = (said & gold).total()
        best = max(best, 2 * shared / (said.total() + gold.total()) if shared else float(said == gold))
    return best


def in_script(text: str, code: str) -> float:
    """1 where most letters of a text are in a script of the language; 0 for none, and where there is no letter.

    Says nothing between languages that share a script: German for English passes. Give an identifier for those.
    """
    from fontTools.unicodedata import script

    from interp.vocabulary.spelling import scripts_of

    letters = Counter(script(letter) for letter in text if letter.isalpha())
    own = sum(letters[name] for name in scripts_of(code))
    return float(2 * own > letters.total())


@cache
def scorer(name: Overlap, code: str) -> Any:
    """The sacreBLEU metric: chrF++ (word order 2), BLEU, or BLEU over the FLORES-200 pieces.

    BLEU's own tokenizer splits at spaces, so unspaced scripts are scored by characters. spBLEU needs a model from the net:
    where it cannot be had, a warning says so and BLEU stands in; its signature tells which was used.
    """
    from sacrebleu.metrics import BLEU, CHRF

    if name == "chrf":
        metric = CHRF(word_order=2)
    elif name == "spbleu" and _pieces_at_hand():
        metric = BLEU(tokenize=_SPM, force=True)
    else:
        metric = BLEU(tokenize="char" if language(code).script in UNSPACED else "13a", force=True)
    metric.num_refs = 1  # its signature asks
    return metric


@cache
def _pieces_at_hand() -> bool:
    from sacrebleu.metrics import BLEU

    try:
        BLEU(tokenize=_SPM, force=True).sentence_score("a", ["a"])
    except Exception as error:  # sacreBLEU raises whatever the network, the lock or sentencepiece raised
        _log.warning("spBLEU's model %s cannot be had (%s): BLEU stands in for it", _SPM, " ".join(str(error).split())[:120])
        return False
    return True


@lru_cache(maxsize=100_000)
def sentence_bleu(said: str, wanted: str, code: str = "eng_Latn") -> float:
    """BLEU of one sentence, 0 to 100, with only the orders it is long enough for; words split as `code` writes them."""
    return _sentence_scorer(language(code).script in UNSPACED).sentence_score(said, [wanted]).score


@cache
def _sentence_scorer(characters: bool) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize="char" if characters else "13a", effective_order=True)


def overlap_counts(name: Overlap, said: Sequence[str], wanted: Sequence[str], code: str) -> Float[np.ndarray, "item count"]:
    """The counts each item adds to a corpus score: n-gram matches, totals, lengths."""
    return np.array(scorer(name, code)._extract_corpus_statistics(said, [wanted]), dtype=float)


def overlap_score(
    name: Overlap, counts: Float[np.ndarray, "item count"], weights: Float[np.ndarray, "resample item"], code: str
) -> Float[np.ndarray, " resample"]:
    """The corpus score, 0 to 100, of the items under each weighting; a row of ones gives sacreBLEU's own."""
    metric = scorer(name, code)
    return np.array([metric._compute_score_from_stats(list(summed)).score for summed in weights @ counts])


def item_scores(name: Overlap, counts: Float[np.ndarray, "item count"], code: str) -> Float[np.ndarray, " item"]:
    """The score of every item alone, for paired tests; BLEU of one sentence has missing orders, so they are left out."""
    from sacrebleu.metrics import BLEU

    metric = scorer(name, code) if name == "chrf" else BLEU(effective_order=True, force=True)
    return np.array([metric._compute_score_from_stats(list(row)).score for row in counts])

"""Exact match and F1 of released scripts for reading comprehension, for numbers that are compared with published ones.

MLQA's `mlqa_evaluation_v1.py` (Lewis et al. 2020) knows seven languages. XQuAD (Artetxe et al. 2020) is scored with SQuAD's
`evaluate-v1.1.py` (Rajpurkar et al. 2016), in English whatever the language, as are the XQuAD tasks of lm-evaluation-harness. Both
lower the case, delete punctuation (they do not divide words at it), delete articles and compare what is left. Written from a
reading of the scripts, not copied from them; what they get wrong is kept and named below.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, get_args

from interp.languages import language

Published = Literal["mlqa_exact", "mlqa_f1", "squad_exact", "squad_f1"]
PUBLISHED: tuple[Published, ...] = get_args(Published)

_ARTICLES = {
    "en": "a an the",
    "es": "un una unos unas el la los las",
    "vi": "của là cái chiếc những",
    "de": "ein eine einen einem eines einer der die das den dem des",
    "hi": "",
    "zh": "",
}
_HAN = re.compile("([\u4e00-\u9fa5])")
_MLQA = ("ar", *_ARTICLES)


def published_score(metric: Published, answer: str, accepted: Sequence[str], code: str) -> float:
    """The score of a written answer by a released script, 0 to 1, the best over the accepted answers.

    Parameters
    ----------
    metric
        `mlqa_exact` and `mlqa_f1`, or `squad_exact` and `squad_f1`.
    answer
        What the model wrote.
    accepted
        The accepted answers.
    code
        The language of the answers. SQuAD's rule is the same in all.

    Raises
    ------
    ValueError
        MLQA's script does not know the language.

    Notes
    -----
    As released: 3.14 is 314; € is no punctuation, $ is; in Arabic ال is deleted wherever it stands, inside a word too; in Chinese
    Han letters stand alone and kana do not; digits of other scripts are other digits. SQuAD's rule deletes English articles from
    all languages and the punctuation of ASCII alone, and takes a Chinese or Thai answer for one word.

    >>> published_score("mlqa_f1", "1954年", ["1945年"], "zho_Hans"), published_score("squad_f1", "1954年", ["1945年"], "zho_Hans")
    (0.5, 0.0)
    """
    words = _mlqa(code) if metric.startswith("mlqa") else _squad
    said = words(answer)
    if metric.endswith("exact"):
        return float(any(said == words(gold) for gold in accepted))
    return max((_f1(said, words(gold)) for gold in accepted), default=0.0)


def check_published(metric: str, code: str) -> None:
    """Raises `ValueError` if `metric` is MLQA's and its script does not know the language `code`."""
    if metric.startswith("mlqa_") and _tag(code) not in _MLQA:
        raise ValueError(
            f"metric {metric!r}: got language {code}, expected one that MLQA's script knows ({', '.join(_MLQA)}). "
            f"Take {metric.replace('mlqa', 'squad')}, as XQuAD does, or {metric.removeprefix('mlqa_')}."
        )


def _tag(code: str) -> str:
    return language(code).tag.split("-")[0]


def _mlqa(code: str) -> Callable[[str], list[str]]:
    check_published("mlqa_f1", code)
    tag = _tag(code)
    articles = re.compile("ال" if tag == "ar" else rf"\b({'|'.join(_ARTICLES[tag].split())})\b" if _ARTICLES[tag] else r"(?!)")

    def words(text: str) -> list[str]:
        kept = "".join(letter for letter in text.lower() if not _is_punctuation(letter))
        rest = articles.sub(" ", kept)
        return (_HAN.sub(r" \1 ", rest) if tag == "zh" else rest).split()

    return words


def _squad(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", kept).split()


def _is_punctuation(letter: str) -> bool:
    return letter in string.punctuation or unicodedata.category(letter)[0] == "P"


def _f1(said: Sequence[str], gold: Sequence[str]) -> float:
    shared = (Counter(said) & Counter(gold)).total()
    return 2 * shared / (len(said) + len(gold)) if shared else 0.0

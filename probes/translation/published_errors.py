"""The error rules of mFTI as released (`compute_error_ratio.py`), known faults and all: to compare with, not to believe.

What is wrong in them is told at each; `probes.translation.errors` has rules without. Written from a description of the
released code, not copied from it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from interp.languages import language
from probes.translation.language_id import Judge


def contains_repeat(text: str, code: str) -> bool:
    """Whether some n-gram stands twice in a row with anything behind it.

    The third copy is only asked to be there, not to be equal: "it is very very good", "that that is fine" and Chinese
    天天向上 count, "the end the end" does not.
    """
    said = _pieces(text, code)
    return any(
        said[start : start + n] == said[start + n : start + 2 * n]
        for n in range(1, len(said) // 2 + 1)
        for start in range(len(said) - 2 * n)  # the last start leaves one unit for the third copy
    )


def is_lost(said: Sequence[str], source: str, target: str, judge: Judge) -> list[bool]:
    """Whether an output is neither in the target nor in the source language, both halves of it.

    An output wholly in the source language therefore counts as not lost. Halves are cut at spaces, so a Chinese text, or one of a
    single word, has an empty first half and is in no language; what is no letter, digit or space is deleted first, and with
    it the vowel signs of Indic scripts; and languages whose code has three letters are never recognised. What fastText makes of
    a half without a letter ("16") is not known here: it passes.
    """
    found = []
    for text in said:
        words = re.sub(r"[^\w\s]", "", text).split()
        halves = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
        found.append(not any(_recognised(halves, code, judge) for code in (target, source)))
    return found


def has_lengths(
    said: Sequence[str], references: Sequence[str], code: str, below: float | None = None, above: float | None = None
) -> list[bool]:
    """Whether an output has less, or more, words than so many times the reference's: characters in Chinese alone, so that a
    Japanese or Thai sentence is one word."""
    pairs = [(len(_pieces(one, code)), len(_pieces(gold, code))) for one, gold in zip(said, references, strict=True)]
    return [(below is not None and own < below * gold) or (above is not None and own > above * gold) for own, gold in pairs]


def _recognised(halves: Sequence[str], code: str, judge: Judge) -> bool:
    label = language(code).tag.split("-")[0]
    spelled = [half for half in halves if any(letter.isalpha() for letter in half)]
    return all(halves) and label[-2:] == label and all(judge(spelled, code))


def _pieces(text: str, code: str) -> list[str]:
    return list(text.replace(" ", "")) if language(code).tag.split("-")[0] == "zh" else text.split()

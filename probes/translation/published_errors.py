"""The error rules of mFTI's released code (`compute_error_ratio.py`), faults included, to compare with the paper.

Each docstring names the faults; the corrected rules are in `probes.translation.errors`. Written from a reading of the released
code, not copied from it. Texts are read without the spaces around them, as the release reads its lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from interp.languages import language
from probes.translation.language_id import Judge

_BRACKETS = re.compile(r"\[.*?\]")
_LETTERLESS = "en"
"""What fastText's lid.176 says of a text without letters."""


def contains_repeat(text: str, code: str) -> bool:
    """Whether an n-gram of `text`, in the language `code`, stands twice in a row with anything behind it.

    Fault: a third copy need only be something, not equal. "it is very very good", "that that is fine" and Chinese 天天向上 count,
    "the end the end" does not.
    """
    pieces = _pieces(text, code)
    return any(
        pieces[start : start + n] == pieces[start + n : start + 2 * n]
        for n in range(1, len(pieces) // 2 + 1)
        for start in range(len(pieces) - 2 * n)  # the last start leaves one unit for the third copy
    )


def has_brackets(text: str) -> bool:
    """Whether `text` repeats the pattern of the prompt, which it does with one [..]. Fault: "[de]: Hallo" does, and "[sic]"."""
    return bool(_BRACKETS.search(text))


def is_lost(outputs: Sequence[str], source: str, target: str, judge: Judge) -> list[bool]:
    """Whether each of `outputs` is in neither the `target` nor the `source` language with both its halves, as `judge` says.

    Faults: an output wholly in the source language counts as not lost. Halves are cut at spaces, so the first half of a Chinese
    text, or of a single word, is empty; and fastText takes a half that is empty or without letters ("16") for English. So a
    Chinese output is always lost and an English word never. All that is no letter, digit or space is deleted first, and with it
    the vowel signs of Indic scripts. Languages whose code has three letters are never recognised. Not reproduced: the release
    compares two letters, so that fastText's Waray (war) and Bavarian (bar) are Arabic (ar); a `judge` does not say what it took
    a text for.
    """
    lost = []
    for text in outputs:
        words = re.sub(r"[^\w\s]", "", text).split()
        halves = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
        lost.append(not any(_recognised(halves, code, judge) for code in (target, source)))
    return lost


def has_lengths(
    outputs: Sequence[str], references: Sequence[str], code: str, below: float | None = None, above: float | None = None
) -> list[bool]:
    """Whether each of `outputs`, in the language `code`, is under `below`, or over `above`, times as long as its reference.

    Lengths are numbers of words, those of `references` too.

    Faults: characters are counted in Chinese only, so a Japanese or Thai sentence is one word; and spaces are counted there.
    """
    pairs = [(len(_pieces(output, code)), len(_pieces(gold, code))) for output, gold in zip(outputs, references, strict=True)]
    return [(below is not None and own < below * gold) or (above is not None and own > above * gold) for own, gold in pairs]


def _recognised(halves: Sequence[str], code: str, judge: Judge) -> bool:
    label = language(code).tag.split("-")[0]
    with_letters = [half for half in halves if any(letter.isalpha() for letter in half)]
    if len(label) != 2 or (len(with_letters) < len(halves) and label != _LETTERLESS):
        return False
    return not with_letters or all(judge(with_letters, code))


def _pieces(text: str, code: str) -> list[str]:
    """Words; in Chinese characters, spaces too."""
    return list(text.strip()) if language(code).tag.split("-")[0] == "zh" else text.split()

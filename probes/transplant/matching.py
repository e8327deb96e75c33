"""String match of generated answers with numbered options, as in the released XTransplant code."""

from __future__ import annotations

import string
from collections.abc import Sequence


def names_option(text: str, gold: int, marks: Sequence[str], words: Sequence[str] = ()) -> bool:
    """Whether an answer names the right option and no other, as the released XTransplant code decides it.

    The two tasks have a rule each. Options with letters (GlobalOpinionQA): "(b)" or an answer that is "b" names B, whatever
    the case; the texts of options do not count; and any other letter of A to Z in ordinary brackets rejects, also one that is no
    option. Options with digits (XNLI): case counts, full-width brackets count as ordinary ones, and an option's text names it too.

    Parameters
    ----------
    text
        The generated answer.
    gold
        Index of the right option.
    marks
        Mark of each option: "(2)", or an answer that is "2", names it.
    words
        Text of each option, for marks that are no letters. Default: marks only.

    Notes
    -----
    By the first rule "(A) I agree (s)" is rejected, as S is another letter.

    >>> names_option("(b) Rather not (Source: A)", 1, "ABC"), names_option("(B) as (X) says", 1, "ABC")
    (True, False)
    """
    if all(mark.upper() in string.ascii_uppercase for mark in marks):
        return _names_letter(text.upper(), marks[gold].upper())
    text = text.replace("（", "(").replace("）", ")")
    hits = [
        f"({mark})" in text or (bool(words) and bool(words[index]) and words[index] in text) for index, mark in enumerate(marks)
    ]
    right = hits[gold] or text.strip() == marks[gold]
    return right and not any(hit for index, hit in enumerate(hits) if index != gold)


def _names_letter(text: str, gold: str) -> bool:
    others = (letter for letter in string.ascii_uppercase if letter != gold)
    return (f"({gold})" in text or text.strip() == gold) and not any(f"({other})" in text for other in others)

"""String matches of free answers: the released XTransplant code's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


def names_option(text: str, gold: int, marks: Sequence[str], words: Sequence[str] = ()) -> bool:
    """Whether an answer names the right option and no other: "(2)" or a bare "2" by `marks`, or the option's own words.

    The string match of the released XTransplant code for XNLI (marks 1, 2, 3 and label words) and GlobalOpinionQA (letters).
    Case counts. Full-width brackets are read as plain ones.
    """
    text = text.replace("（", "(").replace("）", ")")
    named = [
        f"({mark})" in text or (bool(words) and bool(words[place]) and words[place] in text) for place, mark in enumerate(marks)
    ]
    right = named[gold] or text.strip() == marks[gold]
    return right and not any(hit for place, hit in enumerate(named) if place != gold)


def contains(text: str, answers: Sequence[str]) -> bool:
    """Whether an answer stands in the text, whatever its case: the papers' match for XQuAD. Misleads for answers of one or
    two characters, which turn up by chance."""
    return any(answer.lower() in text.lower() for answer in answers)

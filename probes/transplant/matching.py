"""Which of several numbered options a written answer names, by the rules of the released XTransplant code."""

from __future__ import annotations

from collections.abc import Sequence


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

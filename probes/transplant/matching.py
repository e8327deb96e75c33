"""String match of generated answers with numbered options, as in the released XTransplant code."""

from __future__ import annotations

from collections.abc import Sequence


def names_option(text: str, gold: int, marks: Sequence[str], words: Sequence[str] = ()) -> bool:
    """Whether an answer names the right option and no other, as in the released XTransplant code for XNLI and GlobalOpinionQA.

    Parameters
    ----------
    text
        The generated answer. Case counts; full-width brackets count as ordinary ones.
    gold
        Index of the right option.
    marks
        Mark of each option: "(2)", or an answer that is "2", names it.
    words
        Text of each option, which names it, too. Default: marks only.
    """
    text = text.replace("（", "(").replace("）", ")")
    hits = [
        f"({mark})" in text or (bool(words) and bool(words[index]) and words[index] in text) for index, mark in enumerate(marks)
    ]
    right = hits[gold] or text.strip() == marks[gold]
    return right and not any(hit for index, hit in enumerate(hits) if index != gold)

"""The labels that options begin with: "1. a", "(B) x", "① w", "ก. x"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from string import ascii_lowercase

_LETTERS, _NUMBER = r"[^\W\d_]{1,4}", r"\d{1,2}"
_LABELLED = re.compile(
    rf"[(\[{{]\s*(?P<inside>{_LETTERS}|{_NUMBER})\s*[)\]}}][.:]?\s*\S"  # (A) x
    rf"|(?P<letters>{_LETTERS})\s*(?:[.:)\]、]|[-–—]\s)\s*\S"  # A. x
    rf"|(?P<number>{_NUMBER})\s*(?:[.:](?!\d)|[)\]、]|[-–—]\s)\s*\S"  # 1. x, and not 1.5
)
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")


def written_labels(texts: Sequence[str]) -> tuple[str, ...] | None:
    """The labels that all `texts` of the options begin with, in small letters and digits of English; None where they are none.

    Numbers, Latin letters and Roman numbers are labels where they are the first ones of their series in some order, which initials
    and dates are not; letters of other scripts where they differ.

    >>> written_labels(["2. a", "1. b"]), written_labels(["① w", "② x"]), written_labels(["1.5", "2.5"])
    (('2', '1'), ('1', '2'), None)
    """
    labels: list[str] = []
    for text in texts:
        found = _LABELLED.match(_plain(text.strip()))
        if not found:
            return None
        label = next(part for part in found.groups() if part).casefold()
        labels.append(str(int(label)) if label.isdecimal() else label)
    count = len(labels)
    numbers = [str(n) for n in range(count + 1)]
    series = (set(ascii_lowercase[:count]), set(numbers[1:]), set(numbers[:-1]), set(_ROMAN[:count]))
    others = not any(label.isascii() for label in labels)
    return tuple(labels) if count > 1 and len(set(labels)) == count and (others or set(labels) in series) else None


def _plain(text: str) -> str:
    """The beginning of a `text` in ordinary letters; a label in one character, ① or ⒜, in brackets."""
    first = unicodedata.normalize("NFKC", text[:1])
    if unicodedata.category(text[:1] or " ") in ("No", "So"):
        first = f"({first.strip('().')})"
    return first + unicodedata.normalize("NFKC", text[1:16])

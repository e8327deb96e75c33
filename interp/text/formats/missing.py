"""Cells that stand for a missing value: what pandas, R, SQL and spreadsheets write where there is no text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from interp.files.checks import short_repr
from interp.languages import language

_FAULTS = re.compile(
    r"#(?:N/?A!?|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA|ERROR!)|<NA>|<nil>|\\N", re.IGNORECASE
)
"""What no text is: faults of a spreadsheet, and what databases write."""
_WORDS = re.compile(r"nan|NaN|NAN|-nan|null|Null|NULL|None|none|NONE|NA|N/A|n/a|N\.A\.|undefined")
"""What is a missing value among sentences, though it may be a word in a list of words."""
_LONGEST = 30


def first_missing(code: str, texts: Sequence[str]) -> int | None:
    """The number of the first of the `texts` of a language `code` that stands for a missing value; None if none does.

    "null" may be a word in a list of words, so there it is text, if the language is written in Latin script.

    >>> first_missing("deu_Latn", ["null", "eins", "zwei"]), first_missing("deu_Latn", ["Das ist ein Satz.", "null"])
    (None, 1)
    """
    found = [number for number, text in enumerate(texts) if len(text) < _LONGEST and is_missing(text)]
    words = found and language(code).script == "Latn" and median(len(text.split()) for text in texts) <= 1
    if words and len(texts) > 2 * len(found):
        found = [number for number in found if _FAULTS.fullmatch(texts[number].strip())]
    return found[0] if found else None


def missing_value(where: str, text: str) -> ValueError:
    """The error of a `text` at the place `where` that stands for a missing value: it is refused as an empty one is."""
    return ValueError(
        f"{where}: got {short_repr(text)}, which stands for a missing value, expected text. Fill it, or remove the item from every "
        "language."
    )


def is_missing(text: str) -> bool:
    """Whether a `text` by itself stands for a missing value."""
    stripped = text.strip()
    return _FAULTS.fullmatch(stripped) is not None or _WORDS.fullmatch(stripped) is not None

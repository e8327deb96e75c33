"""What stands in the cells of a column: text, numbers, labels; and what stands for a missing value.

Missing values are what pandas, R, SQL and spreadsheets write where there is no text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Literal

from interp.files.checks import short_repr
from interp.languages import language
from interp.text.raw.file_names import column_language

Kind = Literal["text", "numbers", "yes or no", "addresses", "codes", "labels", "nothing"]
_FAULTS = re.compile(
    r"#(?:N/?A!?|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA|ERROR!)|<NA>|<nil>|\\N", re.IGNORECASE
)
"""What no text is: faults of a spreadsheet, and what databases write."""
_WORDS = re.compile(r"nan|NaN|NAN|-nan|null|Null|NULL|None|none|NONE|NA|N/A|n/a|N\.A\.|undefined")
"""What is a missing value among sentences, though it may be a word in a list of words."""
_LONGEST = 30
_NUMBER = re.compile(r"[#№(]?\s*[-+−±]?[\d.,:'’\s/-]*\d(?:[eE][-+]?\d+)?\s*[%‰)\].°]?|nan|-?inf", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:[a-z][a-z+.-]*://|www\.)\S+", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[T ]\d.*)?")
_CODE = re.compile(r"[\x21-\x7e]*\d[\x21-\x7e]*")
_SHORT = re.compile(r"[A-Za-z]{2,3}")
_LABEL = re.compile(r"yes|no|y|n|t|f|true|false|maybe|unknown|male|female|m|[IVX]+|pass|fail|ok|\W*")
"""Answers, and Roman numbers, which are no text in a language other than English."""
_LATIN = re.compile(r"[A-Za-z]{2}")
_YES_OR_NO = frozenset({"true", "false"})


def kind_of(values: Iterable[object]) -> Kind:
    """What the `values` of a column are.

    >>> kind_of(["1", "2", None]), kind_of(["http://a.example/1"]), kind_of(["Hallo", "Welt"])
    ('numbers', 'addresses', 'text')
    """
    given = [value for value in values if value is not None and str(value).strip() not in ("", "-") and not is_missing(str(value))]
    if not given:
        return "nothing"
    if all(isinstance(value, bool) or str(value).strip().casefold() in _YES_OR_NO for value in given):
        return "yes or no"
    texts = [str(value).strip() for value in given]
    if all(_NUMBER.fullmatch(text) or _DATE.fullmatch(text) for text in texts):
        return "numbers"
    if all(map(_ADDRESS.fullmatch, texts)):
        return "addresses"
    repeated = len(texts) >= 3 and len(set(texts)) * 3 <= len(texts)
    short = all(len(text) <= 12 and text.isascii() and not any(map(str.isspace, text)) for text in texts)
    return "codes" if (repeated and short) or (len(texts) >= 2 and all(map(_CODE.fullmatch, texts))) else "text"


def kinds_of(columns: Sequence[str], sample: Sequence[Mapping[str, object]]) -> dict[str, Kind]:
    """What stands in each of `columns` in the first rows, a `sample`: "labels" where the name is a short code and no text is there.

    >>> kinds_of(["en", "no"], [{"en": "Is it so?", "no": "yes"}])
    {'en': 'text', 'no': 'labels'}
    """
    kinds = {column: kind_of(row.get(column) for row in sample) for column in columns}
    texts = [column for column, kind in kinds.items() if kind == "text"]
    return {**kinds, **dict.fromkeys(_label_columns(sample, texts), "labels")}


def _label_columns(sample: Sequence[Mapping[str, object]], columns: Sequence[str]) -> list[str]:
    """Those of `columns` that are called by a short code and hold no text of its language, by the first rows, a `sample`.

    They repeat few values where other columns of languages differ from row to row, or hold answers, or Roman numbers. Whatever the
    name, so are few single words in Latin letters where the language has others.

    >>> rows = [{"en": "A cow.", "de": "Eine Kuh.", "cat": "animal"}, {"en": "A dog.", "de": "Ein Hund.", "cat": "animal"}]
    >>> _label_columns(rows, ["en", "de", "cat"])
    ['cat']
    """
    codes = {column: code for column in columns if (code := column_language(column))}
    values = {column: [str(row[column]).strip() for row in sample if row.get(column) not in (None, "")] for column in codes}
    most = max((len(set(own)) for own in values.values()), default=0)
    labels = []
    for column, own in values.items():
        few = len(set(own)) * 2 <= most
        short = _SHORT.fullmatch(column.strip()) and codes[column] != "eng_Latn"
        marks = all(_LABEL.fullmatch(value) or _LABEL.fullmatch(value.casefold()) for value in own)
        if own and ((short and (few or marks)) or _are_words(codes[column], own)):
            labels.append(column)
    return labels


def _are_words(code: str, values: Sequence[str]) -> bool:
    """Whether few single words in Latin letters stand where a language has others; romanised text differs from row to row."""
    latin = all(value.isascii() and _LATIN.search(value) and not any(map(str.isspace, value)) for value in values)
    return latin and language(code).script != "Latn" and len(set(values)) <= max(2, len(values) // 2)


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

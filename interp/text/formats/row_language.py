"""The language that a row says it is in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from interp.files.checks import short_repr
from interp.languages import language, resolve
from interp.tags import macrolanguage
from interp.text.formats.cells import is_missing
from interp.text.formats.column_names import named
from interp.text.raw.lines import text_of
from interp.text.raw.rows import Row, rows, sampled

LANGUAGE_FIELDS = ("language", "lang", "lang_code", "language_code", "locale", "dialect", "iso_639_3")
"""Fields in which a row says its language, in any case."""
_GLOTTOCODE = re.compile(r"[a-z]{4}\d{4}")


def code_of(row: Row) -> str:
    """The language that a `row` says it is in, as FLORES-200 code. Raises `ValueError` where it says none.

    >>> code_of(Row("a:1", {"iso_639_3": "cmn", "iso_15924": "Hans"})), code_of(Row("a:1", {"Lang": "de"}))
    ('zho_Hans', 'deu_Latn')
    """
    tag = tag_of(row)
    try:
        return language(tag).code
    except ValueError as error:
        raise ValueError(
            f"{row.where}: {error} Name the file after its language (eng_Latn.jsonl), or give each row a language."
        ) from None


def tag_of(row: Row) -> str:
    """How a `row` spells its language, with the script and the variety that it says. Raises `ValueError` where it says none.

    >>> tag_of(Row("a:1", {"iso_639_3": "apc", "iso_15924": "Arab", "glottocode": "nort3139"}))
    'apc_Arab_nort3139'
    """
    field = named(row.values, LANGUAGE_FIELDS)
    if field is None:
        raise ValueError(
            f"{row.where}: got fields {short_repr(list(row.values))}, expected 'language' among them. Name the file after its "
            "language (eng_Latn.jsonl), or give each row a language."
        )
    spelled = text_of(row.values[field], f"{row.where}, {field}")
    if is_missing(spelled):
        raise ValueError(
            f"{row.where}: got {short_repr(spelled)} in {field!r}, which stands for a missing value, expected a language. Fill it"
            + ("; Min Nan is nan_Hant." if spelled.strip() == "nan" else ".")
        )
    script, variety = row.values.get("iso_15924"), row.values.get("glottocode")
    if field != "iso_639_3" or not script:
        return spelled
    named_variety = isinstance(variety, str) and _GLOTTOCODE.fullmatch(variety)
    return f"{spelled}_{script}_{variety}" if named_variety else f"{spelled}_{script}"


def says_language(path: Path) -> bool:
    """Whether some of the first rows of the file `path` say their language."""
    try:
        sample, _ = sampled(rows(path), 1)
    except ValueError:
        return False
    field = named(sample[0].values, LANGUAGE_FIELDS) if sample else None
    return field is not None and any(_resolved(str(row.values.get(field)).strip()) for row in sample)


def of_language(code: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The `rows` of a file named after the language `code`. Raises `ValueError` at one that says it is in another.

    >>> next(of_language("eng_Latn", [Row("en.jsonl:1", {"lang": "de"})]))
    Traceback (most recent call last):
    ValueError: en.jsonl:1: got a row in 'de' (deu_Latn), expected eng_Latn as the file is named. Rename it, or correct 'lang'.
    """
    for row in rows:
        field = named(row.values, LANGUAGE_FIELDS)
        said = _resolved(str(row.values[field]).strip()) if field is not None else None
        if said and not _same_language(said, code):
            raise ValueError(
                f"{row.where}: got a row in {short_repr(row.values[field or ''])} ({said}), expected {code} as the file is "
                f"named. Rename it, or correct {field!r}."
            )
        yield row


@lru_cache(maxsize=4096)
def _resolved(spelled: str) -> str | None:
    return resolve(spelled)


@lru_cache(maxsize=4096)
def _same_language(one: str, other: str) -> bool:
    """Whether two codes mean one language, or one of them the macrolanguage of the other; the script is not looked at."""
    tags = language(one).tag.partition("-")[0], language(other).tag.partition("-")[0]
    return one[:3] == other[:3] or macrolanguage(tags[0]) == tags[1] or macrolanguage(tags[1]) == tags[0]

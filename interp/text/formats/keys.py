"""The key by which rows of several languages are paired: a field, or several fields together, that is different in every row.

A position is no key: two files of the same questions may have them in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from interp.files.checks import short_repr
from interp.text.formats.columns import document_columns, id_columns, is_unnamed
from interp.text.formats.rows import Row

WORD = "word_original"
"""Column of the English word in the word lists of Wendler et al. (2024). The lists differ in length and are joined by it."""
_KNOWN = ((WORD,), ("link", "split", "question_number"), ("split", "idx"))
"""Keys of published formats: word lists, Belebele, XCOPA. A field that the rows lack is left out, but for the last one."""
_PARTS = ("split", "part", "subset", "section")


def key_fields(sample: Sequence[Row], chosen: str | None = None) -> tuple[str, ...]:
    """The fields whose values together are the key of a row; none if there are no such fields.

    Parameters
    ----------
    sample
        The first rows of one language.
    chosen
        The field that is the key, where it was said.

    Raises
    ------
    ValueError
        The chosen field is missing.

    Example
    -------
    >>> key_fields([Row("a:1", {"url": "u", "no": 1}), Row("a:2", {"url": "u", "no": 2}), Row("a:3", {"url": "v", "no": 1})])
    ('url', 'no')
    """
    fields = list(sample[0].values)
    if chosen is not None:
        if chosen not in fields:
            raise ValueError(f"{sample[0].where}: got key {short_repr(chosen)}, expected one of {short_repr(fields)}.")
        return (chosen,)
    for known in _KNOWN:
        if known[-1] in fields:
            return tuple(field for field in known if field in fields)
    sure = [field for field in id_columns(fields, sure=True) if not is_unnamed(field)]
    if sure and (_are_different(sample, sure[:1]) or len(fields) == len(sure)):
        return (sure[0],)
    named = [field for field in id_columns(fields) if not is_unnamed(field)]
    alone = next((field for field in (*sure, *named) if _are_different(sample, [field])), None)
    if alone is not None and (len(sample) > 1 or not sure):
        return (alone,)
    around = [*document_columns(fields), *(field for field in fields if field.strip().casefold() in _PARTS)]
    for field in (*sure, *named):
        together = (*(other for other in around if other != field), field)
        if len(together) > 1 and _are_different(sample, together):
            return together
    return tuple(sure[:1])


def common_key(tables: Mapping[str, Sequence[Row]]) -> tuple[str, ...]:
    """The field that pairs rows without a named key: its values differ from row to row and are the same in every language.

    Parameters
    ----------
    tables
        All rows of each language.

    Example
    -------
    >>> common_key({"eng_Latn": [Row("a:1", {"story": "x", "text": "a"})], "deu_Latn": [Row("b:1", {"story": "x", "text": "b"})]})
    ('story',)
    """
    first = next(iter(tables.values()))
    for field in first[0].values if first else ():
        values = [{own for row in table if isinstance(own := row.values.get(field), str | int)} for table in tables.values()]
        sizes = [len(table) for table in tables.values()]
        if all(own == values[0] and len(own) == size for own, size in zip(values, sizes, strict=True)):
            return (field,)
    return ()


def key_of(row: Row, fields: Sequence[str]) -> str:
    """The key of a `row`, the values of `fields`. Raises `ValueError` if one is missing or no text or whole number.

    >>> key_of(Row("a:1", {"split": "test", "idx": 7}), ("split", "idx"))
    'test-7'
    """
    return "-".join(_part(row, field) for field in fields)


def _part(row: Row, field: str) -> str:
    value: Any = row.values.get(field)
    if field not in row.values:
        raise ValueError(
            f"{row.where}: got fields {short_repr(list(row.values))}, expected {field!r} among them: it is part of the key."
        )
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"{row.where}: got id {short_repr(value)}, expected text or a whole number.")
    return str(value)


def _are_different(sample: Iterable[Row], fields: Sequence[str]) -> bool:
    values: list[Mapping[str, object]] = [row.values for row in sample]
    keys = [tuple(str(value.get(field)) for field in fields) for value in values]
    return len(set(keys)) == len(keys) and all(value.get(field) not in (None, "") for value in values for field in fields)

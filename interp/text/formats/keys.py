"""The key by which rows of several languages are paired: a field, or several fields together, that is different in every row.

A position is no key: two files of the same questions may have them in another order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations

from interp.files.checks import short_repr
from interp.text.formats.column_names import divided, id_columns, is_measure, is_unnamed, named, place_columns
from interp.text.notes import note
from interp.text.raw.lines import text_of
from interp.text.raw.rows import Row

WORD = "word_original"
"""Column of the English word in the word lists of Wendler et al. (2024). The lists differ in length and are joined by it."""
_KNOWN = ((WORD,), ("link", "split", "question_number"), ("split", "idx"))
"""Keys of published formats: word lists, Belebele, XCOPA. A field that the rows lack is left out, but for the last one."""
_CONTENT = frozenset(
    {"text", "sentence", "utt", "context", "question", "prompt", "premise", "hypothesis", "passage", "paragraph", "translation",
     "answer", "answers", "label", "labels", "gold", "correct", "target", "solution", "option", "choice", "score", "rating",
     "similarity", "quality", "probability", "length", "len", "words", "tokens", "characters", "chars", "count"}
)  # fmt: skip
"""Words in the name of a field of which it is a text, an answer or a measure of one."""
_TOGETHER = 3
"""Maximum number of fields of a key that is not named."""
_MOST = 20
"""Maximum number of fields of which such a key is sought."""
BY_POSITION = "rows are paired by position: no field is a key"
_NO_ID = frozenset({"nan", "NaN", "None", "NULL", "null", "<NA>", "#N/A", "#REF!", "N/A"})
_WHOLE = re.compile(r"(-?\d+)\.0")


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
        if (own := named(fields, [chosen.strip().casefold()])) is None:
            raise ValueError(f"{sample[0].where}: got key {short_repr(chosen)}, expected one of {short_repr(fields)}.")
        return (chosen if chosen in fields else own,)
    for known in _KNOWN:
        if named(fields, known[-1:]) is not None:
            return tuple(field for name in known if (field := named(fields, (name,))) is not None)
    sure = [field for field in id_columns(fields, sure=True) if not is_unnamed(field)]
    if sure and (_are_different(sample, sure[:1]) or len(fields) == len(sure)):
        return (sure[0],)
    others = [field for field in id_columns(fields) if not is_unnamed(field)]
    alone = next((field for field in (*sure, *others) if _are_different(sample, [field])), None)
    if alone is not None and (len(sample) > 1 or not sure):
        return (alone,)
    around = place_columns(fields)
    for field in (*sure, *others):
        outer = [other for other in around if other != field]
        for together in (*((other, field) for other in outer), (*outer, field)):
            if len(together) > 1 and _are_different(sample, together):
                return together
    return tuple(sure[:1])


def common_key(tables: Mapping[str, Sequence[Row]]) -> tuple[str, ...]:
    """The fewest fields that pair rows without a named key: their values differ from row to row and are the same in every language.

    A text, an answer, a score or a length is never one: two questions may have the same, or a translation another.

    Parameters
    ----------
    tables
        All rows of each language.

    Example
    -------
    >>> one = [Row("a:1", {"doc": 1, "n": 1, "text": "a"}), Row("a:2", {"doc": 1, "n": 2, "text": "b"})]
    >>> common_key({"eng_Latn": [*one, Row("a:3", {"doc": 2, "n": 1, "text": "c"})]})
    ('doc', 'n')
    """
    first, *others = tables.values()
    own = {field: _column(first, field) for field in (first[0].values if first else ())}
    usable = [field for field, values in own.items() if values and not _is_content(field)]
    usable = [field for field in usable[:_MOST] if all(_same(own[field], _column(table, field)) for table in others)]
    for fields in chain.from_iterable(combinations(usable, size) for size in range(1, _TOGETHER + 1)):
        rows = {*zip(*(own[field] for field in fields), strict=True)}
        if len(rows) == len(first) and all(
            rows == {*zip(*(_column(table, field) for field in fields), strict=True)} for table in others
        ):
            return fields
    return ()


def _column(table: Sequence[Row], field: str) -> list[str]:
    """The values of a `field`; none if some row has no text or whole number in it."""
    values = [_id(row.values.get(field)) for row in table]
    return [value for value in values if value is not None] if None not in values else []


def _same(values: Sequence[str], other: Sequence[str]) -> bool:
    return len(values) == len(other) and set(values) == set(other)


def _is_content(field: str) -> bool:
    """Whether a `field` is named like what is asked, answered or measured, which no key is."""
    words = re.findall(r"[a-z]+", divided(field).casefold())
    return not is_unnamed(field) and (is_measure(field) or not _CONTENT.isdisjoint(words))


def contradicted(one: Sequence[Row], other: Sequence[Row]) -> tuple[str, int] | None:
    """A field that says that `one` and `other`, rows in pairs, are paired wrongly, and the first place where it does; or None.

    Such a field has the same values in both languages, in another order. Texts, answers and measures are not looked at: options
    may be in another order, and two lengths the same by chance.

    >>> one = [Row("a:1", {"id": 0, "url": "u"}), Row("a:2", {"id": 1, "url": "v"})]
    >>> contradicted(one, [Row("b:1", {"id": 0, "url": "v"}), Row("b:2", {"id": 1, "url": "u"})])
    ('url', 0)
    """
    for field in one[0].values if one else ():
        if _is_content(field) and field.casefold() != "source_id":  # it says where a row is from, and measures nothing
            continue
        own, others = _column(one, field), _column(other, field)
        if own != others and sorted(own) == sorted(others):
            return field, next(place for place, (a, b) in enumerate(zip(own, others, strict=True)) if a != b)
    return None


def key_of(row: Row, fields: Sequence[str]) -> str:
    """The key of a `row`, the values of `fields`. Raises `ValueError` if one is missing or no text or whole number.

    >>> key_of(Row("a:1", {"split": "test", "idx": 7}), ("split", "idx"))
    'test-7'
    """
    return "-".join(_part(row, field) for field in fields)


def _part(row: Row, field: str) -> str:
    if field not in row.values:
        raise ValueError(
            f"{row.where}: got fields {short_repr(list(row.values))}, expected {field!r} among them: it is part of the key. "
            "Give every row the same fields."
        )
    return identifier(row.values[field], row.where)


def identifier(value: object, where: str) -> str:
    """The id of an item, `value`, as text. Raises `ValueError`, which names the place `where`, if it is no text or whole number.

    Numbers that a program made decimal are whole: 1.0 is the id 1.

    >>> identifier(7, "a.tsv:2"), identifier("7.0", "a.tsv:2")
    ('7', '7')
    """
    own = _id(value)
    if own is None or own.strip() in _NO_ID:
        raise ValueError(f"{where}: got id {short_repr(value)}, expected text or a whole number.")
    if own != value and not isinstance(value, int):
        note("ids such as 1.0 are read as whole numbers")
    return text_of(own, f"{where}, id")


def _id(value: object) -> str | None:
    """A value as an id; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
        return None
    whole = _WHOLE.fullmatch(str(value))
    return whole[1] if whole else None if isinstance(value, float) else str(value)


def _are_different(sample: Iterable[Row], fields: Sequence[str]) -> bool:
    values: list[Mapping[str, object]] = [row.values for row in sample]
    keys = [tuple(_id(value.get(field)) or str(value.get(field)) for field in fields) for value in values]
    return len(set(keys)) == len(keys) and all(value.get(field) not in (None, "") for value in values for field in fields)

"""Rows of several languages in pairs: by their key, or by their place where they have none."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from interp.files.checks import short_repr
from interp.text.choices import option
from interp.text.formats.keys import BY_POSITION, WORD, common_key, contradicted, key_fields, key_of
from interp.text.notes import note
from interp.text.raw.rows import Row, sampled

_LOOKED_AT = 100_000
"""Rows of the first language that are looked at for a key, whatever the limit: ids may begin anew in every document."""

log = logging.getLogger(__name__)


def align(name: str, given: Mapping[str, Iterator[Row]], limit: int | None, key: str | None = None) -> dict[str, dict[str, Row]]:
    """Align rows by key: the same keys in every language, in the order of the first.

    Parameters
    ----------
    name
        Name of the corpus, for messages.
    given
        The rows of each language. The first language is read up to `limit`, and further for its key; the others until they
        have its ids.
    limit
        Use at most so many items.
    key
        The field that is the key, where its name does not say so. Without a key rows are aligned by their position.

    Raises
    ------
    ValueError
        A key is missing in a language or occurs twice, or there is no item.

    Example
    -------
    >>> rows = {code: iter([Row(f"{code}:1", {"id": "1"})]) for code in ("eng_Latn", "deu_Latn")}
    >>> align("corpus", rows, limit=None)["deu_Latn"]["1"].where
    'deu_Latn:1'
    """
    first, *others = given
    sample, everything = sampled(given[first], limit, _LOOKED_AT if others else 100)
    if not sample:
        raise ValueError(f"{name!r}: got no item in {first}, expected one row per item.")
    fields = key_fields(sample, key)
    if not fields and others:
        rows_of = {code: list(everything if code == first else _keyless(given[code], first)) for code in given}
        fields = common_key(rows_of)
        everything, given = iter(rows_of[first]), {code: iter(own) for code, own in rows_of.items()}
    gaps = WORD in fields
    by = f"key {' + '.join(fields)}" if fields else "position"
    if others:
        note(f"rows are paired by {by}" if fields else BY_POSITION)
    tables = {first: _keyed(islice(everything, None if gaps else limit), fields)}
    if gaps:
        shared_tables = shared(name, tables | {code: _keyed(given[code], fields) for code in others})
        return {code: dict(islice(table.items(), limit)) for code, table in shared_tables.items()}
    for code in others:
        tables[code] = _keyed(given[code], fields, tables[first] if limit else None)
        for code_a, code_b in ((code, first), (first, code)):
            missing = [key for key in tables[code_b] if key not in tables[code_a]]
            if missing and not (limit and code_a == first):
                raise ValueError(
                    f"{name!r}: got {len(tables[first])} items in {first} but {len(tables[code])} in {code}, expected the same "
                    f"ids in every language. {code_a} has no item {short_repr(missing[0])} ({by}), which {code_b} has at "
                    f"{tables[code_b][missing[0]].where}. Add it, or remove it from every language."
                )
        tables[code] = {i: tables[code][i] for i in tables[first]}
        if key is None:
            _refuse_contradiction(list(tables[first].values()), list(tables[code].values()), by)
    return tables


def shared(name: str, tables: Mapping[str, Mapping[str, Row]]) -> dict[str, dict[str, Row]]:
    """Keep the items that every language has, in the order of the first language. Logs how many are left out.

    `tables` are rows by id, by language; `name` is the corpus in messages. Raises `ValueError` if no item is shared.

    >>> row = Row("a.jsonl:1", {})
    >>> list(shared("a", {"eng_Latn": {"1": row, "2": row}, "deu_Latn": {"2": row}})["eng_Latn"])
    ['2']
    """
    first, *others = tables
    ids = [i for i in tables[first] if all(i in tables[code] for code in others)]
    if not ids:
        raise ValueError(
            f"{name!r}: got no item that all of {', '.join(tables)} have, expected shared items. Choose fewer languages."
        )
    for code, table in tables.items():
        if len(table) > len(ids):
            log.info(
                "%s: %d of %d items of %s left out: not every language has them", name, len(table) - len(ids), len(table), code
            )
    return {code: {i: table[i] for i in ids} for code, table in tables.items()}


def _refuse_contradiction(one: Sequence[Row], other: Sequence[Row], by: str) -> None:
    """Refuse rows in pairs whose values in another field are the same in both languages and not in the same pairs."""
    if found := contradicted(one, other):
        field, place = found
        raise ValueError(
            f"{other[place].where}: got {short_repr(other[place].values[field])} in {field!r} but "
            f"{short_repr(one[place].values[field])} at {one[place].where}, expected the same: the rows are paired by {by}. Choose "
            f"the key with {option({'ids': field})}, or correct the rows."
        )


def _keyless(rows: Iterator[Row], first: str) -> Iterator[Row]:
    """The same rows, if they have no key, as those of the first language."""
    sample, everything = sampled(rows, 1)
    if sample and (fields := key_fields(sample)):
        raise ValueError(
            f"{sample[0].where}: got rows with the key {' + '.join(fields)}, which those of {first} lack, expected the same "
            "fields in every language."
        )
    return everything


def _keyed(rows: Iterable[Row], fields: Sequence[str], until: Mapping[str, Row] | None = None) -> dict[str, Row]:
    """Rows by key, or by number if there are no key fields. Stops when all keys of `until` are read."""
    table: dict[str, Row] = {}
    waiting = len(until or ())
    for number, row in enumerate(rows):
        key = key_of(row, fields) if fields else str(number)
        if key in table:
            raise ValueError(
                f"{row.where}: got id {short_repr(key)}, which is also at {table[key].where}. Use each id once. The key is "
                f"{' + '.join(fields)}; {option({'ids': 'NAME'})} chooses another."
            )
        table[key] = row
        waiting -= until is not None and key in until
        if until is not None and not waiting:
            break
    return table

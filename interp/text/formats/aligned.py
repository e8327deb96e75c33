"""Files of rows, one a language, brought into the same order by the ids of their items."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from interp.files.checks import short_repr
from interp.text.corpus import ParallelCorpus
from interp.text.formats.lines import at, text_of
from interp.text.formats.rows import Row, rows
from interp.text.formats.tables import identifier, label

WORD = "word_original"
"""The English word in the word lists of Wendler et al. (2024), whose lists differ in length and are joined by it."""
PIVOT = "prompt_en"
"""The English of a prompt, in files where every language has items of its own."""
TEXT_FIELDS = ("sentence", "text", "word_translation", "context", "question", "prompt", "premise", "sentence1")
LABEL_FIELDS = ("part", "split", "label_en", "question_majority", "country")
DOCUMENT_FIELDS = {"context": "title", "question": "pid"}

log = logging.getLogger(__name__)


def read_aligned(files: Mapping[str, Path], name: str, limit: int | None, split: str | None) -> ParallelCorpus:
    """A corpus of one field of every row: the sentence, the word, the paragraph or the question.

    Word lists (`word_original`) do not have the same words everywhere: the words that all have are kept, and how many are
    not is logged. Any other file must have the same ids in every language. `split="questions"` takes the questions of a
    SQuAD file instead of its paragraphs; another one the rows whose field `split` or `part` says so.
    """
    code, path = next(iter(files.items()))
    sample = next(_units(path, split), None)
    if sample and PIVOT in sample.values and len(files) > 1:
        raise ValueError(
            f"{sample.where}: every language has questions of its own ({PIVOT}), so equal ids mean different text. "
            "Needed: parallel text; read_task() reads one language beside English."
        )
    found = align(name, {code: _units(path, split) for code, path in files.items()}, limit)
    first = list(found[code].values())
    field = "question" if split == "questions" else next((field for field in TEXT_FIELDS if field in first[0].values), "text")
    about = DOCUMENT_FIELDS.get(field)
    return ParallelCorpus(
        name,
        {
            code: tuple(text_of(value(row, field), f"{row.where}, {field}") for row in table.values())
            for code, table in found.items()
        },
        tuple(found[code]),
        tuple(label(value(row, about)) for row in first) if about and about in first[0].values else None,
        labels(first),
    )


def align(name: str, given: Mapping[str, Iterator[Row]], limit: int | None) -> dict[str, dict[str, Row]]:
    """Rows by id, the same ids in the same order in every language: those of the first, or its first `limit`.

    Reads the first language no further than `limit`, and the others until they have given what it has.
    """
    first, *others = given
    head = next(given[first], None)
    if head is None:
        raise ValueError(f"{name!r}: no item in {first}. Needed: a row an item.")
    gaps = WORD in head.values
    found = {first: _keyed(islice(chain([head], given[first]), None if gaps else limit))}
    if gaps:
        kept = shared(name, found | {code: _keyed(given[code]) for code in others})
        return {code: dict(islice(table.items(), limit)) for code, table in kept.items()}
    for code in others:
        found[code] = _keyed(given[code], found[first] if limit else None)
        for here, there in ((code, first), (first, code)):
            lacking = sorted(found[there].keys() - found[here].keys())
            if lacking and not (limit and here == first):
                raise ValueError(
                    f"{name!r}: {len(found[first])} items in {first} but {len(found[code])} in {code}; {here} has no item "
                    f"{short_repr(lacking[0])}, which {there} has at {found[there][lacking[0]].where}. "
                    "Needed: the same ids in every language; add it, or leave it out everywhere."
                )
        found[code] = {i: found[code][i] for i in found[first]}
    return found


def select(given: Iterable[Row], split: str | None, source: str) -> Iterator[Row]:
    """The rows whose field `split` or `part` is `split`; all of them where it is None."""
    kept = 0
    for row in given:
        if split is None or split in (row.values.get("split"), row.values.get("part")):
            kept += 1
            yield row
    if not kept and split is not None:
        raise ValueError(f"{source}: no row whose field 'split' or 'part' is {short_repr(split)}. Give another split, or none.")


def value(row: Row, field: str) -> Any:
    """A field of a row, or an error that says which fields it has."""
    if field not in row.values:
        raise ValueError(
            f"{row.where}: no field {field!r}; it has {short_repr(list(row.values))}. Needed: the same fields in every row."
        )
    return row.values[field]


def labels(given: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """What the rows of one language say of the items whatever the language."""
    table = list(given)
    known = [field for field in LABEL_FIELDS if all(field in row.values for row in table)]
    return {field: tuple(label(row.values[field]) for row in table) for field in known}


def _units(path: Path, split: str | None) -> Iterator[Row]:
    if path.suffix != ".json" or split not in ("paragraphs", "questions", None):
        yield from select(rows(path), split, at(path))
        return
    last: object = None
    for row in rows(path):
        if split == "questions" or "pid" not in row.values:
            yield row
        elif row.values["pid"] != last:
            last = row.values["pid"]
            yield Row(row.where, {key: row.values[key] for key in ("pid", "title", "context")})


def _keyed(given: Iterable[Row], until: Mapping[str, Row] | None = None) -> dict[str, Row]:
    """Rows by id, or by their number where they have none; stops early when it has all of `until`."""
    table: dict[str, Row] = {}
    waiting = len(until or ())
    field: str | None = None
    for number, row in enumerate(given):
        own = next((field for field in (WORD, "id", "idx", "pid") if field in row.values), None)
        if table and own != field:
            raise ValueError(f"{row.where}: id field {own!r} here, {field!r} in the first row. Needed: the same in every row.")
        field = own
        key = _id_of(row, field) if field else str(number)
        if key in table:
            raise ValueError(f"{row.where}: id {short_repr(key)} stands at {table[key].where} too. Needed: one id an item.")
        table[key] = row
        waiting -= until is not None and key in until
        if until is not None and not waiting:
            break
    return table


def _id_of(row: Row, field: str) -> str:
    own = identifier(value(row, field), row.where)
    return f"{row.values['split']}-{own}" if field == "idx" and "split" in row.values else own


def shared(name: str, found: Mapping[str, Mapping[str, Row]]) -> dict[str, dict[str, Row]]:
    """The items that every language has, in the order of the first; how many are left out is logged."""
    first, *others = found
    kept = [i for i in found[first] if all(i in found[code] for code in others)]
    if not kept:
        raise ValueError(
            f"{name!r}: no item is in all of {', '.join(found)}. Needed: languages that share items; name fewer of them."
        )
    for code, table in found.items():
        if len(table) > len(kept):
            log.info(
                "%s: %d of %d items of %s left out: not every language has them", name, len(table) - len(kept), len(table), code
            )
    return {code: {i: table[i] for i in kept} for code, table in found.items()}

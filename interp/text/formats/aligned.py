"""Files of rows, one per language, aligned by the ids of their items."""

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
"""Column of the English word in the word lists of Wendler et al. (2024). The lists differ in length and are joined by it."""
PIVOT = "prompt_en"
"""Column of the English prompt, in files where every language has its own items."""
TEXT_FIELDS = ("sentence", "text", "word_translation", "context", "question", "prompt", "premise", "sentence1")
LABEL_FIELDS = ("part", "split", "label_en", "question_majority", "country")
DOCUMENT_FIELDS = {"context": "title", "question": "pid"}

log = logging.getLogger(__name__)


def read_aligned(files: Mapping[str, Path], name: str, limit: int | None, split: str | None) -> ParallelCorpus:
    """Read a corpus from one field of every row: the sentence, the word, the paragraph or the question.

    Word lists (`word_original`) have different words in every language: the shared words are kept, and the number of the others is
    logged. All other files must have the same ids in every language.

    Parameters
    ----------
    files
        A .tsv, .csv, .jsonl or .json file by FLORES-200 code.
    name
        Name of the corpus.
    limit
        Read at most so many items.
    split
        "questions" reads the questions of a SQuAD file instead of its paragraphs. Any other value keeps the rows whose field
        `split` or `part` has it.

    Raises
    ------
    ValueError
        The items are not the same in every language, or a row is malformed.
    """
    code, path = next(iter(files.items()))
    sample = next(_units(path, split), None)
    if sample and PIVOT in sample.values and len(files) > 1:
        raise ValueError(
            f"{sample.where}: got questions that differ between languages (field {PIVOT}), expected parallel text. "
            "read_task() reads one of these languages together with English."
        )
    aligned = align(name, {code: _units(path, split) for code, path in files.items()}, limit)
    first = list(aligned[code].values())
    field = "question" if split == "questions" else next((field for field in TEXT_FIELDS if field in first[0].values), "text")
    about = DOCUMENT_FIELDS.get(field)
    return ParallelCorpus(
        name,
        {
            code: tuple(text_of(value(row, field), f"{row.where}, {field}") for row in table.values())
            for code, table in aligned.items()
        },
        tuple(aligned[code]),
        tuple(label(value(row, about)) for row in first) if about and about in first[0].values else None,
        labels(first),
    )


def align(name: str, given: Mapping[str, Iterator[Row]], limit: int | None) -> dict[str, dict[str, Row]]:
    """Align rows by id: the same ids in every language, in the order of the first.

    Parameters
    ----------
    name
        Name of the corpus, for messages.
    given
        The rows of each language. The first language is read up to `limit`, the others until they have its ids.
    limit
        Use at most so many items.

    Raises
    ------
    ValueError
        An id is missing in a language or occurs twice, or there is no item.

    Example
    -------
    >>> rows = {code: iter([Row(f"{code}:1", {"id": "1"})]) for code in ("eng_Latn", "deu_Latn")}
    >>> align("corpus", rows, limit=None)["deu_Latn"]["1"].where
    'deu_Latn:1'
    """
    first, *others = given
    head = next(given[first], None)
    if head is None:
        raise ValueError(f"{name!r}: got no item in {first}, expected one row per item.")
    gaps = WORD in head.values
    tables = {first: _keyed(islice(chain([head], given[first]), None if gaps else limit))}
    if gaps:
        shared_tables = shared(name, tables | {code: _keyed(given[code]) for code in others})
        return {code: dict(islice(table.items(), limit)) for code, table in shared_tables.items()}
    for code in others:
        tables[code] = _keyed(given[code], tables[first] if limit else None)
        for code_a, code_b in ((code, first), (first, code)):
            missing = sorted(tables[code_b].keys() - tables[code_a].keys())
            if missing and not (limit and code_a == first):
                raise ValueError(
                    f"{name!r}: got {len(tables[first])} items in {first} but {len(tables[code])} in {code}, expected the same "
                    f"ids in every language. {code_a} has no item {short_repr(missing[0])}, which {code_b} has at "
                    f"{tables[code_b][missing[0]].where}. Add it, or remove it from every language."
                )
        tables[code] = {i: tables[code][i] for i in tables[first]}
    return tables


def select(rows: Iterable[Row], split: str | None, source: str) -> Iterator[Row]:
    """The `rows` whose field `split` or `part` is `split`; all rows if it is None.

    `source` names them in the `ValueError` that is raised if there are none.

    >>> rows = [Row("a.jsonl:1", {"split": "train"}), Row("a.jsonl:2", {"split": "test"})]
    >>> [row.where for row in select(rows, "test", "a.jsonl")]
    ['a.jsonl:2']
    """
    count = 0
    for row in rows:
        if split is None or split in (row.values.get("split"), row.values.get("part")):
            count += 1
            yield row
    if not count and split is not None:
        raise ValueError(
            f"{source}: got split {short_repr(split)}, expected the field 'split' or 'part' of some row to have it. "
            "Choose another split, or none."
        )


def value(row: Row, field: str) -> Any:
    """The value of a `field` of a `row`. Raises `ValueError`, with the fields that it has, if it is missing.

    >>> value(Row("a.jsonl:1", {"sentence": "Hello"}), "sentence")
    'Hello'
    """
    if field not in row.values:
        raise ValueError(
            f"{row.where}: got fields {short_repr(list(row.values))}, expected {field!r} among them. "
            "Give every row the same fields."
        )
    return row.values[field]


def labels(rows: Iterable[Row]) -> dict[str, tuple[str, ...]]:
    """The labels of the items, by field, from the `rows` of one language: the known label fields that every row has.

    >>> labels([Row("a.jsonl:1", {"sentence": "Hello"})])
    {}
    """
    table = list(rows)
    complete = [field for field in LABEL_FIELDS if all(field in row.values for row in table)]
    return {field: tuple(label(row.values[field]) for row in table) for field in complete}


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


def _keyed(rows: Iterable[Row], until: Mapping[str, Row] | None = None) -> dict[str, Row]:
    """Rows by id, or by number if they have no id. Stops when all ids of `until` are read."""
    table: dict[str, Row] = {}
    waiting = len(until or ())
    field: str | None = None
    for number, row in enumerate(rows):
        row_field = next((field for field in (WORD, "id", "idx", "pid") if field in row.values), None)
        if table and row_field != field:
            raise ValueError(f"{row.where}: got id field {row_field!r}, expected {field!r} as in the first row. Use one id field.")
        field = row_field
        key = _id_of(row, field) if field else str(number)
        if key in table:
            raise ValueError(f"{row.where}: got id {short_repr(key)}, which is also at {table[key].where}. Use each id once.")
        table[key] = row
        waiting -= until is not None and key in until
        if until is not None and not waiting:
            break
    return table


def _id_of(row: Row, field: str) -> str:
    own = identifier(value(row, field), row.where)
    return f"{row.values['split']}-{own}" if field == "idx" and "split" in row.values else own


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

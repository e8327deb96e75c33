"""Files of rows, one per language, aligned by the ids of their items."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.choices import option
from interp.text.corpus import ParallelCorpus
from interp.text.formats.cells import first_missing, kind_of, missing_value
from interp.text.formats.column_names import document_columns, named
from interp.text.formats.file_names import origin
from interp.text.formats.keys import BY_POSITION, WORD, common_key, contradicted, key_fields, key_of
from interp.text.formats.lines import at, ending, printable_name, text_of
from interp.text.formats.row_language import of_language
from interp.text.formats.rows import Row, first_row, rows, sampled
from interp.text.formats.splits import select
from interp.text.formats.tables import label
from interp.text.notes import note, took

PIVOT = "prompt_en"
"""Column of the English prompt, in files where every language has its own items."""
TEXT_FIELDS = ("sentence", "text", "utt", "word_translation", "context", "premise", "question", "prompt", "sentence1")
LABEL_FIELDS = ("part", "split", "label_en", "question_majority", "country")
DOCUMENT_FIELDS = {"context": "title", "question": "pid"}

_LOOKED_AT = 100_000
"""Rows of the first language that are looked at for a key, whatever the limit: ids may begin anew in every document."""

log = logging.getLogger(__name__)


def read_aligned(files: Mapping[str, Path], name: str, asked: Asked) -> ParallelCorpus:
    """Read a corpus from one field of every row: the sentence, the word, the paragraph or the question.

    Rows are paired by their key (`key_fields`), whatever their order. Word lists (`word_original`) have different words in every
    language: the shared words are kept, and the number of the others is logged. All other files must have the same keys in every
    language.

    Parameters
    ----------
    files
        A .tsv, .csv, .jsonl, .json or .parquet file by FLORES-200 code.
    name
        Name of the corpus.
    asked
        How many items; the columns of the "text", the "ids" and the "documents", where their names do not say so; and the split:
        "questions" reads the questions of a SQuAD file instead of its paragraphs, any other keeps the rows that say it.

    Raises
    ------
    ValueError
        The items are not the same in every language, or a row is malformed.
    """
    split = asked.split
    sample = next(_units(*next(iter(files.items())), split), None)
    if sample and PIVOT in sample.values and len(files) > 1:
        raise ValueError(
            f"{sample.where}: got questions that differ between languages (field {PIVOT}), expected parallel text. "
            "read_task() reads one of these languages together with English."
        )
    units = {code: _units(code, path, split) for code, path in files.items()}
    return corpus_of_units(name, units, {code: origin(path) for code, path in files.items()}, asked)


def corpus_of_units(name: str, units: Mapping[str, Iterator[Row]], origins: Mapping[str, str], asked: Asked) -> ParallelCorpus:
    """The corpus of the rows of each language: `name, asked` are as in `read_aligned`, `units` the rows, `origins` where they are
    from, both by code."""
    aligned = align(name, units, asked.limit, asked.roles.get("ids"))
    first = list(next(iter(aligned.values())).values())
    roles = {role: own_name(first[0], column, role) for role, column in asked.roles.items()}
    field = roles.get("text") or _text_field(first[0], asked.split)
    about = roles.get("documents") or document_field(first[0], field)
    texts: dict[str, tuple[str, ...]] = {}
    for code, table in aligned.items():
        took(code, f"{origins[code]}, field {field}")
        own = [*table.values()]
        texts[code] = tuple(text_of(value(row, field), f"{row.where}, {field}") for row in own)
        if (number := first_missing(code, texts[code])) is not None:
            raise missing_value(f"{own[number].where}, {field}", texts[code][number])
    return ParallelCorpus(
        name,
        texts,
        tuple(next(iter(aligned.values()))),
        tuple(label(value(row, about)) for row in first) if about else None,
        labels(first),
    )


def own_name(row: Row, column: str, role: str) -> str:
    """How a `row` spells the `column` that was chosen for a `role`. Raises `ValueError` where it has none.

    >>> own_name(Row("a:1", {"URL": "u"}), "url", "documents")
    'URL'
    """
    found = column if column in row.values else named(row.values, [column.strip().casefold()])
    if found is None:
        raise ValueError(
            f"{row.where}: got column {short_repr(column)} for {role}, expected one of {short_repr(list(row.values))}."
        )
    return found


def document_field(row: Row, field: str) -> str | None:
    """The field of a `row` that names the document of its text, which stands in `field`; None if there is none.

    >>> document_field(Row("a:1", {"text": "a", "url": "https://a.example"}), "text")
    'url'
    """
    usual = DOCUMENT_FIELDS.get(field.casefold())
    return usual if usual in row.values else next(iter(document_columns(row.values)), None)


def _text_field(row: Row, split: str | None) -> str:
    if split == "questions":
        return named(row.values, ["question"]) or "question"
    if found := named(row.values, TEXT_FIELDS):
        return found
    raise ValueError(
        f"{row.where}: got fields {short_repr(list(row.values))}, expected 'text' among them. Say which is the text with "
        f"{option({'text': max(reversed(list(row.values)), key=lambda field: len(str(row.values[field])))})}."
    )


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
    there = [field for name in LABEL_FIELDS if table and (field := named(table[0].values, [name]))]
    complete = [field for field in there if all(field in row.values for row in table)]
    return {field: tuple(label(row.values[field]) for row in table) for field in complete}


def rows_of_language(path: Path) -> Iterator[Row]:
    """The rows of a file of one language, `path`. A TSV of questions and numbers without a header is that of MGSM.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "mgsm_de.tsv").write_text("Was ist 1 + 1?\\t2\\n")
    ...     [row.values for row in rows_of_language(Path(folder, "mgsm_de.tsv"))]
    [{'question': 'Was ist 1 + 1?', 'answer': '2'}]
    """
    if ending(path) in ("tsv", "tab"):
        first = first_row(path, header=("question", "answer"))
        if first and kind_of([first.values["answer"]]) == "numbers" and kind_of([first.values["question"]]) == "text":
            note("no header: questions and numbers, as in MGSM", printable_name(path))
            return rows(path, header=("question", "answer"))
    return rows(path)


def selected(code: str, path: Path, split: str | None) -> Iterator[Row]:
    """The rows of a `split` (None: all) of a file of one language, `path`. Raises `ValueError` at one that is not in `code`."""
    return of_language(code, select(rows_of_language(path), split, at(path)))


def _units(code: str, path: Path, split: str | None) -> Iterator[Row]:
    if ending(path) != "json" or split not in ("paragraphs", "questions", None):
        yield from selected(code, path, split)
        return
    last: object = None
    for row in rows(path):
        if split == "questions" or "pid" not in row.values:
            yield row
        elif row.values["pid"] != last:
            last = row.values["pid"]
            yield Row(row.where, {key: row.values[key] for key in ("pid", "title", "context")})


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

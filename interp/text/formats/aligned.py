"""Files of rows, one per language, aligned by the ids of their items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.choices import option
from interp.text.corpus import ParallelCorpus
from interp.text.formats.cells import first_missing, missing_value
from interp.text.formats.column_names import document_columns, named
from interp.text.formats.one_language import TEXT_FIELDS, units
from interp.text.formats.pairing import align
from interp.text.formats.tables import label
from interp.text.notes import took
from interp.text.raw.file_names import origin
from interp.text.raw.lines import text_of
from interp.text.raw.rows import Row

PIVOT = "prompt_en"
"""Column of the English prompt, in files where every language has its own items."""
LABEL_FIELDS = ("part", "split", "label_en", "question_majority", "country")
DOCUMENT_FIELDS = {"context": "title", "question": "pid"}


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
    sample = next(units(*next(iter(files.items())), split, asked.columns), None)
    if sample and PIVOT in sample.values and len(files) > 1:
        raise ValueError(
            f"{sample.where}: got questions that differ between languages (field {PIVOT}), expected parallel text. "
            "read_task() reads one of these languages together with English."
        )
    own = {code: units(code, path, split, asked.columns) for code, path in files.items()}
    return corpus_of_units(name, own, {code: origin(path) for code, path in files.items()}, asked)


def corpus_of_units(name: str, given: Mapping[str, Iterator[Row]], origins: Mapping[str, str], asked: Asked) -> ParallelCorpus:
    """The corpus of the rows of each language: `name, asked` are as in `read_aligned`, `given` the rows, `origins` where they are
    from, both by code."""
    aligned = align(name, given, asked.limit, asked.roles.get("ids"))
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

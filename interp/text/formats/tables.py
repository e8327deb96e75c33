"""Rows with a column a language, from TSV, CSV, JSONL, TMX or the hub, as a corpus."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from interp.files.checks import short_repr
from interp.languages import languages as several
from interp.text.corpus import ParallelCorpus
from interp.text.formats.file_names import pair, spelled
from interp.text.formats.lines import at, text_of
from interp.text.formats.rows import Row, rows

ID_COLUMNS = ("id", "ids", "key", "idx")
DOCUMENT_COLUMNS = ("document", "documents", "doc", "doc_id", "url", "URL")
MOST_COLUMNS = 5_000
"""More than there are languages with parallel text; every one is looked up, and a hostile header must not take hours."""
LABEL_COLUMNS = frozenset(
    {"category", "codepoints", "concept", "domain", "genre", "has_hyperlink", "has_image", "label", "part", "register",
     "sib200_category", "source", "source_line", "split", "title", "topic", "type"}
)  # fmt: skip


class Layout(NamedTuple):
    """Which column is what: the text of each language, the id, the document, and labels."""

    texts: dict[str, str]
    id: str | None
    document: str | None
    labels: tuple[str, ...]


def read_table(path: Path, name: str, languages: Sequence[str] | None, limit: int | None) -> ParallelCorpus:
    """A TSV, CSV or JSONL file with a column a language.

    A two-column TSV named after two languages (`bul_Cyrl-cat_Latn.tsv`) may go without a header.
    """
    halves = pair(path.stem) if path.suffix == ".tsv" else None
    if halves:
        first = next(rows(path, header=halves), None)
        if first and {spelled(cell) for cell in first.values.values()} != set(halves):
            return corpus_of_rows(name, at(path), rows(path, header=halves), languages, limit)
    return corpus_of_rows(name, at(path), rows(path), languages, limit)


def corpus_of_rows(
    name: str, source: str, given: Iterable[Row], languages: Sequence[str] | None, limit: int | None
) -> ParallelCorpus:
    """A corpus from rows that all have the same columns. Reads no further than `limit`."""
    layout: Layout | None = None
    texts: dict[str, list[str]] = {}
    marks: dict[str, list[str]] = {}
    ids: dict[str, str] = {}
    columns: Collection[str] = ()
    for number, (where, nested) in enumerate(islice(given, limit)):
        values = _flat(nested, where)
        if layout is None:
            layout, columns = plan(list(values), languages, where), values.keys()
        elif values.keys() != columns:
            other = min({*values} ^ {*columns})
            raise ValueError(
                f"{where}: field {short_repr(other)} is in only one of this row and the first. Give all rows the same fields."
            )
        for code, column in layout.texts.items():
            texts.setdefault(code, []).append(text_of(values[column], f"{where}, column {short_repr(column)}"))
        one = identifier(values[layout.id], where) if layout.id else str(number)
        if one in ids:
            raise ValueError(f"{where}: id {short_repr(one)} stands at {ids[one]} too. Needed: one id an item.")
        ids[one] = where
        for column in (*layout.labels, *([layout.document] if layout.document else [])):
            marks.setdefault(column, []).append(label(values[column]))
    if layout is None:
        raise ValueError(f"{source}: no row. Needed: a header with language columns, and a row an item.")
    return ParallelCorpus(
        name,
        {code: tuple(column) for code, column in texts.items()},
        tuple(ids),
        tuple(marks[layout.document]) if layout.document else None,
        {column: tuple(marks[column]) for column in layout.labels},
    )


def plan(columns: Sequence[str], languages: Sequence[str] | None, where: str) -> Layout:
    """What each column is. Without `languages` every column must be a language, an id, a document or a known label."""
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"{where}: {len(columns)} columns. Needed: one for each language, and no more than {MOST_COLUMNS}.")
    own = next((column for column in ID_COLUMNS if column in columns), None)
    document = next((column for column in DOCUMENT_COLUMNS if column in columns), None)
    meant: dict[str, list[str]] = {}
    for column in columns:
        code = spelled(column.removeprefix("sentence_"))
        if code and column not in (own, document):
            meant.setdefault(code, []).append(column)
    wanted = [found.code for found in several(languages)] if languages is not None else list(meant)
    if "ind_Latn" in wanted and "ind_Latn" not in meant and own == "id":
        meant["ind_Latn"], own = ["id"], next((column for column in ID_COLUMNS[1:] if column in columns), None)
    for code in wanted:
        if len(meant.get(code, ())) != 1:
            came = (
                f"columns {' and '.join(map(short_repr, meant[code]))} both mean {code}"
                if code in meant
                else f"no column for {code}"
            )
            raise ValueError(f"{where}: {came}. It has {short_repr(sorted(meant))}. Needed: one column for each language.")
    ours = {column for found in meant.values() for column in found}
    rest = [column for column in columns if column not in (own, document, *ours)]
    strange = [column for column in rest if column not in LABEL_COLUMNS] if languages is None else []
    if not wanted or strange:
        raise ValueError(
            f"{where}: column {short_repr((strange or columns)[0])} spells no language; "
            f"languages found: {', '.join(meant) or 'none'}. "
            "Needed: a column a language; languages=[...] chooses them and makes the others labels."
        )
    return Layout({code: meant[code][0] for code in wanted}, own, document, tuple(rest))


def identifier(value: Any, where: str) -> str:
    """An item's id as text."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"{where}: id {short_repr(value)} came. Needed: text or a whole number.")
    return text_of(str(value), f"{where}, id")


def label(value: Any) -> str:
    """What is known of an item, as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _flat(values: Any, where: str) -> dict[str, Any]:
    """The row with the languages of a nested `translation` beside its other fields."""
    nested = values.get("translation")
    if not isinstance(nested, dict):
        return dict(values)
    try:
        inner = {found.code: nested[key] for found, key in zip(several(nested), nested, strict=True)}
    except ValueError as error:
        raise ValueError(f"{where}: translation: {error}") from None
    return {key: value for key, value in values.items() if key != "translation"} | inner

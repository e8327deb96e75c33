"""Read rows with a column per language, from TSV, CSV, JSONL, TMX or the Hub, as a corpus."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.languages import by_code
from interp.languages import languages as resolve_all
from interp.text.corpus import ParallelCorpus
from interp.text.formats.file_names import language_code, language_pair
from interp.text.formats.lines import at, text_of
from interp.text.formats.rows import Row, rows

ID_COLUMNS = ("id", "ids", "key", "idx", "sentence_id")
"""Names of an id column, in any case."""
DOCUMENT_COLUMNS = ("document", "documents", "doc", "doc_id", "url", "URL")
MOST_COLUMNS = 5_000
"""Maximum number of columns, more than there are languages: every name is looked up, and a hostile header must not take hours."""
LABEL_COLUMNS = frozenset(
    {"category", "codepoints", "concept", "domain", "genre", "has_hyperlink", "has_image", "label", "part", "register",
     "sib200_category", "source", "source_line", "split", "title", "topic", "type"}
)  # fmt: skip


class Layout(NamedTuple):
    """The role of each column: the text of a language, the id, the document, or a label."""

    texts: dict[str, str]
    id: str | None
    document: str | None
    labels: tuple[str, ...]


def read_table(path: Path, name: str, languages: Sequence[str] | None, limit: int | None) -> ParallelCorpus:
    """Read a TSV, CSV or JSONL file with a column per language.

    A two-column TSV named after two languages (`bul_Cyrl-cat_Latn.tsv`) need not have a header.

    Parameters
    ----------
    path
        The file.
    name, languages, limit
        As for `corpus_of_rows`, which also says what is raised.
    """
    halves = language_pair(path.stem) if path.suffix == ".tsv" else None
    if halves:
        first = next(rows(path, header=halves), None)
        if first and {language_code(cell) for cell in first.values.values()} != set(halves):
            return corpus_of_rows(name, at(path), rows(path, header=halves), languages, limit)
    return corpus_of_rows(name, at(path), rows(path), languages, limit)


def corpus_of_rows(
    name: str, source: str, rows: Iterable[Row], languages: Sequence[str] | None, limit: int | None
) -> ParallelCorpus:
    """A corpus from rows with the same columns.

    Parameters
    ----------
    name
        Name of the corpus.
    source
        The file or dataset, for messages.
    rows
        The rows, each with a column for every language.
    languages
        Languages in any spelling. Default: all columns, each of which must then be a language, an id, a document or a known label.
    limit
        Read at most so many items.

    Raises
    ------
    ValueError
        A column or row is malformed, or a language is missing.

    Example
    -------
    >>> from interp.text.formats.rows import Row
    >>> rows = [Row("a.tsv:2", {"en": "Hello", "de": "Hallo"})]
    >>> corpus_of_rows("greetings", "a.tsv", rows, languages=None, limit=None)["deu_Latn"]
    ('Hallo',)
    """
    layout: Layout | None = None
    texts: dict[str, list[str]] = {}
    marks: dict[str, list[str]] = {}
    ids: dict[str, str] = {}
    columns: Collection[str] = ()
    for number, (where, nested) in enumerate(islice(rows, limit)):
        values = _flat(nested, where)
        if layout is None:
            layout, columns = plan(list(values), languages, where), values.keys()
        elif values.keys() != columns:
            other = min({*values} ^ {*columns})
            raise ValueError(
                f"{where}: got field {short_repr(other)} in only one of this row and the first. Give every row the same fields."
            )
        for code, column in layout.texts.items():
            texts.setdefault(code, []).append(text_of(values[column], f"{where}, column {short_repr(column)}"))
        row_id = identifier(values[layout.id], where) if layout.id else str(number)
        if row_id in ids:
            raise ValueError(f"{where}: got id {short_repr(row_id)}, which is also at {ids[row_id]}. Use each id once.")
        ids[row_id] = where
        for column in (*layout.labels, *([layout.document] if layout.document else [])):
            marks.setdefault(column, []).append(label(values[column]))
    if layout is None:
        raise ValueError(f"{source}: got no row, expected a header with language columns and one row per item.")
    return ParallelCorpus(
        name,
        {code: tuple(column) for code, column in texts.items()},
        tuple(ids),
        tuple(marks[layout.document]) if layout.document else None,
        {column: tuple(marks[column]) for column in layout.labels},
    )


def plan(columns: Sequence[str], languages: Sequence[str] | None, where: str) -> Layout:
    """The role of each of the `columns`: the text of a language, the id, the document or a label.

    If `languages` is None, every column must be one of these. `where` is the file and line in the `ValueError` that is raised
    for an unknown column, and for a language without a column or with two.

    >>> plan(["id", "en", "de"], None, "a.tsv:1").texts
    {'eng_Latn': 'en', 'deu_Latn': 'de'}
    """
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"{where}: got {len(columns)} columns, expected one per language, and at most {MOST_COLUMNS}.")
    ids = id_columns(columns)
    id_column = ids[0] if ids else None
    document = next((column for column in DOCUMENT_COLUMNS if column in columns), None)
    columns_of: dict[str, list[str]] = {}
    for column in columns:
        code = language_code(column.removeprefix("sentence_"))
        if code and column not in (id_column, document):
            columns_of.setdefault(code, []).append(column)
    codes = [lang.code for lang in resolve_all(languages)] if languages is not None else list(columns_of)
    if "ind_Latn" in codes and "ind_Latn" not in columns_of and id_column is not None and id_column.casefold() == "id":
        columns_of["ind_Latn"], id_column = [id_column], next(iter(ids[1:]), None)
    for code in codes:
        if len(columns_of.get(code, ())) != 1:
            got = (
                f"columns {' and '.join(map(short_repr, columns_of[code]))} that both mean {code}"
                if code in columns_of
                else f"no column for {code}"
            )
            raise ValueError(f"{where}: got {got}, expected one column per language. It has {short_repr(sorted(columns_of))}.")
    language_columns = {column for names in columns_of.values() for column in names}
    other_columns = [column for column in columns if column not in (id_column, document, *language_columns)]
    unknown = [column for column in other_columns if column not in LABEL_COLUMNS] if languages is None else []
    if not codes or unknown:
        raise ValueError(
            f"{where}: got column {short_repr((unknown or columns)[0])}, which is no known language, expected one column per "
            f"language (recognised: {', '.join(columns_of) or 'none'}). Choose with languages=[...]; other columns become labels."
        )
    return Layout({code: columns_of[code][0] for code in codes}, id_column, document, tuple(other_columns))


def id_columns(columns: Iterable[str]) -> list[str]:
    """Those of `columns` that hold ids, the likeliest first.

    >>> id_columns(["Key", "en", "ID"])
    ['ID', 'Key']
    """
    written = {column.casefold(): column for column in reversed(list(columns))}
    return [written[name] for name in ID_COLUMNS if name in written]


def identifier(value: object, where: str) -> str:
    """The id of an item, `value`, as text. Raises `ValueError`, which names the place `where`, if it is no text or whole number.

    >>> identifier(7, "a.tsv:2")
    '7'
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"{where}: got id {short_repr(value)}, expected text or a whole number.")
    return text_of(str(value), f"{where}, id")


def label(value: object) -> str:
    """A label `value` of an item as text; JSON if it is no string.

    >>> label("news"), label([1, 2])
    ('news', '[1, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _flat(values: Mapping[str, object], where: str) -> dict[str, object]:
    """The row with the languages of a nested `translation` as fields of their own."""
    nested = values.get("translation")
    if not isinstance(nested, dict):
        return dict(values)
    try:
        inner = by_code(nested)
    except ValueError as error:
        raise ValueError(f"{where}: translation: {error}") from None
    return {key: value for key, value in values.items() if key != "translation"} | inner

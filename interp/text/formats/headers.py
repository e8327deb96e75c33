"""The first row of a table: the names of its columns, or a row like the others, whose columns are called by their numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from interp.files.checks import short_repr
from interp.text.choices import option
from interp.text.formats.cells import kind_of
from interp.text.formats.column_names import DOCUMENT_COLUMNS, SPLIT_COLUMNS, SURE_IDS, divided, is_id_name
from interp.text.notes import note
from interp.text.raw.dialects import SEPARATORS
from interp.text.raw.file_names import column_language
from interp.text.raw.lines import ending, printable_name
from interp.text.raw.rows import Row, first_cells, rows

_HEADER_WORDS = frozenset(
    {"source", "target", "src", "tgt", "trg", "ref", "reference", "original", "orig", "translation", "translated", "text", "texts",
     "sentence", "sentences", "sent", "segment", "seg", "string", "lang", "language", "col", "column", "query", "passage",
     "hypothesis", "premise", "input", "output", "document", "title", "body", "content", "utterance", "phrase", "word", "term"}
)  # fmt: skip
_ID = re.compile(r"\d+|[\w./:#-]*[A-Za-z][\w./:#-]*\d[\w./:#-]*")
"""An id that is no decimal number, which is a score."""
_SENTENCE = re.compile(r".*[.!?…。！？।؟]|(?:\S+\s+){5,}\S+", re.DOTALL)
"""A sentence where the name of a column should stand."""


def first_row_is(cells: Sequence[str], codes: Collection[str]) -> Literal["names", "text", "either"]:
    """What the first row of a table is, `cells`: the names of its columns, text as in the other rows, or either.

    `codes` are its languages: no other language is a name of a column, as "cat" is a word of English.

    >>> pair = ("eng_Latn", "deu_Latn")
    >>> first_row_is(["source_text", "target_text"], pair), first_row_is(["English sentence", "German sentence"], pair)
    ('names', 'names')
    >>> [first_row_is(cells, pair) for cells in (["Hello there.", "Hallo."], ["word", "Wort"], ["cat", "Katze"])]
    ['text', 'either', 'text']
    """
    named = [column_language(cell) for cell in cells]
    if len({cell.strip().casefold() for cell in cells}) < len(cells) or (all(named) and len(set(named)) < len(named)):
        return "text"
    if all(_is_name(cell, codes) for cell in cells) or _are_numbers(cells):
        return "names"
    return (
        "either" if any(_is_name(cell, codes) or re.fullmatch(r"[A-Za-z]+(?:_\w+|\d+)", cell.strip()) for cell in cells) else "text"
    )


def numbered(path: Path, columns: Mapping[str, str]) -> Iterator[Row] | None:
    """The rows of a table whose chosen columns are called by their numbers from 1; None where they are called by their names.

    Parameters
    ----------
    path
        The file. It needs no header; where the chosen columns have names in the first row, this is no row.
    columns
        The chosen columns, `{"english": "1", "german": "2"}`.

    Raises
    ------
    ValueError
        There is no column of such a number.

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "deu.txt").write_text("Go.\\tGeh.\\n")
    ...     [dict(row.values) for row in numbered(Path(folder, "deu.txt"), {"english": "1", "german": "2"})]
    [{'1': 'Go.', '2': 'Geh.'}]
    """
    if not are_numbers(path, columns):
        return None
    cells = first_cells(path)
    if _are_numbers(cells):
        return None
    chosen = [int(number) for number in columns.values()]
    if alone := next((number for number in chosen if number > len(cells)), 0):
        raise ValueError(f"{printable_name(path)}: got column {alone}, expected 1 to {len(cells)}: {short_repr(cells)}.")
    codes = {code for code in map(column_language, (*columns, *cells)) if code}
    headed = first_row_is([cells[number - 1] for number in chosen], codes) == "names"
    note(f"the first row is {'a header' if headed else 'text'}: {', '.join(map(short_repr, cells))}", printable_name(path))
    names = [cell if headed and n not in chosen and cell.strip() else str(n) for n, cell in enumerate(cells, 1)]
    return islice(rows(path, header=names), int(headed), None)


def are_numbers(path: Path, columns: Mapping[str, str]) -> bool:
    """Whether the `columns` of the table `path` that were chosen are called by numbers."""
    return bool(columns) and ending(path) in SEPARATORS and all(re.fullmatch("[1-9][0-9]{0,3}", name) for name in columns.values())


def is_no_header(cells: Sequence[str], codes: Collection[str]) -> bool:
    """Whether the first row of a table, `cells`, holds text where names should be; `codes` are languages that names say.

    >>> [is_no_header(cells, ()) for cells in (["Go.", "Geh."], ["source", "target"], ["code", "name"], ["1", "one"])]
    [True, False, False, True]
    """
    if any(_SENTENCE.fullmatch(cell.strip()) and not is_id_name(cell) for cell in cells):
        return True
    long = any(len(cell.split()) > 2 or kind_of([cell]) == "numbers" for cell in cells)
    return long and first_row_is(cells, codes) == "text"


def repeats_itself(columns: Sequence[str], sample: Sequence[Mapping[str, object]]) -> bool:
    """Whether one of `columns`, named after a language, holds its name in every row of a `sample`: the first row is one of them.

    >>> repeats_itself(["deu", "text"], [{"deu": "deu", "text": "eins"}])
    True
    """
    said = {column: {str(row.get(column)).strip() for row in sample} for column in columns if column_language(column)}
    return any(values == {column.strip()} for column, values in said.items())


def no_header(where: str, cells: Sequence[str], columns: Mapping[str, int]) -> ValueError:
    """The error of a table whose first row, `cells`, holds text at the place `where`. `columns` are the numbers for the example."""
    return ValueError(
        f"{where}: got a first row {short_repr(list(cells))}, expected the names of the columns. {by_number(columns)}"
    )


def by_number(columns: Mapping[str, int]) -> str:
    """What to do with a table whose first row is text, for a message: `columns` are the numbers for the example."""
    numbers = {role: str(number) for role, number in columns.items()}
    return f"If the first row is text and no header, call the columns by number: {option(numbers)}."


def example(table: Sequence[Sequence[str]], roles: Sequence[str]) -> dict[str, int]:
    """The numbers of the columns of a `table`, its first rows, that may have the `roles`: those with the longest texts in turn,
    and the ids if whole numbers or codes before them differ from row to row.

    >>> example([["1", "Go.", "Geh."], ["2", "Hi.", "Hallo."]], ("english", "german"))
    {'ids': 1, 'english': 2, 'german': 3}
    """
    columns = [list(column) for column in zip(*(row for row in table if len(row) == len(table[0])), strict=True)]
    kinds = [kind_of(column) for column in columns]
    texts = [n for n, kind in enumerate(kinds, 1) if kind == "text" and (len(table) < 2 or len({*columns[n - 1]}) > 1)]
    texts = texts if len(texts) >= len(roles) else list(range(1, len(columns) + 1))
    texts = sorted(sorted(texts, key=lambda n: -sum(map(len, columns[n - 1])))[: len(roles)])
    ids = all(map(_ID.fullmatch, columns[0])) and len(set(columns[0])) == len(columns[0]) and texts[0] > 1
    return {**({"ids": 1} if ids else {}), **dict(zip(roles, texts, strict=False))}


def _are_numbers(cells: Sequence[str]) -> bool:
    """Whether a row counts its columns from 0, as pandas names columns without names."""
    return [cell.strip() for cell in cells] == [str(place) for place in range(len(cells))]


def _is_name(cell: str, codes: Collection[str]) -> bool:
    """Whether a cell holds nothing but words that name columns."""
    words = re.findall(r"[^\W\d_]+|\d+", divided(cell))
    if column_language(cell) in codes or _is_usual_name(cell):
        return True
    rest = [word for word in words if not word.isdigit() and len(word) > 1 and column_language(word) is None]
    return 0 < len(words) <= 4 and bool(rest) and all(word.casefold() in _HEADER_WORDS for word in rest)


def _is_usual_name(cell: str) -> bool:
    """Whether a `cell` is the usual name of a column of ids, documents or splits."""
    return cell.strip().casefold() in {*SURE_IDS, *DOCUMENT_COLUMNS, *SPLIT_COLUMNS}

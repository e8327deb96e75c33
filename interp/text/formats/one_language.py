"""The rows of a file of one language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from interp.text.formats.cells import kind_of
from interp.text.formats.column_names import named
from interp.text.formats.headers import example, is_no_header, no_header, numbered
from interp.text.formats.row_language import of_language
from interp.text.formats.splits import select
from interp.text.notes import note
from interp.text.numbers import number_of
from interp.text.raw.dialects import SEPARATORS
from interp.text.raw.lines import at, ending, printable_name
from interp.text.raw.rows import Row, first_cells, first_row, rows

TEXT_FIELDS = ("sentence", "text", "utt", "word_translation", "context", "premise", "question", "prompt", "sentence1")
"""Names of the field of the text, in any case, the likeliest first."""


def rows_of_language(path: Path, columns: Mapping[str, str] | None = None) -> Iterator[Row]:
    """The rows of a file of one language.

    A TSV of questions and numbers without a header is that of MGSM.

    Parameters
    ----------
    path
        The file.
    columns
        Its chosen columns, which may be called by their numbers (`numbered`).

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "mgsm_de.tsv").write_text("Was ist 1 + 1?\\t2\\n")
    ...     [row.values for row in rows_of_language(Path(folder, "mgsm_de.tsv"))]
    [{'question': 'Was ist 1 + 1?', 'answer': '2'}]
    """
    given = numbered(path, columns or {})
    if given is not None:
        return given
    if ending(path) in ("tsv", "tab"):
        first = first_row(path, header=("question", "answer"))
        if first and kind_of([first.values["question"]]) == "text" and _is_number(str(first.values["answer"])):
            note("no header: questions and numbers, as in MGSM", printable_name(path))
            return rows(path, header=("question", "answer"))
    return rows(path)


def _is_number(text: str) -> bool:
    """Whether a cell is a number, with its currency or not."""
    return kind_of([text]) == "numbers" or (number_of(text, None) is not None and text.strip()[:1].isdecimal())


def selected(code: str, path: Path, split: str | None, columns: Mapping[str, str] | None = None) -> Iterator[Row]:
    """The rows of a `split` (None: all) of a file `path` of one language, as of `rows_of_language` with these `columns`.

    Raises `ValueError` at one that is not in `code`.
    """
    return of_language(code, select(rows_of_language(path, columns), split, at(path)))


def units(code: str, path: Path, split: str | None, columns: Mapping[str, str]) -> Iterator[Row]:
    """The rows of a file that are a text each; of SQuAD's the paragraphs, or with the split "questions" the questions.

    Parameters
    ----------
    code, path, split, columns
        As for `selected`.

    Raises
    ------
    ValueError
        The first row of a table holds text and no names, and `columns` says nothing of it.
    """
    if not columns and ending(path) in SEPARATORS:
        _refuse_no_header(code, path)
    if ending(path) != "json" or split not in ("paragraphs", "questions", None):
        yield from selected(code, path, split, columns)
        return
    last: object = None
    for row in rows(path):
        if split == "questions" or "pid" not in row.values:
            yield row
        elif row.values["pid"] != last:
            last = row.values["pid"]
            yield Row(row.where, {key: row.values[key] for key in ("pid", "title", "context")})


def _refuse_no_header(code: str, path: Path) -> None:
    first = next(rows_of_language(path), None)
    cells = first_cells(path)
    if first and named(first.values, TEXT_FIELDS) is None and len(cells) == len(first.values) and is_no_header(cells, (code,)):
        table = [cells, *([str(cell) for cell in row.values.values()] for row in islice(rows(path), 100))]
        raise no_header(at(path, 1), cells, example(table, ("text",)))

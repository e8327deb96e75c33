"""Read the rows of a table or JSON file as dictionaries, each with its place in the file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice, starmap
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.choices import option
from interp.text.notes import note
from interp.text.raw.dialects import SEPARATORS, first_lines, is_quoted, separator
from interp.text.raw.json_rows import json_lines, json_rows
from interp.text.raw.lines import at, ended_lines, ending, lines, printable_name
from interp.text.raw.shards import pieces_of

_UNSEEN = re.compile("[\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Characters without a width, which a name copied from elsewhere brings along."""
_UNPACK, _AS_CSV = " Unpack it first.", " Save the sheet as CSV in UTF-8."
_TO_DO = {
    **dict.fromkeys(("zip", "tar", "tgz", "bz2", "xz", "zst", "7z", "rar"), _UNPACK),
    **dict.fromkeys(("xlsx", "xls", "ods", "numbers"), _AS_CSV),
}


class Row(NamedTuple):
    """One row: its place in the file, `where` ("file:12"), and its `values` by column or key."""

    where: str
    values: Mapping[str, object]


def rows(path: Path, header: Sequence[str] | None = None) -> Iterator[Row]:
    """Read the rows of a .tsv, .csv, .jsonl, .json or .parquet file, or of one of them in .gz. All but .json are streamed.

    TSV has no quoting: the text is what is between two tabs, unless only quoting explains its cells. CSV follows RFC 4180,
    with another separator where only that fits. JSON is a list of objects, or a SQuAD file, of which every question is a row. Empty
    rows are left out.

    Parameters
    ----------
    path
        The file.
    header
        Names of the columns of a table without a header line. Default: the first line.

    Raises
    ------
    ValueError
        A row is malformed, or the file has another ending.

    Example
    -------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.tsv").write_text("en\\tde\\nHello\\tHallo\\n")
    ...     [row.values for row in rows(Path(folder, "a.tsv"))]
    [{'en': 'Hello', 'de': 'Hallo'}]
    """
    kind, pieces = ending(path), pieces_of(path)
    if pieces != [path]:
        return chain.from_iterable(rows(piece, header) for piece in pieces)
    if kind in SEPARATORS:
        return _table(path, header)
    if kind in ("jsonl", "ndjson", "json"):
        return starmap(Row, json_rows(path) if kind == "json" else json_lines(path))
    if kind == "parquet":
        return _parquet(path)
    todo = _TO_DO.get(kind, "")
    raise ValueError(
        f"{at(path)}: got {path.suffix or 'a file without an ending'}, expected .tsv, .csv, .jsonl, .json, .parquet or .tmx.{todo}"
    )


def first_row(path: Path, header: Sequence[str] | None = None) -> Row | None:
    """The first row of the file `path`, with the names of its columns or `header`; None where it has none that can be read."""
    with suppress(ValueError):
        return next(rows(path, header=header), None)
    return None


def first_cells(path: Path) -> list[str]:
    """The cells of the first row of the table `path`, whether it names the columns or not; none where it has no row."""
    return next((cells for _, cells in _cells(pieces_of(path)[0]) if any(cell.strip() for cell in cells)), [])


def sampled(rows: Iterable[Row], limit: int | None, most: int = 100) -> tuple[list[Row], Iterator[Row]]:
    """The first rows, at `most` so many, and all `rows`. A fault behind the `limit` is not met.

    >>> sample, everything = sampled([Row("a:1", {"en": "one"}), Row("a:2", {"en": "two"})], limit=1)
    >>> len(sample), len(list(everything))
    (2, 2)
    """
    everything, sample = iter(rows), []
    try:
        for row in islice(everything, most):
            sample.append(row)
    except ValueError:
        if limit is None or len(sample) < limit:
            raise
    return sample, chain(sample, everything)


def _table(path: Path, header: Sequence[str] | None) -> Iterator[Row]:
    return _rows_of_cells(path, _cells(path), header)


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line of a table, with its number."""
    dialect = separator(path)
    own = SEPARATORS[ending(path)]
    if dialect.separator != own:
        note(f"columns are separated by {dialect.separator!r}", printable_name(path))
    literal = dialect.separator == own == "\t" and not is_quoted(path)
    cells = _split_cells(path, own) if literal else _quoted_cells(path, dialect.separator)
    return islice(cells, dialect.skipped, None)


def _rows_of_cells(path: Path, table: Iterable[tuple[int, list[str]]], header: Sequence[str] | None) -> Iterator[Row]:
    name, first, blank = at(path), True, 0
    for number, cells in table:
        if not any(cell.strip() for cell in cells):
            note("empty rows were left out", printable_name(path))
            blank = number if header is not None else 0
        elif blank and header is not None and len(header) == 1:
            raise ValueError(f"{name}:{blank}: got an empty line between two sentences, expected text. Fill it, or leave it out.")
        elif header is None:
            header = _header(cells, f"{name}:{number}", path)
        else:
            if first and len(cells) == len(header) + 1 and cells[0].strip().isdigit():
                header, first = ["", *header], False
                note("the first column has no name: row numbers, as R writes them", printable_name(path))
            if len(cells) != len(header):
                raise ValueError(f"{name}:{number}: got {len(cells)} cells, expected {len(header)}, as in the first row.")
            first = False
            yield Row(f"{name}:{number}", dict(zip(header, cells, strict=True)))


def _header(cells: Sequence[str], where: str, path: Path) -> list[str]:
    """The names of the columns; one without a name is called by its place."""
    names = [cell if cell.strip() else f"column {place}" for place, cell in enumerate(_seen(cells, path), 1)]
    if repeated := {name for name, count in Counter(names).items() if count > 1}:
        raise ValueError(
            f"{where}: got column {short_repr(min(repeated))} twice, expected different names. If that row is text and no header, "
            f"call the columns by number, such as {option({'english': '1', 'german': '2'})}, or in a file of one language text=2."
        )
    return names


def _seen(names: Sequence[str], path: Path) -> list[str]:
    """The `names` of columns without what cannot be seen."""
    seen = [_UNSEEN.sub("", name) for name in names]
    if seen != [*names]:
        note("invisible characters in the names of columns were left out", printable_name(path))
    return seen


def _split_cells(path: Path, mark: str) -> Iterator[tuple[int, list[str]]]:
    for number, text in lines(path):
        yield number, text.split(mark)


def _quoted_cells(path: Path, mark: str) -> Iterator[tuple[int, list[str]]]:
    escaped = mark == "\t" and any(r"\"" in text and '""' not in text.replace(r"\"", "") for text in first_lines(path))
    given = ((text.replace(r"\"", '""') if escaped else text) + (end or "\n") for _, text, end in ended_lines(path))
    table = csv.reader(given, delimiter=mark, strict=True)
    while True:
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"{at(path, table.line_num)}: not CSV: {error}. Quotes must come in pairs, and be doubled inside a cell."
            ) from None
        yield table.line_num, row


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    name = at(path)
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            names = _seen(file.schema_arrow.names, path)
            for batch in file.iter_batches(batch_size=256):
                for values in batch.rename_columns(names).to_pylist():
                    yield Row(f"{name}, row {number}", values)
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{name}: not Parquet: {' '.join(str(error).split())[:200]}. Get the file again.") from None

"""Read the rows of a table or JSON file as dictionaries, each with its place in the file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.text.formats.file_names import column_language
from interp.text.formats.lines import at, ended_lines, ending, lines, printable_name, whole_text
from interp.text.notes import note

_OWN = {"csv": ",", "tsv": "\t", "tab": "\t"}
_LOOKED_AT = 2000
"""Lines of a TSV that are looked at to say whether its cells are quoted."""
_QUOTED = re.compile(r'"(?:[^"\\]|""|\\.)*"')
_BARE = re.compile(r"|NA|TRUE|FALSE|-?[\d.]+(?:e[-+]?\d+)?|-?Inf|NaN")
"""What R writes without quotes."""
_SEPARATORS = ",;\t|"
_OBJECTS = re.compile(r"\s*\{.*\}[ \t]*\r?\n\s*\{")
"""A line that is an object, and the beginning of another: JSON Lines, whatever the file is called."""
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
    kind = ending(path)
    if kind in _OWN:
        return _table(path, header)
    if kind in ("jsonl", "ndjson"):
        return _json_lines(path)
    if kind == "json":
        return _json(path)
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
    dialect = separator(path)
    own = _OWN[ending(path)]
    if dialect.separator != own:
        note(f"columns are separated by {dialect.separator!r}", printable_name(path))
    literal = dialect.separator == own == "\t" and not _is_quoted(path)
    cells = _split_cells(path, own) if literal else _quoted_cells(path, dialect.separator)
    return _rows_of_cells(path, islice(cells, dialect.skipped, None), header)


def _rows_of_cells(path: Path, table: Iterable[tuple[int, list[str]]], header: Sequence[str] | None) -> Iterator[Row]:
    name, first, blank = at(path), True, 0
    for number, cells in table:
        if not any(cell.strip() for cell in cells):
            note("empty rows were left out", printable_name(path))
            blank = number if header is not None else 0
        elif blank and header is not None and len(header) == 1:
            raise ValueError(f"{name}:{blank}: got an empty line between two sentences, expected text. Fill it, or leave it out.")
        elif header is None:
            header = _header(cells, f"{name}:{number}")
        else:
            if first and len(cells) == len(header) + 1 and cells[0].strip().isdigit():
                header, first = ["", *header], False
                note("the first column has no name: row numbers, as R writes them", printable_name(path))
            if len(cells) != len(header):
                raise ValueError(f"{name}:{number}: got {len(cells)} cells, expected {len(header)}, as in the first row.")
            first = False
            yield Row(f"{name}:{number}", dict(zip(header, cells, strict=True)))


def _header(cells: Sequence[str], where: str) -> list[str]:
    """The names of the columns; one without a name is called by its place."""
    names = [cell if cell.strip() else f"column {place}" for place, cell in enumerate(cells, 1)]
    if repeated := {name for name, count in Counter(names).items() if count > 1}:
        raise ValueError(f"{where}: got column {short_repr(min(repeated))} twice, expected different names.")
    return names


def _split_cells(path: Path, mark: str) -> Iterator[tuple[int, list[str]]]:
    for number, text in lines(path):
        yield number, text.split(mark)


def _quoted_cells(path: Path, mark: str) -> Iterator[tuple[int, list[str]]]:
    escaped = mark == "\t" and any(r"\"" in text and '""' not in text.replace(r"\"", "") for text in _first_lines(path))
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


class Dialect(NamedTuple):
    """What separates the columns of a table, and how many lines before the header say nothing else."""

    separator: str
    skipped: int


def separator(path: Path) -> Dialect:
    """What separates the columns of the table `path`: what its ending says, unless its first lines only fit another separator.

    A separator fits if it gives every line the same number of cells, at least two, quotes respected; where none does, one fits that
    divides the header. Raises `ValueError` where several others fit equally well.
    """
    own, sample = _OWN[ending(path)], _first_lines(path)
    if sample and (told := re.fullmatch(r'"?sep=(.)"?', sample[0].strip("\r\n"), re.IGNORECASE)):
        return Dialect(told[1], 1)
    tables = {mark: _cells(sample, mark, quoted=not own == mark == "\t") for mark in (own, *_SEPARATORS.replace(own, ""))}
    fitting = [mark for mark, table in tables.items() if table and {len(cells) for cells in table} == {len(table[0])} != {1}]
    if own in fitting or (_width(tables[own]) > 1 and len(fitting) != 1):
        return Dialect(own, 0)
    fitting = fitting or [mark for mark, table in tables.items() if _width(table) > 1] or [own]
    named = {mark: sum(column_language(cell) is not None for row in tables[mark][:1] for cell in row) for mark in fitting}
    best = [mark for mark in fitting if named[mark] == max(named.values())]
    if len(best) > 1:
        raise ValueError(
            f"{at(path)}: got columns that {' and '.join(map(repr, best))} may separate, expected {own!r}. Save it with {own!r}."
        )
    return Dialect(best[0], 0)


def _width(table: Sequence[Sequence[str]]) -> int:
    """The number of cells of the header."""
    return len(table[0]) if table else 0


def _is_quoted(path: Path) -> bool:
    """Whether a TSV quotes its cells as CSV does, and only that explains them.

    So it is where some cell doubles the quotes within its own and no cell begins with others; where the header and all text are
    quoted, as R does it; where only with quotes every row has the same number of cells, as a cell has several lines; and where the
    cells with a comma are quoted and no others, as Excel does it.
    """
    sample: list[str] = []
    with suppress(ValueError):
        sample.extend(text for _, text in islice(lines(path), _LOOKED_AT))
    if not any('"' in text for text in sample):
        return False
    table = [text.split("\t") for text in sample if text.strip()]
    cells = [cell for row in table for cell in row]
    marked = [cell for cell in cells if cell.startswith('"')]
    whole = all(map(_QUOTED.fullmatch, marked))
    doubled = any('""' in cell[1:-1] for cell in marked)
    excel = {'"' in cell or "," in cell for cell in cells if not cell.startswith('"')} == {False} and all("," in c for c in marked)
    header = all(len(cell) > 2 and _QUOTED.fullmatch(cell) for cell in table[0])
    every = header and all(_QUOTED.fullmatch(cell) or _BARE.fullmatch(cell) for cell in cells)
    if every or (marked and whole and (doubled or excel)) or (not whole and _has_lines(sample, table)):
        note("cells are quoted as in CSV", printable_name(path))
        return True
    return False


def _has_lines(sample: Sequence[str], table: Sequence[Sequence[str]]) -> bool:
    """Whether the rows have as many cells as the header only if quotes hold a cell of several lines together."""
    quoted = _cells([text + "\n" for text in sample], "\t", quoted=True)
    full = quoted[: -1 if len(sample) == _LOOKED_AT else None]
    some = any("\n" in cell for row in full for cell in row)
    return some and {len(row) for row in full if any(row)} == {len(table[0])} != {len(row) for row in table}


def _first_lines(path: Path) -> list[str]:
    """The first lines that can be read."""
    sample: list[str] = []
    with suppress(ValueError):
        for _, text, end in islice(ended_lines(path), 50):
            if text.strip():
                sample.append(text + (end or "\n"))
    return sample


def _cells(sample: Sequence[str], mark: str, quoted: bool) -> list[list[str]]:
    """The cells of whole rows; the last row may be cut, and what follows a faulty quote is not read."""
    if not quoted:
        return [text.rstrip("\r\n").split(mark) for text in sample]
    table: list[list[str]] = []
    with suppress(csv.Error):
        table.extend(csv.reader(sample, delimiter=mark, strict=True))
    return table


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    name = at(path)
    try:
        number = 0
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    yield Row(f"{name}, row {number}", values)
                    number += 1
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{name}: not Parquet: {' '.join(str(error).split())[:200]}. Get the file again.") from None


def _json_lines(path: Path) -> Iterator[Row]:
    name = at(path)
    for number, text in lines(path):
        where = f"{name}:{number}"
        if text.strip():
            yield Row(where, _mapping(parsed(text, where), where))
        else:
            note("blank lines were left out", printable_name(path))


def _json(path: Path) -> Iterator[Row]:
    text = whole_text(path)
    if _OBJECTS.match(text):
        note("read as JSON Lines, an object a line", printable_name(path))
        yield from _json_lines(path)
        return
    content = parsed(text, at(path))
    if isinstance(content, dict) and "data" in content:
        yield from _squad(content["data"], at(path))
        return
    for number, value in enumerate(_list(content, f"{at(path)}: the file")):
        where = f"{at(path)}, item {number}"
        yield Row(where, _mapping(value, where))


def _squad(articles: object, file: str) -> Iterator[Row]:
    """One row per question, with its paragraph. `pid` is the number of the article and of the paragraph, from 0."""
    for a, article in enumerate(_list(articles, f"{file}: data")):
        article = _mapping(article, f"{file}: data[{a}]")
        for p, paragraph in enumerate(_list(article.get("paragraphs"), f"{file}: paragraphs of data[{a}]")):
            where = f"{file}: data[{a}].paragraphs[{p}]"
            paragraph = _mapping(paragraph, where)
            about = {"pid": f"{a}-{p}", "title": article.get("title", str(a)), "context": paragraph.get("context")}
            for q, question in enumerate(_list(paragraph.get("qas"), f"{where}.qas")):
                fields = _mapping(question, f"{where}.qas[{q}]")
                if "id" not in fields:
                    raise ValueError(f"{where}.qas[{q}]: got a question without an id, expected the same ids in every language.")
                yield Row(f"{where}.qas[{q}]", {**fields, **about})


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{where}: got {short_repr(value)}, expected a JSON object with the fields of one item.")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: got {short_repr(value)}, expected a JSON list.")
    return value

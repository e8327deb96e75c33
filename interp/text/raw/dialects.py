"""What divides a table into cells: its separator, its quotes, and lines above the header that say nothing else."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from interp.text.notes import note
from interp.text.raw.file_names import column_language
from interp.text.raw.lines import at, ended_lines, ending, lines, printable_name

SEPARATORS = {"csv": ",", "tsv": "\t", "tab": "\t", "txt": "\t"}
"""What separates the columns of a table, by the ending of its file."""
_LOOKED_AT = 2000
"""Lines of a TSV that are looked at to say whether its cells are quoted."""
_QUOTED = re.compile(r'"(?:[^"\\]|""|\\.)*"')
_BARE = re.compile(r"|NA|TRUE|FALSE|-?[\d.]+(?:e[-+]?\d+)?|-?Inf|NaN")
"""What R writes without quotes."""
_OTHERS = ",;\t|"


class Dialect(NamedTuple):
    """What separates the columns of a table, and how many lines before the header say nothing else."""

    separator: str
    skipped: int


def separator(path: Path) -> Dialect:
    """What separates the columns of the table `path`: what its ending says, unless its first lines only fit another separator.

    A separator fits if it gives every line the same number of cells, at least two, quotes respected; where none does, one fits that
    divides the header. Raises `ValueError` where several others fit equally well.
    """
    own, sample = SEPARATORS[ending(path)], first_lines(path)
    if sample and (told := re.fullmatch(r'"?sep=(.)"?', sample[0].strip("\r\n"), re.IGNORECASE)):
        return Dialect(told[1], 1)
    tables = {mark: _cells(sample, mark, quoted=not own == mark == "\t") for mark in (own, *_OTHERS.replace(own, ""))}
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


def is_quoted(path: Path) -> bool:
    """Whether the TSV at `path` quotes its cells as CSV does, and only that explains them.

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


def first_lines(path: Path) -> list[str]:
    """The first lines of the table `path` that can be read, less blank ones."""
    sample: list[str] = []
    with suppress(ValueError):
        for _, text, end in islice(ended_lines(path), 50):
            if text.strip():
                sample.append(text + (end or "\n"))
    return sample


def _width(table: Sequence[Sequence[str]]) -> int:
    """The number of cells of the header."""
    return len(table[0]) if table else 0


def _has_lines(sample: Sequence[str], table: Sequence[Sequence[str]]) -> bool:
    """Whether the rows have as many cells as the header only if quotes hold a cell of several lines together."""
    quoted = _cells([text + "\n" for text in sample], "\t", quoted=True)
    full = quoted[: -1 if len(sample) == _LOOKED_AT else None]
    some = any("\n" in cell for row in full for cell in row)
    return some and {len(row) for row in full if any(row)} == {len(table[0])} != {len(row) for row in table}


def _cells(sample: Sequence[str], mark: str, quoted: bool) -> list[list[str]]:
    """The cells of whole rows; the last row may be cut, and what follows a faulty quote is not read."""
    if not quoted:
        return [text.rstrip("\r\n").split(mark) for text in sample]
    table: list[list[str]] = []
    with suppress(csv.Error):
        table.extend(csv.reader(sample, delimiter=mark, strict=True))
    return table

"""Tables as CSV files that a spreadsheet opens without computing anything in them, and that read back as they were.

A cell that starts with = + - or @ is a formula to a spreadsheet, and a formula can send a file away (CSV injection, OWASP). Text
that would be one gets an apostrophe in front, as one types it by hand; `read_spreadsheet` removes it again. Numbers stay numbers.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.ASCII)
_MARKED = re.compile(r"'+[=+\-@\t\r]")
_EXACT: dict[str, str] = {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
"""Numbers read back to the last bit: from pandas 3.1 on by itself, where the argument is deprecated."""


def write_spreadsheet(table: pd.DataFrame, path: Path) -> None:
    """Write `table` as CSV to `path`, with an apostrophe before every text that a spreadsheet would compute."""
    texts = table.select_dtypes(exclude=["number", "bool"])
    has_returns = any(column.astype(str).str.contains("\r", regex=False).any() for _, column in texts.items())
    quoting = csv.QUOTE_NONNUMERIC if has_returns else csv.QUOTE_MINIMAL  # a bare carriage return would end the row
    _map_texts(_escaped, table).to_csv(path, index=False, quoting=quoting)


def read_spreadsheet(path: Path) -> pd.DataFrame:
    """The table that was written to `path`: "NA" and "null" are text, an empty cell is missing, a layer is a name."""
    table = pd.read_csv(path, dtype={"layer": str}, keep_default_na=False, na_values=[""], **_EXACT)
    return _map_texts(_unescaped, table)


def _map_texts(change: Callable[[object], object], table: pd.DataFrame) -> pd.DataFrame:
    """The table with every text, and every column name, changed."""
    columns = [
        column if column.dtype.kind in "iufb" else column.map(change)
        for column in (table.iloc[:, index] for index in range(table.shape[1]))
    ]
    return pd.concat(columns, axis=1).set_axis([change(name) for name in table.columns], axis=1) if columns else table


def _escaped(value: object) -> object:
    if isinstance(value, str) and len(value) > 1 and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _unescaped(value: object) -> object:
    return value[1:] if isinstance(value, str) and _MARKED.match(value) else value

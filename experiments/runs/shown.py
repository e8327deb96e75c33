"""The main rows of a finished run as a table that fits the terminal: no number and no word is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from experiments.runs.finished import Finished, cell
from experiments.runs.terminal import printable

if TYPE_CHECKING:
    from rich.console import Console

_NUMBERS = ("estimate", "95 %", "baseline", "n")


def plain(value: object, style: str = "") -> Text:
    """A `value` as text of one `style`, without the control characters that it may hold."""
    return Text(printable(str(value)), style)


def table_of(run: Finished, console: Console) -> Table:
    """The main rows of a `run`, for a `console` of some width.

    Where the columns are too wide together, a number that is the same in all rows stands below the table, and then the names of a
    row stand in one column, in which lines break between words.
    """
    rows, caption = run.brief()
    names = [str(name) for name in rows if rows[name].dtype.kind not in "iufb"]
    cells = [_cells(row, names) for row in rows.to_dict("records")]
    table = _drawn(cells, [*names, *_NUMBERS], caption)
    if _fits(table, console):
        return table
    same = [name for name in ("baseline", "n") if len({row[name] for row in cells}) == 1]
    caption = " ".join([*(f"{name} {cells[0][name]} in every row." for name in same), caption]).strip()
    numbers = [name for name in _NUMBERS if name not in same]
    table = _drawn(cells, [*names, *numbers], caption)
    if _fits(table, console):
        return table
    joined = [row | {"": ", ".join(row[name] for name in names if row[name] != "–")} for row in cells]
    return _drawn(joined, ["", *numbers], caption, {"": " / ".join(names)})


def _cells(row: Mapping[object, object], names: list[str]) -> dict[str, str]:
    own = {name: cell(row[name]) for name in (*names, "estimate", "baseline", "n")}
    return own | {"95 %": f"{cell(row['lower'])} to {cell(row['upper'])}"}


def _drawn(rows: list[dict[str, str]], columns: list[str], caption: str, heads: Mapping[str, str] | None = None) -> Table:
    table = Table(box=box.SIMPLE, padding=(0, 1), caption=plain(caption), caption_justify="left")
    for name in columns:
        table.add_column(
            plain((heads or {}).get(name, name)),
            justify="right" if name in _NUMBERS else "left",
            no_wrap=name != "",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(plain(row[name]) for name in columns))
    return table


def _fits(table: Table, console: Console) -> bool:
    """Whether every cell has its line: the caption may take several."""
    alone, table.caption = table.caption, None
    wide = Measurement.get(console, console.options.update(max_width=10_000), table).maximum
    table.caption = alone
    return wide <= console.width

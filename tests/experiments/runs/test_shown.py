"""The table of a finished run fits the terminal, and no word and no number in it is cut."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from experiments.runs.finished import Finished
from experiments.runs.shown import table_of


def drawn(summary: pd.DataFrame, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table_of(Finished(Path("run"), {}, "", summary), console))
    return console.file.getvalue()


def wide() -> pd.DataFrame:
    """A row each of the longest words that summaries hold."""
    rows = [
        {
            "run": run,
            "against": f"upper_bound:shuffled_{number}",
            "cell": f"the same cells, another item's donor {number}",
            "language": "deu_Latn",
            "series": f"series {number}",
            "estimate": -1234.5,
            "lower": -11.111,
            "upper": 100.123,
            "n": 1012,
            "baseline": 0.75,
        }
        for number, run in enumerate(("held_out:first_target", "oracle:untouched_or_source", "fixed:last_to_first"))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("width", [72, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_cut(width):
    table = wide()
    shown = drawn(table, width)
    assert max(map(len, shown.splitlines())) <= width
    words = {word for name in ("run", "against", "cell") for value in table[name] for word in value.split()}
    assert not [word for word in words if word not in shown], shown
    assert shown.count("-11.111 to 100.123") == 3, "an interval is on one line"
    assert "…" not in shown


def test_what_is_the_same_in_all_rows_stands_below_where_there_is_no_room():
    shown = drawn(wide(), 80)
    assert "baseline 0.750 in every row. n 1012 in every row." in " ".join(shown.split())
    assert "baseline" not in shown.splitlines()[1]


def test_a_narrow_table_keeps_its_columns():
    table = pd.DataFrame({"language": ["deu_Latn", "fra_Latn"], "estimate": [0.5, np.nan], "lower": [0.4, np.nan],
                          "upper": [0.6, np.nan], "n": [9, 9], "baseline": [0.0, 0.1]})  # fmt: skip
    head = drawn(table, 80).splitlines()[1].split()
    assert head == ["language", "estimate", "95", "%", "baseline", "n"]

"""What came out of an entry, and how its numbers are said."""

from __future__ import annotations

import pandas as pd

from experiments.gallery.entry import Result
from interp.languages import language
from probes.statistics.resampling import bracketed


def most(hits: int, total: int) -> Result:
    """Came out where it does in more than half of the languages."""
    return "came out" if 2 * hits > total else "did not come out"


def unclear(lower: pd.Series | float, upper: pd.Series | float) -> Result:
    """Not distinguishable where some interval holds zero; else what came out is the opposite."""
    held = (pd.Series(lower).to_numpy() <= 0) & (pd.Series(upper).to_numpy() >= 0)
    return "not distinguishable" if held.any() else "did not come out"


def cell(row: pd.Series, digits: int = 2) -> str:
    """An estimate with its interval."""
    return f"{row['estimate']:.{digits}f} {bracketed(row['lower'], row['upper'], f'.{digits}f')}"


def ends(row: pd.Series, name: str) -> str:
    """A difference with its interval, from the columns that begin with its name."""
    return f"{row[name]:+.3f} {bracketed(row[f'{name}_lower'], row[f'{name}_upper'], '+.3f')}"


def name(code: object) -> str:
    """A language by its English name."""
    return language(str(code)).name.split(" (")[0]


def items(table: pd.DataFrame) -> int:
    """The largest n of a table."""
    return int(table["n"].max())


def listed(names: list[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) if names else "none"

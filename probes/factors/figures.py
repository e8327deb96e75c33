"""A sweep of factors drawn: one panel a factor, with the mean of every level, and one of both where two factors are crossed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import finish
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, sign, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE = 3
"""Panels in a row."""
_LOG = 8.0
"""Largest level over smallest from which amounts are drawn on a log axis."""


def factor_panels(
    rows: pd.DataFrame,
    factors: Mapping[str, Sequence[str]],
    amounts: Mapping[str, Sequence[float] | None],
    title: str,
    ylabel: str,
    signature: str,
    seeds: int,
) -> Figure:
    """A panel per factor: a dot with its interval for every level, filled where its difference to the first level is claimed.

    Parameters
    ----------
    rows
        The summary of a sweep: `kind, factor, level, estimate, lower, upper, baseline, claimed`.
    factors
        The factors that vary, with the labels of their levels.
    amounts
        The levels of each factor as numbers, which are joined to a curve; None where they are none.
    title, ylabel, signature
        The text around the figure.
    seeds
        Number of training seeds.
    """
    pairs = list(rows.loc[rows["kind"] == "cell", "factor"].unique()) if len(factors) == 2 else []
    many = len(factors) + len(pairs)
    wide = min(many, _WIDE)
    figure = blank((1.6 + 3.3 * wide, 1.5 + 2.9 * -(-many // wide)))
    panels = list(figure.subplots(-(-many // wide), wide, squeeze=False, sharey=True).ravel())
    for axes, (index, name) in zip(panels, enumerate(factors), strict=False):
        _factor(axes, rows[rows["factor"] == name], amounts.get(name), PALETTE[index % len(PALETTE)])
        finish(axes, name, ylabel if index % wide == 0 else "")
        axes.margins(x=0.12)
    for axes, pair in zip(panels[len(factors) :], pairs, strict=False):
        first, second = factors
        _two_way(axes, rows[(rows["factor"] == pair) & (rows["kind"] == "cell")], factors[first], factors[second], second)
        finish(axes, first, "")
        axes.set_xlim(-0.5, len(factors[first]) - 0.5)
    for axes in panels[many:]:
        axes.remove()
    headline(figure, title)
    over = "sentences and training seeds" if seeds > 1 else "sentences alone: one seed claims nothing"
    bars = f"bars: 95 % confidence interval over {over}"
    sign(figure, signature, f"{bars}; dashed: the untuned model; filled: a difference to the first level that is claimed")
    return figure


def _factor(axes: Axes, rows: pd.DataFrame, amounts: Sequence[float] | None, colour: str) -> None:
    means = rows[rows["kind"] == "mean"]
    sure = set(rows.loc[(rows["kind"] == "difference") & rows["claimed"], "level"])
    x = np.array(amounts) if amounts is not None else np.arange(len(means))
    axes.vlines(x, means["lower"], means["upper"], color=colour, linewidth=2, alpha=0.45)
    if amounts is not None:
        axes.plot(x, means["estimate"], color=colour, linewidth=1.2, alpha=0.7)
    axes.plot(x, means["estimate"], "o", color=colour, markersize=6, markerfacecolor="white")
    filled = means["level"].isin(sure).to_numpy()
    axes.plot(x[filled], means["estimate"][filled], "o", color=colour, markersize=6)
    _untuned(axes, x, means["baseline"].to_numpy())
    _ticks(axes, x, list(means["level"]), amounts is not None)


def _two_way(axes: Axes, cells: pd.DataFrame, first: Sequence[str], second: Sequence[str], name: str) -> None:
    """The levels of one factor along the axis, a line a level of the other."""
    for index, level in enumerate(second):
        own = cells[cells["level"].isin([f"{each} x {level}" for each in first])]
        x = [list(first).index(each.rpartition(f" x {level}")[0]) + 0.06 * (index - (len(second) - 1) / 2) for each in own["level"]]
        look = style(index) | {"markevery": None}
        axes.vlines(x, own["lower"], own["upper"], color=look["color"], linewidth=1.6, alpha=0.4)
        axes.plot(x, own["estimate"], linewidth=1.1, label=level, **look)
    _untuned(axes, np.arange(2), np.full(2, cells["baseline"].mean()))
    _ticks(axes, np.arange(len(first)), list(first), False)
    axes.legend(frameon=False, fontsize=7.5, labelcolor=INK, title=name, title_fontsize=8, loc="best")


def _untuned(axes: Axes, x: np.ndarray, baseline: np.ndarray) -> None:
    if len(set(np.round(baseline, 9))) == 1:
        axes.axhline(baseline[0], color=FAINT, linewidth=1, linestyle=(0, (5, 3)))
    else:
        axes.plot(x, baseline, color=FAINT, linewidth=1, linestyle=(0, (5, 3)), marker="_", markersize=12)


def _ticks(axes: Axes, x: np.ndarray, levels: Sequence[str], numeric: bool) -> None:
    if numeric and x.min() > 0 and x.max() / x.min() >= _LOG:
        axes.set_xscale("log")
    names = [f"{at:g}" for at in x] if numeric else [level if len(level) <= 18 else f"{level[:15]}..." for level in levels]
    axes.set_xticks(x, names, rotation=0 if numeric or max(map(len, names)) * len(names) <= 36 else 30, ha="center")
    axes.minorticks_off()

"""Figures of scores of written answers: a map of translation directions, and a score per language beside its baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish, name_cells
from probes.figures.look import arranged, chosen
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def score_matrix(table: pd.DataFrame, title: str, label: str, signature: str) -> Figure:
    """A score as colour, source languages by target languages, with the number in each cell where there is room.

    Parameters
    ----------
    table
        The score of each direction, sources as rows and targets as columns, NaN for a direction without one. Languages that
        are both come first, in one order on both axes.
    title
        Headline of the figure.
    label
        What the colour means.
    signature
        Line under the figure.
    """
    table = table.loc[chosen(table.index), chosen(table.columns)]
    table = table[[*(name for name in table.index if name in table), *(name for name in table if name not in table.index)]]
    figure = blank((3.0 + 0.52 * table.shape[1], 1.9 + 0.4 * table.shape[0]))
    axes = figure.subplots()
    values = table.to_numpy(dtype=float)
    low, high = np.nanmin(values), np.nanmax(values)
    low = min(low, 0.9 * high)
    image = axes.imshow(np.ma.masked_invalid(values), cmap="viridis", aspect="auto", vmin=low, vmax=high)
    name_cells(axes, [str(name) for name in table.index], [str(name) for name in table.columns])
    middle = (low + high) / 2
    for (i, j), value in np.ndenumerate(values) if table.shape[1] <= 16 else ():
        if np.isfinite(value):
            shade = INK if value > middle else "white"
            axes.text(j, i, _short(value), ha="center", va="center", fontsize=7, color=shade)
    axes.set_xlabel("into", fontsize=9, color=INK)
    axes.set_ylabel("from", fontsize=9, color=INK)
    colour_bar(figure, image, axes, label)
    headline(figure, title)
    sign(figure, signature)
    return figure


def score_dots(frame: pd.DataFrame, title: str, xlabel: str, signature: str, line: str = "language") -> Figure:
    """A score with its 95 % confidence interval in each row, in their order, and its baseline as a hollow diamond.

    Parameters
    ----------
    frame
        One row per mark: `estimate, lower, upper, baseline` and the column that `line` names.
    title
        Headline of the figure.
    xlabel
        What the score is.
    signature
        Line under the figure.
    line
        Column whose values name the rows.
    """
    order = arranged(frame, line).iloc[::-1]
    figure = blank((6.6, 1.6 + 0.24 * len(order)))
    axes = figure.subplots()
    y = np.arange(len(order))
    axes.hlines(y, order["lower"], order["upper"], color=PALETTE[0], linewidth=2, alpha=0.5)
    axes.plot(order["estimate"], y, "o", color=PALETTE[0], markersize=5.5, label="this model (95 %)")
    if order["baseline"].notna().any():
        axes.plot(order["baseline"], y, "D", color="white", markeredgecolor=FAINT, markersize=5, label="baseline")
    axes.set_yticks(y, [str(name) for name in order[line]], fontsize=8)
    finish(axes, xlabel, "")
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
    headline(figure, title)
    sign(figure, signature)
    return figure


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"

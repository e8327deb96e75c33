"""How a tokenizer treats languages, drawn: dots with intervals in sorted rows, the overlap of all pairs, what shortening saves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, name_cells
from probes.figures.style import FAINT, INK, PALETTE, blank, despine, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = {"premium": "tokens, pivot = 1", "byte_rate": "share of tokens that are parts of characters",
           "overlap_pivot": "token overlap with the pivot"}  # fmt: skip


def tokenization_dots(rows: pd.DataFrame, pivot: str, signature: str) -> Figure:
    """Cost, bytes and overlap with the pivot, side by side; languages in the order of what they cost, dearest on top.

    `rows`: language, metric, estimate, lower, upper.
    """
    order = list(rows[rows["metric"] == "premium"].sort_values("estimate")["language"])
    figure = blank((9.6, 1.7 + _height(len(order)) * len(order)))
    for axes, (metric, label) in zip(figure.subplots(1, len(_PANELS), sharey=True), _PANELS.items(), strict=True):
        _dots(axes, rows[rows["metric"] == metric].set_index("language").loc[order], PALETTE[0])
        axes.set_xlabel(label, fontsize=8.5, color=INK)
        if metric == "premium":
            _by_factors(axes, rows.loc[rows["metric"] == metric, "upper"].max())
            axes.axvline(1, color=FAINT, linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
            _name_rows(axes, order)
    headline(figure, f"What the tokenizer costs each language beside {pivot}")
    sign(figure, signature, "bar: 95 % interval over items")
    return figure


def overlap_map(table: pd.DataFrame, signature: str) -> Figure:
    """Which languages share tokens: frequency-weighted overlap of every pair, languages that share much next to each other."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    values = table.to_numpy(dtype=float)
    apart = squareform(1 - (values + values.T) / 2, checks=False)
    order = leaves_list(linkage(np.maximum(apart, 0), "average", optimal_ordering=len(table) < 200))
    values, names = values[np.ix_(order, order)], [str(table.index[place]) for place in order]
    side = max(5.0, 2.6 + (0.11 if len(names) > 40 else 0.26) * len(names))
    figure = blank((side + 0.8, side))
    axes = figure.subplots()
    off = values[~np.eye(len(values), dtype=bool)]
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=max(float(off.max()), 1e-9))
    name_cells(axes, names, names)
    colour_bar(figure, image, axes, "overlap of tokens, sum of min(p, q)")
    headline(figure, "Which languages share tokens")
    sign(figure, signature, "the diagonal is 1 and beyond the scale")
    return figure


def saved_dots(rows: pd.DataFrame, leads: Mapping[str, str], signature: str) -> Figure:
    """The share of tokens that leaving out the lead byte saves, and with the second byte; each language with its lead.

    `rows`: language, metric (saved, saved_two), estimate, lower, upper.
    """
    one, two = (rows[rows["metric"] == metric].set_index("language") for metric in ("saved", "saved_two"))
    order = list(one.sort_values("estimate").index)
    figure = blank((6.6, 1.8 + _height(len(order)) * len(order)))
    axes = figure.subplots()
    _dots(axes, two.loc[order].where(two.loc[order, "estimate"] > 0), PALETTE[1], "lead and commonest second byte")
    _dots(axes, one.loc[order], PALETTE[0], "lead byte")
    _name_rows(axes, [f"{code} {leads[code]}" for code in order])
    axes.set_xlabel("share of tokens saved", fontsize=9, color=INK)
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
    headline(figure, "What shortening saves")
    sign(figure, signature, "bar: 95 % interval over items")
    return figure


def _dots(axes: Axes, part: pd.DataFrame, colour: str, label: str | None = None) -> None:
    y = np.arange(len(part))
    axes.hlines(y, part["lower"], part["upper"], color=colour, linewidth=2, alpha=0.5)
    axes.plot(part["estimate"], y, "o", color=colour, markersize=4 if len(part) > 40 else 5.5, label=label)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.04)
    axes.set_ylim(-0.7, len(part) - 0.3)
    despine(axes)


def _by_factors(axes: Axes, highest: float) -> None:
    """A logarithmic axis with few plain numbers."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in (0.5, 1, 2, 5, 10, 20, 50) if tick <= 1.3 * highest]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=6.5 if len(names) > 40 else 8)


def _height(n: int) -> float:
    return 0.135 if n > 40 else 0.24

"""Figures of how a tokenizer treats languages: its cost, the overlap of all pairs, and what shortening saves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, name_cells
from probes.figures.look import chosen
from probes.figures.style import FAINT, INK, PALETTE, blank, despine, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = {"premium": "tokens, pivot = 1", "byte_rate": "share of tokens that are parts of characters",
           "overlap_pivot": "token overlap with the pivot"}  # fmt: skip


def tokenization_dots(rows: pd.DataFrame, pivot: str, signature: str) -> Figure:
    """Cost, byte tokens and overlap with the pivot side by side, the languages in their order.

    `rows` has one row per language and metric: `language, metric, estimate, lower, upper`. `pivot` is the reference language and
    `signature` the line under the figure.
    """
    order = chosen(rows.loc[rows["metric"] == "premium", "language"])[::-1]
    figure = blank((9.6, 1.7 + _height(len(order)) * len(order)))
    for axes, (metric, label) in zip(figure.subplots(1, len(_PANELS), sharey=True), _PANELS.items(), strict=True):
        _dots(axes, rows[rows["metric"] == metric].set_index("language").loc[order], PALETTE[0])
        axes.set_xlabel(label, fontsize=8.5, color=INK)
        if metric == "premium":
            _by_factors(axes, rows.loc[rows["metric"] == metric, "upper"].max())
            axes.axvline(1, color=FAINT, linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
            _name_rows(axes, order)
    headline(figure, f"Tokens that each language needs, compared with {pivot}")
    sign(figure, signature, "bar: 95 % confidence interval over items")
    return figure


def overlap_map(table: pd.DataFrame, signature: str) -> Figure:
    """The token overlap of every pair of languages, in their order.

    `table` is a square frame, languages by languages, from 0 to 1; `signature` is the line under the figure.
    """
    names = chosen(table.index)
    values = table.loc[names, names].to_numpy(dtype=float)
    side = max(5.0, 2.6 + (0.11 if len(names) > 40 else 0.26) * len(names))
    figure = blank((side + 0.8, side))
    axes = figure.subplots()
    off_diagonal = values[~np.eye(len(values), dtype=bool)]
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=max(float(off_diagonal.max()), 1e-9))
    name_cells(axes, names, names)
    colour_bar(figure, image, axes, "overlap of tokens, sum of min(p, q)")
    headline(figure, "Which languages share tokens")
    sign(figure, signature, "the diagonal is 1, off the colour scale")
    return figure


def saved_dots(rows: pd.DataFrame, leads: Mapping[str, str], signature: str) -> Figure:
    """The share of tokens saved by dropping the lead byte of characters, and by dropping the commonest second byte too.

    `rows` has one row per language and metric ("saved", "saved_two"): `language, metric, estimate, lower, upper`. `leads` is the
    lead byte of each language in hexadecimal, and `signature` the line under the figure.
    """
    lead, second = (rows[rows["metric"] == metric].set_index("language") for metric in ("saved", "saved_two"))
    order = chosen(lead.index)[::-1]
    figure = blank((6.6, 1.8 + _height(len(order)) * len(order)))
    axes = figure.subplots()
    _dots(axes, second.loc[order].where(second.loc[order, "estimate"] > 0), PALETTE[1], "lead and commonest second byte")
    _dots(axes, lead.loc[order], PALETTE[0], "lead byte")
    _name_rows(axes, [f"{code} {leads[code]}" for code in order])
    axes.set_xlabel("share of tokens saved", fontsize=9, color=INK)
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
    headline(figure, "Tokens saved by shortening")
    sign(figure, signature, "bar: 95 % confidence interval over items")
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
    """A logarithmic axis with few ticks, written as plain numbers."""
    from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in (0.5, 1, 2, 5, 10, 20, 50) if tick <= 1.3 * highest]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=6.5 if len(names) > 40 else 8)


def _height(n: int) -> float:
    return 0.135 if n > 40 else 0.24

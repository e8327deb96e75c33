"""Translation directions drawn: the matrix with the borders of its classes, class means, error mixes, factors of a language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.figures import DASHES, FAINT, INK, PALETTE, despine, label_layers, sign
from interp.figures_probes import blank, colour_bar, finish, headline, name_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PARTS = ("#CC79A7", "#8C5A9E", "#E69F00", "#D55E00", "#56B4E9", "#0072B2", "#E3E3E3")
"""Parts of a stacked bar; what is left over is light grey."""


def direction_matrix(
    table: pd.DataFrame, kinds: Mapping[tuple[str, str], str], title: str, label: str, signature: object, caption: str = ""
) -> Figure:
    """Source by target as colour, languages in the order given, every class of `kinds` within its own coloured border.

    The diagonal has no score; give it a class to keep the borders simple.
    """
    from matplotlib.lines import Line2D

    figure = blank((4.2 + 0.5 * table.shape[1], 2.3 + 0.4 * table.shape[0]))
    axes = figure.subplots()
    values = table.to_numpy(dtype=float)
    image = axes.imshow(np.ma.masked_invalid(values), cmap="Greys", aspect="auto")
    name_cells(axes, [str(name) for name in table.index], [str(name) for name in table.columns])
    middle = np.nanmean([np.nanmin(values), np.nanmax(values)])
    for (row, column), value in np.ndenumerate(values) if table.shape[1] <= 16 else ():
        text = "·" if np.isnan(value) else f"{value:.0f}" if np.nanmax(values) > 1 else f"{value:.2f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if value > middle else INK)
    names = list(dict.fromkeys(kinds.values()))
    grid = np.array([[kinds.get((source, target), "") for target in table.columns] for source in table.index], dtype=object)
    for place, name in enumerate(names):
        _border(axes, grid == name, PALETTE[place])
    keys = [Line2D([], [], color=PALETTE[place], linewidth=2.4, label=name) for place, name in enumerate(names)]
    figure.legend(handles=keys, loc="outside right center", frameon=False, fontsize=8.5, labelcolor=INK)
    axes.set_xlabel("into", fontsize=9, color=INK)
    axes.set_ylabel("from", fontsize=9, color=INK)
    colour_bar(figure, image, axes, label)
    headline(figure, title)
    sign(figure, signature, caption)
    return figure


def _border(axes: Axes, inside: np.ndarray, colour: str) -> None:
    """A line along every edge between a cell of a class and one that is not, just inside the class."""
    padded, gap = np.pad(inside, 1), 0.06
    for row, column in np.argwhere(inside):
        around = padded[row : row + 3, column : column + 3]
        left, right, top, bottom = column - 0.5 + gap, column + 0.5 - gap, row - 0.5 + gap, row + 0.5 - gap
        edges = {(0, 1): ([left, right], [top, top]), (2, 1): ([left, right], [bottom, bottom]),
                 (1, 0): ([left, left], [top, bottom]), (1, 2): ([right, right], [top, bottom])}  # fmt: skip
        for place, (x, y) in edges.items():
            if not around[place]:
                axes.plot(x, y, color=colour, linewidth=2.4, solid_capstyle="projecting", clip_on=False)


def class_means(frame: pd.DataFrame, title: str, label: str, signature: object, caption: str = "") -> Figure:
    """A row a class: a dot with its interval a `system` on the left, and the tuned one less each `against` on the right.

    `frame`: `class, system, against, estimate, lower, upper, baseline`; `against` is empty for a level.
    """
    kinds = list(dict.fromkeys(frame["class"]))
    figure = blank((10.4, 1.8 + 0.13 * len(kinds) * (frame["system"].nunique() + 2)))
    left, right = figure.subplots(1, 2, sharey=True)
    levels = frame[frame["against"] == ""]
    _dots(left, levels, "system", kinds, 0)
    untouched = levels.groupby("class", sort=False)["baseline"].first()
    left.plot(untouched, [kinds.index(kind) for kind in untouched.index], "|", color=FAINT, markersize=15, markeredgewidth=1.2,
              label="source left as it is")  # fmt: skip
    _dots(right, frame[frame["against"] != ""], "against", kinds, levels["system"].nunique())
    right.axvline(0, color=FAINT, linewidth=0.9)
    left.set_yticks(range(len(kinds)), kinds, fontsize=8.5)
    left.invert_yaxis()
    for axes, text, name in ((left, label, "models"), (right, f"difference in {label}", "tuned less ...")):
        finish(axes, text, "")
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color="#E6E6E6", linewidth=0.6)
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, title=name,
                    title_fontsize=8.5, alignment="left", borderpad=0)  # fmt: skip
    headline(figure, title)
    sign(figure, signature, caption)
    return figure


def _dots(axes: Axes, frame: pd.DataFrame, line: str, kinds: Sequence[str], first: int) -> None:
    names = list(dict.fromkeys(frame[line]))
    for place, name in enumerate(names):
        part = frame[frame[line] == name]
        y = [kinds.index(kind) + 0.7 * (place + 0.5) / len(names) - 0.35 for kind in part["class"]]
        colour = PALETTE[(first + place) % len(PALETTE)]
        axes.hlines(y, part["lower"], part["upper"], color=colour, linewidth=2, alpha=0.45)
        axes.plot(part["estimate"], y, "o", color=colour, markersize=4.5, label=name)


def stacked_shares(
    frame: pd.DataFrame, parts: Sequence[str], title: str, label: str, signature: object, caption: str = ""
) -> Figure:
    """A panel a `panel`, a bar a `bar`, cut into the shares of `parts` (columns); an empty line between `group`s of bars."""
    panels, bars = list(dict.fromkeys(frame["panel"])), frame.drop_duplicates(["group", "bar"])[["group", "bar"]]
    breaks = (bars["group"] != bars["group"].shift()).cumsum().to_numpy() - 1
    places = np.arange(len(bars)) + 0.6 * breaks
    figure = blank((max(7.6, 3.4 + 3.1 * len(panels)), 1.9 + 0.27 * len(places)))
    colours = (*_PARTS[: len(parts) - 1], _PARTS[-1])
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True):
        own = bars.merge(frame[frame["panel"] == panel], on=["group", "bar"], how="left")
        left = np.zeros(len(own))
        for part, colour in zip(parts, colours, strict=True):
            axes.barh(places, own[part], left=left, color=colour, edgecolor="white", linewidth=0.5, label=part.replace("_", " "))
            left = left + own[part].fillna(0).to_numpy()
        axes.set_yticks(places, list(own["bar"]), fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_title(str(panel), fontsize=9.5, color=INK, loc="left")
        axes.set_xlabel(label, fontsize=9, color=INK)
        despine(axes)
        axes.tick_params(axis="y", length=0)
    figure.axes[0].invert_yaxis()
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8.5)
    headline(figure, title)
    sign(figure, signature, caption)
    return figure


def factor_scatter(points: pd.DataFrame, found: pd.DataFrame, label: str, title: str, signature: object) -> Figure:
    """Each `side`'s `score` against each `factor`'s `x`, languages as codes; above it the partial correlation of `found`."""
    sides, factors = list(dict.fromkeys(points["side"])), list(dict.fromkeys(points["factor"]))
    figure = blank((1.2 + 3.2 * len(factors), 1.2 + 2.5 * len(sides)))
    grid = figure.subplots(len(sides), len(factors), squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        part = points[(points["side"] == sides[row]) & (points["factor"] == factors[column])]
        one = found[(found["side"] == sides[row]) & (found["factor"] == factors[column])].iloc[0]
        axes.plot(part["x"], part["score"], "o", color=PALETTE[row], markersize=3.5, alpha=0.5)
        for point in part.itertuples():
            axes.annotate(
                str(point.language)[:3], (point.x, point.score), (3, 2), textcoords="offset points", fontsize=7, color=INK
            )
        text = f"as {sides[row]}: r = {one['estimate']:+.2f} [{one['lower']:+.2f}, {one['upper']:+.2f}]"
        axes.set_title(text, fontsize=8.5, color=INK, loc="left")
        finish(axes, f"{factors[column]}, beyond the rest" if len(factors) > 1 else factors[column], label if column == 0 else "")
        axes.margins(x=0.1, y=0.12)
    headline(figure, title)
    sign(
        figure,
        signature,
        "r: partial correlation, 95 % over languages" if len(factors) > 1 else "r: correlation, 95 % over languages",
    )
    return figure


def line_curves(
    frame: pd.DataFrame, line: str, title: str, label: str, signature: object, caption: str = "", xlabel: str = "layer"
) -> Figure:
    """`estimate` with its band over `layer` (in the order that it comes), a line a `line`, a panel a `panel`.

    The first two lines are solid, what they are held against is dashed, `baseline` dashed in grey.
    """
    panels, lines = list(dict.fromkeys(frame["panel"])), list(dict.fromkeys(frame[line]))
    layers, columns = [str(layer) for layer in dict.fromkeys(frame["layer"])], min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = blank((2.2 + 3.0 * columns, 1.4 + 2.3 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        own = frame[frame["panel"] == panel]
        for place, name in enumerate(lines):
            part = own[own[line] == name]
            x = [layers.index(str(layer)) for layer in part["layer"]]
            colour, dash = PALETTE[place % len(PALETTE)], DASHES[place >= 2]
            axes.fill_between(x, part["lower"], part["upper"], color=colour, alpha=0.16, linewidth=0)
            axes.plot(x, part["estimate"], color=colour, linestyle=dash, linewidth=1.8, marker="o", markersize=2.5, label=name)
        level = own.groupby("layer", sort=False)["baseline"].mean()
        axes.plot([layers.index(str(layer)) for layer in level.index], level, color=FAINT, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.set_title(str(panel), fontsize=9, color=INK, loc="left")
        finish(axes, xlabel, label if axes in grid[::columns] else "")
        label_layers(axes, layers, room=columns)
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8.5)
    headline(figure, title)
    sign(figure, signature, caption)
    return figure

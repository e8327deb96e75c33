"""Translation directions drawn: the matrix with the borders of its classes, class means, error mixes, factors of a language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish, name_cells
from probes.figures.look import chosen
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def direction_matrix(
    table: pd.DataFrame, kinds: Mapping[tuple[str, str], str], title: str, label: str, signature: object, caption: str = ""
) -> Figure:
    """Source by target as colour, languages in the order given, every class of `kinds` within its own coloured border.

    `table` has the scores, sources in rows and targets in columns. `label` names the score; `title`, `signature` and `caption` are
    the text around the figure. The diagonal has no score; give it a class to keep the borders simple.
    """
    from matplotlib.lines import Line2D

    table = table.loc[chosen(table.index), chosen(table.columns)]
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
    for index, name in enumerate(names):
        _border(axes, grid == name, PALETTE[index])
    keys = [Line2D([], [], color=PALETTE[index], linewidth=2.4, label=name) for index, name in enumerate(names)]
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
        for side, (x, y) in edges.items():
            if not around[side]:
                axes.plot(x, y, color=colour, linewidth=2.4, solid_capstyle="projecting", clip_on=False)


def class_means(frame: pd.DataFrame, title: str, label: str, signature: object, caption: str = "") -> Figure:
    """One row per class: a dot with its interval per `system` on the left, and the tuned one less each `against` on the right.

    `frame`: `class, system, against, estimate, lower, upper, baseline, claimed`; `against` is empty for a level, and dots of
    differences are filled where the verdict claims them (`claimed`). `label` names the score; `title`, `signature` and `caption`
    are the text around the figure.
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
    for index, name in enumerate(names):
        part = frame[frame[line] == name]
        y = [kinds.index(kind) + 0.7 * (index + 0.5) / len(names) - 0.35 for kind in part["class"]]
        colour = PALETTE[(first + index) % len(PALETTE)]
        axes.hlines(y, part["lower"], part["upper"], color=colour, linewidth=2, alpha=0.45)
        claims = line == "against"
        axes.plot(part["estimate"], y, "o", color=colour, markersize=4.5, markerfacecolor="white" if claims else colour, label=name)
        sure = part["claimed"].to_numpy(dtype=bool) & claims
        axes.plot(part["estimate"][sure], np.array(y)[sure], "o", color=colour, markersize=4.5)


def factor_scatter(points: pd.DataFrame, correlations: pd.DataFrame, label: str, title: str, signature: object) -> Figure:
    """Each `side`'s `score` against each `factor`'s `x`, languages as codes; above it the partial correlation of `correlations`.

    `points` has `side, factor, language, x, score`; `correlations` has `side, factor, estimate` and the `interval` in words.
    `label` names the score; `title` and `signature` are the text around the figure.
    """
    sides, factors = list(dict.fromkeys(points["side"])), list(dict.fromkeys(points["factor"]))
    figure = blank((1.2 + 3.2 * len(factors), 1.2 + 2.5 * len(sides)))
    grid = figure.subplots(len(sides), len(factors), squeeze=False)
    for (row, column), axes in np.ndenumerate(grid):
        part = points[(points["side"] == sides[row]) & (points["factor"] == factors[column])]
        correlation = correlations[(correlations["side"] == sides[row]) & (correlations["factor"] == factors[column])].iloc[0]
        axes.plot(part["x"], part["score"], "o", color=PALETTE[row], markersize=3.5, alpha=0.5)
        for point in part.itertuples():
            axes.annotate(
                str(point.language)[:3], (point.x, point.score), (3, 2), textcoords="offset points", fontsize=7, color=INK
            )
        text = f"as {sides[row]}: r = {correlation['estimate']:+.2f} {correlation['interval']}"
        axes.set_title(text, fontsize=8.5, color=INK, loc="left")
        finish(axes, f"{factors[column]}, others held fixed" if len(factors) > 1 else factors[column], label if column == 0 else "")
        axes.margins(x=0.1, y=0.12)
    headline(figure, title)
    sign(
        figure,
        signature,
        "r: partial correlation, 95 % over languages" if len(factors) > 1 else "r: correlation, 95 % over languages",
    )
    return figure

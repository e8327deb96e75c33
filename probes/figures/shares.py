"""Stacked bars of shares, and curves over an ordered axis, for the reports on directions and instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import finish
from probes.figures.look import arranged, capped
from probes.figures.style import DASHES, FAINT, INK, blank, despine, headline, label_layers, sign, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_PARTS = ("#CC79A7", "#8C5A9E", "#E69F00", "#D55E00", "#56B4E9", "#0072B2", "#E3E3E3")
"""Colours of the parts of a stacked bar; the last part is light grey."""


def stacked_shares(
    frame: pd.DataFrame, parts: Sequence[str], title: str, label: str, signature: object, caption: str = ""
) -> Figure:
    """Stacked bars, with a gap between groups of bars.

    Parameters
    ----------
    frame
        Columns `panel`, `group` and `bar`, which name the panel, the group and the bar of a row, and those in `parts`.
    parts
        Columns with the shares, which sum to 1.
    title, label
        Title of the figure and label of the horizontal axes.
    signature, caption
        Lines under the figure.

    Example
    -------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"panel": ["tuned"], "group": ["seen"], "bar": ["a > b"], "right": [0.75], "wrong": [0.25]})
    >>> type(stacked_shares(frame, ["right", "wrong"], "Outputs", "share", "signature")).__name__
    'Drawing'
    """
    panels, bars = list(dict.fromkeys(frame["panel"])), frame.drop_duplicates(["group", "bar"])[["group", "bar"]]
    breaks = (bars["group"] != bars["group"].shift()).cumsum().to_numpy() - 1
    heights = np.arange(len(bars)) + 0.6 * breaks
    figure = blank((max(7.6, 3.4 + 3.1 * len(panels)), 1.9 + 0.27 * len(heights)))
    colours = (*_PARTS[: len(parts) - 1], _PARTS[-1])
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False, sharey=True)[0], panels, strict=True):
        own = bars.merge(frame[frame["panel"] == panel], on=["group", "bar"], how="left")
        left = np.zeros(len(own))
        for part, colour in zip(parts, colours, strict=True):
            axes.barh(heights, own[part], left=left, color=colour, edgecolor="white", linewidth=0.5, label=part.replace("_", " "))
            left = left + own[part].fillna(0).to_numpy()
        axes.set_yticks(heights, list(own["bar"]), fontsize=8)
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


def line_curves(
    frame: pd.DataFrame, line: str, title: str, label: str, signature: object, caption: str = "", xlabel: str = "layer"
) -> Figure:
    """Curves of `estimate` with shaded confidence intervals over `layer`, in the order of the rows.

    The first two lines are solid, further lines (controls) dashed, and the baseline dashed in grey.

    Parameters
    ----------
    frame
        Columns `panel`, `layer`, `estimate, lower, upper, baseline`, and the one that `line` names. Where `claimed`, if there is
        such a column, is true, the curve has a dot.
    line
        Column with a curve for each value.
    title, label, xlabel
        Title of the figure and labels of the axes.
    signature, caption
        Lines under the figure.
    """
    frame = arranged(frame, line)
    (panels, rest), lines = capped(dict.fromkeys(frame["panel"])), list(dict.fromkeys(frame[line]))
    layers, columns = [str(layer) for layer in dict.fromkeys(frame["layer"])], min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = blank((2.2 + 3.0 * columns, 1.4 + 2.3 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        own = frame[frame["panel"].astype(str) == panel]
        for index, name in enumerate(lines):
            part = own[own[line] == name]
            x = [layers.index(str(layer)) for layer in part["layer"]]
            look = {**style(index), "linestyle": DASHES[index >= 2]}
            axes.fill_between(x, part["lower"], part["upper"], color=look["color"], alpha=0.16, linewidth=0)
            axes.plot(x, part["estimate"], linewidth=1.8, label=name, **look)
            if "claimed" in part:
                sure = part[part["claimed"].to_numpy(dtype=bool)]
                axes.plot(
                    [layers.index(str(layer)) for layer in sure["layer"]], sure["estimate"], "o", color=look["color"], markersize=5
                )
        level = own.groupby("layer", sort=False)["baseline"].mean()
        axes.plot([layers.index(str(layer)) for layer in level.index], level, color=FAINT, linewidth=1.1, linestyle=(0, (4, 2)))
        axes.set_title(str(panel), fontsize=9, color=INK, loc="left")
        finish(axes, xlabel, label if axes in grid[::columns] else "")
        label_layers(axes, layers)
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8.5)
    headline(figure, title)
    sign(figure, signature, "\n".join(filter(None, [caption, rest])))
    return figure

"""Curves over layers and heat maps, with confidence intervals and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.look import arranged, capped
from probes.figures.style import FAINT, INK, blank, despine, headline, label_layers, separate_labels, sign, style, style_indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


_WIDEST = 12.0  # inches of a heat map


def curves(
    frame: pd.DataFrame,
    *,
    line: str = "language",
    panel: str | None = None,
    title: str = "",
    ylabel: str = "",
    reference: str | None = "random_init",
    behind: pd.DataFrame | None = None,
    signature: object = "",
) -> Figure:
    """Curves over layers with shaded confidence intervals and a dashed baseline.

    Parameters
    ----------
    frame
        Columns `layer` (names, in order), `estimate, lower, upper, baseline`, and those that the other arguments name. Where
        `claimed`, if there is such a column, is true, the curve has a dot.
    line
        Column with a curve for each value.
    panel
        Column with a panel for each value. Default: one panel.
    title, ylabel
        Title of the figure and label of the vertical axes.
    reference
        Column drawn as a second baseline, dotted, if `frame` has it: by default a randomly initialised model.
    behind
        Rows with the same columns, drawn as thin grey lines without intervals.
    signature
        Line under the figure.

    Example
    -------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"language": "deu_Latn", "layer": ["embed", "0"], "estimate": [0.1, 0.8], "lower": [0.0, 0.7],
    ...                       "upper": [0.2, 0.9], "baseline": [0.1, 0.1]})
    >>> [axes.get_ylabel() for axes in curves(frame, ylabel="MEXA").axes]
    ['MEXA']
    """
    frame = arranged(frame, line)
    panels, rest = ([None], "") if panel is None else capped(pd.unique(frame[panel]))
    columns = 2 if len(panels) == 4 else min(len(panels), 4 if len(panels) > 6 else 3)
    rows = -(-len(panels) // columns)
    figure = blank((7.2, 4.4) if len(panels) == 1 else (2.4 + 2.5 * columns, 1.2 + 1.75 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=False).ravel()
    indices = style_indices(map(str, pd.unique(frame[line]))) if panel != line else dict.fromkeys(map(str, panels), 0)
    for index, (axes, name) in enumerate(zip(grid, panels, strict=False)):
        for _, thin in () if behind is None else behind.groupby(line, sort=False, observed=True):
            axes.plot(thin["estimate"].to_numpy(), color="#BDBDBD", linewidth=0.6)
        part = frame if name is None else frame[frame[panel] == name]
        _draw_curves(axes, part, line, indices, reference, label=len(panels) == 1)
        axes.set_title("" if name is None else str(name), fontsize=9, color=INK, loc="left", pad=3)
        label_layers(axes, list(pd.unique(frame["layer"])))
        axes.set_ylabel(ylabel if index % columns == 0 else "", fontsize=9, color=INK)
        if index + columns >= len(panels):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("layer", fontsize=9, color=INK)
    for axes in grid[len(panels) :]:
        axes.remove()
    headline(figure, title)
    dotted = f"; dotted: {_with_spaces(reference)}" if reference in frame else ""
    dots = "; dots: above shuffled pairs, p < 0.05 over all layers and pairs" if "claimed" in frame else ""
    key = f"shaded: 95 % confidence interval; dashed: shuffled pairs{dotted}{dots}"
    sign(figure, signature, "\n".join(filter(None, [key, rest])))
    return figure


def heatmap(
    frame: pd.DataFrame, *, value: str = "estimate", row: str = "language", title: str = "", label: str = "", signature: object = ""
) -> Figure:
    """A map of rows and layers, the rows in their order. A dot marks cells whose confidence interval includes the baseline.

    Parameters
    ----------
    frame
        Columns `layer` and, for the dots, `lower` and `baseline`.
    value
        Column shown as colour.
    row
        Column with a row of the map for each value.
    title, label
        Title of the figure and label of the colour scale.
    signature
        Line under the figure.
    """
    frame = arranged(frame, row)
    table = frame.pivot_table(index=row, columns="layer", values=value, sort=False, observed=True)
    table = table[list(pd.unique(frame["layer"]))]
    height = 1.5 + 0.19 * len(table) if len(table) > 12 else 1.7 + 0.32 * len(table)
    figure = blank((min(max(5.4, 2.4 + 0.42 * table.shape[1]), _WIDEST), height))
    axes = figure.subplots()
    image = axes.imshow(table.to_numpy(), aspect="auto", cmap="viridis", interpolation="nearest")
    axes.set_yticks(range(len(table)), list(table.index), fontsize=7.5 if len(table) > 12 else 9)
    axes.tick_params(length=0)
    label_layers(axes, list(table.columns))
    for spine in axes.spines.values():
        spine.set_visible(False)
    if {"lower", "baseline"} <= set(frame):
        _dot(axes, frame, table, row)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 3 / height), aspect=18, pad=0.02)
    bar.set_label(label, color=INK, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    axes.set_xlabel("layer", fontsize=9, color=INK)
    headline(figure, title)
    sign(figure, signature, "dot: the 95 % confidence interval includes the shuffled baseline" if len(axes.collections) else "")
    return figure


def _with_spaces(name: str | None) -> str:
    return str(name).replace("_", " ")


def _draw_curves(
    axes: Axes, frame: pd.DataFrame, line: str, indices: Mapping[str, int], reference: str | None, label: bool
) -> None:
    drawn = []
    for name, part in frame.groupby(line, sort=False, observed=True):
        look = style(indices[str(name)])
        axes.fill_between(range(len(part)), part["lower"], part["upper"], color=look["color"], alpha=0.16, linewidth=0)
        drawn += axes.plot(range(len(part)), part["estimate"], label=str(name), linewidth=1.8, **look)
        if "claimed" in part:
            sure = np.flatnonzero(part["claimed"])
            axes.plot(sure, part["estimate"].to_numpy()[sure], "o", color=look["color"], markersize=4.5)
    levels = frame.groupby("layer", sort=False, observed=True)
    drawn += axes.plot(
        levels["baseline"].mean().to_numpy(), label="shuffled pairs", color=FAINT, linewidth=1.2, linestyle=(0, (4, 2))
    )
    if reference in frame:
        level = levels[reference].mean().to_numpy()
        drawn += axes.plot(level, label=_with_spaces(reference), color=FAINT, linewidth=1.2, linestyle=(0, (1, 1.5)))
    despine(axes)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.02, y=0.06)
    if label:
        _name_lines(axes, drawn)


def _name_lines(axes: Axes, lines: Sequence[Line2D]) -> None:
    """A legend to the right of the axes, each name at the height of the peak of its line, because many lines end in one point."""
    from matplotlib.lines import Line2D

    ordered = sorted(lines, key=lambda line: np.nanmax(line.get_ydata()))
    heights = separate_labels(axes, [float(np.nanmax(line.get_ydata())) for line in ordered])
    beside = axes.get_yaxis_transform()
    for line, height in zip(ordered, heights, strict=True):
        sample = Line2D([1.015, 1.035, 1.055], [height] * 3)
        sample.update_from(line)
        sample.set(transform=beside, clip_on=False, markevery=[1])
        axes.add_artist(sample)
        axes.text(1.065, height, str(line.get_label()), transform=beside, fontsize=8.5, color=INK, va="center")


def _dot(axes: Axes, frame: pd.DataFrame, table: pd.DataFrame, row: str) -> None:
    unclear = frame[frame["lower"] <= frame["baseline"]]
    x = [table.columns.get_loc(layer) for layer in unclear["layer"]]
    y = [table.index.get_loc(name) for name in unclear[row]]
    axes.scatter(x, y, s=4, color="white", linewidths=0)

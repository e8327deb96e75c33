"""A grid of panels over layers, each with an entropy strip, for the figures of the lens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.style import FAINT, INK, blank, despine, label_layers

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec


_ROOT_TICKS = (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1)


def entropy_strip(figure: Figure, axes: Axes, entropy: pd.DataFrame, layers: Sequence[str], most: float) -> None:
    """Draw the entropy (bits) of each layer as colour under a panel, with a colour scale next to the last panel of a row.

    Parameters
    ----------
    figure, axes
        The figure and the strip to draw in.
    entropy
        Column `estimate`, one row per layer.
    layers
        Names of the layers.
    most
        Upper end of the colour scale, in bits.
    """
    image = axes.imshow(
        entropy["estimate"].to_numpy()[None], aspect="auto", cmap="cividis", interpolation="nearest", vmin=0, vmax=most
    )
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(labelsize=8, length=0, labelcolor=INK)
    label_layers(axes, layers)
    cell = _grid_cell(axes)
    if cell.is_first_col():
        axes.set_ylabel("entropy\n(bits)", fontsize=7.5, color=INK, rotation=0, ha="right", va="center")
    if cell.colspan.stop == cell.get_gridspec().ncols:
        bar = figure.colorbar(image, ax=axes, pad=0.015, fraction=0.06, aspect=4)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7, length=1.5, color=FAINT, labelcolor=INK)


def finish_layers(axes: Axes, layers: Sequence[str], title: str) -> None:
    """Label the `layers`, set the `title`, start values at zero and add a light grid.

    Call it when all panels that share an axis with `axes` are drawn.
    """
    despine(axes)
    label_layers(axes, layers)
    axes.set_title(title, fontsize=9.5, color=INK, loc="left", pad=7)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylim(bottom=0)


def by_root(drawn: Sequence[Axes]) -> None:
    """Give the panels `drawn`, of values from 0 to 1, a square-root axis: 0.02 is seen on it beside 1, and 0 remains 0."""
    from matplotlib.ticker import FixedLocator, StrMethodFormatter

    for axes in drawn:
        top = axes.get_ylim()[1]
        axes.set_yscale("function", functions=(lambda y: np.sqrt(np.clip(y, 0, None)), np.square))
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in _ROOT_TICKS if tick <= top]))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_ylim(0, top)


def panels(n: int, strip: bool = False) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure of `n` panels, at most three in a row, as pairs of axes: the panel and, with `strip`, a thin strip under it.

    >>> figure, pairs = panels(4)
    >>> len(pairs)
    4
    """
    columns = 2 if n in (2, 4) else min(n, 3)
    rows = -(-n // columns)
    size = (7.8, 4.4) if n == 1 else (2.2 + 2.9 * columns, 1.3 + 2.5 * rows)
    figure = blank(size)
    if not strip:
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        pairs = [(axes, axes) for axes in grid]
    else:
        grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[10, 1] * rows, sharex=True, sharey="row")
        pairs = [(grid[2 * row, column], grid[2 * row + 1, column]) for row in range(rows) for column in range(columns)]
        for upper, _ in pairs:
            upper.tick_params(labelbottom=False)
    for axes in {axes for pair in pairs[n:] for axes in pair}:
        axes.remove()
    for _, lower in pairs[max(0, n - columns) : n]:
        lower.tick_params(labelbottom=True)
    return figure, pairs[:n]


def legend(figure: Figure, drawn: Sequence[Axes]) -> None:
    """Add one legend to the `figure` for the panels `drawn`, to their right: each line once, grey baselines last."""
    entries: dict[str, Artist] = {}
    for axes in drawn:
        handles, labels = axes.get_legend_handles_labels()
        entries |= {label: handle for label, handle in zip(labels, handles, strict=True) if label not in entries}
    entries = dict(sorted(entries.items(), key=lambda item: getattr(item[1], "get_color", str)() == FAINT))
    figure.legend(
        list(entries.values()), list(entries), loc="outside right center", frameon=False, fontsize=8.5, labelcolor=INK,
        handlelength=1.8,
    )  # fmt: skip


def name_axes(pairs: Sequence[tuple[Axes, Axes]], ylabel: str | None) -> None:
    """Label the axes of the outer panels only. `pairs` are those of `panels`; `ylabel` is None for none."""
    lowest = {_grid_cell(lower).colspan.start: lower for _, lower in pairs}
    for lower in lowest.values():
        lower.set_xlabel("layer", fontsize=9, color=INK)
    for upper, _ in pairs:
        if ylabel is not None and _grid_cell(upper).is_first_col():
            upper.set_ylabel(ylabel, fontsize=9, color=INK)


def _grid_cell(axes: Axes) -> SubplotSpec:
    cell = axes.get_subplotspec()
    assert cell is not None
    return cell

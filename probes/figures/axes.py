"""Parts that most figures share: axis labels, row and column labels, a colour bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from probes.figures.style import FAINT, INK, despine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure


def finish(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Label the `axes` with `xlabel` and `ylabel`, and draw a light grid behind the data.

    >>> from probes.figures.style import blank
    >>> axes = blank((4, 3)).subplots()
    >>> finish(axes, "layer", "MEXA")
    >>> axes.get_ylabel()
    'MEXA'
    """
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=INK)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.02, y=0.06)
    despine(axes)


def name_cells(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Label the `rows` and `columns` of the map drawn in `axes` with these names."""
    size = 7.5 if max(len(rows), len(columns)) <= 12 else 5.5
    axes.set_yticks(range(len(rows)), rows, fontsize=size)
    axes.set_xticks(range(len(columns)), columns, fontsize=size, rotation=90)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


def colour_bar(
    figure: Figure, image: ScalarMappable, axes: Axes | Sequence[Axes] | np.ndarray, label: str, below: bool = False
) -> None:
    """Add the colour scale of `image`, with its `label`, next to `axes` of the `figure`.

    `below`: some values are below the scale, which an arrow at its end shows.
    """
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=22, pad=0.02, extend="min" if below else "neither")
    bar.set_label(label, color=INK, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2, color=FAINT)

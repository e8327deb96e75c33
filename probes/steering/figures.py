"""Figures of steering: the generated texts at each strength, and the choice of the layer and the strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3


def alpha_curves(
    frame: pd.DataFrame, names: Mapping[str, str], chosen: float, title: str, signature: str, claimed: bool = False
) -> Figure:
    """A panel per metric over the strength of the edit, with confidence intervals, and random directions at the chosen strength.

    `frame` is `SubspaceReport.summary()`; `names` maps each metric to the title of its panel; `chosen` is the tested strength,
    ringed where the verdict has `claimed` that the language is written. `title` and `signature` stand above and under the figure.
    """
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = blank((3.4 + 2.6 * columns, 1.2 + 2.3 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (metric, text) in zip(grid, names.items(), strict=False):
        _panel(axes, frame[frame["metric"] == metric].sort_values("alpha"), metric, chosen)
        axes.set_title(text, fontsize=9.5, color=INK, loc="left")
        finish(axes, "strength (alpha)", "")
        at = frame[(frame["metric"] == metric) & (frame["alpha"] == chosen)]
        if claimed and metric == "language":
            axes.scatter(at["alpha"], at["estimate"], s=150, facecolors="none", edgecolors=INK, linewidths=1.4)
    for axes in grid[len(names) :]:
        axes.remove()
    marks = grid[0].get_legend_handles_labels()
    figure.legend(*marks, loc="outside right upper", frameon=False, fontsize=8, labelcolor=INK)
    headline(figure, title)
    sign(
        figure,
        signature,
        "shaded, bars: 95 % confidence interval; dotted: chosen on other sentences; dashed: other sentences; ring: claimed",
    )
    return figure


def _panel(axes: Axes, part: pd.DataFrame, metric: str, chosen: float) -> None:
    x = part["alpha"].to_numpy()
    axes.axvline(chosen, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
    axes.fill_between(x, part["lower"], part["upper"], color=PALETTE[0], alpha=0.18, linewidth=0)
    axes.plot(x, part["estimate"], color=PALETTE[0], linewidth=2, marker="o", markersize=4, label="steered")
    at = part.dropna(subset=["random"])
    spread = np.abs(at[["random_lower", "random_upper"]].to_numpy().T - at["random"].to_numpy())
    axes.errorbar(at["alpha"], at["random"], spread, color=INK, marker="D", markersize=4, linestyle="", label="random directions")
    if metric == "fidelity":
        axes.plot(x, part["baseline"], color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)))


def choice_map(frame: pd.DataFrame, order: Sequence[str], title: str, signature: str) -> Figure:
    """A map of layers and strengths: the score by which they were chosen, and each part of it. The chosen cell is ringed.

    `frame` is `SubspaceReport.choice()`, the best first; `order` are the layers from first to last.
    `title` and `signature` stand above and under the figure.
    """
    names = {"score": "score of the choice", "language": "in the language, no repetition", "fidelity": "fidelity (chrF++)"}
    figure = blank((2.4 + 2.9 * len(names), 1.9 + 0.3 * max(4, frame["alpha"].nunique())))
    columns = [layer for layer in order if layer in set(frame["layer"])]
    for axes, (name, text) in zip(figure.subplots(1, len(names)), names.items(), strict=True):
        table = frame.pivot(index="alpha", columns="layer", values=name)[columns]
        image = axes.imshow(table.to_numpy(dtype=float), aspect="auto", cmap="viridis", origin="lower", vmin=0)
        step = -(-sum(map(len, columns)) // 24)
        shown = range(0, len(columns), step)
        axes.set_xticks(list(shown), [columns[k].replace("embed", "emb") for k in shown], fontsize=7.5)
        axes.set_yticks(range(len(table)), [f"{alpha:g}" for alpha in table.index], fontsize=8)
        chosen_cell = (columns.index(frame["layer"].iloc[0]), table.index.get_loc(frame["alpha"].iloc[0]))
        axes.scatter(*chosen_cell, s=70, facecolors="none", edgecolors="#D55E00", linewidths=1.8)
        axes.set_title(text, fontsize=9, color=INK, loc="left")
        axes.set_xlabel("block", fontsize=9, color=INK)
        axes.spines[:].set_visible(False)
        colour_bar(figure, image, axes, "")
    figure.supylabel("strength (alpha)", fontsize=9, color=INK)
    headline(figure, title)
    sign(figure, signature, "ring: chosen, and tested on other sentences")
    return figure

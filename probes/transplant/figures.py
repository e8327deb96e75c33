"""Figures of a transplant: grids of source and target layers as heat maps, and runs with their confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.look import arranged
from probes.figures.style import FAINT, INK, PALETTE, blank, despine, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.patches import Rectangle

_NAMES = {"transplant": "donor: the same question", "shuffled": "donor: another question"}
_ALPHA, _PANELS = 0.05, 12


def grid_maps(
    maps: Mapping[str, np.ndarray], p: Mapping[str, np.ndarray], blocks: tuple[Sequence[int], Sequence[int]], pair: str, label: str,
    signature: str,
) -> Figure:  # fmt: skip
    """Draw heat maps of a change side by side, on one scale centred on zero, each with its marginals.

    The best cell is ringed. Cells with p of 0.05 or more are hatched.

    Parameters
    ----------
    maps, p
        For each condition, the change of every cell and its corrected p, `[source target]`.
    blocks
        Source and target blocks, for the axes.
    pair
        "donor>language", for the title.
    label
        Label of the colour bar.
    signature
        The line under the figure.
    """
    figure = blank((3.9 * len(maps) + 1.0, 4.6))
    largest = max(float(np.nanmax(np.abs(values))) for values in maps.values()) or 1.0
    outer = figure.subfigures(1, len(maps), squeeze=False)[0]
    for column, (part, (name, values)) in enumerate(zip(outer, maps.items(), strict=True)):
        image, axes = _one_map(part, values, p[name], blocks, largest, column == 0)
        part.suptitle(_NAMES.get(name, name), x=0.04, ha="left", fontsize=9, color=INK)
    bar = outer[-1].colorbar(image, ax=axes, shrink=0.8, aspect=22, pad=0.02)
    bar.set_label(label, color=INK, fontsize=8.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    headline(figure, f"Every source layer into every target layer: {pair}")
    sign(figure, signature, f"ring: best cell; hatched: p >= {_ALPHA} over the grid; margins: mean, and thin the extremes")
    return figure


def _one_map(
    part: SubFigure, values: np.ndarray, p: np.ndarray, blocks: tuple[Sequence[int], Sequence[int]], largest: float, first: bool
) -> tuple[AxesImage, list[Axes]]:
    axes = part.subplots(2, 2, width_ratios=(5, 1), height_ratios=(1, 5))
    top, corner, main, side = axes[0, 0], axes[0, 1], axes[1, 0], axes[1, 1]
    corner.remove()
    image = main.imshow(values, cmap="RdBu", vmin=-largest, vmax=largest, origin="lower", aspect="auto", interpolation="nearest")
    for source, target in np.argwhere(~(p < _ALPHA)).tolist():
        main.add_patch(_hatched(source, target))
    best = np.unravel_index(np.nanargmax(values), values.shape)
    for width, colour in ((4.0, "white"), (1.8, INK)):
        main.plot(
            best[1], best[0], marker="o", markersize=12, markerfacecolor="none", markeredgecolor=colour, markeredgewidth=width
        )
    for axis, names, set_ticks in ((0, blocks[0], main.set_yticks), (1, blocks[1], main.set_xticks)):
        step = max(1, -(-values.shape[axis] // 12))
        set_ticks(range(0, len(names), step), [str(name) for name in names[::step]], fontsize=8)
    main.spines[:].set_color("#DDDDDD")
    main.tick_params(color=FAINT, labelcolor=INK, length=3)
    main.set_xlabel("target layer", fontsize=9, color=INK)
    main.set_ylabel("source layer" if first else "", fontsize=9, color=INK)
    _margin(top, values, 0, largest, flipped=False)
    _margin(side, values, 1, largest, flipped=True)
    return image, [main, side]


def _hatched(source: int, target: int) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((target - 0.5, source - 0.5), 1, 1, fill=False, hatch="////", edgecolor="#9A9A9A", linewidth=0)


def _margin(axes: Axes, values: np.ndarray, axis: int, largest: float, flipped: bool) -> None:
    x = np.arange(values.shape[1 - axis])
    lines = (np.nanmean(values, axis=axis), np.nanmin(values, axis=axis), np.nanmax(values, axis=axis))
    for line, width in zip(lines, (1.6, 0.6, 0.6), strict=True):
        axes.plot(*((line, x) if flipped else (x, line)), color=PALETTE[0], linewidth=width)
    bound, zero = (axes.set_xlim, axes.axvline) if flipped else (axes.set_ylim, axes.axhline)
    bound(-1.05 * largest, 1.05 * largest)
    zero(0, color=FAINT, linewidth=0.7)
    limits, hide = (axes.set_ylim, axes.set_yticks) if flipped else (axes.set_xlim, axes.set_xticks)
    limits(-0.5, len(x) - 0.5)
    hide([])
    despine(axes)
    axes.tick_params(labelsize=7, rotation=90 if flipped else 0)


def battery_dots(frame: pd.DataFrame, metric: str, signature: str) -> Figure:
    """Draw every run of the summary `frame` in one `metric` with its confidence interval, one panel per pair.

    The dashed line is the untouched run; `signature` is the line under the figure.
    """
    every = list(arranged(frame, "language").groupby(["donor", "language"], sort=False))
    pairs = every[:_PANELS]
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    names = list(dict.fromkeys(frame["run"]))
    figure = blank((2.6 + 2.6 * columns, 1.2 + rows * (0.6 + 0.2 * len(names))))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, ((donor, language), part) in zip(grid, pairs, strict=False):
        y = [len(names) - 1 - names.index(run) for run in part["run"]]
        colours = [PALETTE[1] if run.startswith(("upper", "oracle", "best_cell")) else PALETTE[0] for run in part["run"]]
        for height, colour, row in zip(y, colours, part.itertuples(), strict=True):
            axes.plot([row.lower, row.upper], [height, height], color=colour, linewidth=1.6)
            axes.plot(row.estimate, height, marker="o", markersize=4.5, color=colour)
        axes.axvline(part.loc[part["run"] == "untouched", "estimate"].iloc[0], color=FAINT, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in reversed(names)], fontsize=8)
        axes.set_title(f"{donor}>{language}", fontsize=9, color=INK, loc="left")
        axes.set_xlabel(metric, fontsize=9, color=INK)
        despine(axes)
    for axes in grid[len(pairs) :]:
        axes.remove()
    headline(figure, "The transplant and its controls")
    rest = f"\n{len(pairs)} of {len(every)} panels; the others: plot(languages=[...])" if len(pairs) < len(every) else ""
    sign(
        figure, signature, f"95 % confidence intervals over items; orange: chosen knowing the answers; dashed: untouched run{rest}"
    )
    return figure

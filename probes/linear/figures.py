"""Figures of linear probes: scores over layers with their controls, and transfer between languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish, name_cells
from probes.figures.look import chosen
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, label_layers, name_ends, sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = {"all": "all languages", "within": "same language", "across": "other language"}
_CONTROLS = {
    "random_init": ("random init", (0, (1, 1.5))),
    "erased": ("after {erase}", (0, (4, 1, 1, 1))),
    "shuffled": ("shuffled", (0, (2, 2))),
}
_PANELS = 12


def probe_curves(frame: pd.DataFrame, target: str, unit: str, erase: str | None, signature: str) -> Figure:
    """Probe score over layers, within and across languages, with confidence intervals.

    A randomly initialised model is dotted in the same colour, other controls are grey, and the majority class is a line.

    Parameters
    ----------
    frame
        `ProbeReport.curves()`: `layer, kind, estimate, lower, upper, baseline, shuffled, random_init, erased, above_chance`, where
        `kind` is `all`, `within` or `across`. Layers that are above chance have a dot.
    target, unit
        What is predicted, and the unit of the score ("accuracy" or "R²").
    erase
        The method of language erasure, for the label of that control.
    signature
        Line under the figure.
    """
    figure = blank((7.2, 4.4))
    axes = figure.subplots()
    ends = []
    for index, (kind, part) in enumerate(frame.groupby("kind", sort=False)):
        x = np.arange(len(part))
        axes.fill_between(x, part["lower"], part["upper"], color=PALETTE[index], alpha=0.16, linewidth=0)
        axes.plot(x, part["estimate"], color=PALETTE[index], linewidth=2)
        sure = part["above_chance"].to_numpy(dtype=bool)
        axes.plot(x[sure], part["estimate"].to_numpy()[sure], "o", color=PALETTE[index], markersize=4.5)
        ends.append((float(part["estimate"].iloc[-1]), _KINDS[str(kind)], PALETTE[index]))
        for column, (text, dash) in _CONTROLS.items():
            if part[column].notna().all() and (index == 0 or column == "random_init"):
                colour = PALETTE[index] if column == "random_init" else FAINT
                axes.plot(x, part[column], color=colour, linewidth=1.3, linestyle=dash)
                ends.append((float(part[column].iloc[-1]), text.format(erase=erase), colour))
    level = float(frame["baseline"].mean())
    axes.axhline(level, color=INK, linewidth=0.8)
    ends.append((level, "mean" if unit == "R²" else "majority", INK))
    label_layers(axes, list(frame["layer"].unique()))
    finish(axes, "layer", f"held-out {unit}")
    if unit == "R²":
        axes.set_ylim(max(axes.get_ylim()[0], -1.0), 1.05)
    name_ends(axes, [(max(value, axes.get_ylim()[0]), text, colour) for value, text, colour in ends])
    headline(figure, f"Linear probe: {target}")
    sign(figure, signature, "dot: above chance, p < 0.05 corrected for all layers; band: 95 % interval of one layer")
    return figure


def transfer_matrices(matrices: Mapping[str, pd.DataFrame], target: str, unit: str, signature: str) -> Figure:
    """Score by training language (row) and test language (column): one map per layer, at most 12 of them.

    If one probe is trained on all languages, a single map of test languages and layers.

    Parameters
    ----------
    matrices
        `ProbeReport.matrix(layer)` by layer.
    target, unit, signature
        As for `probe_curves`.
    """
    matrices = {layer: matrix[chosen(matrix.columns)] for layer, matrix in matrices.items()}
    if all(len(matrix) == 1 for matrix in matrices.values()):
        table = pd.DataFrame({layer: matrix.iloc[0] for layer, matrix in matrices.items()})
        return _one_map(table, "Recall of the language probe", "recall", signature)
    matrices = {layer: matrix.loc[chosen(matrix.index)] for layer, matrix in matrices.items()}
    shown = list(matrices)
    if len(shown) > _PANELS:
        shown = [shown[index] for index in np.linspace(0, len(shown) - 1, _PANELS).round().astype(int)]
    rows = -(-len(shown) // 5)
    columns = -(-len(shown) // rows)
    figure = blank((1.6 + 2.1 * columns, 1.3 + 2.5 * rows))
    low = min(float(matrices[layer].to_numpy().min()) for layer in shown)
    high = max(float(matrices[layer].to_numpy().max()) for layer in shown)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for index, (axes, layer) in enumerate(zip(grid, shown, strict=False)):
        image = axes.imshow(matrices[layer].to_numpy(), cmap="viridis", vmin=max(low, -1.0), vmax=high)
        name_cells(axes, list(matrices[layer].index), list(matrices[layer].columns))
        axes.tick_params(labelbottom=True)
        axes.set_ylabel("trained in" if index % columns == 0 else "", fontsize=9, color=INK)
        axes.set_xlabel("tested in" if index + columns >= len(shown) else "", fontsize=9, color=INK)
        axes.set_title(layer if layer == "embed" else f"layer {layer}", fontsize=9, color=INK, loc="left", pad=3)
    for axes in grid[len(shown) :]:
        axes.remove()
    colour_bar(figure, image, grid[: len(shown)], f"held-out {unit}", below=low < -1)
    headline(figure, f"{target}: trained in one language, tested in another")
    sign(figure, signature, f"{len(shown)} of {len(matrices)} layers" if len(shown) < len(matrices) else "")
    return figure


def _one_map(table: pd.DataFrame, title: str, label: str, signature: str) -> Figure:
    figure = blank((min(max(5.4, 2.4 + 0.42 * table.shape[1]), 12.0), 1.7 + 0.3 * len(table)))
    axes = figure.subplots()
    image = axes.imshow(table.to_numpy(), aspect="auto", cmap="viridis", vmin=0, vmax=1)
    name_cells(axes, list(table.index), list(table.columns))
    axes.set_xticks([])
    label_layers(axes, list(table.columns))
    axes.tick_params(axis="x", rotation=0, labelsize=8)
    axes.set_xlabel("layer", fontsize=9, color=INK)
    colour_bar(figure, image, axes, label)
    headline(figure, title)
    sign(figure, signature)
    return figure

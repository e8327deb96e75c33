"""Maps of sentences by PCA and UMAP, coloured by language, with lines between translations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import finish
from probes.figures.look import arranged
from probes.figures.style import FAINT, INK, MARKERS, PALETTE, blank, headline, label_layers, name_ends, sign, style_indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_JOINED = 40


def atlas_panels(table: pd.DataFrame, caption: str, signature: str, seed: int = 0) -> Figure:
    """PCA (top row) and UMAP (bottom row), a column per layer. Lines join some sentences to the mean of their translations.

    Parameters
    ----------
    table
        `layer, language, item, pca1, pca2, umap1, umap2`. The bottom row is left out if there is no UMAP.
    caption, signature
        Text under the figure.
    seed
        Random seed of the choice of sentences with lines.
    """
    table = arranged(table, "language")
    layers, codes = list(table["layer"].unique()), list(table["language"].unique())
    kinds = [("PCA", ["pca1", "pca2"])] + ([("UMAP", ["umap1", "umap2"])] if table["umap1"].notna().any() else [])
    figure = blank((1.7 + 3.1 * len(layers), max(1.2 + 2.9 * len(kinds), 1.0 + 0.2 * len(codes))))
    grid = figure.subplots(len(kinds), len(layers), squeeze=False)
    items = table["item"].unique()
    joined = set(np.random.default_rng(seed).choice(items, min(_JOINED, len(items)), replace=False))
    for line, (kind, columns) in zip(grid, kinds, strict=True):
        for axes, layer in zip(line, layers, strict=True):
            _scatter(axes, table[table["layer"] == layer], columns, codes, joined)
            if kind == "PCA":
                axes.set_title("embeddings" if layer == "embed" else f"after block {layer}", fontsize=9.5, color=INK, loc="left")
        line[0].set_ylabel(kind, fontsize=10, color=INK)
    handles, names = grid[0][0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside right upper", frameon=False, fontsize=8.5, labelcolor=INK, handletextpad=0.1, markerscale=1.6
    )
    headline(figure, "The same sentences in every language")
    sign(figure, signature, caption)
    return figure


def correlation_curves(frame: pd.DataFrame, signature: str) -> Figure:
    """Correlation of the first joint component over layers, with its controls. `frame` is `AtlasReport.curves()`.

    `signature` stands under the figure.
    """
    figure = blank((7.2, 4.2))
    axes = figure.subplots()
    x, ends = np.arange(len(frame)), []
    looks = {
        "estimate": ("first component", PALETTE[0], "-", 2.2),
        "partialled": ("length partialled out", PALETTE[1], "-", 2.2),
        "random_init": ("random init", FAINT, (0, (1, 1.5)), 1.4),
        "random_init_partialled": ("random init, length out", FAINT, (0, (4, 1, 1, 1)), 1.4),
        "baseline": ("shuffled pairs", FAINT, (0, (4, 2)), 1.2),
    }
    for column, (text, colour, dash, width) in looks.items():
        if frame[column].notna().any():
            axes.plot(x, frame[column], color=colour, linestyle=dash, linewidth=width)
            ends.append((float(frame[column].dropna().iloc[-1]), text, colour))
    axes.axhline(0, color=INK, linewidth=0.6)
    label_layers(axes, list(frame["layer"]))
    finish(axes, "layer", "mean |Pearson r| between languages")
    axes.set_xlim(-0.15, len(frame) - 0.85)
    name_ends(axes, ends)
    headline(figure, "How much of a shared component is sentence length")
    sign(figure, signature)
    return figure


def _scatter(axes: Axes, part: pd.DataFrame, columns: list[str], codes: list[str], joined: set[str]) -> None:
    from matplotlib.collections import LineCollection

    if part[columns[0]].isna().all():
        axes.text(0.5, 0.5, "all activations are equal", transform=axes.transAxes, ha="center", fontsize=8.5, color=FAINT)
    mean = part.groupby("item")[columns].transform("mean")
    joined_rows = part["item"].isin(joined).to_numpy()
    ends = np.stack([part[columns].to_numpy()[joined_rows], mean.to_numpy()[joined_rows]], axis=1)
    axes.add_collection(LineCollection(list(ends), colors="#9A9A9A", linewidths=0.4, alpha=0.45, zorder=1))
    size = 14 if len(part) < 1500 else 6
    for code, index in style_indices(codes).items():
        own = part[part["language"] == code]
        colour, marker = PALETTE[index % len(PALETTE)], MARKERS[(index + index // len(PALETTE)) % len(MARKERS)]
        x, y = own[columns[0]], own[columns[1]]
        axes.scatter(x, y, s=size, color=colour, marker=marker, alpha=0.75, linewidths=0, zorder=2, label=code)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#DDDDDD")
    axes.margins(0.04)

"""Figures of language-specific neurons: their blocks, the stability of the selection, the effect of switching them off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish, name_cells
from probes.figures.look import arranged, capped, chosen
from probes.figures.style import FAINT, INK, PALETTE, blank, despine, headline, label_layers, sign, style_indices

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def layer_histogram(counts: pd.DataFrame, signature: str) -> Figure:
    """The number of neurons in each block: a row of bars per language (a column of `counts`), all on one scale.

    `signature` stands under the figure.
    """
    shown, rest = capped(chosen(counts.columns), most=24)
    counts = counts[shown]
    figure = blank((max(5.6, 2.2 + 0.2 * len(counts)), 1.3 + 0.55 * counts.shape[1]))
    grid = figure.subplots(counts.shape[1], 1, squeeze=False, sharex=True, sharey=True).ravel()
    x = np.arange(len(counts))
    colours = style_indices(counts.columns)
    for axes, code in zip(grid, counts.columns, strict=True):
        axes.bar(x, counts[code], width=0.82, color=PALETTE[colours[code] % len(PALETTE)])
        axes.set_ylabel(f"{code}\n{counts[code].sum()}", rotation=0, ha="right", va="center", fontsize=8, color=INK)
        despine(axes)
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.tick_params(axis="x", length=0)
    grid[0].set_ylim(0, 1.05 * max(1, counts.to_numpy().max()))
    tallest = f"tallest bar: {counts.to_numpy().max()}"
    grid[0].text(1, 1, tallest, transform=grid[0].transAxes, ha="right", va="bottom", fontsize=7.5, color=FAINT)
    label_layers(grid[-1], [str(layer) for layer in counts.index])
    grid[-1].set_xlabel("block", fontsize=9, color=INK)
    headline(figure, "Language-specific neurons by block")
    sign(figure, signature, rest)
    return figure


def stability_bars(rows: pd.DataFrame, overlap: pd.DataFrame, signature: str) -> Figure:
    """Left: agreement of two halves of the text, with a randomly initialised model. Right: overlap between languages.

    `rows` is `NeuronReport.summary()`, `overlap` is `NeuronReport.overlap()`; `signature` stands under the figure.
    """
    part = arranged(rows[rows["metric"] == "stability"], "language").iloc[::-1]
    overlap = overlap.loc[chosen(overlap.index), chosen(overlap.columns)]
    figure = blank((9.2, 2.4 + 0.3 * len(part)))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    y = np.arange(len(part))
    left.hlines(y, part["lower"], part["upper"], color=PALETTE[0], linewidth=2, alpha=0.5)
    left.plot(part["estimate"], y, "o", color=PALETTE[0], markersize=6, label="this model (95 % of splits)")
    if part["baseline"].notna().any():
        left.plot(part["baseline"], y, "D", color="white", markeredgecolor=FAINT, markersize=5.5, label="random init")
    left.set_yticks(y, [f"{code}  n={n}" for code, n in zip(part["language"], part["n"], strict=True)])
    left.set_xlim(-0.02, 1.02)
    finish(left, "Jaccard index of two halves of the text", "")
    left.grid(axis="x", color="#E6E6E6", linewidth=0.6)
    left.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
    shared = overlap.to_numpy().copy()
    np.fill_diagonal(shared, np.nan)
    image = right.imshow(shared, cmap="viridis", vmin=0, vmax=max(0.05, np.nanmax(shared)))
    name_cells(right, list(overlap.index), list(overlap.columns))
    colour_bar(figure, image, right, "Jaccard index of two languages")
    headline(figure, "Stability of the selection, and overlap between languages")
    sign(figure, signature, "bar: 95 % of the splits of the text into halves")
    return figure


def silencing_matrices(rows: pd.DataFrame, signature: str) -> Figure:
    """Rise in loss: language whose neurons are off (row) by language of the text (column), next to random neurons.

    `rows` is the output of `damage`. A language-specific effect shows as a diagonal that the random neurons lack; it is framed
    where the verdict claims it (the column `claimed`).
    `signature` stands under the figure.
    """
    from matplotlib.patches import Rectangle

    modes = list(rows["mode"].unique())
    codes = chosen(rows["language"].unique())
    side = 0.5 + 0.36 * len(codes)
    figure = blank((2.0 + 2 * side, 2.0 + len(modes) * (side + 0.3)))
    grid = figure.subplots(len(modes), 2, squeeze=False, sharex=True, sharey=True)
    reach = float(np.abs(rows[["estimate", "baseline"]].to_numpy()).max()) or 1.0
    for mode, line in zip(modes, grid, strict=True):
        part = rows[rows["mode"] == mode]
        for axes, column, text in zip(line, ("estimate", "baseline"), ("own neurons", "random neurons"), strict=True):
            values = part.pivot(index="language", columns="text", values=column).loc[codes, codes].to_numpy()
            image = axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach)
            name_cells(axes, codes, codes)
            axes.set_title(f"{text}, set to {'0' if mode == 'zero' else 'their mean'}", fontsize=9, color=INK, loc="left")
            for (i, j), value in np.ndenumerate(values) if len(codes) <= 10 else ():
                shade = "white" if abs(value) > 0.6 * reach else INK
                axes.text(j, i, f"{value:.2f}".replace("-0.00", "0.00"), ha="center", va="center", fontsize=6.8, color=shade)
            sure = part[
                part["claimed"] & part["language"].isin(codes) & (part["language"] == part["text"]) & (column == "estimate")
            ]
            places = [codes.index(code) for code in sure["language"]]
            for place in places:  # two lines, so that one is seen on a light cell and one on a dark one
                for inset, colour in ((0.0, INK), (0.05, "white")):
                    corner, width = (place - 0.5 + inset, place - 0.5 + inset), 1 - 2 * inset
                    axes.add_patch(Rectangle(corner, width, width, fill=False, edgecolor=colour, linewidth=1.6))
    colour_bar(figure, image, grid.ravel().tolist(), "rise in log-perplexity (nats per token)")
    for line in grid:
        line[0].set_ylabel("neurons of", fontsize=9, color=INK)
    for axes in grid[-1]:
        axes.set_xlabel("text in", fontsize=9, color=INK)
    headline(figure, "Rise in loss when the neurons of a language are switched off")
    sign(figure, signature, "framed: more than random neurons, p < 0.05 over sentences and random sets, corrected")
    return figure

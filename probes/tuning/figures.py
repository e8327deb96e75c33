"""Figures of a model before and after tuning: learning curves, paired slopes, differences with intervals, weights that moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish, name_cells
from probes.figures.look import arranged, capped
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, label_layers, name_ends, sign, style, style_indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMES, _MOST_ROWS = 28, 40


def learning_curve(history: pd.DataFrame, signature: str) -> Figure:
    """Loss over updates, in nats per token: training as a line, held-out examples with markers.

    `history` has one row per update and part (training, held out): `step, loss, part`. `signature` is the line under the figure.
    """
    figure = blank((7.2, 4.0))
    axes, ends = figure.subplots(), []
    for index, (part, rows) in enumerate(history.groupby("part", sort=False)):
        axes.plot(rows["step"], rows["loss"], color=PALETTE[index], marker="o" if index else None, markersize=5, linewidth=1.6)
        ends.append((float(rows["loss"].iloc[-1]), str(part), PALETTE[index]))
    finish(axes, "update", "loss (nats per token)")
    name_ends(axes, ends)
    headline(figure, "How the model learned")
    sign(figure, signature)
    return figure


def paired_slopes(frame: pd.DataFrame, title: str, ylabel: str, signature: str, line: str = "language") -> Figure:
    """A line for each language from before to after, coloured where it `changed`.

    `frame` has one row per line: `before, after`, `lower, upper` of their difference, and the column that `line` names; `changed`
    says which lines changed significantly, and without it those do whose interval excludes zero. `title`, `ylabel` and
    `signature` (the line under the figure) are printed as they are.
    """
    frame = arranged(frame, line)
    figure = blank((5.6, 4.6))
    axes = figure.subplots()
    ends = []
    for row in frame.to_dict("records"):
        significant = row.get("changed", row["lower"] > 0 or row["upper"] < 0)
        colour = (PALETTE[0] if row["after"] > row["before"] else PALETTE[1]) if significant else FAINT
        width = 1.8 if significant else 1.0
        axes.plot([0, 1], [row["before"], row["after"]], color=colour, marker="o", markersize=4, linewidth=width)
        ends.append((float(row["after"]), str(row[line]), colour))
    axes.set_xticks([0, 1], ["before", "after"])
    axes.set_xlim(-0.08, 1.05)
    finish(axes, "", ylabel)
    if len(ends) <= _MOST_NAMES:
        name_ends(axes, ends)
    headline(figure, title)
    sign(figure, signature)
    return figure


def difference_curves(frame: pd.DataFrame, title: str, ylabel: str, signature: str, line: str = "language") -> Figure:
    """After minus before over layers, a line with its confidence interval for each language; beyond eight a panel each.

    `frame` has one row per line and layer: `layer, estimate, lower, upper`, and the column that `line` names; dots stand where it
    `changed` significantly, if there is that column. `title`, `ylabel` and `signature` (the line under the figure) are printed
    as they are.
    """
    frame = arranged(frame, line)
    layers, (names, rest) = list(pd.unique(frame["layer"])), capped(pd.unique(frame[line]))
    colours = style_indices(map(str, names))
    one_panel = len(names) <= 8
    columns = 1 if one_panel else 4
    rows = 1 if one_panel else -(-len(names) // columns)
    figure = blank((7.2, 4.4) if one_panel else (11.0, 1.2 + 1.6 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    ends = []
    for index, name in enumerate(names):
        axes, look, part = (
            grid[0 if one_panel else index],
            style(colours[str(name)] if one_panel else 0),
            frame[frame[line].astype(str) == name],
        )
        x = [layers.index(layer) for layer in part["layer"]]
        axes.fill_between(x, part["lower"], part["upper"], color=look["color"], alpha=0.16, linewidth=0)
        axes.plot(x, part["estimate"], linewidth=1.8, **look)
        if "changed" in part:
            sure = part["changed"].to_numpy(dtype=bool)
            axes.plot(np.array(x)[sure], part["estimate"][sure], linestyle="none", marker="o", markersize=5, color=look["color"])
        ends.append((float(part["estimate"].iloc[-1]), str(name), look["color"]))
        axes.set_title("" if one_panel else str(name), fontsize=9, color=INK, loc="left", pad=3)
    for axes in grid[1 if one_panel else len(names) :]:
        axes.remove()
    for axes in grid[: 1 if one_panel else len(names)]:
        axes.axhline(0, color=INK, linewidth=0.8)
        label_layers(axes, [str(layer) for layer in layers])
        finish(axes, "layer" if one_panel else "", ylabel if one_panel else "")
    if one_panel:
        name_ends(grid[0], ends)
    else:
        figure.supylabel(ylabel, fontsize=9, color=INK)
    headline(figure, title)
    dots = "; dots: changed, p < 0.05 corrected" if "changed" in frame else ""
    sign(figure, signature, "\n".join(filter(None, [f"shaded: 95 % confidence interval{dots}", rest])))
    return figure


def difference_dots(frame: pd.DataFrame, title: str, xlabel: str, signature: str, line: str = "language") -> Figure:
    """After minus before with its confidence interval, one row per cell, filled where it `changed`.

    `frame` has one row per cell: `estimate, lower, upper`, and the column that `line` names; `changed` says which cells changed for
    sure, and without it those do whose interval excludes zero. Of more than forty the largest are shown. `title`, `xlabel` and
    `signature` (the line under the figure) are printed as they are.
    """
    frame = arranged(frame, line)
    largest = frame["estimate"].abs().nlargest(_MOST_ROWS).index
    order = frame[frame.index.isin(largest)].iloc[::-1]
    figure = blank((6.6, 1.4 + 0.22 * len(order)))
    axes = figure.subplots()
    y = np.arange(len(order))
    significant = order["changed"] if "changed" in order else (order["lower"] > 0) | (order["upper"] < 0)
    axes.axvline(0, color=INK, linewidth=0.8)
    edge = [PALETTE[0] if clear else FAINT for clear in significant]
    axes.hlines(y, order["lower"], order["upper"], color=edge, linewidth=1.6)
    axes.scatter(
        order["estimate"], y, s=28, c=[PALETTE[0] if clear else "white" for clear in significant], edgecolors=edge, zorder=3
    )
    axes.set_yticks(y, [str(name) for name in order[line]], fontsize=8)
    finish(axes, xlabel, "")
    headline(figure, title)
    rest = f"; the {len(order)} largest of {len(frame)}" if len(order) < len(frame) else ""
    sign(figure, signature, f"bar: 95 % confidence interval; filled: changed for sure{rest}")
    return figure


def row_movement(frame: pd.DataFrame, signature: str, labels: Mapping[int, str]) -> Figure:
    """How far each embedding row moved, a strip for each group of tokens.

    `frame` has one row per token: `token` (its id), `group, distance`; rows that did not move are drawn below the log scale.
    `labels` are the texts of the tokens to name; `signature` is the line under the figure.
    """
    groups = list(pd.unique(frame["group"]))
    figure = blank((7.6, 4.4))
    axes = figure.subplots()
    moving = frame.loc[frame["distance"] > 0, "distance"]
    floor = float(moving.min()) / 3 if len(moving) else 1e-6
    jitter = np.random.default_rng(0).uniform(-0.32, 0.32, len(frame))
    x = frame["group"].map(groups.index).to_numpy() + jitter
    axes.scatter(x, frame["distance"].clip(lower=floor), s=5, alpha=0.45, linewidths=0,
                 c=[PALETTE[groups.index(group) % len(PALETTE)] for group in frame["group"]])  # fmt: skip
    for index, group in enumerate(groups):
        part = frame.loc[frame["group"] == group, "distance"]
        axes.hlines(max(floor, float(part.median())), index - 0.36, index + 0.36, color=INK, linewidth=1.4)
    _name_rows(axes, frame.assign(x=x), labels)
    axes.set_yscale("log")
    moved = [int((frame.loc[frame["group"] == group, "distance"] > 0).sum()) for group in groups]
    sizes = [int((frame["group"] == group).sum()) for group in groups]
    names = [f"{group}\n{m} of {n} moved" for group, m, n in zip(groups, moved, sizes, strict=True)]
    axes.set_xticks(range(len(groups)), names, fontsize=8)
    finish(axes, "", "distance moved (norm of the row's change)")
    headline(figure, "Which embedding rows moved")
    sign(figure, signature)
    return figure


def dose_curve(frame: pd.DataFrame, title: str, xlabel: str, ylabel: str, levels: Mapping[str, float], signature: str) -> Figure:
    """The gain at each dose (layer, part, share of rows), with its confidence interval.

    `frame` has one row per `line` and dose: `dose, line, estimate, lower, upper`. `levels` are horizontal lines by name (base,
    tuned). `title`, `xlabel`, `ylabel` and `signature` (the line under the figure) are printed as they are.
    """
    figure = blank((7.2, 4.4))
    axes = figure.subplots()
    doses = list(pd.unique(frame["dose"]))
    ends: list[tuple[float, str, str]] = []
    colours = style_indices(map(str, pd.unique(frame["line"])))
    for name, part in frame.groupby("line", sort=False):
        look = style(colours[str(name)])
        look["markevery"] = None
        x = [doses.index(dose) for dose in part["dose"]]
        axes.fill_between(x, part["lower"], part["upper"], color=look["color"], alpha=0.16, linewidth=0)
        axes.plot(x, part["estimate"], linewidth=1.8, **look)
        ends.append((float(part["estimate"].iloc[-1]), str(name), look["color"]))
    for name, level in levels.items():
        axes.axhline(level, color=FAINT, linewidth=1.0, linestyle=(0, (4, 2)))
        ends.append((level, name, FAINT))
    label_layers(axes, [str(dose) for dose in doses])
    finish(axes, xlabel, ylabel)
    name_ends(axes, ends)
    headline(figure, title)
    sign(figure, signature)
    return figure


def _name_rows(axes: Axes, frame: pd.DataFrame, labels: Mapping[int, str]) -> None:
    for row in frame[frame["token"].isin(list(labels))].itertuples():
        text = labels[row.token]
        if text.isascii() and text.strip():
            axes.annotate(text.strip(), (row.x, row.distance), (3, 3), textcoords="offset points", fontsize=7, color=INK)


def tensor_movement(frame: pd.DataFrame, signature: str) -> Figure:
    """The relative change of every tensor as colour, kind of weight by part of the model, embedding first and head last.

    `frame` has one row per tensor: `tensor, part, relative`; tensors that did not move are white. `signature` is the line under the
    figure.
    """
    kinds = frame["tensor"].str.replace(r"^.*?\.\d+\.", "", regex=True)
    table = frame.assign(kind=kinds).pivot_table(index="kind", columns="part", values="relative", sort=False, aggfunc="max")
    table = table[list(pd.unique(frame["part"]))]
    figure = blank((3.4 + 0.34 * table.shape[1], max(3.2, 1.6 + 0.24 * len(table))))
    axes = figure.subplots()
    shown = np.ma.masked_where(~(table.to_numpy() > 0), table.to_numpy())
    image = axes.imshow(shown, cmap="viridis", aspect="auto", vmin=0)
    name_cells(axes, list(table.index), [str(part) for part in table.columns])
    axes.set_xlabel("part", fontsize=9, color=INK)
    colour_bar(figure, image, axes, "norm of the change / norm")
    headline(figure, "How far each weight moved")
    sign(figure, signature)
    return figure

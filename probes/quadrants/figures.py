"""Quadrants of languages, drawn: gains with their intervals, how far targets agree, and ways of tuning compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import colour_bar, finish, name_cells
from probes.figures.look import arranged
from probes.figures.point_labels import name_points
from probes.figures.style import FAINT, INK, MARKERS, PALETTE, blank, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CORNERS = {"reciprocal": (1, 1), "altruistic": (0, 1), "selfish": (1, 0), "stagnant": (0, 0)}
"""Each quadrant's corner: whether it lies right (the language itself gains) and on top (others gain)."""
_COLOURS = dict(zip(CORNERS, (PALETTE[2], PALETTE[0], PALETTE[1], PALETTE[3]), strict=True))
_MANY = 40
_CROSS = "cross: 95 % over items and seeds; filled: its class is sure, over all languages together"


def quadrant_scatter(
    panels: Mapping[str, pd.DataFrame], threshold: float, unit: str, title: str, signature: str, caption: str = ""
) -> Figure:
    """Bilingual gain against multilingual gain, one panel per baseline, a cross of 95 % intervals for each language.

    `panels` are frames by the name of their baseline, with `language, quadrant, bilingual, multilingual` and their `_lower,
    _upper`. Points are filled and coloured where the class is sure, hollow grey where it is undetermined. Lines are drawn at
    `threshold`; `unit` is that of the gains; `title`, `signature` and `caption` are the text around the figure.
    """
    panels = {name: arranged(frame, "language") for name, frame in panels.items()}
    figure = blank((0.6 + 6.3 * len(panels), 6.9))
    drawn = list(zip(figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0], panels.items(), strict=True))
    for column, (axes, (name, frame)) in enumerate(drawn):
        axes.axvline(threshold, color=FAINT, linewidth=0.8, zorder=0)
        axes.axhline(threshold, color=FAINT, linewidth=0.8, zorder=0)
        colours = [_COLOURS.get(quadrant, FAINT) for quadrant in frame["quadrant"]]
        _crosses(axes, frame, colours)
        finish(axes, f"bilingual gain: the language itself ({unit})", f"multilingual gain: others ({unit})" if column == 0 else "")
        axes.grid(visible=False)
        axes.set_title(name, fontsize=9.5, color=INK, loc="left")
        _name_corners(axes, frame)
    _make_room(drawn[0][0], threshold)
    headline(figure, title)
    sign(figure, signature, "\n".join(filter(None, [_CROSS, caption])))
    for axes, (_, frame) in drawn:
        measured = frame.dropna(subset=["bilingual", "multilingual"])
        colours = [_COLOURS.get(quadrant, FAINT) for quadrant in measured["quadrant"]]
        size = 8.0 if len(measured) <= _MANY else 6.2
        name_points(
            axes,
            measured[["bilingual", "multilingual"]].to_numpy(dtype=float),
            short_codes(list(measured["language"])),
            colours,
            size,
        )
    return figure


def consistency_map(
    matrix: pd.DataFrame, stability: pd.Series, share: float, chance: float, languages: int, signature: str, stable_by_chance: float
) -> Figure:
    """Do all targets agree? Correlation of the gains of every two targets, and the ranks without each of them.

    `matrix, stability, share, chance, languages` are those of an `Agreement`, and `stable_by_chance` its `stability_chance`, a
    dashed line; `signature` is the line under the figure.
    """
    figure = blank((4.2 + 0.45 * len(matrix), 2.3 + 0.36 * len(matrix)))
    left, right = figure.subplots(1, 2, width_ratios=(1.7, 1.0))
    image = left.imshow(matrix.to_numpy(dtype=float), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    name_cells(left, list(matrix.index), list(matrix.columns))
    for (row, column), value in np.ndenumerate(matrix.to_numpy(dtype=float)) if len(matrix) <= 16 else ():
        left.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color="white" if abs(value) > 0.6 else INK)
    colour_bar(figure, image, left, "correlation over tuned languages")
    y = np.arange(len(stability))
    right.hlines(y, min(0.0, float(stability.min())), stability, color=PALETTE[0], linewidth=1.5, alpha=0.5)
    right.plot(stability, y, "o", color=PALETTE[0], markersize=4.5)
    right.set_yticks(y, list(stability.index), fontsize=7.5)
    right.set_ylim(left.get_ylim())
    right.axvline(stable_by_chance, color=FAINT, linewidth=1.0, linestyle=(0, (4, 2)))
    right.set_xlim(right=1.03)
    finish(right, "ranks without it", "")
    right.grid(axis="x", color="#E6E6E6", linewidth=0.6)
    headline(
        figure, f"How far gains agree over targets: one factor holds {share:.0%} ({chance:.0%} by chance; {languages} languages)"
    )
    sign(
        figure,
        signature,
        "left: gains over the untuned model; right: rank correlation of the mean gain without a target; dashed: by chance",
    )
    return figure


def arm_gains(classes: pd.DataFrame, main: pd.DataFrame, against: str, unit: str, signature: str) -> Figure:
    """What each way of tuning gains at each data size, the languages grouped by where the first one put them (sure or not).

    `classes` has one row per language, method and size; `main` the rows that give each language its quadrant (`nearest`).
    `against` names the baseline, `unit` that of the gains; `signature` is the line under the figure.
    """
    kind = dict(zip(main["language"], main["nearest"], strict=True))
    groups = [name for name in CORNERS if name in kind.values()]
    methods, sizes = list(pd.unique(classes["method"])), sorted(int(size) for size in pd.unique(classes["size"]))
    figure = blank((1.6 + 2.6 * len(groups), 5.4))
    grid = figure.subplots(2, len(groups), squeeze=False, sharex=True, sharey="row")
    for column, group in enumerate(groups):
        members = classes[classes["language"].map(kind) == group]
        for row, axis in enumerate(("bilingual", "multilingual")):
            axes = grid[row, column]
            axes.axhline(0, color=FAINT, linewidth=0.8)
            for index, method in enumerate(methods):
                _arm(axes, members[members["method"] == method], axis, sizes, index - (len(methods) - 1) / 2, index, method)
            finish(axes, "pairs" if row else "", f"{axis} gain ({unit})" if column == 0 else "")
            axes.set_xticks(range(len(sizes)), [str(size) for size in sizes], fontsize=8)
            axes.set_xlim(-0.5, len(sizes) - 0.5)
        grid[0, column].set_title(f"{group} ({sum(each == group for each in kind.values())})", fontsize=9.5, color=INK, loc="left")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=len(methods), frameon=False, fontsize=8,
                  labelcolor=INK)  # fmt: skip
    headline(figure, f"Ways of tuning compared: gains over {against}")
    sign(figure, signature, "faint: one language; line and full mark: the mean of its group; groups by the first way of tuning")
    return figure


def cause_dots(frame: pd.DataFrame, against: str, signature: str) -> Figure:
    """Which property of its spelling goes with a language's gains: standardised slopes with their intervals, one panel per gain.

    `frame` has `axis, column, slope, lower, upper, explained, predicted, n`. `against` names the baseline of the gains, and
    `signature` is the line under the figure.
    """
    axes_of = {str(axis): part for axis, part in frame.groupby("axis", sort=False)}
    figure = blank((3.0 + 3.2 * len(axes_of), 1.9 + 0.3 * frame["column"].nunique()))
    for axes, (axis, part) in zip(figure.subplots(1, len(axes_of), squeeze=False, sharey=True)[0], axes_of.items(), strict=True):
        y = np.arange(len(part))[::-1]
        axes.axvline(0, color=FAINT, linewidth=0.8)
        axes.hlines(y, part["lower"], part["upper"], color=PALETTE[0], linewidth=2, alpha=0.5)
        axes.plot(part["slope"], y, "o", color=PALETTE[0], markersize=5.5)
        axes.set_yticks(y, list(part["column"]), fontsize=8)
        finish(axes, "standardised slope (95 % over languages)", "")
        first = part.iloc[0]
        fit = f"R² {first['explained']:.2f}, of languages left out {first['predicted']:.2f}"
        axes.set_title(f"{axis} gain: {fit}", fontsize=9, color=INK, loc="left")
    headline(figure, f"What in a language's spelling goes with its gains ({int(frame['n'].iloc[0])} languages)")
    sign(figure, signature, f"gains over {against}; correlation, not cause: spelling goes with script and with data")
    return figure


def short_codes(codes: Sequence[str]) -> list[str]:
    """The ISO part of `codes`, with the script where a language is written in several."""
    iso = [code.partition("_")[0] for code in codes]
    often = Counter(iso)
    return [code.replace("_", "-") if often[short] > 1 else short for code, short in zip(codes, iso, strict=True)]


def _crosses(axes: Axes, frame: pd.DataFrame, colours: Sequence[str]) -> None:
    x, y = frame["bilingual"], frame["multilingual"]
    axes.hlines(y, frame["bilingual_lower"], frame["bilingual_upper"], colors=colours, linewidth=0.9, alpha=0.35)
    axes.vlines(x, frame["multilingual_lower"], frame["multilingual_upper"], colors=colours, linewidth=0.9, alpha=0.35)
    faces = ["white" if colour == FAINT else colour for colour in colours]
    axes.scatter(x, y, s=20 if len(frame) <= _MANY else 12, c=faces, edgecolors=colours, linewidths=0.9, zorder=3)


def _make_room(axes: Axes, threshold: float) -> None:
    """Wide enough on either side of the threshold for the names of the quadrants."""
    axes.margins(0.06)
    for limits, setter, share in ((axes.get_xlim(), axes.set_xlim, 0.2), (axes.get_ylim(), axes.set_ylim, 0.1)):
        least = share * (limits[1] - limits[0])
        setter(min(limits[0], threshold - least), max(limits[1], threshold + least))


def _name_corners(axes: Axes, frame: pd.DataFrame) -> None:
    """Each quadrant's name and how many languages are surely in it, in its corner."""
    counts = frame["quadrant"].value_counts()
    for name, (right, top) in CORNERS.items():
        axes.annotate(f"{name} {counts.get(name, 0)}", (right, top), xycoords="axes fraction", fontsize=12, fontweight="bold",
                      xytext=(-6 if right else 6, -6 if top else 6), textcoords="offset points", color=_COLOURS[name], alpha=0.55,
                      ha="right" if right else "left", va="top" if top else "bottom", zorder=0)  # fmt: skip


def _arm(axes: Axes, frame: pd.DataFrame, axis: str, sizes: Sequence[int], shift: float, index: int, name: str) -> None:
    """One method in one panel: its languages faint, their mean as a line over sizes."""
    colour, marker = PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]
    x = frame["size"].map({size: turn + 0.12 * shift for turn, size in enumerate(sizes)})
    axes.plot(x, frame[axis], linestyle="none", markersize=3.5, alpha=0.3, color=colour, marker=marker)
    means = frame.assign(x=x).groupby("x")[axis].mean()
    axes.plot(means.index, means, markersize=6, linewidth=1.4, label=name, color=colour, marker=marker)

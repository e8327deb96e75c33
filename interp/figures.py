"""Tidy frames in, matplotlib figures out: curves over layers and language-by-layer maps. No measuring, no files.

Drawn on `matplotlib.figure.Figure` itself, so no window opens and no global state changes. Axes carry ASCII language codes:
matplotlib's fonts lack most scripts.
"""

from __future__ import annotations

import itertools
import re
import textwrap
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
"""Okabe & Ito's colours for readers of any colour vision; grey for their yellow, which is lost on white."""
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Line styles that tell lines apart after the colours are used up."""
INK, FAINT = "#222222", "#767676"
_OWN = ("eng_Latn", "deu_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab", "hin_Deva", "swh_Latn", "fra_Latn")
"""Languages whose place among the colours no other language takes from them."""
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def style(place: int) -> dict[str, Any]:
    """Colour and dash of the n-th line of a figure; no two of the first 32 are alike."""
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": DASHES[place // len(PALETTE) % len(DASHES)]}


def places(names: Iterable[str], own: Sequence[str] = _OWN) -> dict[str, int]:
    """A place in `style` for each name, so that a language has one colour in all figures as far as eight colours go.

    Names in `own` keep the place they have there; other languages take one told by their code, or the next that is free. Pairs
    are known by the language in which they differ. Where not all names are languages they are numbered as they come.
    """
    names = list(dict.fromkeys(names))
    if own == _OWN and not all(_CODE.fullmatch(part) for name in names for part in name.split(">")):
        return {name: place for place, name in enumerate(names)}
    for side in (0, -1):
        parts = [name.split(">")[side] for name in names]
        if parts != names and len(set(parts)) == len(parts):
            return dict(zip(names, places(parts, own).values(), strict=True))
    found = {name: own.index(name) for name in names if name in own}
    for name in sorted(set(names) - set(found)):
        start, taken = zlib.crc32(name.encode()), set(found.values())
        turns = (len(own) * (k // len(own)) + (start + k) % len(own) for k in itertools.count())
        found[name] = next(place for place in turns if place not in taken)
    return {name: found[name] for name in names}


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
    """One curve over layers for each `line`, with its interval as a band and the baselines dashed; a panel for each `panel`.

    `frame` has `layer` (as text, in order), `estimate, lower, upper, baseline` and the columns named; `reference` names a column
    drawn as a second baseline where it is there (an untrained network). Lines `behind` are drawn thin, grey and without a band.
    """
    panels = [None] if panel is None else list(pd.unique(frame[panel]))
    columns = 2 if len(panels) == 4 else min(len(panels), 4 if len(panels) > 6 else 3)
    rows = -(-len(panels) // columns)
    figure = blank((7.2, 4.4) if len(panels) == 1 else (2.4 + 2.5 * columns, 1.2 + 1.75 * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=False).ravel()
    names = places(map(str, pd.unique(frame[line]))) if panel != line else dict.fromkeys(map(str, panels), 0)
    for place, (axes, name) in enumerate(zip(grid, panels, strict=False)):
        for _, thin in () if behind is None else behind.groupby(line, sort=False, observed=True):
            axes.plot(thin["estimate"].to_numpy(), color="#BDBDBD", linewidth=0.6)
        part = frame if name is None else frame[frame[panel] == name]
        _draw_curves(axes, part, line, names, reference, label=len(panels) == 1)
        axes.set_title("" if name is None else str(name), fontsize=9, color=INK, loc="left", pad=3)
        label_layers(axes, list(pd.unique(frame["layer"])), room=columns)
        axes.set_ylabel(ylabel if place % columns == 0 else "", fontsize=9, color=INK)
        if place + columns >= len(panels):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("layer", fontsize=9, color=INK)
    for axes in grid[len(panels) :]:
        axes.remove()
    headline(figure, title)
    dotted = f"; dotted: {_words(reference)}" if reference in frame else ""
    sign(figure, signature, f"band: 95 % interval; dashed: shuffled pairs{dotted}")
    return figure


def heatmap(
    frame: pd.DataFrame, *, value: str = "estimate", row: str = "language", title: str = "", label: str = "", signature: object = ""
) -> Figure:
    """Every row's value at every layer as colour, highest rows on top; a dot marks cells whose interval reaches the baseline."""
    table = frame.pivot_table(index=row, columns="layer", values=value, sort=False, observed=True)
    table = table[list(pd.unique(frame["layer"]))]
    table = table.loc[table.max(axis=1).sort_values(ascending=False).index]
    height = 1.5 + 0.19 * len(table) if len(table) > 12 else 1.7 + 0.32 * len(table)
    figure = blank((max(5.4, 2.4 + 0.42 * table.shape[1]), height))
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
    sign(figure, signature, "dot: the 95 % interval reaches the shuffled baseline" if len(axes.collections) else "")
    return figure


def blank(size: tuple[float, float]) -> Figure:
    """An empty white figure that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(size, layout="constrained", facecolor="white")


def headline(figure: Figure, title: str) -> None:
    """The title at the upper left, on as many lines as the figure's width asks for."""
    text = textwrap.fill(title, int(figure.get_figwidth() * 72 / 7.4))
    figure.suptitle(text, x=0.01, ha="left", fontsize=11.5, color=INK, fontweight="bold")


def sign(figure: Figure, signature: object, caption: str = "") -> None:
    """Write what the marks mean and how the numbers were made at the foot of a figure, broken between fields."""
    width = int(figure.get_figwidth() * 72 / 3.9)
    lines = [caption] if caption else []
    lines += textwrap.wrap(str(signature).replace("|", "| ").replace("+", "+ "), width, break_on_hyphens=False)
    text = "\n".join(line.replace("| ", "|").replace("+ ", "+") for line in lines)
    figure.supxlabel(text, x=0.01, ha="left", fontsize=6.2, color=FAINT, family="monospace", linespacing=1.4)


def label_layers(axes: Axes, layers: Sequence[str], room: int = 1) -> None:
    """Name the layers under an axis, `embed` first, leaving some out where there are too many to read."""
    step = max(1, -(-len(layers) * room // 34))
    shown = range(0, len(layers), step)
    axes.set_xticks(list(shown), [str(layers[place]).replace("embed", "emb" if room > 1 else "embed") for place in shown])


def despine(axes: Axes) -> None:
    """Leave the left and lower axis lines only."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(labelsize=8.5, color=FAINT, labelcolor=INK, length=3)


def _words(name: str | None) -> str:
    return str(name).replace("_", " ")


def _draw_curves(axes: Axes, frame: pd.DataFrame, line: str, names: Mapping[str, int], reference: str | None, label: bool) -> None:
    drawn = []
    for name, part in frame.groupby(line, sort=False, observed=True):
        look = style(names[str(name)])
        axes.fill_between(range(len(part)), part["lower"], part["upper"], color=look["color"], alpha=0.16, linewidth=0)
        drawn += axes.plot(range(len(part)), part["estimate"], label=str(name), linewidth=1.8, **look)
    levels = frame.groupby("layer", sort=False, observed=True)
    drawn += axes.plot(
        levels["baseline"].mean().to_numpy(), label="shuffled pairs", color=FAINT, linewidth=1.2, linestyle=(0, (4, 2))
    )
    if reference in frame:
        level = levels[reference].mean().to_numpy()
        drawn += axes.plot(level, label=_words(reference), color=FAINT, linewidth=1.2, linestyle=(0, (1, 1.5)))
    despine(axes)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.02, y=0.06)
    if label:
        _name_lines(axes, drawn)


def name_ends(axes: Axes, ends: Iterable[tuple[float, str, str]]) -> None:
    """Names beside the right ends of lines (height, name, colour), none over another, a hair line to where each belongs."""
    ordered = sorted(ends)
    begin, end = axes.get_xlim()
    beside = end * (end / begin) ** 0.03 if axes.get_xscale() == "log" else 1.03 * end + 0.1
    for (value, name, colour), place in zip(ordered, _spread(axes, [value for value, _, _ in ordered]), strict=True):
        hair = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
        away = (beside, place)
        axes.annotate(name, (end, value), away, fontsize=8.5, color=colour, va="center", annotation_clip=False, arrowprops=hair)


def _name_lines(axes: Axes, lines: Sequence[Line2D]) -> None:
    """A key to the right of the axes, each name at the height of its line's peak: lines often end where they all meet."""
    from matplotlib.lines import Line2D

    ordered = sorted(lines, key=lambda line: np.nanmax(line.get_ydata()))
    places = _spread(axes, [float(np.nanmax(line.get_ydata())) for line in ordered])
    beside = axes.get_yaxis_transform()
    for line, place in zip(ordered, places, strict=True):
        sample = Line2D([1.015, 1.055], [place, place])
        sample.update_from(line)
        sample.set(transform=beside, clip_on=False)
        axes.add_artist(sample)
        axes.text(1.065, place, str(line.get_label()), transform=beside, fontsize=8.5, color=INK, va="center")


def _spread(axes: Axes, heights: Sequence[float]) -> list[float]:
    """Heights in rising order moved as little as legible names need, upwards first, then down from the top."""
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    tall = 0.6 * 72 * figure.get_figheight()  # of the axes, which are not laid out yet
    gap, spread = 11.5 / tall * (high - low), list(heights)
    for k in range(1, len(spread)):
        spread[k] = max(spread[k], spread[k - 1] + gap)
    spread[-1] = min(spread[-1], max(high, low + gap * len(spread)))
    for k in range(len(spread) - 2, -1, -1):
        spread[k] = min(spread[k], spread[k + 1] - gap)
    return spread


def _dot(axes: Axes, frame: pd.DataFrame, table: pd.DataFrame, row: str) -> None:
    unclear = frame[frame["lower"] <= frame["baseline"]]
    x = [table.columns.get_loc(layer) for layer in unclear["layer"]]
    y = [table.index.get_loc(name) for name in unclear[row]]
    axes.scatter(x, y, s=4, color="white", linewidths=0)

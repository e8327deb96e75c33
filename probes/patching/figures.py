"""Figures of patching effects over layers: a curve per token position or donor, and maps of heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from probes.figures.axes import colour_bar
from probes.figures.look import arranged
from probes.figures.style import FAINT, INK, PALETTE, blank, despine, headline, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = 12
_CLAIMS = "dots: what carries the answer, crosses: what pushes the other way (p < 0.05)"


def patch_curves(frame: pd.DataFrame, label: str, title: str, signature: str) -> Figure:
    """`estimate` with its confidence interval over `layer`: a line per `anchor`, a panel per `language` and `direction`.

    The dashed line is the baseline, without patching. Dots and crosses mark the claims of the verdict. `frame` is
    `PatchReport.summary()`; `label` names the y axis, `title` and `signature` stand above and under the figure.
    """
    panels, rest = _shown(frame, ["language", "direction"])
    figure, grid = _grid(len(panels), frame["direction"].nunique())
    anchors = list(dict.fromkeys(frame["anchor"]))
    for axes, ((language, direction), part) in zip(grid, panels, strict=False):
        lines(axes, part, "anchor", anchors)
        _mark(axes, part, anchors)
        axes.axhline(float(part["baseline"].iloc[0]), color=FAINT, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_title(f"{language} {direction}".strip(), fontsize=9, color=INK, loc="left")
    _finish(
        figure,
        grid,
        len(panels),
        label,
        title,
        signature,
        f"shaded: 95 % confidence interval over items; dashed: no patching\n{_CLAIMS}{rest}",
    )
    return figure


def head_maps(frame: pd.DataFrame, label: str, title: str, signature: str) -> Figure:
    """Maps of layers and heads, centred on no effect: a panel per language, direction and anchor.

    `frame, label, title, signature`: as `patch_curves`.
    """
    panels, rest = _shown(frame, ["language", "direction", "anchor"])
    figure, grid = _grid(len(panels), frame["direction"].nunique() * frame["anchor"].nunique())
    largest = (frame["estimate"] - frame["baseline"]).abs().max() or 1.0
    image: Any = None
    for axes, ((language, direction, anchor), part) in zip(grid, panels, strict=False):
        table = part.assign(change=part["estimate"] - part["baseline"]).pivot(index="layer", columns="head", values="change")
        image = axes.imshow(table.to_numpy(), cmap="RdBu", vmin=-largest, vmax=largest, origin="lower", aspect="auto")
        axes.set_title(f"{language} {direction} {anchor}".strip(), fontsize=9, color=INK, loc="left")
        _mark_map(axes, part, table)
        axes.set_xticks(range(0, table.shape[1], -(-table.shape[1] // 12)))
        step = -(-len(table) // 12)
        axes.set_yticks(range(0, len(table), step), [str(block) for block in table.index[::step]])
        axes.set_xlabel("head", fontsize=9, color=INK)
        axes.tick_params(labelsize=8.5, color=FAINT, labelcolor=INK, length=3)
        axes.spines[:].set_color("#DDDDDD")
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.supylabel("layer", fontsize=9, color=INK)
    colour_bar(figure, image, list(grid[: len(panels)]), f"change, {label}")
    headline(figure, title)
    sign(figure, signature, f"change relative to no patching\n{_CLAIMS}{rest}")
    return figure


def concept_curves(frame: pd.DataFrame, label: str, title: str, signature: str) -> Figure:
    """A panel per `donor`, a line per `readout` (which concept in which language) over `layer`, with confidence intervals.

    `frame` is `ConceptReport.summary()`; `label, title, signature`: as `patch_curves`.
    """
    panels, _ = _shown(frame, ["donor"])
    figure, grid = _grid(len(panels), 1)
    readouts = list(dict.fromkeys(frame["readout"]))
    for axes, ((donor,), part) in zip(grid, panels, strict=False):
        lines(axes, part, "readout", readouts)
        axes.set_title(f"donor: {donor}".replace("_", " "), fontsize=9, color=INK, loc="left")
    caption = (
        "A: the donor's concept; B: the prompt's concept; own: the prompt's language; shaded: 95 % confidence interval over items"
    )
    _finish(figure, grid, len(panels), label, title, signature, caption)
    return figure


def lines(axes: Axes, part: pd.DataFrame, line: str, names: Sequence[str]) -> None:
    """Draw a curve of `part` with its confidence interval on `axes` for each value of the column `line`, coloured as in `names`."""
    for name, own in part.groupby(line, sort=False):
        colour = PALETTE[names.index(str(name)) % len(PALETTE)]
        x = own["layer"].astype(int).to_numpy()
        axes.fill_between(x, own["lower"], own["upper"], color=colour, alpha=0.16, linewidth=0)
        axes.plot(x, own["estimate"], color=colour, linewidth=1.8, label=str(name).replace("_", " "))
    despine(axes)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("layer", fontsize=9, color=INK)


def _mark(axes: Axes, part: pd.DataFrame, anchors: Sequence[str]) -> None:
    """Dots where the answer is carried and crosses where patching pushes the other way, as the column `claim` says."""
    for anchor, own in part.groupby("anchor", sort=False):
        for claim, marker, size in (("carries", "o", 16), ("opposes", "x", 22)):
            at = own[own["claim"] == claim]
            colour = PALETTE[anchors.index(str(anchor)) % len(PALETTE)]
            axes.scatter(at["layer"].astype(int), at["estimate"], size, color=colour, marker=marker, linewidths=1.3, zorder=3)


def _mark_map(axes: Axes, part: pd.DataFrame, table: pd.DataFrame) -> None:
    for claim, marker in (("carries", "o"), ("opposes", "x")):
        at = part[part["claim"] == claim]
        axes.scatter(
            table.columns.get_indexer(at["head"]), table.index.get_indexer(at["layer"]), 5, color=INK, marker=marker, linewidths=0.7
        )


def _shown(frame: pd.DataFrame, keys: list[str]) -> tuple[list[tuple[tuple[object, ...], pd.DataFrame]], str]:
    """At most 12 panels, and the text of the caption about the rest."""
    panels = list((arranged(frame, "language") if "language" in keys else frame).groupby(keys, sort=False))
    hidden = len(panels) - _PANELS
    return panels[:_PANELS], f"\n{_PANELS} of {len(panels)} panels; the others: plot(languages=[...])" if hidden > 0 else ""


def _grid(panels: int, per_language: int) -> tuple[Figure, np.ndarray]:
    """A grid of panels, three or four in a row, or fewer to keep the panels of one language in one row."""
    columns = min(panels, 4 if per_language >= 4 else 3 // per_language * per_language)
    rows = -(-panels // columns)
    figure = blank((2.0 + 2.7 * columns, 1.3 + 2.3 * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()


def _finish(figure: Figure, grid: np.ndarray, panels: int, label: str, title: str, signature: str, caption: str) -> None:
    for axes in grid[panels:]:
        axes.remove()
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8.5)
    figure.supylabel(label, fontsize=9, color=INK)
    headline(figure, title)
    sign(figure, signature, caption)

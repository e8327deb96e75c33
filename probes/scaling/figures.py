"""Scores against the amount of data, drawn: curves, the log-log line, residuals; and divisions of a budget."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import finish
from probes.figures.look import arranged
from probes.figures.style import FAINT, INK, MARKERS, PALETTE, blank, headline, name_ends, sign, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def scaling_panels(
    points: pd.DataFrame, curves: pd.DataFrame, ceiling: float, title: str, ylabel: str, signature: str, caption: str = ""
) -> Figure:
    """A data-scale series three ways: scores with the fitted curves, what they lack to the ceiling on two log axes, and residuals.

    `points`: `language, size, estimate, lower, upper, error, fitted`; `curves`: `language, size, estimate, lower, upper`
    (the confidence interval). Residuals are in standard errors of their points. On the middle panel the law is a straight line.
    `ceiling` is that of the law; `ylabel` names the score; `title`, `signature` and `caption` are the text around the figure.
    """
    from matplotlib.ticker import LogLocator

    points, curves = arranged(points, "language"), arranged(curves, "language")
    figure = blank((12.4, 4.3))
    scores, gaps, residuals = figure.subplots(1, 3, width_ratios=(1.25, 1.0, 1.0))
    ends = []
    for index, (name, part) in enumerate(curves.groupby("language", sort=False)):
        own_points, look = points[points["language"] == name], style(index)
        colour, dash = look["color"], look["linestyle"]
        mark = {"color": colour, "marker": MARKERS[index % len(MARKERS)], "markersize": 4.5, "linestyle": "none"}
        bars = np.abs(own_points[["lower", "upper"]].to_numpy().T - own_points["estimate"].to_numpy())
        scores.fill_between(part["size"], part["lower"], part["upper"], color=colour, alpha=0.15, linewidth=0)
        scores.plot(part["size"], part["estimate"], linewidth=1.6, color=colour, linestyle=dash)
        scores.errorbar(own_points["size"], own_points["estimate"], bars, elinewidth=1, capsize=0, **mark)
        ends.append((float(part["estimate"].iloc[-1]), str(name), colour))
        gaps.plot(part["size"], ceiling - part["estimate"], linewidth=1.4, color=colour, linestyle=dash)
        below = own_points[own_points["estimate"] < ceiling]
        gaps.plot(below["size"], ceiling - below["estimate"], **mark)
        residuals.plot(own_points["size"], (own_points["estimate"] - own_points["fitted"]) / own_points["error"], **mark)
    for axes in (scores, gaps, residuals):
        axes.set_xscale("log")
    gaps.set_yscale("log")
    gaps.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    gaps.yaxis.set_major_formatter("{x:g}")
    residuals.axhspan(-1.96, 1.96, color=FAINT, alpha=0.12, linewidth=0)
    residuals.axhline(0, color=INK, linewidth=0.8)
    finish(scores, "pairs of the language", ylabel)
    finish(gaps, "pairs of the language", f"{ceiling:.3g} - {ylabel}")
    finish(residuals, "pairs of the language", "residual (standard errors)")
    _label_sizes((scores, gaps, residuals), points)
    name_ends(scores, ends)
    headline(figure, title)
    marks = "bars: 95 % confidence interval of a point; shaded: of the fitted law, if the law holds; grey: +-1.96"
    sign(figure, signature, f"{marks}\n{caption}" if caption else marks)
    return figure


def allocation_bars(frame: pd.DataFrame, title: str, verdict: str, signature: str) -> Figure:
    """The pairs each language gets under the plan and under uniform, and the score expected of each.

    `frame` is `Plan.table()`, `verdict` that of the plan; `title` and `signature` are the text around the figure.
    """
    frame = arranged(frame, "language")
    figure = blank((8.6, 1.9 + 0.42 * len(frame)))
    shares, scores = figure.subplots(1, 2, sharey=True, width_ratios=(1.3, 1.0))
    y = np.arange(len(frame))[::-1]
    for offset, (column, name, colour) in zip((0.19, -0.19), _sides("pairs", "uniform"), strict=True):
        shares.barh(y + offset, frame[column], height=0.34, color=colour, label=name)
    for row, pairs in zip(y, frame["pairs"], strict=True):
        shares.annotate(f"{pairs:,}", (pairs, row + 0.19), (3, 0), textcoords="offset points", va="center", fontsize=7.5, color=INK)
    for column, name, colour in reversed(_sides("score", "uniform_score")):
        scores.plot(frame[column], y, "o" if column == "score" else "D", color=colour, markersize=6, label=name)
    shares.set_yticks(y, frame["language"], fontsize=8.5)
    finish(shares, "pairs", "")
    finish(scores, "expected score", "")
    shares.margins(x=0.14)
    scores.margins(y=0.1, x=0.1)
    for axes in (shares, scores):
        axes.grid(axis="x", color="#E6E6E6", linewidth=0.6)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(-0.6, len(frame) - 0.4)
    scores.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
    headline(figure, title)
    sign(figure, signature, textwrap.fill(verdict, 120))
    return figure


def _sides(planned: str, uniform: str) -> tuple[tuple[str, str, str], ...]:
    return ((planned, "plan", PALETTE[0]), (uniform, "uniform", "#BDBDBD"))


def _label_sizes(panels: tuple[Axes, ...], points: pd.DataFrame) -> None:
    """The measured sizes as ticks, no more than fit."""
    sizes = np.sort(points["size"].unique())
    shown = sizes[:: max(1, -(-len(sizes) // 6))]
    for axes in panels:
        axes.set_xticks(shown, [f"{size:,.0f}" if size < 10_000 else f"{size / 1000:,.0f}k" for size in shown])
        axes.minorticks_off()

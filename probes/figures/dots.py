"""Scores under several conditions, as dots with confidence intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.figures.axes import finish
from probes.figures.look import arranged
from probes.figures.style import INK, MARKERS, PALETTE, blank, headline, sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def arm_dots(frame: pd.DataFrame, title: str, xlabel: str, signature: str) -> Figure:
    """The score of each language in each arm of an experiment, side by side.

    Parameters
    ----------
    frame
        Columns `arm, language, estimate, lower, upper`, and `claimed`: whether the verdict claims that the arm differs there from
        the one it is compared with. Only those dots are filled.
    title
        Title of the figure.
    xlabel
        Label of the horizontal axis.
    signature
        Line under the figure.
    """
    frame = arranged(frame, "language")
    names, arms = list(frame["language"].unique()), list(frame["arm"].unique())
    figure = blank((7.0, 1.8 + 0.5 * len(names)))
    axes = figure.subplots()
    for index, arm in enumerate(arms):
        part = frame[frame["arm"] == arm]
        y = np.arange(len(names))[::-1] + 0.22 * ((len(arms) - 1) / 2 - index)
        colour = PALETTE[index]
        axes.hlines(y, part["lower"], part["upper"], color=colour, linewidth=1.6, alpha=0.6)
        axes.plot(part["estimate"], y, MARKERS[index], color=colour, markersize=5, markerfacecolor="white", label=arm)
        sure = part["claimed"].to_numpy(dtype=bool)
        axes.plot(part["estimate"][sure], y[sure], MARKERS[index], color=colour, markersize=5)
    axes.set_yticks(np.arange(len(names))[::-1], names, fontsize=8.5)
    finish(axes, xlabel, "")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(arms), borderpad=0)
    headline(figure, title)
    sign(figure, signature, "bars: 95 % confidence interval over sentences and seeds; filled: a difference that the verdict claims")
    return figure

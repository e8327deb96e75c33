"""Figure of steering: the generated text at each strength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from probes.figures.axes import finish
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def alpha_curves(frame: pd.DataFrame, names: Mapping[str, str], title: str, signature: str) -> Figure:
    """A panel per metric over the strength of the edit, with confidence intervals; random directions in grey.

    `frame` is `SubspaceReport.summary()`; `names` maps each metric to the title of its panel.
    """
    figure = blank((2.2 + 2.6 * len(names), 3.5))
    for axes, (metric, text) in zip(figure.subplots(1, len(names), squeeze=False)[0], names.items(), strict=True):
        part = frame[frame["metric"] == metric].sort_values("alpha")
        x = part["alpha"].to_numpy()
        axes.fill_between(x, part["random_lower"], part["random_upper"], color=FAINT, alpha=0.18, linewidth=0)
        axes.plot(x, part["baseline"], color=FAINT, linewidth=1.4, linestyle=(0, (4, 2)), label="random direction")
        axes.fill_between(x, part["lower"], part["upper"], color=PALETTE[0], alpha=0.18, linewidth=0)
        axes.plot(x, part["estimate"], color=PALETTE[0], linewidth=2, marker="o", markersize=4, label="steered")
        axes.axvline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
        axes.set_title(text, fontsize=9.5, color=INK, loc="left")
        finish(axes, "strength (alpha)", "")
    figure.axes[0].legend(frameon=False, fontsize=8.5, labelcolor=INK)
    headline(figure, title)
    sign(figure, signature)
    return figure

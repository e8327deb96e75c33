"""Figures of label answers: the label that each layer predicts, and the accuracy in each language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.languages import language
from probes.figures.look import arranged, chosen
from probes.figures.panels import entropy_strip, finish_layers, legend, name_axes, panels
from probes.figures.style import FAINT, INK, PALETTE, blank, despine, headline, sign, style
from probes.lens.figures import band

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 6  # languages with a panel of their own


def label_curves(summary: pd.DataFrame, labels: str, signature: object = "") -> Figure:
    """The probability of the right label (full) and of any label (dashed), as asked for and in English, above the entropy.

    `summary` is `LabelLensReport.summary()`, `labels` names the language of the labels, `signature` stands under the figure.
    """
    languages = chosen(pd.unique(summary["language"]))
    shown = languages if len(languages) <= _MOST else languages[:1]
    rest = "" if shown == languages else f"{len(shown)} of {len(languages)} panels; the others: plot(languages=[...])"
    layers = list(pd.unique(summary["layer"]))
    figure, pairs = panels(len(shown), strip=True)
    undecided = summary[summary["measure"] == "entropy"]
    asked = {"english": "English"}.get(labels, labels)
    for (axes, strip), code in zip(pairs, shown, strict=True):
        curves = summary[summary["language"] == code].groupby("measure", sort=False)
        parts = dict(iter(curves))
        for dashed, (ending, name) in enumerate({"": f"{asked} label", "_english": "English label"}.items()):
            if f"gold{ending}" in parts:
                look = style(1 - dashed)
                band(axes, parts[f"gold{ending}"], f"right {name}", look)
                band(axes, parts[f"any{ending}"], f"any {name}", {**look, "linestyle": (0, (4, 2))}, heavy=False)
        if parts["any"]["random_init"].notna().any():
            axes.plot(
                parts["any"]["random_init"].to_numpy(), color=FAINT, linewidth=1.2, linestyle=":", label="any, random weights"
            )
        entropy_strip(figure, strip, undecided[undecided["language"] == code], layers, float(undecided["estimate"].max()))
    for (axes, _), code in zip(pairs, shown, strict=True):
        finish_layers(axes, layers, _name(code) if len(shown) > 1 else "")
    legend(figure, [axes for axes, _ in pairs])
    headline(figure, "The label that each layer predicts")
    name_axes(pairs, "probability")
    sign(figure, signature, "\n".join(filter(None, ["shaded: 95 % confidence interval", rest])))
    return figure


def right_curves(summary: pd.DataFrame, signature: object = "") -> Figure:
    """How often the right label is the most probable one at each layer, and its share of the probability of all labels.

    `summary` is `LabelLensReport.summary()`; `signature` stands under the figure.
    """
    layers, whole = list(pd.unique(summary["layer"])), summary[summary["language"] == "all"]
    figure, [(axes, _)] = panels(1)
    for index, (measure, label) in enumerate((("correct", "right label first"), ("share", "P(right label) / P(any label)"))):
        part = whole[whole["measure"] == measure]
        band(axes, part, label, style(index))
        if part["random_init"].notna().any():
            axes.plot(
                part["random_init"].to_numpy(), color=PALETTE[index], linewidth=1.1, linestyle=":", label=f"{label}, random weights"
            )
    most = float(whole[whole["measure"] == "correct"]["baseline"].iloc[0])
    axes.axhline(most, color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)), label="most frequent label")
    finish_layers(axes, layers, "")
    legend(figure, [axes])
    headline(figure, "Accuracy by layer")
    name_axes([(axes, axes)], "share of items, or of probability")
    sign(figure, signature)
    return figure


def accuracy_dots(accuracy: pd.DataFrame, signature: object = "") -> Figure:
    """How often the answer is right in each language, in their order; the dashed line is the most frequent label.

    `accuracy` is `LabelLensReport.accuracy()`; `signature` stands under the figure.
    """
    ordered = arranged(accuracy, "language").iloc[::-1]
    whole = ordered["language"] == "all"
    figure = blank((6.4, 1.5 + 0.24 * len(ordered)))
    axes = figure.subplots()
    y = np.arange(len(ordered))
    colours = [PALETTE[1] if is_mean else PALETTE[0] for is_mean in whole]
    axes.hlines(y, ordered["lower"], ordered["upper"], colors=colours, linewidth=2, alpha=0.45)
    axes.scatter(ordered["estimate"], y, c=colours, s=28, zorder=3)
    axes.axvline(float(ordered["baseline"].iloc[0]), color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=0)
    axes.annotate("most frequent label", (float(ordered["baseline"].iloc[0]), 1), xycoords=("data", "axes fraction"), xytext=(3, 3),
                  textcoords="offset points", fontsize=7.5, color=FAINT)  # fmt: skip
    axes.set_yticks(y, [_name(code) for code in ordered["language"]])
    despine(axes)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("share of items answered rightly", fontsize=9, color=INK)
    headline(figure, "Accuracy by language of the question")
    sign(figure, signature, "bar: 95 % confidence interval over items")
    return figure


def _name(code: str) -> str:
    return "all languages" if code == "all" else language(code).name

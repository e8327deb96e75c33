"""Figures of the lens: probability curves above a strip of entropy, and entropy, divergence and token energy by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from interp.languages import language
from probes.figures.panels import entropy_strip, finish_layers, legend, name_axes, panels
from probes.figures.style import FAINT, INK, PALETTE, blank, headline, sign, style_indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Marks = Mapping[str, tuple[str | None, str | None, str | None]]
_NAMED = 4  # more languages than this beside pivot and target are drawn as their mean


def language_curves(summary: pd.DataFrame, pivot: str, marks: Marks, signature: object = "") -> Figure:
    """Draw the probability of a word in every language over layers, one panel per target, above a strip of the entropy.

    Grey lines are unrelated words of the reference language (dashed) and its word in the randomly initialised model (dotted).

    Parameters
    ----------
    summary
        The summary of a `LatentLanguageReport`.
    pivot
        Reference language.
    marks
        For each target language, the crossover layer with its 95 % confidence interval.
    signature
        The line under the figure.
    """
    targets, layers = list(pd.unique(summary["target"])), list(pd.unique(summary["layer"]))
    words = summary[summary["measure"] == "probability"]
    entropy = summary[summary["measure"] == "entropy"]
    others = [code for code in pd.unique(words["series"]) if code != pivot]
    few = len(others) <= _NAMED + 1
    colours = _colours([pivot, *others]) if few else dict.fromkeys(others, PALETTE[1]) | {pivot: PALETTE[0]}
    figure, pairs = panels(len(targets), strip=True)
    for (axes, strip), target in zip(pairs, targets, strict=True):
        mine = words[words["target"] == target]
        if target in marks:
            _mark(axes, layers, marks[target])
        band(axes, mine[mine["series"] == pivot], _name(pivot), colours[pivot])
        band(axes, mine[mine["series"] == target], _name(target) if few or len(targets) == 1 else "the target", colours[target])
        third = [code for code in others if code != target and (mine["series"] == code).any()]
        _third_languages(axes, mine, third, colours if few else {})
        _floor(axes, mine[mine["series"] == pivot], _name(pivot))
        entropy_strip(figure, strip, entropy[entropy["target"] == target], layers, float(entropy["estimate"].max()), len(targets))
    for (axes, _), target in zip(pairs, targets, strict=True):
        finish_layers(axes, layers, _name(target) if len(targets) > 1 else "", room=min(len(targets), 3))
    legend(figure, [axes for axes, _ in pairs])
    headline(figure, f"The answer in {_name(pivot)} and in the target, layer by layer")
    name_axes(pairs, "probability of the word")
    sign(figure, signature)
    return figure


def energy_curves(summary: pd.DataFrame, signature: object = "") -> Figure:
    """Draw entropy, divergence from the last layer and token energy of a `summary` by layer; `signature` is the line under it."""
    measures = {"entropy": "entropy (bits)", "divergence": "KL from the last\nlayer (bits)", "energy": "token energy"}
    layers, targets = list(pd.unique(summary["layer"])), list(pd.unique(summary["target"]))
    colours = _colours(targets)
    figure = blank((7.4, 6.0))
    drawn = list(figure.subplots(len(measures), 1, sharex=True))
    for axes, (measure, label) in zip(drawn, measures.items(), strict=True):
        for target in targets:
            part = summary[(summary["target"] == target) & (summary["measure"] == measure)]
            band(axes, part, _name(target), colours[target], heavy=len(targets) < 4)
            if part["random_init"].notna().any():
                axes.plot(part["random_init"].to_numpy(), color=FAINT, linewidth=1, linestyle=":", label="random weights")
        finish_layers(axes, layers, "")
        axes.set_ylabel(label, fontsize=9, color=INK)
    legend(figure, drawn[:1])
    headline(figure, "Entropy, divergence from the last layer and token energy")
    name_axes([(axes, axes) for axes in drawn], None)
    sign(figure, signature)
    return figure


def band(axes: Axes, part: pd.DataFrame, label: str, colour: str, *, heavy: bool = True, dash: Any = "-") -> None:
    """Draw one curve (`part` of a summary) over layers with its 95 % confidence interval."""
    x = np.arange(len(part))
    axes.fill_between(x, part["lower"], part["upper"], color=colour, alpha=0.18 if heavy else 0.1, linewidth=0)
    axes.plot(
        x,
        part["estimate"].to_numpy(),
        label=label,
        color=colour,
        linewidth=2.2 if heavy else 1.2,
        linestyle=dash,
        zorder=3 if heavy else 2,
    )


def _third_languages(axes: Axes, mine: pd.DataFrame, codes: Sequence[str], colours: Mapping[str, str]) -> None:
    if not colours:
        mean = mine[mine["series"].isin(codes)].groupby("layer", sort=False, observed=True)["estimate"].mean().to_numpy()
        axes.plot(mean, color=PALETTE[2], linewidth=1.2, label=f"{len(codes)} other languages, mean")
        return
    for code in codes:
        band(axes, mine[mine["series"] == code], _name(code), colours[code], heavy=False)


def _floor(axes: Axes, pivot: pd.DataFrame, name: str) -> None:
    axes.plot(pivot["baseline"].to_numpy(), color=FAINT, linewidth=1.3, linestyle=(0, (4, 2)), label=f"unrelated {name} words")
    if pivot["random_init"].notna().any():
        axes.plot(pivot["random_init"].to_numpy(), color=FAINT, linewidth=1.3, linestyle=":", label=f"{name}, random weights")


def _mark(axes: Axes, layers: Sequence[str], mark: tuple[str | None, ...]) -> None:
    at, lower, upper = (layers.index(str(layer)) for layer in mark)
    axes.axvspan(lower - 0.5, upper + 0.5, color="#F6EFD4", linewidth=0, zorder=0)
    axes.axvline(at, color="#B8860B", linewidth=1, zorder=1)
    said, place = f"crossover {mark[0]} [{mark[1]}, {mark[2]}]", (lower - 0.5, 1)
    axes.annotate(said, place, xycoords=("data", "axes fraction"), xytext=(-4, -2), textcoords="offset points", ha="right",
                  va="top", fontsize=8, color="#8A6508")  # fmt: skip


def _colours(codes: Sequence[str]) -> dict[str, str]:
    return {code: PALETTE[place % len(PALETTE)] for code, place in style_indices(codes).items()}


def _name(code: str) -> str:
    return language(code).name

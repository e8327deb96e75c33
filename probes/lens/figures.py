"""Figures of the lens: probability curves above a strip of entropy, and entropy, divergence and token energy by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.languages import language
from probes.figures.look import capped, chosen
from probes.figures.panels import by_root, entropy_strip, finish_layers, legend, name_axes, panels
from probes.figures.style import FAINT, INK, LineStyle, Look, blank, headline, sign, style, style_indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Marks = Mapping[str, tuple[str | None, str | None, str | None]]
Runs = Mapping[str, Sequence[tuple[str, int, int]]]
_LOW = 0.1
_NAMED = 4  # more languages than this beside pivot and target are drawn as their mean


def language_curves(summary: pd.DataFrame, pivot: str, marks: Marks, signature: object = "", leads: Runs | None = None) -> Figure:
    """Draw the probability of a word in every language over layers, one panel per target, above a strip of the entropy.

    Grey lines are unrelated words of the reference language (dashed) and its word in the randomly initialised model (dotted). The
    word given in the prompt is drawn as heavy as the two that it is held against. A bar along the top has the colour of the word
    that leads at each layer. Where the word of the reference language stays below a tenth of the highest, the scale is a square
    root, on which both are seen.

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
    leads
        For each target language, the language, first and last row of every run of layers at which one word leads.
    """
    (targets, rest), layers = capped(chosen(pd.unique(summary["target"]))), list(pd.unique(summary["layer"]))
    words = summary[summary["measure"] == "probability"]
    entropy = summary[summary["measure"] == "entropy"]
    others = [code for code in pd.unique(words["series"]) if code != pivot]
    few = len(others) <= _NAMED + 1
    figure, pairs = panels(len(targets), strip=True)
    for (axes, strip), target in zip(pairs, targets, strict=True):
        mine = words[words["target"] == target]
        given = [code for code in pd.unique(mine.loc[mine["role"] == "source", "series"]) if (mine["series"] == code).any()]
        looks = _looks([pivot, *others]) if few else _roles(pivot, target, given)
        if target in marks:
            _mark(axes, layers, marks[target])
        band(axes, mine[mine["series"] == pivot], _name(pivot), looks[pivot])
        band(axes, mine[mine["series"] == target], _name(target) if few or len(targets) == 1 else "the target", looks[target])
        for code in given:
            named = _name(code) if len(targets) > 1 else f"{_name(code)}, given"
            band(axes, mine[mine["series"] == code], named if few else "the given word", looks[code])
        third = [code for code in others if code not in (target, *given) and (mine["series"] == code).any()]
        _third_languages(axes, mine, third, looks if few else {})
        _floor(axes, mine[mine["series"] == pivot], _name(pivot))
        _bar(axes, (leads or {}).get(target, ()), looks)
        entropy_strip(figure, strip, entropy[entropy["target"] == target], layers, float(entropy["estimate"].max()))
    for (axes, _), target in zip(pairs, targets, strict=True):
        finish_layers(axes, layers, _name(target) if len(targets) > 1 else "")
    low = _is_low(words, pivot)
    if low:
        by_root([axes for axes, _ in pairs])
    legend(figure, [axes for axes, _ in pairs])
    headline(figure, f"The answer in {_name(pivot)} and in the target, layer by layer")
    name_axes(pairs, "probability of the word" + ("\n(square-root scale)" if low else ""))
    key = "shaded: 95 % confidence interval" + ("; bar on top: the word that leads at a layer" if leads else "")
    sign(figure, signature, "\n".join(filter(None, [key, rest])))
    return figure


def energy_curves(summary: pd.DataFrame, signature: object = "") -> Figure:
    """Draw entropy, divergence from the last layer and token energy of a `summary` by layer; `signature` is the line under it."""
    measures = {"entropy": "entropy (bits)", "divergence": "KL from the last\nlayer (bits)", "energy": "token energy"}
    layers, targets = list(pd.unique(summary["layer"])), chosen(pd.unique(summary["target"]))
    looks = _looks(targets)
    figure = blank((7.4, 6.0))
    drawn = list(figure.subplots(len(measures), 1, sharex=True))
    for axes, (measure, label) in zip(drawn, measures.items(), strict=True):
        for target in targets:
            part = summary[(summary["target"] == target) & (summary["measure"] == measure)]
            band(axes, part, _name(target), looks[target], heavy=len(targets) < 4)
            if part["random_init"].notna().any():
                axes.plot(part["random_init"].to_numpy(), color=FAINT, linewidth=1, linestyle=":", label="random weights")
        finish_layers(axes, layers, "")
        axes.set_ylabel(label, fontsize=9, color=INK)
    legend(figure, drawn[:1])
    headline(figure, "Entropy, divergence from the last layer and token energy")
    name_axes([(axes, axes) for axes in drawn], None)
    sign(figure, signature, "shaded: 95 % confidence interval")
    return figure


def band(axes: Axes, part: pd.DataFrame, label: str, look: Look, *, heavy: bool = True) -> None:
    """Draw one curve (`part` of a summary) over layers with its 95 % confidence interval on `axes`.

    `label` is its name in the legend, `look` is a `style`, and a `heavy` line is the wider one.
    """
    x = np.arange(len(part))
    axes.fill_between(x, part["lower"], part["upper"], color=look["color"], alpha=0.18 if heavy else 0.1, linewidth=0)
    axes.plot(x, part["estimate"].to_numpy(), label=label, linewidth=2.2 if heavy else 1.2, zorder=3 if heavy else 2, **look)


def _is_low(words: pd.DataFrame, pivot: str) -> bool:
    """Whether the word of the reference language would lie on the axis of the others."""
    return bool(words.loc[words["series"] == pivot, "estimate"].max() < _LOW * words["estimate"].max())


def _third_languages(axes: Axes, rows: pd.DataFrame, codes: Sequence[str], looks: Mapping[str, Look]) -> None:
    if not codes:
        return
    if not looks:
        mean = rows[rows["series"].isin(codes)].groupby("layer", sort=False, observed=True)["estimate"].mean().to_numpy()
        axes.plot(mean, linewidth=1.2, label="other languages, mean", **style(3))
        return
    for code in codes:
        band(axes, rows[rows["series"] == code], _name(code), looks[code], heavy=False)


def _bar(axes: Axes, runs: Sequence[tuple[str, int, int]], looks: Mapping[str, Look]) -> None:
    """Along the top, who leads at which layers."""
    for code, first, last in runs:
        axes.plot([first - 0.5, last + 0.5], [1, 1], transform=axes.get_xaxis_transform(), color=looks[code]["color"], linewidth=5,
                  solid_capstyle="butt", clip_on=False, zorder=4)  # fmt: skip


def _floor(axes: Axes, pivot: pd.DataFrame, name: str) -> None:
    axes.plot(pivot["baseline"].to_numpy(), color=FAINT, linewidth=1.3, linestyle=(0, (4, 2)), label=f"unrelated {name} words")
    if pivot["random_init"].notna().any():
        axes.plot(pivot["random_init"].to_numpy(), color=FAINT, linewidth=1.3, linestyle=":", label=f"{name}, random weights")


def _mark(axes: Axes, layers: Sequence[str], mark: tuple[str | None, ...]) -> None:
    at, lower, upper = (layers.index(str(layer)) for layer in mark)
    axes.axvspan(lower - 0.5, upper + 0.5, color="#F6EFD4", linewidth=0, zorder=0)
    axes.axvline(at, color="#B8860B", linewidth=1, zorder=1)
    text, early = f"crossover {mark[0]} [{mark[1]}, {mark[2]}]", lower < len(layers) / 3
    corner, side = ((upper + 0.5, 1), "left") if early else ((lower - 0.5, 1), "right")
    axes.annotate(text, corner, xycoords=("data", "axes fraction"), xytext=(4 if early else -4, -6), textcoords="offset points",
                  ha=side, va="top", fontsize=8, color="#8A6508")  # fmt: skip


def _looks(codes: Sequence[str]) -> dict[str, LineStyle]:
    return {code: style(index) for code, index in style_indices(codes).items()}


def _roles(pivot: str, target: str, given: Sequence[str]) -> dict[str, LineStyle]:
    """One style for the reference language, one for every target, one for the word given, where languages are too many."""
    return {pivot: style(0), target: style(1), **dict.fromkeys(given, style(2))}


def _name(code: str) -> str:
    return language(code).name

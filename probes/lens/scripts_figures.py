"""In which script a layer would write, drawn; and the colour and name of every script and of what is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import langcodes
import pandas as pd

from interp.languages import language
from probes.figures.look import capped, chosen
from probes.figures.panels import finish_layers, legend, name_axes, panels
from probes.figures.style import PALETTE, headline, sign, style_indices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREYS = {"common": "#C4C4C4", "mixed": "#ADADAD", "bytes": "#8A8A8A", "special": "#6A6A6A", "other": "#E0E0E0"}
"""Colours of what is no script: digits and signs, tokens of several scripts, parts of letters, control tokens, rare scripts."""
_SCRIPTS = {
    **dict(zip(("Latn", "Grek", "Cyrl", "Hani", "Arab", "Deva"), PALETTE, strict=False)),
    "Hira": "#332288", "Kana": "#44AA99", "Hang": "#882255", "Thai": "#999933", "Beng": "#8C510A", "Taml": "#DDCC77",
}  # fmt: skip
"""Scripts whose colour no other takes, after those of the languages written in them and then Paul Tol's muted ones."""


def script_areas(summary: pd.DataFrame, signature: object = "") -> Figure:
    """In which scripts the readout would write, over layers, a panel per target; greys are no script (digits, parts of letters).

    `summary` is that of a lens report with scripts; `signature` stands under the figure.
    """
    (targets, rest), layers = capped(chosen(pd.unique(summary["target"]))), list(pd.unique(summary["layer"]))
    order = summary.groupby("series", observed=True)["estimate"].mean().sort_values(ascending=False).index
    scripts = [*(name for name in order if name not in GREYS), *(name for name in GREYS if name in order)]
    figure, pairs = panels(len(targets))
    for (axes, _), target in zip(pairs, targets, strict=True):
        wide = summary[summary["target"] == target].pivot(index="layer", columns="series", values="estimate")
        shares = wide.reindex(index=layers, columns=scripts).fillna(0).to_numpy().T
        labels = [script_name(name) for name in scripts]
        axes.stackplot(range(len(layers)), shares, colors=script_colours(scripts), labels=labels, edgecolor="white", linewidth=0.5)
        finish_layers(axes, layers, language(target).name if len(targets) > 1 else "")
        axes.set_ylim(0, 1)
        axes.set_xlim(0, len(layers) - 1)
    legend(figure, [axes for axes, _ in pairs])
    headline(figure, "The script that each layer predicts")
    name_axes(pairs, "share of probability")
    sign(figure, signature, rest)
    return figure


def script_name(script: str) -> str:
    """A class of tokens (`script`) in words: "Cyrillic"; what is no script, said so."""
    plain = {
        "common": "digits, signs",
        "mixed": "several scripts",
        "bytes": "parts of letters",
        "special": "control",
        "other": "other",
    }
    return plain.get(script) or langcodes.Language.make(script=script).script_name().removesuffix(" script")


def script_colours(scripts: Sequence[str]) -> list[str]:
    """A colour for each of `scripts`, the same in every figure as far as twelve colours go; greys for what is none."""
    written = style_indices((name for name in scripts if name not in GREYS), fixed=tuple(_SCRIPTS))
    colours = list(_SCRIPTS.values())
    return [GREYS.get(name) or colours[written[name] % len(colours)] for name in scripts]

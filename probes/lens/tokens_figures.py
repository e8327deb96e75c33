"""The token every layer would say at every position, in its own script, with the runners-up on hover.

An SVG keeps text as text, so a browser finds a font for every script and sets right-to-left words as they are read; the PDF has
those of `probes.figures.fonts`. Colour is the script of the token, its strength how probable the token is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pandas as pd

from interp.files.atomic import whole
from probes.figures.style import INK, Look, blank, headline, sign
from probes.lens.scripts_figures import GREYS, script_colours, script_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_MOST = 40  # positions a figure shows, the last ones
_WIDEST = 12  # letters of a token that fit into a cell
_JOINERS = "\u200c\u200d"


def token_grid(tokens: pd.DataFrame, signature: object = "") -> Figure:
    """The most probable next token by layer (upwards) and position (in reading order of the prompt's tokens).

    `tokens` has a row per `position`, `layer` and `place` (1 is the most probable) with `token` (the prompt's at that position),
    `predicted`, `script` and `probability`. Cells are named `cell-<layer row>-<position>` for `add_titles`.
    `signature` stands under the figure.
    """
    layers, positions = list(pd.unique(tokens["layer"])), sorted(pd.unique(tokens["position"]))[-_MOST:]
    best = tokens[(tokens["place"] == 1) & tokens["position"].isin(positions)]
    scripts = _by_weight(best)
    colours = dict(zip(scripts, script_colours(scripts), strict=True))
    figure = blank((1.9 + 0.9 * len(positions), 2.0 + (0.27 if len(layers) <= 40 else 0.2) * len(layers)))
    axes = figure.subplots()
    for row in best.itertuples(index=False):
        _cell(axes, positions.index(row.position), layers.index(row.layer), row, colours[row.script])
    axes.set(xlim=(-0.5, len(positions) - 0.5), ylim=(-0.5, len(layers) - 0.5))
    prompt = best[best["layer"] == layers[0]].set_index("position")["token"]
    axes.set_xticks(range(len(positions)), [shown(prompt[position]) for position in positions], fontsize=8.5, parse_math=False)
    axes.set_yticks(range(len(layers)), layers, fontsize=8.5)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("layer", fontsize=9, color=INK)
    axes.set_xlabel("after this token of the prompt", fontsize=9, color=INK)
    headline(figure, "The next token that each layer predicts")
    _keys(axes, colours)
    sign(figure, signature)
    return figure


def titles(tokens: pd.DataFrame) -> dict[str, str]:
    """What is said on hover over each cell of the grid of `tokens`: layer, position, and the most probable tokens in order."""
    layers, positions = list(pd.unique(tokens["layer"])), sorted(pd.unique(tokens["position"]))[-_MOST:]
    texts = {}
    for (layer, position), part in tokens[tokens["position"].isin(positions)].groupby(["layer", "position"], sort=False):
        lines = [f"{shown(row.predicted)}  {row.probability:.3f}" for row in part.sort_values("place").itertuples(index=False)]
        where = f"layer {layer}, after {shown(part['token'].iloc[0])}"
        texts[f"cell-{layers.index(layer)}-{positions.index(position)}"] = "\n".join([where, *lines])
    return texts


def add_titles(path: Path, texts: Mapping[str, str]) -> None:
    """Give elements of the SVG file `path` a hover text (`texts`, by id); the writing on a cell does not take the mouse from it."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    tree = ET.parse(path)
    for element in tree.iter(f"{{{_SVG}}}g"):
        name = element.get("id", "")
        if name in texts:
            title = ET.Element(f"{{{_SVG}}}title")
            title.text = texts[name]
            element.insert(0, title)
        elif name.startswith("word-"):
            element.set("pointer-events", "none")
    with whole(path) as temporary:
        tree.write(temporary, encoding="utf-8", xml_declaration=True)


def shown(token: str) -> str:
    """A `token` as it can be seen: spaces and line ends as signs, invisible characters by number, long ones cut."""
    signs = {" ": "␣", "\n": "⏎", "\t": "⇥"}
    joiners = _JOINERS if len(token) > 1 else ""
    seen = [signs.get(c) or (f"U+{ord(c):04X}" if unicodedata.category(c)[0] in "CZ" and c not in joiners else c) for c in token]
    wide = [2 if unicodedata.east_asian_width(c[0]) in "WF" else 0 if unicodedata.combining(c[0]) else len(c) for c in seen]
    fitting = [count for count in range(len(seen) + 1) if sum(wide[:count]) <= _WIDEST]
    return "".join(seen) if fitting[-1] == len(seen) else "".join(seen[: fitting[-1] - 1]) + "…"


def _cell(axes: Axes, x: int, y: int, row: Any, colour: str) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    strength = 0.08 + 0.92 * row.probability**0.7
    face = tuple(1 - strength * (1 - part) for part in to_rgb(colour))
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="white", linewidth=1, gid=f"cell-{y}-{x}"))
    dark = sum(weight * part for weight, part in zip((0.299, 0.587, 0.114), face, strict=True)) < 0.55
    look: Look = {"ha": "center", "va": "center", "fontsize": 8, "color": "white" if dark else INK, "parse_math": False}
    axes.text(x, y, shown(row.predicted), gid=f"word-{y}-{x}", **look)


def _by_weight(best: pd.DataFrame) -> list[str]:
    order = list(best.groupby("script")["probability"].sum().sort_values(ascending=False).index)
    return [*(name for name in order if name not in GREYS), *(name for name in GREYS if name in order)]


def _keys(axes: Axes, colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch

    keys = [Patch(facecolor=colour, label=script_name(name)) for name, colour in colours.items()]
    look: Look = {
        "frameon": False,
        "fontsize": 8.5,
        "labelcolor": INK,
        "handlelength": 1.2,
        "columnspacing": 1.2,
        "borderpad": 0,
    }
    axes.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1.01), ncols=len(keys), **look)

"""Tidy frames in, matplotlib figures out: curves over layers and language-by-layer maps. No measuring, no files.

Drawn on `matplotlib.figure.Figure` itself, so no window opens and no global state changes. Axes carry ASCII language codes:
matplotlib's fonts lack most scripts.
"""

from __future__ import annotations

import itertools
import re
import textwrap
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
"""Okabe & Ito's colours for readers of any colour vision; grey for their yellow, which is lost on white."""
MARKERS = "osD^vP*X"
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


def name_ends(axes: Axes, ends: Iterable[tuple[float, str, str]]) -> None:
    """Names beside the right ends of lines (height, name, colour), none over another, a hair line to where each belongs."""
    ordered = sorted(ends)
    begin, end = axes.get_xlim()
    beside = end * (end / begin) ** 0.03 if axes.get_xscale() == "log" else 1.03 * end + 0.1
    for (value, name, colour), place in zip(ordered, _spread(axes, [value for value, _, _ in ordered]), strict=True):
        hair = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
        away = (beside, place)
        axes.annotate(name, (end, value), away, fontsize=8.5, color=colour, va="center", annotation_clip=False, arrowprops=hair)


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

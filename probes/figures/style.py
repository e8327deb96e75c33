"""The look of all figures: colours, line styles, titles, captions and labels.

Figures are made from tidy data frames and drawn on `matplotlib.figure.Figure` itself, so that no window opens and no global state
changes. Languages are drawn by their codes; `probes.figures.look` writes their names instead.
"""

from __future__ import annotations

import itertools
import re
import textwrap
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from probes.figures.look import sized

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from probes.figures.drawing import Drawing

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
"""The colour-blind safe colours of Okabe & Ito, with Paul Tol's wine instead of yellow, which is hard to see on white."""
MARKERS = "osD^vP*X"
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Line styles, which tell lines apart when there are more lines than colours."""
INK, FAINT = "#222222", "#767676"
_FIXED = ("eng_Latn", "deu_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab", "hin_Deva", "swh_Latn", "fra_Latn")
"""Languages whose colour no other language gets."""
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")

Look = Mapping[str, Any]
"""Keyword arguments of a drawing function of matplotlib."""


class LineStyle(TypedDict):
    """Arguments of `Axes.plot` that tell lines apart."""

    color: str
    linestyle: str | tuple[int, tuple[float, ...]]
    marker: str
    markersize: float
    markeredgewidth: float
    markeredgecolor: str
    markevery: tuple[float, float] | None


def style(index: int) -> LineStyle:
    """Colour, marker and line style number `index`, as arguments of `Axes.plot`; the first 32 are all different.

    The first eight differ in colour and in marker, so that they are told apart without colour. Markers stand at equal distances
    along the line, elsewhere on each, however many layers there are.

    >>> style(0) == style(1)
    False
    """
    return {
        "color": PALETTE[index % len(PALETTE)],
        "linestyle": DASHES[index // len(PALETTE) % len(DASHES)],
        "marker": MARKERS[index % len(MARKERS)],
        "markersize": 5.5,
        "markeredgewidth": 0.5,
        "markeredgecolor": "white",
        "markevery": (0.02 * (index % 4), 0.1),
    }


def style_indices(names: Iterable[str], fixed: Sequence[str] = _FIXED) -> dict[str, int]:
    """An index for `style` for each name, so that a language has the same colour in all figures, as far as eight colours go.

    Parameters
    ----------
    names
        FLORES-200 codes, or pairs "source>target", which are told apart by the language in which they differ. If any name is
        neither, all are numbered in their order.
    fixed
        Names that always get their index in this sequence. Other names get an index that depends on their code, or the next free
        one.

    Example
    -------
    >>> style_indices(["base", "tuned"])  # no language codes: numbered in their order
    {'base': 0, 'tuned': 1}
    """
    names = list(dict.fromkeys(names))
    if fixed == _FIXED and not all(_CODE.fullmatch(part) for name in names for part in name.split(">")):
        return {name: index for index, name in enumerate(names)}
    for side in (0, -1):
        parts = [name.split(">")[side] for name in names]
        if parts != names and len(set(parts)) == len(parts):
            return dict(zip(names, style_indices(parts, fixed).values(), strict=True))
    indices = {name: fixed.index(name) for name in names if name in fixed}
    for name in sorted(set(names) - set(indices)):
        start, used = zlib.crc32(name.encode()), set(indices.values())
        candidates = (len(fixed) * (k // len(fixed)) + (start + k) % len(fixed) for k in itertools.count())
        indices[name] = next(index for index in candidates if index not in used)
    return {name: indices[name] for name in names}


def blank(size: tuple[float, float]) -> Drawing:
    """An empty white figure of `size` (width and height in inches, unless another is wanted) with automatic layout.

    >>> blank((4, 3)).get_size_inches().tolist()
    [4.0, 3.0]
    """
    from probes.figures.drawing import Drawing

    return Drawing(sized(size), layout="constrained", facecolor="white")


def headline(figure: Figure, title: str, keep: bool = True) -> None:
    """Set the `title` of the `figure`, at the upper left, wrapped to its width; an empty one takes no room.

    `keep` remembers it as the headline of the figure.
    """
    from probes.figures.drawing import Drawing

    if keep and isinstance(figure, Drawing):
        figure.headline = title
    text = textwrap.fill(title, int(figure.get_figwidth() * 72 / 7.4))
    above = figure.suptitle(text, x=0.01, ha="left", fontsize=11.5, color=INK, fontweight="bold")
    above.set_in_layout(bool(text))


def sign(figure: Figure, signature: object, caption: str = "") -> None:
    """Write the `caption`, which is the key of the marks, and the `signature` at the foot of the `figure`."""
    from probes.figures.drawing import Drawing

    if isinstance(figure, Drawing):
        figure.key, figure.signature = caption, str(signature)
    undersign(figure, caption, str(signature))


def undersign(figure: Figure, caption: str, signature: str) -> None:
    """Write a `caption` and a `signature`, wrapped between its fields, at the foot of the `figure`; empty ones take no room."""
    width = int(figure.get_figwidth() * 72 / 3.9)
    lines = [line for part in caption.splitlines() for line in textwrap.wrap(part, width)]
    fields = textwrap.wrap(signature.replace("|", "| ").replace("+", "+ "), width, break_on_hyphens=False)
    text = "\n".join([*lines, *(line.replace("| ", "|").replace("+ ", "+") for line in fields)])
    below = figure.supxlabel(text, x=0.01, ha="left", fontsize=6.2, color=FAINT, family="monospace", linespacing=1.4)
    below.set_in_layout(bool(text))


def label_layers(axes: Axes, layers: Sequence[str]) -> None:
    """Label the `layers` on the horizontal axis of `axes`, skipping some if there are too many to read at the width of the axis."""
    from probes.figures.layer_ticks import tick_layers

    tick_layers(axes, [str(layer) for layer in layers])


def despine(axes: Axes) -> None:
    """Keep only the left and lower lines of `axes`."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(labelsize=8.5, color=FAINT, labelcolor=INK, length=3)


def name_ends(axes: Axes, ends: Iterable[tuple[float, str, str]]) -> None:
    """Label the lines in `axes` at their right ends without overlap, with thin lines to the ends.

    `ends` are the height, name and colour of each line.
    """
    ordered = sorted(ends)
    begin, end = axes.get_xlim()
    beside = end * (end / begin) ** 0.03 if axes.get_xscale() == "log" else 1.03 * end + 0.1
    for (value, name, colour), height in zip(ordered, separate_labels(axes, [value for value, _, _ in ordered]), strict=True):
        hair = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            name, (end, value), (beside, height), fontsize=8.5, color=colour, va="center", annotation_clip=False, arrowprops=hair
        )


def separate_labels(axes: Axes, heights: Sequence[float]) -> list[float]:
    """Move rising `heights`, in data coordinates of `axes`, apart so that labels do not overlap: upwards first, then down."""
    low, high = axes.get_ylim()
    figure = axes.get_figure(root=True)
    assert figure is not None
    tall = 0.6 * 72 * figure.get_figheight()  # of the axes, which are not laid out yet
    gap, moved = 11.5 / tall * (high - low), list(heights)
    for k in range(1, len(moved)):
        moved[k] = max(moved[k], moved[k - 1] + gap)
    moved[-1] = min(moved[-1], max(high, low + gap * len(moved)))
    for k in range(len(moved) - 2, -1, -1):
        moved[k] = min(moved[k], moved[k + 1] - gap)
    return moved

"""A figure that is drawn, dressed for its reader: its title and foot, names of languages for their codes, and its theme."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

from probes.figures.look import CODE, has_size, is_named, named
from probes.figures.style import headline, undersign

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType

Theme = Literal["light", "dark"]
_LETTER = 0.58  # width of a letter, in font sizes
_DARK = {"#ffffff": "#161615", "#222222": "#ebe9e3", "#000000": "#ebe9e3", "#767676": "#a8a69e", "#e6e6e6": "#3a3934",
         "#dddddd": "#3a3934", "#bdbdbd": "#6b6a64", "#f6efd4": "#3d3617", "#0072b2": "#56b4e9", "#882255": "#dd7799"}  # fmt: skip
"""What a colour becomes on a dark ground."""


def dress(figure: Figure, title: bool | str, footer: bool | str, theme: Theme = "light") -> Figure:
    """Give a `figure` that is drawn its `title`, `footer` and `theme`, and write the names of languages for their codes.

    `title` is True for that of the figure, a text for another, False for none. `footer` is "key" for what the marks mean, True
    for that and the signature, another text for itself, False for none. Raises `ValueError` for an unknown theme.
    """
    from probes.figures.drawing import Drawing

    if theme not in ("light", "dark"):
        raise ValueError(f"got theme {theme!r}, expected 'light' or 'dark'.")
    _write_names(figure)
    _wrap_titles(figure)
    if isinstance(figure, Drawing):  # after the names: a signature keeps its codes
        headline(figure, named(figure.headline) if title is True else title or "", keep=False)
        foot = {True: (figure.key, figure.signature), False: ("", ""), "key": (figure.key, "")}.get(footer, (str(footer), ""))
        undersign(figure, *foot)
    if theme == "dark":
        _darken(figure)
    return figure


def words_of(figure: Figure) -> tuple[str, str, str]:
    """The headline, the key and the signature of a `figure`, with the names of languages; empty where it has none."""
    told = [str(getattr(figure, part, "")) for part in ("headline", "key", "signature")]
    return named(told[0]), told[1], told[2]


def _write_names(figure: Figure) -> None:
    from matplotlib.text import Text

    if not is_named():
        return
    wider: dict[float, float] = {}
    higher: dict[float, float] = {}
    for axes in figure.axes:
        left, bottom = (round(value, 3) for value in axes.get_position().p0)
        wider[left] = max(wider.get(left, 0.0), _more(axes.yaxis, upright=0))
        higher[bottom] = max(higher.get(bottom, 0.0), _more(axes.xaxis, upright=90))
    if not has_size():
        width, height = figure.get_size_inches()
        figure.set_size_inches(width + sum(wider.values()), height + sum(higher.values()))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        labels = [label.get_text() for label in axis.get_ticklabels()]
        if any(map(CODE.search, labels)):
            axis.set_ticklabels([named(label) for label in labels])
    for text in figure.findobj(Text):
        if CODE.search(text.get_text()):
            text.set_text(named(text.get_text()))


def _more(axis: Axis, upright: int) -> float:
    """By how many inches names reach further from an `axis` than codes, where its labels are turned `upright` to it."""
    labels = axis.get_ticklabels()
    letters = [len(named(label.get_text())) - max(len(other.get_text()) for other in labels) for label in labels]
    if not letters or labels[0].get_rotation() != upright:
        return 0.0
    return max(0, *letters) * _LETTER * float(labels[0].get_fontsize()) / 72


def _wrap_titles(figure: Figure) -> None:
    """Break the titles of panels that are wider than their panel."""
    from matplotlib.text import Text

    for axes in figure.axes:
        title = axes.get_title("left")
        for text in axes.get_children() if title else ():
            if isinstance(text, Text) and text.get_text() == title:
                wide = axes.get_position().width * figure.get_figwidth() * 72 / (_LETTER * float(text.get_fontsize()))
                text.set_text(textwrap.fill(title, max(10, int(wide)), break_long_words=False))


def _darken(figure: Figure) -> None:
    from matplotlib.colors import to_hex, to_rgba

    def changed(colour: ColorType) -> ColorType:
        red, green, blue, alpha = to_rgba(colour)
        return (*to_rgba(_DARK.get(to_hex((red, green, blue)), (red, green, blue)))[:3], alpha)

    figure.set_facecolor(_DARK["#ffffff"])
    for artist in figure.findobj():
        for part in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            get, put = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
            value = get() if get and put else None
            if put is None or value is None or (isinstance(value, str) and value in ("none", "auto", "face")):
                continue
            many = not isinstance(value, str) and hasattr(value, "ndim") and value.ndim == 2
            put([changed(one) for one in value] if many else changed(value))
    for axes in figure.axes:
        axes.tick_params(labelcolor=_DARK["#222222"], color=_DARK["#767676"])

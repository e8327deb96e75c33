"""Names beside points, none over another: what a scatter of a hundred languages needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTER, _LINE = 0.62, 1.05  # width and height of a letter, in font sizes
_TURNS = 24
_REACH = (1.0, 1.6, 2.4, 3.4, 4.6, 6.0, 7.6, 9.4, 11.4, 13.6)  # how far away a name may stand, in font sizes


def name_points(
    axes: Axes, points: Float[np.ndarray, "item 2"], names: Sequence[str], colours: Sequence[str], size: float = 7.0
) -> None:
    """Write a name beside each point, as near as it is free of other names and points; a hair line joins those further off.

    Call it last: it lays out the figure, and what is drawn or resized afterwards moves away from the names.
    """
    figure: Any = axes.get_figure(root=True)
    figure.draw_without_rendering()
    scale = size * figure.dpi / 72
    at = axes.transData.transform(points)
    bounds = axes.get_window_extent()
    taken = [np.array([x - 0.3 * scale, y - 0.3 * scale, x + 0.3 * scale, y + 0.3 * scale]) for x, y in at]
    crowded = [np.sum(np.hypot(*(at - each).T) < 6 * scale) for each in at]
    for place in np.argsort(crowded, kind="stable"):
        half = np.array([len(names[place]) * _LETTER * scale, _LINE * scale]) / 2
        box, far = _free_box(at[place], half, np.array(taken), scale, (bounds.x0, bounds.y0, bounds.x1, bounds.y1))
        taken.append(box)
        centre = axes.transData.inverted().transform([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        hair = {"arrowstyle": "-", "color": colours[place], "linewidth": 0.35, "alpha": 0.7, "shrinkA": 0, "shrinkB": 1.5}
        axes.annotate(
            names[place], tuple(points[place]), tuple(centre), fontsize=size, color=colours[place], ha="center", va="center",
            zorder=5, arrowprops=hair if far else None,
        )  # fmt: skip


def _free_box(
    point: np.ndarray, half: np.ndarray, taken: np.ndarray, scale: float, bounds: tuple[float, float, float, float]
) -> tuple[np.ndarray, bool]:
    """The nearest place for a name, upper right first, and whether that is far; the least covered where all are taken."""
    best, least = np.concatenate([point - half, point + half]), np.inf
    for reach in _REACH:
        for turn in range(_TURNS):
            angle = np.pi / 4 + 2 * np.pi * ((turn + 1) // 2) / _TURNS * (1 if turn % 2 else -1)
            way = np.array([np.cos(angle), np.sin(angle)])
            centre = point + way * (0.75 * reach * scale + half * np.abs(way))
            box = np.concatenate([centre - half, centre + half])
            outside = box[0] < bounds[0] or box[1] < bounds[1] or box[2] > bounds[2] or box[3] > bounds[3]
            wide = np.clip(np.minimum(box[2], taken[:, 2]) - np.maximum(box[0], taken[:, 0]), 0, None)
            high = np.clip(np.minimum(box[3], taken[:, 3]) - np.maximum(box[1], taken[:, 1]), 0, None)
            covered = float((wide * high).sum()) + (1e9 if outside else 0.0)
            if covered == 0:
                return box, reach > _REACH[1]
            if covered < least:
                best, least = box, covered
    return best, True

"""Labels next to points that do not overlap, for scatter plots of many languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from probes.figures.look import named

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTER, _LINE = 0.62, 1.05  # width and height of a letter, in font sizes
_ANGLES = 24
_DISTANCES = (1.0, 1.6, 2.4, 3.4, 4.6, 6.0, 7.6, 9.4, 11.4, 13.6)  # possible distances of a label, in font sizes


def name_points(
    axes: Axes, points: Float[np.ndarray, "item 2"], names: Sequence[str], colours: Sequence[str], size: float = 7.0
) -> None:
    """Label each point as near as possible without covering other labels and points; a thin line joins distant labels.

    Call it last: it lays out the figure, so later drawing or resizing would move the points away from their labels.

    Parameters
    ----------
    axes
        The axes that the points are drawn in.
    points
        `[item 2]`, in data coordinates.
    names, colours
        Label and colour of each point.
    size
        Font size.

    Example
    -------
    >>> import numpy as np
    >>> from probes.figures.style import blank
    >>> axes = blank((4, 3)).subplots()
    >>> name_points(axes, np.array([[0.2, 0.2], [0.2, 0.21]]), ["deu", "nld"], ["black", "black"])
    >>> [text.get_text() for text in axes.texts]
    ['deu', 'nld']
    """
    names = [named(name) for name in names]
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    scale = size * figure.dpi / 72
    at = axes.transData.transform(points)
    bounds = axes.get_window_extent()
    boxes = [np.array([x - 0.3 * scale, y - 0.3 * scale, x + 0.3 * scale, y + 0.3 * scale]) for x, y in at]
    crowded = [np.sum(np.hypot(*(at - point).T) < 6 * scale) for point in at]
    for index in np.argsort(crowded, kind="stable"):
        half = np.array([len(names[index]) * _LETTER * scale, _LINE * scale]) / 2
        box, far = _free_box(at[index], half, np.array(boxes), scale, (bounds.x0, bounds.y0, bounds.x1, bounds.y1))
        boxes.append(box)
        centre = axes.transData.inverted().transform([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        hair = {"arrowstyle": "-", "color": colours[index], "linewidth": 0.35, "alpha": 0.7, "shrinkA": 0, "shrinkB": 1.5}
        axes.annotate(
            names[index], tuple(points[index]), tuple(centre), fontsize=size, color=colours[index], ha="center", va="center",
            zorder=5, arrowprops=hair if far else None,
        )  # fmt: skip


def _free_box(
    point: np.ndarray, half: np.ndarray, boxes: np.ndarray, scale: float, bounds: tuple[float, float, float, float]
) -> tuple[np.ndarray, bool]:
    """The nearest free box for a label, upper right first, and whether it is distant; the least covered box if none is free."""
    best, least = np.concatenate([point - half, point + half]), np.inf
    for distance in _DISTANCES:
        for turn in range(_ANGLES):
            angle = np.pi / 4 + 2 * np.pi * ((turn + 1) // 2) / _ANGLES * (1 if turn % 2 else -1)
            direction = np.array([np.cos(angle), np.sin(angle)])
            centre = point + direction * (0.75 * distance * scale + half * np.abs(direction))
            box = np.concatenate([centre - half, centre + half])
            outside = box[0] < bounds[0] or box[1] < bounds[1] or box[2] > bounds[2] or box[3] > bounds[3]
            wide = np.clip(np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0]), 0, None)
            high = np.clip(np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1]), 0, None)
            covered = float((wide * high).sum()) + (1e9 if outside else 0.0)
            if covered == 0:
                return box, distance > _DISTANCES[1]
            if covered < least:
                best, least = box, covered
    return best, True

"""Which layers are named under an axis: as many as fit at the width it is drawn with, so that no name touches another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter, Locator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LETTER, _GAP = 5.6, 5.0  # width of a letter, and between two names, in points
_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000)
_EMBED = "embed"


class LayerLocator(Locator):
    """Ticks at the embedding row and at round block numbers, chosen anew whenever the axis is drawn in another width."""

    def __init__(self, axes: Axes, names: Sequence[str]) -> None:
        self.axes, self.names = axes, names

    def __call__(self) -> list[int]:
        """Positions of the ticks."""
        figure = self.axes.get_figure(root=True)
        assert figure is not None
        points = 72 * self.axes.bbox.width / figure.dpi
        return self.positions(points / max(self.axes.viewLim.width, 1e-9))

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """The same for every range (`vmin` to `vmax`): the layers are few, and all of them are shown."""
        return self()

    def positions(self, spacing: float) -> list[int]:
        """Positions of the ticks where neighbouring layers are `spacing` points apart."""
        first = int(self.names[0] == _EMBED)
        wide = _LETTER * max((len(name) for name in self.names[first:]), default=0) + _GAP
        step = next((step for step in _STEPS if step * spacing >= wide), len(self.names))
        blocks = range(first, len(self.names), step)
        if not first:
            return list(blocks)
        return [0, *(at for at in blocks if at * spacing >= len(self.names[at]) * _LETTER / 2 + _GAP)]


def tick_layers(axes: Axes, names: Sequence[str]) -> None:
    """Name the layers (`names`, from 0 on) under `axes`; "embed" ends at its tick, which leaves room for the "0" after it."""
    axes.xaxis.set_major_locator(LayerLocator(axes, names))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: names[round(x)] if 0 <= round(x) < len(names) else ""))
    ticks = axes.xaxis.get_major_ticks(len(names))  # later ticks are copies of the first, so all are made before it is turned
    if names[0] == _EMBED:
        ticks[0].label1.set_horizontalalignment("right")

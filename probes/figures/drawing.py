"""The figures of this project: each shows itself in a notebook, and knows its headline, its key and its signature."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

_SCREEN = 110  # dots per inch in a notebook


class Drawing(Figure):
    """A figure that shows itself in Jupyter, VS Code and Colab, without a magic.

    `key` says what its marks mean, `signature` how it was measured.
    """

    headline: str = ""
    key: str = ""
    signature: str = ""

    def _repr_png_(self) -> bytes:
        from probes.figures.fonts import quiet

        picture = io.BytesIO()
        with quiet():
            self.savefig(picture, format="png", dpi=_SCREEN)
        return picture.getvalue()

"""Docstrings call their section "Example"; numpydoc, by which the reference is rendered, knows it as "Examples"."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Rename the section of every docstring as it is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the section in the docstring of one function, class or module."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example\n-+$", "Examples\n--------", obj.docstring.value, flags=re.MULTILINE)

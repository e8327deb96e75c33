"""Observe and change a language model.

Names are fetched when first used, so `import interp` loads neither torch nor any model library.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "load": "models",
    "identify": "models",
    "random_init": "models",
    "capture": "capture",
    "Activations": "activations",
    "read": "reading",
    "ParallelCorpus": "corpus",
    "ParallelTask": "corpus",
    "transplant_grid": "transplant",
    "transplanted": "transplant",
    "Report": "report",
}

__all__ = list(_HOMES)  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"interp has no {name!r}. It has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(f"interp.{_HOMES[name]}"), name)

"""Observe and change a language model.

Names are fetched when first used, so `import interp` loads neither torch nor any model library.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_HOMES = {
    "load": "models",
    "identify": "models",
    "random_init": "models",
    "capture": "capture",
    "Activations": "activations",
    "read": "reading",
    "read_task": "reading",
    "ParallelCorpus": "corpus",
    "ParallelTask": "corpus",
    "transplant_grid": "transplant",
    "transplanted": "transplant",
    "train_lens": "lens_training",
    "load_lens": "tuned_lens",
    "steered": "steering",
    "erased": "steering",
    "ablated": "steering",
    "count_neurons": "neurons",
    "sentence_losses": "likelihood",
    "Report": "report",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"interp has no {name!r}. It has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(f"interp.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


class _Package(ModuleType):
    """`interp.capture` is the function: importing the module of the same name does not hide it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

"""Observe and change a language model.

Names are fetched when first used, so `import interp` loads neither torch nor any model library.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "load": "interp.models.load",
    "identify": "interp.models.identity",
    "random_init": "interp.models.load",
    "capture": "interp.activations.capture",
    "Activations": "interp.activations.store",
    "read": "interp.text.read",
    "read_task": "interp.text.read",
    "Reader": "interp.text.own_text",
    "TaskReader": "interp.text.own_text",
    "ParallelCorpus": "interp.text.corpus",
    "ParallelTask": "interp.text.corpus",
    "transplant_grid": "interp.interventions.transplant",
    "transplanted": "interp.interventions.transplant",
    "train_lens": "interp.lens.train",
    "load_lens": "interp.lens.tuned_lens",
    "steered": "interp.interventions.steering",
    "erased": "interp.interventions.steering",
    "ablated": "interp.interventions.steering",
    "show_tokens": "interp.token_view",
    "count_neurons": "interp.neurons",
    "sentence_losses": "interp.generation.loss",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("interp.provenance").version()
    if name not in _HOMES:
        raise AttributeError(f"interp has no {name!r}. It has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "__version__"})

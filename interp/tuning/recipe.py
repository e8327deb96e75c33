"""How a model is tuned, as one value: the published studies differ in nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from interp.files.checks import validate
from interp.tuning.scopes import Adapter, Scope, Tie
from interp.tuning.templates import Mask, template


@dataclass(frozen=True)
class Recipe:
    """How a model is tuned. The defaults are those of the vocabulary-sharing study (arXiv 2311.09071).

    `batch` examples make one update, over all processes and accumulation; `device_batch` of them are in memory at once.
    `steps`, where given, overrides `epochs`. `held_out` is the share of items never trained on. Lengths are in tokens. `dtype` is
    the arithmetic of training: bfloat16, or float32 (on a GPU that has it, bfloat16 too). The weights that are trained are float32
    with either, and saved in the parent's dtype.
    """

    scope: Scope = "full"
    tie: Tie = "refuse"
    adapter: Adapter = field(default_factory=Adapter)
    template: str = "parrot"
    mask: Mask = "answer"
    max_length: int = 1024
    learning_rate: float = 2e-5
    epochs: float = 3.0
    steps: int | None = None
    batch: int = 128
    device_batch: int = 8
    warmup: float = 0.03
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    held_out: float = 0.05
    checkpoints: int = 4
    recompute: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"
    seed: int = 42

    def __post_init__(self) -> None:
        template(self.template)
        for name in ("learning_rate", "epochs", "batch", "device_batch", "max_length"):
            if getattr(self, name) <= 0:
                raise ValueError(f"recipe: {name} {getattr(self, name)} came. Needed: more than 0.")
        if self.adapter.rank < 1:
            raise ValueError(f"recipe: adapter rank {self.adapter.rank} came. Needed: 1 or more.")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"recipe: held_out {self.held_out} came. Needed: a share of the items, 0 to below 1.")
        if self.scope == "embeddings" and self.weight_decay:
            raise ValueError("recipe: weight decay shrinks rows never seen. Needed: weight_decay 0 for scope 'embeddings'.")
        if self.tie != "refuse" and self.scope != "embeddings":
            raise ValueError(f"recipe: tie {self.tie!r} came with scope {self.scope!r}. Only scope 'embeddings' has it.")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """A recipe back from its plain values (JSON, YAML). Raises `ValueError` naming the field that is no such value."""
        return validate(cls, plain, "recipe")

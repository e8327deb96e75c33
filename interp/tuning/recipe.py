"""The settings of tuning, as one value: trained weights, prompt form, optimiser and schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict

from interp.files.checks import validate
from interp.tuning.scopes import Adapter, Scope, Tie
from interp.tuning.templates import Mask, template


@dataclass(frozen=True)
class Recipe:
    """How a model is tuned. The defaults are those of Yuan et al., "How Vocabulary Sharing Facilitates Multilingualism in LLaMA?".

    Parameters
    ----------
    scope
        Which weights are trained: "full", all; "embeddings", the input embedding of the tokens in the data; "lora", an adapter.
    tie
        For scope "embeddings" and a model with tied embeddings: "refuse"; "untie", the output layer gets a frozen copy; "both",
        the output layer changes too.
    adapter
        Rank and target modules of the adapter, for scope "lora".
    form
        Prompt form: the name of a template in `interp.tuning.TEMPLATES`.
    mask
        Which tokens have a loss: "answer", or "all" of prompt and answer.
    max_length
        Longest example, in tokens. The end of longer ones is cut. At most the context of the model.
    learning_rate
        Peak learning rate of AdamW.
    epochs
        Passes over the data.
    steps
        Number of updates. If given, `epochs` is not used.
    batch
        Examples per update, over all devices and accumulation steps.
    device_batch
        Examples in memory at once on each device. Lower it if memory runs out; results do not depend on it beyond rounding.
    warmup
        Share of the steps with a linearly rising learning rate.
    schedule
        Learning rate after warmup: "cosine" or "linear" to 0, or "constant".
    weight_decay
        Weight decay of AdamW. Must be 0 for scope "embeddings".
    clip
        Maximum norm of the gradient.
    held_out
        Share of items that are not trained on, for the held-out loss. 0 for none.
    checkpoints
        Number of checkpoints during training, from which an interrupted run resumes. 0 for none.
    recompute
        Recompute activations in the backward pass: slower, with less memory.
    dtype
        Arithmetic of training: "bfloat16" is bfloat16 autocast; "float32" uses it too on a GPU that supports it. Trained weights
        are float32 in either case, and are saved in the dtype of the parent.
    seed
        Random seed of the held-out items, the order of the examples, the adapter and dropout.

    Raises
    ------
    ValueError
        A value is out of its range, or two do not go together.

    References
    ----------
    Yuan et al. 2023, arXiv 2311.09071.

    Example
    -------
    >>> from interp.tuning import Recipe
    >>> Recipe(scope="embeddings", epochs=1).mask
    'answer'
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # a setting of another version is no default of this one

    scope: Scope = "full"
    tie: Tie = "refuse"
    adapter: Adapter = field(default_factory=Adapter)
    form: str = "parrot"
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
        template(self.form)
        for name in ("learning_rate", "epochs", "batch", "device_batch", "max_length"):
            if getattr(self, name) <= 0:
                raise ValueError(f"recipe: got {name} {getattr(self, name)}, expected more than 0.")
        if self.adapter.rank < 1:
            raise ValueError(f"recipe: got adapter rank {self.adapter.rank}, expected 1 or more.")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"recipe: got held_out {self.held_out}, expected a share of the items, from 0 to less than 1.")
        if self.scope == "embeddings" and self.weight_decay:
            raise ValueError(
                f"recipe: got weight_decay {self.weight_decay} with scope 'embeddings', expected 0. "
                "Weight decay would shrink the rows of tokens that are not in the data."
            )
        if self.tie != "refuse" and self.scope != "embeddings":
            raise ValueError(f"recipe: got tie {self.tie!r} with scope {self.scope!r}, expected scope 'embeddings'. Leave tie out.")

    @classmethod
    def from_dict(cls, plain: Mapping[str, object]) -> Self:
        """A recipe from the `plain` values of JSON or YAML. Raises `ValueError` naming a field whose value is wrong."""
        return validate(cls, plain, "recipe")

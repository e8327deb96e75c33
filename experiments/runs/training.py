"""What studies that tune models have in common: the text to train on, the text to test on, and how each model is tuned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from interp.tuning import Recipe


@dataclass(frozen=True)
class Training:
    """Settings of a study that tunes models; a study's own settings have them beside those of every question."""

    split: str | None = "train"
    """The part of --corpus to train on."""
    test_corpus: str | None = None
    """Parallel text to test on; none given means --corpus."""
    test_split: str | None = "heldout"
    """The part of it, one that training never sees."""
    seeds: int = 2
    """Models of each kind, tuned in as many orders; intervals are over them, too."""
    scope: Literal["embeddings", "full", "lora"] = "full"
    """What may move: the seen rows of the input embedding, everything, or a low-rank adapter."""
    template: str = "quoted"
    """The prompt format to train and to ask in, one of interp.tuning.TEMPLATES."""
    learning_rate: float = 1e-3
    epochs: float = 4.0
    steps: int | None = None
    """Updates of every model, instead of epochs: then sizes differ in their data alone."""
    batch: int = 16
    """Examples of one update."""
    device_batch: int = 16
    """Examples on the device at once; the rest of the batch is accumulated."""
    max_length: int = 512
    """Tokens of one example at most; never more than the model reads."""
    checkpoints: int = 0
    """How often to save a model on the way; what was killed goes on from the last with --resume."""
    recompute: bool = False
    """Gradient checkpointing: less memory, more time."""
    beams: int = 1
    """Beam search with so many beams; 1 is greedy."""
    max_new_tokens: int | None = None
    """How long an answer may be; none given means twice the longest reference."""

    def recipe(self, seed: int) -> Recipe:
        """How one model is tuned; nothing is held out of its text, as it is tested on other text."""
        from interp.tuning import Recipe

        dtype: Any = getattr(self, "dtype", None) or "float32"
        if dtype == "float16":
            raise ValueError("dtype float16 came. Needed: float32 (bfloat16 arithmetic where the device has it) or bfloat16.")
        return Recipe(
            scope=self.scope,
            template=self.template,
            max_length=self.max_length,
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            steps=self.steps,
            batch=self.batch,
            device_batch=min(self.device_batch, self.batch),
            held_out=0.0,
            checkpoints=self.checkpoints,
            recompute=self.recompute,
            dtype=dtype,
            seed=seed,
        )

    def told(self) -> dict[str, str | int | float]:
        """What a signature says of the tuning."""
        amount = {"steps": self.steps} if self.steps else {"epochs": self.epochs}
        return {"scope": self.scope, "form": self.template, "lr": self.learning_rate, **amount, "batch": self.batch,
                "seeds": self.seeds, "beams": self.beams}  # fmt: skip

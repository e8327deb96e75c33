"""Settings of the commands that tune models."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from experiments.settings.needs import check_installed
from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus
    from interp.tuning import Recipe


@dataclass(frozen=True)
class Tuning(Settings):
    """How a model is tuned: settings of `interp tune` and of every study that tunes models."""

    tie: Literal["refuse", "untie", "both"] = "refuse"
    """For a model whose input and output embeddings are one table: refuse to tune it, untie them (the output keeps a copy), or
    train both.
    """
    rank: int = 8
    """LoRA: rank of the update."""
    alpha: int = 16
    """LoRA: the update is scaled by alpha / rank."""
    form: str = "quoted"
    """Prompt form of tuning and testing, one of interp.tuning.TEMPLATES."""
    learning_rate: float = 1e-3
    """Largest learning rate."""
    epochs: float = 4.0
    """Passes over the training text."""
    steps: int | None = None
    """Number of updates of every model, instead of epochs."""
    batch: int = 16
    """Number of examples of one update, over all devices."""
    device_batch: int = 16
    """Number of examples on a device at once; gradients of the rest of the batch are accumulated."""
    max_length: int = 512
    """Maximum number of tokens of an example; never more than the context length of the model."""
    checkpoints: int = 0
    """Number of checkpoints during training. With --resume a killed run continues from the last one."""
    recompute: bool = False
    """Gradient checkpointing: less memory, more time."""

    def recipe(self, **changes: Any) -> Recipe:
        """How a model is tuned: every setting that a recipe has, and `changes` to it. Raises `ValueError` for float16."""
        from interp.tuning import Adapter, Recipe

        if "lora" in (getattr(self, "scope", ""), changes.get("scope")):
            check_installed("peft")
        if self.dtype == "float16":
            raise ValueError(
                "got dtype float16, expected float32 (bfloat16 arithmetic where the device has it) or bfloat16. Choose one of them."
            )
        own = {field.name for field in fields(self)}
        same: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Recipe) if field.name in own}
        return Recipe(**same | {"adapter": Adapter(self.rank, self.alpha), "dtype": self.dtype or "float32"} | changes)


@dataclass(frozen=True)
class Scoped:
    """Which weights to train: a setting of every command that tunes, but for `interp quadrants`, which has `methods` instead."""

    scope: Literal["embeddings", "full", "lora"] = "full"
    """Weights to train: the input embedding rows of tokens in the data, all weights, or a low-rank adapter (LoRA)."""


@dataclass(frozen=True)
class Training(Tuning):
    """Settings of a study that tunes models on one text and tests them on another."""

    split: str | None = "train"
    """The part of --corpus to train on."""
    test_corpus: str | None = None
    """Parallel text to test on. Default: --corpus."""
    test_split: str | None = "heldout"
    """Split of the test corpus, which must not be trained on. --limit sets the number of items."""
    seeds: int = 3
    """Number of models of each kind, tuned with different seeds from --seed on. Intervals include training noise; with one seed
    they cannot, and nothing is claimed of it."""
    beams: int = 1
    """Number of beams of beam search; 1 is greedy."""
    max_new_tokens: int | None = None
    """Maximum number of tokens of an output. Default: twice the longest reference."""

    def recipe(self, **changes: Any) -> Recipe:
        """How a model is tuned, with `changes` to the recipe; nothing is held out of its text, as it is tested on other text."""
        return super().recipe(**{"held_out": 0.0, "device_batch": min(self.device_batch, self.batch)} | changes)

    def read_test(self) -> ParallelCorpus:
        """The text to test on, cut to `limit`. Raises `ValueError` where it is what is trained on."""
        import interp

        source = self.test_corpus or self.corpus
        if (source, self.test_split) == (self.corpus, self.split):
            where = f"{source}/{self.split}" if self.split else source
            raise ValueError(
                f"got {where} to train on and to test on, expected two texts. Give another --test-split or --test-corpus."
            )
        columns = self.chosen_columns if source == self.corpus else None
        text = interp.read(source, languages=self.wanted, split=self.test_split, columns=columns)
        return text.select(limit=self.limit, seed=self.seed)

    def read_pairs(self, languages: list[str]) -> dict[str, ParallelCorpus]:
        """Read the pivot and each of `languages` to train on, from one corpus of all or from one corpus for each language."""
        import interp

        if "{language}" not in self.corpus:
            corpus = interp.read(self.corpus, languages=[self.pivot, *languages], split=self.split, columns=self.chosen_columns)
            return {code: corpus.select([self.pivot, code]) for code in languages}
        sources = {code: self.corpus.replace("{language}", code) for code in languages}
        return {
            code: interp.read(source, languages=[self.pivot, code], split=self.split, columns=self.chosen_columns)
            for code, source in sources.items()
        }

"""Settings of the commands that tune models."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus
    from interp.tuning import Recipe


@dataclass(frozen=True)
class Tuning(Settings):
    """How a model is tuned: settings of `interp tune` and of every study that tunes models."""

    tie: Literal["refuse", "untie", "both"] = "refuse"
    """Embeddings of a model that reads and writes with one table: refuse, give the output its own copy, or move both."""
    rank: int = 8
    """LoRA: rank of the update."""
    alpha: int = 16
    """LoRA: the update is scaled by alpha / rank."""
    template: str = "quoted"
    """The prompt format to train and to ask in, one of interp.tuning.TEMPLATES."""
    learning_rate: float = 1e-3
    """Largest learning rate."""
    epochs: float = 4.0
    """Passes over the training text."""
    steps: int | None = None
    """Updates of every model, instead of epochs."""
    batch: int = 16
    """Examples of one update, over all devices."""
    device_batch: int = 16
    """Examples on a device at once; the rest of the batch is accumulated."""
    max_length: int = 512
    """Tokens of one example at most; never more than the model reads."""
    checkpoints: int = 0
    """How often to save a model on the way; what was killed goes on from the last with --resume."""
    recompute: bool = False
    """Gradient checkpointing: less memory, more time."""

    def recipe(self, **changes: Any) -> Recipe:
        """How a model is tuned: every setting that a recipe has, and `changes` to it. Raises `ValueError` for float16."""
        from interp.tuning import Adapter, Recipe

        if self.dtype == "float16":
            raise ValueError(
                "got dtype float16, expected float32 (bfloat16 arithmetic where the device has it) or bfloat16. Choose one of them."
            )
        own = {field.name for field in fields(self)}
        same: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Recipe) if field.name in own}
        return Recipe(**same | {"adapter": Adapter(self.rank, self.alpha), "dtype": self.dtype or "float32"} | changes)


@dataclass(frozen=True)
class Scoped:
    """The one setting of `Tuning` that quadrants lack, as they have methods instead."""

    scope: Literal["embeddings", "full", "lora"] = "full"
    """What may move: the seen rows of the input embedding, everything, or a low-rank adapter."""


@dataclass(frozen=True)
class Training(Tuning):
    """Settings of a study that tunes models on one text and tests them on another."""

    split: str | None = "train"
    """The part of --corpus to train on."""
    test_corpus: str | None = None
    """Parallel text to test on; none given means --corpus."""
    test_split: str | None = "heldout"
    """The part of it, one that training never sees; --limit says how many items."""
    seeds: int = 2
    """Models of each kind, tuned in as many orders, from --seed on; intervals are over them, too."""
    beams: int = 1
    """Beam search with so many beams; 1 is greedy."""
    max_new_tokens: int | None = None
    """How long an answer may be; none given means twice the longest reference."""

    def recipe(self, **changes: Any) -> Recipe:
        """How a model is tuned; nothing is held out of its text, as it is tested on other text."""
        return super().recipe(**{"held_out": 0.0, "device_batch": min(self.device_batch, self.batch)} | changes)

    def read_test(self) -> ParallelCorpus:
        """The text to test on, cut to `limit`. Raises `ValueError` where it is what is trained on."""
        import interp

        source = self.test_corpus or self.corpus
        if (source, self.test_split) == (self.corpus, self.split):
            where = f"{source}/{self.split}" if self.split else source
            raise ValueError(
                f"{where} is to be trained on and tested on, expected two texts. Give another --test-split or --test-corpus."
            )
        return interp.read(source, languages=self.wanted, split=self.test_split).select(limit=self.limit, seed=self.seed)

    def read_pairs(self, languages: list[str]) -> dict[str, ParallelCorpus]:
        """Read the pivot and each of `languages` to train on, from one corpus of all or from one corpus for each language."""
        import interp

        if "{language}" not in self.corpus:
            corpus = interp.read(self.corpus, languages=[self.pivot, *languages], split=self.split)
            return {code: corpus.select([self.pivot, code]) for code in languages}
        sources = {code: self.corpus.replace("{language}", code) for code in languages}
        return {code: interp.read(source, languages=[self.pivot, code], split=self.split) for code, source in sources.items()}

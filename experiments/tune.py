"""`interp tune`: what changes inside a model when it is tuned begins with a tuned model that proves what moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings, parse
from experiments.runs.shards import Shard

if TYPE_CHECKING:
    from interp.tuning import Recipe
    from probes.report import Report


@dataclass(frozen=True)
class TuneSettings(Settings):
    """What did the model learn from its tuning data?

    Tunes a model on a mixture and writes an ordinary Hugging Face folder into --output: `--model` takes it everywhere.
    Which tensors and embedding rows moved is checked at the end and written down. Several devices or machines:
    `accelerate launch --multi_gpu --num_processes 4 -m experiments tune ...` with the same options, and the same weights.
    """

    output: Path = Path("runs/tune/model")
    """The run folder to write; it is also the tuned model's folder."""
    mixture: Literal["translation", "questions", "instructions", "coit", "muit", "mfti", "text", "copy"] = "translation"
    """What to tune on: translation from the pivot; questions without answers into the pivot; instructions; CoIT for one
    language; MuIT for several; all ordered pairs (mFTI); plain text; or repeating the pivot (the format control)."""
    control: Literal["none", "copy", "shuffled", "english"] = "none"
    """The same number of updates on: copies of the pivot, the mixture with its answers shuffled, or the pivot alone."""
    split: str | None = None
    """The part of the corpus to train on: a split it names (cldr: train)."""
    general: str = "cldr:facts"
    """General instructions: questions with answers (cldr:facts or a folder), or an instruction .jsonl file."""
    samples: int | None = None
    """Examples of each direction: the first so many of one shuffled order; none given means all."""
    total: int | None = None
    """MuIT: examples in all, drawn by --ratios."""
    ratios: dict[str, float] = field(default_factory=dict)
    """MuIT: the share of each language in the total."""
    budgets: dict[str, int] = field(default_factory=dict)
    """MuIT: examples of each language, instead of a total."""
    mix: tuple[str, ...] = ()
    """mFTI: languages read and written; with --read-only and --write-only, a partition of the languages."""
    read_only: tuple[str, ...] = ()
    """mFTI: languages only read in tuning."""
    write_only: tuple[str, ...] = ()
    """mFTI: languages only written in tuning."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Arithmetic of training: bfloat16, or float32 (on a GPU that has it, bfloat16 too). With either, weights are trained in
    float32, and the tuned model is saved in the checkpoint's own dtype."""
    scope: Literal["embeddings", "full", "lora"] = "full"
    """What may move: the seen rows of the input embedding, everything, or a low-rank adapter."""
    tie: Literal["refuse", "untie", "both"] = "refuse"
    """Embeddings of a model that reads and writes with one table: refuse, give the output its own copy, or move both."""
    rank: int = 8
    """LoRA: rank of the update."""
    alpha: int = 16
    """LoRA: the update is scaled by alpha / rank."""
    targets: tuple[str, ...] = ()
    """LoRA: the linear maps it sits on; none given means query and value."""
    template: str = "parrot"
    """The prompt format, one of interp.tuning.TEMPLATES."""
    mask: Literal["answer", "all"] = "answer"
    """Which tokens carry loss."""
    max_length: int = 1024
    """Tokens of one example at most; never more than the model reads."""
    learning_rate: float = 2e-5
    epochs: float = 3.0
    steps: int | None = None
    """Updates, instead of epochs."""
    batch: int = 128
    """Examples of one update, over all devices."""
    device_batch: int = 8
    """Examples on a device at once; the rest of the batch is accumulated."""
    warmup: float = 0.03
    """Share of the updates with a rising learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    """The largest norm of a gradient."""
    held_out: float = 0.05
    """Share of the items never trained on, scored before and after."""
    checkpoints: int = 4
    """How often to save on the way; a killed run goes on from the last with --resume."""
    recompute: bool = False
    """Gradient checkpointing: less memory, more time."""


def run(settings: TuneSettings) -> Report:
    """Read, mix, tune, report."""
    from dataclasses import replace

    from experiments.runs.mixture import build_control, build_mixture
    from interp.tuning import planned_steps, tune
    from probes.tuning.losses import measure_tuning

    recipe: Recipe = _recipe(settings)
    mixture = build_mixture(settings)
    if settings.control != "none":
        learned = mixture.split(settings.held_out, settings.seed)[0] if settings.held_out else mixture
        recipe = replace(recipe, steps=planned_steps(len(learned), recipe))
        mixture = build_control(settings, mixture)
    tuned = tune(settings.model, mixture, recipe, settings.output, device=settings.device, resume=settings.resume)
    return measure_tuning(tuned, seed=settings.seed)


def main(args: Sequence[str]) -> None:
    """Under `accelerate launch` every process tunes, and the first alone writes the run folder and reports."""
    settings = parse(TuneSettings, args)
    if settings.shard is not None:
        raise ValueError(f"--shard {settings.shard} came. Needed: accelerate launch, under which several processes tune one model.")
    if Shard.of(None).index > 0:
        run(settings.resolved())
        return
    from experiments.ask import answer, show

    show(answer(settings))


def _recipe(settings: TuneSettings) -> Recipe:
    from dataclasses import fields

    from interp.tuning import Adapter, Recipe

    if settings.dtype == "float16":
        raise ValueError("dtype float16 came. Needed: float32 (with bfloat16 arithmetic where the device has it) or bfloat16.")
    same = {each.name for each in fields(Recipe)} & {each.name for each in fields(TuneSettings)} - {"dtype"}
    adapter = Adapter(settings.rank, settings.alpha, targets=settings.targets or None)
    return Recipe(adapter=adapter, dtype=settings.dtype or "float32", **{name: getattr(settings, name) for name in same})

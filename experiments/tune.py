"""`interp tune`: what did the model learn from its tuning data?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.settings.settings import parse
from experiments.settings.together import check_together
from experiments.settings.tuning.mixture import Mixing
from experiments.settings.tuning.training import Scoped, Tuning

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.tuning import Mixture, Recipe
    from probes.report import Report


@dataclass(frozen=True)
class TuneSettings(Mixing, Scoped, Tuning):
    """What did the model learn from its tuning data?

    Tunes a model on a mixture and writes an ordinary Hugging Face folder into --output: `--model` takes it everywhere.
    Which tensors and embedding rows changed is checked at the end and recorded. Several devices or machines:
    `accelerate launch --multi_gpu --num_processes 4 -m experiments tune ...` with the same options, and the same weights.

    Example: interp tune --config tune-bundled --output runs/tune/names
    """

    output: Path = Path("runs/tune/model")
    """The run folder to write; it is also the tuned model's folder."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Arithmetic of training: bfloat16, or float32 (on a GPU that has it, bfloat16 too). With either, weights are trained in
    float32, and the tuned model is saved in the checkpoint's own dtype."""
    targets: tuple[str, ...] = ()
    """LoRA: the linear layers to adapt. Default: query and value."""
    form: str = "parrot"
    """Prompt form: the name of one of interp.tuning.TEMPLATES."""
    mask: Literal["answer", "all"] = "answer"
    """Tokens that the loss is computed on."""
    max_length: int = 1024
    learning_rate: float = 2e-5
    epochs: float = 3.0
    batch: int = 128
    device_batch: int = 8
    warmup: float = 0.03
    """Share of the updates in which the learning rate rises."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Schedule of the learning rate after warm-up."""
    weight_decay: float = 0.0
    """Weight decay of AdamW."""
    clip: float = 1.0
    """Gradients are clipped to this norm."""
    held_out: float = 0.05
    """Share of the items that are held out and scored before and after tuning."""
    checkpoints: int = 4


def run(settings: TuneSettings) -> Report:
    """Read and mix the data that `settings` name, tune, and report."""
    from interp.tuning import tune
    from probes.tuning.losses import measure_tuning

    mixture, recipe = _planned(settings)
    tuned = tune(settings.model, mixture, recipe, settings.output, device=settings.device, resume=settings.resume)
    return measure_tuning(tuned, seed=settings.seed)


def work(settings: TuneSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: the updates, and the loss of the held-out examples before, during and after."""
    from experiments.costs.sweeping import tuned
    from interp.models.checkpoints.gguf import find_gguf
    from interp.models.original import original
    from interp.tuning.scopes import adapter_targets

    mixture, recipe = _planned(settings)
    if recipe.scope == "lora" and find_gguf(settings.model) is None:
        import torch
        from transformers import AutoModelForCausalLM

        with torch.device("meta"):
            plain = AutoModelForCausalLM.from_config(original(model).config)
        adapter_targets(plain, recipe.adapter.targets)  # refuses a layer that the model has not
    return tuned(model, mixture, recipe)


def _planned(settings: TuneSettings) -> tuple[Mixture, Recipe]:
    """What is trained on, and how."""
    from interp.tuning import Adapter, planned_steps

    recipe = settings.recipe(adapter=Adapter(settings.rank, settings.alpha, targets=settings.targets or None))
    mixture = settings.build()
    if settings.control != "none":
        learned = mixture.split(settings.held_out, settings.seed)[0] if settings.held_out else mixture
        recipe = replace(recipe, steps=planned_steps(len(learned), recipe))
        mixture = settings.build_control(mixture)
    return mixture, recipe


def main(args: Sequence[str]) -> None:
    """Parse `args` and run. Under `accelerate launch` every process tunes, and the first writes the run folder and reports."""
    settings = parse(TuneSettings, args)
    if settings.shard is not None:
        raise ValueError(
            f"got --shard {settings.shard}, expected none. Leave it out: under accelerate launch several processes tune one model."
        )
    from experiments.ask import answer, plan, show

    check_together(settings.resolved(), args)
    if settings.plan:
        plan(settings)
        return
    if Shard.of(None).index > 0:
        run(settings.resolved())
        return
    show(answer(settings))

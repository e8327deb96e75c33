"""The training loop: the Trainer of Hugging Face, so that `accelerate launch` works for several devices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.data_loader import SeedableRandomSampler
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import Sampler
from tqdm import tqdm
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from interp.files.atomic import writing
from interp.generation.loss import row_losses, token_losses
from interp.models.batches import batches
from interp.models.checks.finite import check_finite
from interp.models.tokens import IGNORED
from interp.tuning.checkpoints import FOLDER, last_whole, mark_whole
from interp.tuning.recipe import Recipe
from interp.tuning.templates import Encoded

if TYPE_CHECKING:
    from peft import PeftModel

_WITHOUT_LOSS = {"input_ids": [0, 0], "labels": [IGNORED, IGNORED]}
_LOGGED, _HELD_OUT_POINTS, _SCORED_TOKENS = 50, 5, 8192


@dataclass(frozen=True)
class Fitted:
    """The outcome of training: number of updates, mean training loss over the last logged steps, and the history of the loss."""

    steps: int
    loss: float
    history: tuple[dict[str, float | int], ...]


def fit(
    model: PreTrainedModel | PeftModel, data: Encoded, held_out: Encoded | None, recipe: Recipe, folder: Path, go_on: Path | None
) -> Fitted:
    """Train `model` in place.

    Parameters
    ----------
    model
        The model, or a peft model.
    data
        The training examples.
    held_out
        Held-out examples, whose loss is in the history. None for none.
    recipe
        How to tune.
    folder
        Where checkpoints are written.
    go_on
        Checkpoint to resume from. None to start.

    Raises
    ------
    FloatingPointError
        A loss or weight is not finite. The message has the last good checkpoint.
    """
    total = planned_steps(len(data), recipe)
    examples = [{"input_ids": ids, "labels": labels} for ids, labels in zip(data.ids, data.labels, strict=True)]
    together = PartialState().num_processes > 1
    trainer = _Trainer(
        model=model,
        args=arguments(recipe, folder, total),
        train_dataset=[*examples, _WITHOUT_LOSS] if together else examples,
        data_collator=collate,
        compute_loss_func=answer_loss,
        callbacks=[_Watch(held_out, total)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.trained, trainer.folder = model, folder
    trainer.order = Updates([len(ids) for ids in data.ids], recipe.batch, recipe.seed, filled=together)
    try:
        trainer.train(resume_from_checkpoint=str(go_on) if go_on else None)
    except UnpicklingError:
        raise ValueError(f"{go_on} holds Python objects, which could run code. Delete it, or choose another --output.") from None
    trainer.check_finite()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    logged_keys = ("step", "loss", "held_out_loss", "learning_rate", "grad_norm")
    logged = [entry for entry in trainer.state.log_history if "train_loss" not in entry]
    history = tuple({key: entry[key] for key in logged_keys if key in entry} for entry in logged)
    return Fitted(trainer.state.global_step, losses[-1], history)


def planned_steps(n: int, recipe: Recipe) -> int:
    """Number of updates that `recipe` makes with `n` training examples.

    Example
    -------
    >>> from interp.tuning import Recipe, planned_steps
    >>> planned_steps(1000, Recipe(epochs=3, batch=100))
    30
    """
    return recipe.steps or max(1, math.ceil(recipe.epochs * math.ceil(n / recipe.batch)))


def answer_loss(outputs: Mapping[str, Tensor], labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
    """Mean negative log-likelihood of the learned tokens, in nats, over the whole update whatever the accumulation.

    `outputs` has the `logits` of a batch, `labels` its learned tokens; `num_items_in_batch` is the number of learned tokens of the
    whole update (None: of this batch).
    """
    losses = token_losses(outputs["logits"], labels)
    return losses.sum() / (num_items_in_batch if num_items_in_batch is not None else max(1, losses.numel()))


@torch.no_grad()
def example_losses(model: nn.Module, data: Encoded) -> Float[np.ndarray, " item"]:
    """Mean negative log-likelihood, under `model`, of the tokens with a loss, for each example of `data`, in nats per token.

    Not comparable across tokenizers, whose tokens have different lengths. Compare one model before and after tuning.
    """
    training, losses = model.training, np.empty(len(data))
    model.eval()
    for rows in batches([len(ids) for ids in data.ids], _SCORED_TOKENS):
        batch = collate([{"input_ids": data.ids[row], "labels": data.labels[row]} for row in rows])
        batch = {name: tensor.to(next(model.parameters()).device) for name, tensor in batch.items()}
        labels = batch.pop("labels")
        logits = model(**batch, use_cache=False)["logits"]
        sums, learned = row_losses(logits, labels)
        losses[rows] = (sums / learned).double().cpu().numpy()
    model.train(training)
    check_finite(
        losses, lambda row: f"the loss of example {data.kept[row]!r}", str(next(model.parameters()).dtype) == "torch.float16"
    )
    return losses


def collate(examples: Sequence[dict[str, Sequence[int]]]) -> dict[str, Tensor]:
    """`examples` as one right-padded batch. Padding is hidden from attention and from the loss, so its id does not matter."""
    longest = max(len(example["input_ids"]) for example in examples)
    rows = [(list(example["input_ids"]), list(example["labels"]), longest - len(example["input_ids"])) for example in examples]
    return {
        "input_ids": torch.tensor([ids + [0] * short for ids, _, short in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * short for ids, _, short in rows]),
        "labels": torch.tensor([labels + [IGNORED] * short for _, labels, short in rows]),
    }


def arguments(recipe: Recipe, folder: Path, total: int) -> TrainingArguments:
    """What the Trainer is told by `recipe`: to make `total` updates, with its checkpoints in `folder`."""
    state = PartialState()
    processes, on_cpu = state.num_processes, state.device.type == "cpu"
    per_device = min(recipe.device_batch, max(1, recipe.batch // processes))
    if recipe.batch % (per_device * processes):
        split = f"{per_device} examples x {processes} processes"
        raise ValueError(f"recipe: got batch {recipe.batch}, expected a multiple of {split}. Change device_batch.")
    told = TrainingArguments(
        output_dir=str(folder / FOLDER), max_steps=total, per_device_train_batch_size=per_device,
        gradient_accumulation_steps=recipe.batch // (per_device * processes), learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule, warmup_steps=math.ceil(recipe.warmup * total), weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip, optim="adamw_torch", seed=recipe.seed, data_seed=recipe.seed, use_cpu=on_cpu,
        bf16=recipe.dtype == "bfloat16" or (not on_cpu and torch.cuda.is_bf16_supported()),
        logging_steps=max(1, total // _LOGGED), logging_nan_inf_filter=False, report_to=[], disable_tqdm=True,
        save_strategy="steps" if recipe.checkpoints else "no", save_steps=max(1, math.ceil(total / max(1, recipe.checkpoints))),
        save_total_limit=2, remove_unused_columns=False, dataloader_pin_memory=not on_cpu, ddp_find_unused_parameters=False,
        **(_recomputing() if recipe.recompute else {}),
    )  # fmt: skip
    if not on_cpu and processes == 1:
        told._n_gpu = 1  # several devices come from `accelerate launch`, never from DataParallel
    return told


def _recomputing() -> dict[str, Any]:
    """Activations computed again in the backward pass, by the name that the installed transformers has for it."""
    name = "activation_checkpointing" if hasattr(TrainingArguments, "activation_checkpointing") else "gradient_checkpointing"
    return {name: True, f"{name}_kwargs": {"use_reentrant": False}}


class Updates(Sampler[int]):
    """Every epoch as a single process shuffles it, update by update; within an update the longest first, so that little is padded.

    How an update is divided into device batches changes its padding and nothing else: its loss is a mean over all of it. With
    `filled`, the last update of an epoch is filled up with number `n`, an example without loss: left to itself accelerate fills it
    up with examples from the beginning of the epoch, and several processes then learn from other examples than one does.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int, filled: bool) -> None:
        self.lengths, self.batch, n = lengths, batch, len(lengths)
        self.idle = -n % batch if filled else 0
        self.shuffled = SeedableRandomSampler(range(n), generator=torch.Generator(), data_seed=seed)

    def __len__(self) -> int:
        return len(self.lengths) + self.idle

    def __iter__(self) -> Iterator[int]:
        order = list(self.shuffled)
        for start in range(0, len(order), self.batch):
            yield from sorted(order[start : start + self.batch], key=lambda number: -self.lengths[number])
        yield from [len(order)] * self.idle

    def set_epoch(self, epoch: int) -> None:
        """Shuffle as in this `epoch`, counted from 0."""
        self.shuffled.set_epoch(epoch)


class _Trainer(Trainer):
    trained: PreTrainedModel | PeftModel
    folder: Path
    order: Updates

    def _get_train_sampler(self, *args: Any) -> Sampler[int] | None:
        return self.order

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        loss = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            self._stop(f"the loss is {loss.item()} at step {self.state.global_step + 1}")
        return loss

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        self.check_finite()
        target = f"a checkpoint in {self.args.output_dir}"
        try:
            with writing(target):
                super()._save_checkpoint(*args, **kwargs)
        except RuntimeError as error:  # all that torch.save tells of a full disk
            raise OSError(f"cannot write {target}: {error}. Free some space, then go on with --resume.") from error

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        folder = output_dir or str(self.args.output_dir)
        if isinstance(self.trained, PreTrainedModel):
            super()._save(folder, state_dict)
            Path(folder, "training_args.bin").unlink(missing_ok=True)  # a pickle nobody reads
        elif self.args.should_save:
            self.trained.save_pretrained(folder, state_dict=state_dict, save_embedding_layers=False)

    def check_finite(self) -> None:
        """Raise `FloatingPointError` if a trained weight is not finite, before a checkpoint or model with it is saved."""
        for name, parameter in self.trained.named_parameters():
            if parameter.requires_grad and not torch.isfinite(parameter).all():
                self._stop(f"{name} is not finite after step {self.state.global_step}")

    def _stop(self, message: str) -> None:
        good = last_whole(self.folder)
        raise FloatingPointError(
            f"{message}. Last good checkpoint: {good or 'none'}. Lower the learning rate, clip harder, or train in float32."
        )


class _Watch(TrainerCallback):
    """Marks whole checkpoints, scores the held-out examples now and then, and shows how far training is."""

    def __init__(self, held_out: Encoded | None, total: int) -> None:
        self.held_out, self.every = held_out, max(1, total // _HELD_OUT_POINTS)
        self.bar = tqdm(total=total, desc="tune", unit="step", disable=True)

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc="tune", unit="step", disable=None)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any = None, **_: object
    ) -> None:
        self.bar.update()
        if self.held_out is not None and state.is_world_process_zero and state.global_step % self.every == 0:
            loss = float(example_losses(model, self.held_out).mean())
            state.log_history.append({"step": state.global_step, "held_out_loss": loss})

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}")

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        self.bar.close()

"""Which weights are trained (the input embedding, all, or a low-rank adapter), and a check of which ones changed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from interp.provenance import install_command

if TYPE_CHECKING:
    from peft import PeftModel

Scope = Literal["embeddings", "full", "lora"]
Tie = Literal["refuse", "untie", "both"]
"""What embedding-only tuning does with tied embeddings: input and output embedding are one matrix."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adapter:
    """A low-rank adapter (LoRA): the update `alpha / rank * B A` of some linear layers.

    Parameters
    ----------
    rank
        Rank of the update.
    alpha
        Scale of the update, divided by `rank`.
    dropout
        Dropout on the input of the adapter.
    targets
        Names of the linear layers. Default: the query and value projections.

    References
    ----------
    Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685.

    Example
    -------
    >>> from interp.tuning import Adapter, Recipe
    >>> Recipe(scope="lora", adapter=Adapter(rank=4)).adapter.alpha
    16
    """

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None


def tied(model: PreTrainedModel) -> bool:
    """Whether the input and output embedding of `model` are one tensor; without weights, whether its configuration says so."""
    output = model.get_output_embeddings()
    if output is not None and output.weight.is_meta:
        return bool(getattr(model.config.get_text_config(), "tie_word_embeddings", False))
    return output is not None and output.weight is model.get_input_embeddings().weight


def check_scope(model: PreTrainedModel, scope: Scope, tie: Tie = "refuse", adapter: Adapter | None = None) -> None:
    """Raise `ValueError` if `model` cannot be tuned with this `scope`.

    That is scope "embeddings" with tied embeddings and `tie` "refuse", or scope "lora" if the `adapter` has targets that the model
    does not have, or that are its tied output layer.
    """
    if scope == "embeddings" and tie == "refuse" and tied(model):
        raise ValueError(
            "this model ties its input and output embeddings, so embedding-only tuning would change its output layer too. "
            "Choose tie 'untie' (the output layer gets a frozen copy, which is saved too) or 'both' (both change)."
        )
    if scope == "lora":
        adapter_targets(model, adapter.targets if adapter else None)


def free_embeddings(model: PreTrainedModel, seen: Iterable[int], tie: Tie = "refuse") -> str:
    """Freeze all of `model` but the rows of the input embedding for the tokens `seen`.

    If embeddings are tied, tuning them also changes the output layer, which is not the published intervention (arXiv 2311.09071).
    So `tie` must say whether the output layer gets a frozen copy ("untie") or changes too ("both"). The gradients of other rows
    are set to exactly 0; with weight decay 0, AdamW then leaves these rows unchanged bit for bit. Returns `tie`, or "none" if the
    embeddings are not tied.
    """
    check_scope(model, "embeddings", tie)
    was_tied = tied(model)
    if was_tied and tie == "untie":
        output = model.get_output_embeddings()
        output.weight = nn.Parameter(output.weight.detach().clone())
        model.config.tie_word_embeddings = model.config.get_text_config().tie_word_embeddings = False
    model.requires_grad_(False)
    table = model.get_input_embeddings().get_parameter("weight")
    table.requires_grad_(True)
    mask = torch.zeros(table.shape[0], 1, dtype=table.dtype, device=table.device)
    mask[sorted(set(seen))] = 1
    table.register_hook(lambda gradient: gradient * mask.to(gradient.device, gradient.dtype))
    return tie if was_tied else "none"


def attach_adapter(model: PreTrainedModel, adapter: Adapter, seed: int) -> PeftModel:
    """Freeze `model` and add a trainable low-rank `adapter`, initialised with `seed`. Returns a peft model."""
    try:
        import peft
    except ImportError:
        raise ImportError(f"scope 'lora' needs peft, which is not installed. Install it: {install_command('peft')}") from None
    targets = adapter_targets(model, adapter.targets)
    config = peft.LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout, target_modules=list(targets),
                             fan_in_fan_out=type(_modules_named(model, targets)[0]).__name__ == "Conv1D",
                             task_type="CAUSAL_LM")  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return peft.get_peft_model(model, config)


def adapter_targets(model: PreTrainedModel, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Names of the linear layers to adapt: those `wanted`, or the query and value projections (fused with the key in GPT-2, BLOOM).

    Raises `ValueError` for a layer that `model` does not have, and for its output layer if embeddings are tied.
    """
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if type(module).__name__ in ("Linear", "Conv1D")}
    output = model.get_output_embeddings()
    writer = {name.rpartition(".")[2] for name, module in model.named_modules() if module is output} if tied(model) else set()
    if wanted:
        if missing := set(wanted) - names:
            raise ValueError(
                f"got target {', '.join(sorted(missing))}, expected linear layers of this model: {', '.join(sorted(names))}."
            )
        if shared := set(wanted) & writer:
            raise ValueError(
                f"got target {shared.pop()}, expected some of {', '.join(sorted(names - writer))}. This model ties its input and "
                "output embeddings, so the merged adapter would change its input embedding too."
            )
        return tuple(wanted)
    for usual in (("q_proj", "v_proj"), ("query_key_value",), ("c_attn",), ("qkv_proj",)):
        if set(usual) <= names:
            return usual
    raise ValueError(
        f"no query or value projection is known in {type(model).__name__}. Give targets, of {', '.join(sorted(names))}."
    )


def widen(model: nn.Module) -> dict[str, torch.dtype]:
    """Convert the weights of `model` to float32 at least, in place. Returns the original dtype of each tensor by name.

    A training step is smaller than the precision of bfloat16, so most bfloat16 weights would never change.
    """
    stored = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(torch.promote_types(tensor.dtype, torch.float32))
    return stored


def narrow(model: nn.Module, stored: Mapping[str, torch.dtype]) -> None:
    """Round the weights of `model`, in place, to the dtypes `stored` by `widen`."""
    for name, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = tensor.data.to(stored[name])


def fingerprints(model: nn.Module) -> dict[str, str]:
    """A hash of every tensor of `model` by name, to see later which tensors changed without a second copy."""
    return {name: _hash(tensor) for name, tensor in model.state_dict().items()}


def moved_tensors(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the tensors that changed in any bit, from the `fingerprints` `before` and `after`."""
    return tuple(name for name in after if before.get(name) != after[name])


def moved_rows(before: Float[Tensor, "vocab d_model"], after: Float[Tensor, "vocab d_model"]) -> Bool[Tensor, " vocab"]:
    """Which rows of an embedding matrix differ in any bit between `before` and `after`."""
    return (before.contiguous().view(torch.uint8) != after.contiguous().view(torch.uint8)).view(len(before), -1).any(-1)


def check_moved(moved: Sequence[str], allowed: Iterable[str]) -> None:
    """Raise `RuntimeError` if a tensor in `moved` is not in `allowed`. Logs a warning if no tensor changed."""
    if strays := sorted(set(moved) - set(allowed)):
        raise RuntimeError(f"{len(strays)} frozen tensors changed, {', '.join(strays[:3])} among them. Other code changes them.")
    if not moved:
        _log.warning("no tensor changed: the learning rate or the number of steps is too small for this dtype")


def _hash(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(repr((str(plain.dtype), tuple(plain.shape))).encode())
    digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _modules_named(model: nn.Module, endings: Sequence[str]) -> list[nn.Module]:
    return [module for name, module in model.named_modules() if name.rpartition(".")[2] in endings]

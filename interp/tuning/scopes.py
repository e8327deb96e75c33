"""Which weights may move: the input embedding alone, everything, or a low-rank adapter; and the proof of what did move."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import PreTrainedModel

Scope = Literal["embeddings", "full", "lora"]
Tie = Literal["refuse", "untie", "both"]
"""What embedding-only tuning does with a model that reads and writes with one table."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Adapter:
    """The low-rank update B A of some linear maps: rank, scale `alpha / rank`, and the maps' names (None: the q and v maps)."""

    rank: int = 8
    alpha: int = 16
    dropout: float = 0.0
    targets: tuple[str, ...] | None = None


def tied(model: PreTrainedModel) -> bool:
    """Whether input and output embedding are one tensor."""
    output = model.get_output_embeddings()
    return output is not None and output.weight is model.get_input_embeddings().weight


def check_scope(model: PreTrainedModel, scope: Scope, tie: Tie = "refuse", adapter: Adapter | None = None) -> None:
    """Raise `ValueError` where a scope cannot be applied to a model, before anything is trained or written.

    `tie` is for scope "embeddings", `adapter` for "lora", whose maps must be there and must not be a tied output layer.
    """
    if scope == "embeddings" and tie == "refuse" and tied(model):
        raise ValueError(
            "this model ties its input and output embeddings, so embedding-only tuning would move its output layer too. "
            "Choose tie 'untie' (the output keeps a frozen copy; the folder grows by one table) or 'both' (both move)."
        )
    if scope == "lora":
        adapter_targets(model, adapter.targets if adapter else None)


def free_embeddings(model: PreTrainedModel, seen: Iterable[int], tie: Tie = "refuse") -> str:
    """Freeze everything but the `seen` rows of the input embedding. Returns how a tie was treated: "none", "untie" or "both".

    A tied model reads and writes with one table, so tuning it also moves the output layer, which is not the published
    intervention (arXiv 2311.09071): refused unless `untie` gives the output its own frozen copy, or `both` accepts it.
    Gradients of unseen rows are set to exactly zero; with weight decay 0, Adam then leaves those rows bit for bit.
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


def attach_adapter(model: PreTrainedModel, adapter: Adapter, seed: int) -> Any:
    """The model with a trainable low-rank adapter (Hu et al. 2022), everything else frozen: a peft model, to be merged later."""
    try:
        import peft
    except ImportError:
        raise ImportError("scope 'lora' needs peft. Install it with: pip install 'interp[tune]'.") from None
    targets = adapter_targets(model, adapter.targets)
    config = peft.LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout, target_modules=list(targets),
                             fan_in_fan_out=type(_modules_named(model, targets)[0]).__name__ == "Conv1D",
                             task_type="CAUSAL_LM")  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return peft.get_peft_model(model, config)


def adapter_targets(model: PreTrainedModel, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """The linear maps an adapter sits on: those asked for, else q and v, else the fused q-k-v of GPT-2 and BLOOM.

    Raises `ValueError` for a map that is not there, and for the output layer of a model that reads with the same table.
    """
    names = {name.rpartition(".")[2] for name, module in model.named_modules() if type(module).__name__ in ("Linear", "Conv1D")}
    output = model.get_output_embeddings()
    writer = {name.rpartition(".")[2] for name, module in model.named_modules() if module is output} if tied(model) else set()
    if wanted:
        if missing := set(wanted) - names:
            raise ValueError(f"no linear map is called {', '.join(sorted(missing))}. This model has {', '.join(sorted(names))}.")
        if shared := set(wanted) & writer:
            raise ValueError(
                f"target {shared.pop()} came, but this model reads and writes with one table: merged, the adapter would move its "
                f"input embedding too. Needed: targets of {', '.join(sorted(names - writer))}."
            )
        return tuple(wanted)
    for usual in (("q_proj", "v_proj"), ("query_key_value",), ("c_attn",), ("qkv_proj",)):
        if set(usual) <= names:
            return usual
    raise ValueError(f"no query or value map is known in {type(model).__name__}. Name the targets, of {', '.join(sorted(names))}.")


def widen(model: nn.Module) -> dict[str, torch.dtype]:
    """Make every weight float32 at least, in place, and return what each tensor was by its name.

    A step of training is smaller than what a bfloat16 weight can change by: trained as such, most weights would not move.
    """
    stored = {name: tensor.dtype for name, tensor in model.state_dict().items()}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(torch.promote_types(tensor.dtype, torch.float32))
    return stored


def narrow(model: nn.Module, stored: Mapping[str, torch.dtype]) -> None:
    """Round every weight, in place, to the dtype it had by its name before `widen`."""
    for name, tensor in model.state_dict(keep_vars=True).items():
        tensor.data = tensor.data.to(stored[name])


def fingerprints(model: nn.Module) -> dict[str, str]:
    """A hash of every tensor by its name: what stayed and what moved can be told without keeping a second model."""
    return {name: _hash(tensor) for name, tensor in model.state_dict().items()}


def moved_tensors(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the tensors that are not bit for bit what they were."""
    return tuple(name for name in after if before.get(name) != after[name])


def moved_rows(before: Float[Tensor, "vocab d_model"], after: Float[Tensor, "vocab d_model"]) -> Bool[Tensor, " vocab"]:
    """Which rows of a table differ in any bit."""
    return (before.contiguous().view(torch.uint8) != after.contiguous().view(torch.uint8)).view(len(before), -1).any(-1)


def check_moved(moved: Sequence[str], allowed: Iterable[str]) -> None:
    """Raise `RuntimeError` where a tensor moved that the scope had frozen; warn where nothing moved at all."""
    if strays := sorted(set(moved) - set(allowed)):
        raise RuntimeError(f"{len(strays)} frozen tensors moved, {', '.join(strays[:3])} among them. Something rewrites them.")
    if not moved:
        _log.warning("no tensor moved: the learning rate or the number of steps is too small for this dtype")


def _hash(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(repr((str(plain.dtype), tuple(plain.shape))).encode())
    digest.update(plain.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _modules_named(model: nn.Module, endings: Sequence[str]) -> list[nn.Module]:
    return [module for name, module in model.named_modules() if name.rpartition(".")[2] in endings]

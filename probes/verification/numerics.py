"""Attention sinks, and the effect of half precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interp.interventions.edits import tokens_of
from interp.models.batches import context_limit, pad
from interp.models.bridge import bridge_unchecked
from interp.models.checks.verification import CannotAskError, share_of_largest
from interp.models.devices import free_memory
from interp.models.hooks import Hooks
from interp.models.sites import layer_names, row_hook
from interp.text.sentences import SENTENCES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from interp.models.load import TransformerBridge

_SINK = 10.0
"""A token is an attention sink if its norm exceeds this multiple of the median of its layer."""


def numeric_facts(
    model: TransformerBridge, plain: PreTrainedModel | None
) -> list[tuple[str, float, Callable[[], float | tuple[float, str]]]]:
    """Facts about the numbers of `model` that inform only. `plain` is the unbridged model, or None."""
    half = [
        (f"{name} against float32 of the same weights", math.inf, partial(_half, model, plain, dtype))
        for name, dtype in (("bfloat16", torch.bfloat16), ("float16", torch.float16))
    ]
    return [("attention sinks in the residual stream", math.inf, partial(_sinks, model)), *half]


def _texts(model: TransformerBridge) -> list[list[int]]:
    """Token ids of some sentences, truncated to the context length."""
    chosen = [SENTENCES[code] for code in ("eng_Latn", "rus_Cyrl", "arb_Arab", "zho_Hans")]
    return [tokens_of(model, sentence)[: context_limit(model)] for sentence in chosen]


@torch.no_grad()
def _sinks(model: TransformerBridge) -> tuple[float, str]:
    """Positions whose norm is far above the median of their layer, in which layers, and by how much."""
    layers, texts = layer_names("residual", model.cfg.n_layers), _texts(model)
    norms = [_norms(model, ids) for ids in texts]
    medians = torch.cat(norms, dim=1).median(dim=1).values.clamp_min(1e-12)
    by_position: dict[int, list[tuple[float, int, int]]] = {}
    ratios = [norm / medians[:, None] for norm in norms]
    for text, ratio in enumerate(ratios):
        for layer, position in (ratio > _SINK).nonzero().tolist():
            by_position.setdefault(position, []).append((float(ratio[layer, position]), layer, text))
    largest = max(float(ratio.max()) for ratio in ratios)
    if not by_position:
        return largest, f"none above {_SINK:.0f} times the median; the largest norm is {largest:.1f} times the median"
    order = sorted(by_position, key=lambda position: -max(by_position[position])[0])
    descriptions = []
    for position in order[:3]:
        most, layer, text = max(by_position[position])
        where = sorted({layer for _, layer, _ in by_position[position]})
        token = model.tokenizer.convert_ids_to_tokens(texts[text][position])
        descriptions.append(
            f"position {position} ({token!r}) in {len({text for *_, text in by_position[position]})} of {len(texts)} texts, layers "
            f"{layers[where[0]]} to {layers[where[-1]]}, up to {most:.0f} times the median (layer {layers[layer]})"
        )
    return largest, "; ".join(descriptions) + (f"; and {len(order) - 3} more positions" if len(order) > 3 else "")


def _norms(model: TransformerBridge, ids: list[int]) -> Tensor:
    """The norms of the residual stream, `[layer token]`."""
    batch, norms = pad(model, [ids]), {}

    def keep(activation: Tensor, hook: object, layer: str) -> None:
        norms[layer] = activation[0].float().norm(dim=-1).cpu()

    layers = layer_names("residual", model.cfg.n_layers)
    hooks: Hooks = [(row_hook("residual", layer), partial(keep, layer=layer)) for layer in layers]
    model.run_with_hooks(batch.ids, attention_mask=batch.mask, use_cache=False, logits_to_keep=1, fwd_hooks=hooks)
    return torch.stack([norms[layer] for layer in layers])


@torch.no_grad()
def _half(model: TransformerBridge, plain: PreTrainedModel | None, dtype: torch.dtype) -> tuple[float, str]:
    """How much the logits of the same weights change in half precision, and how often the top token changes."""
    if plain is None or getattr(plain, "hf_quantizer", None) is not None:
        raise CannotAskError("a second copy of the weights is impossible: they are split over devices, on disk or quantized")
    numbers = sum(parameter.numel() for parameter in plain.parameters())
    required, free = numbers * (4 + 2), free_memory(model.cfg.device)
    if required > free:
        raise CannotAskError(f"both copies need {required / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    logits: dict[torch.dtype, Tensor] = {}
    for precision in (torch.float32, dtype):
        copy = bridge_unchecked(plain, model.tokenizer, model.cfg.model_name, precision)
        batches = [pad(copy, [ids]) for ids in _texts(model)]
        logits[precision] = torch.cat([copy(batch.ids, attention_mask=batch.mask, use_cache=False)[0].float() for batch in batches])
        del copy
    true, half = logits[torch.float32], logits[dtype]
    if not bool(half.isfinite().all()):
        return math.nan, "overflows: NaN or infinite logits; use bfloat16 or float32"
    turned = float((true.argmax(-1) != half.argmax(-1)).float().mean())
    off = share_of_largest(half, true)
    return off, f"logits differ by up to {off:.1e} of the largest; another top token at {turned:.1%} of {len(true)} tokens"

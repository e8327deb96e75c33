"""Continuations computed without optimisation: one prompt, one forward pass over all of it, no cache and no padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.batches import pad
from interp.models.checks import receipts
from interp.models.checks.verification import tolerance_of

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


@torch.no_grad()
def uncached_logits(model: TransformerBridge, prompt: Sequence[int], continuation: Sequence[int]) -> Float[Tensor, "token vocab"]:
    """The float32 logits of `model` that predict each token of `continuation` after `prompt` (both ids), uncached."""
    batch = pad(model, [[*prompt, *continuation[:-1]]])
    return model(batch.ids, attention_mask=batch.mask, use_cache=False, logits_to_keep=len(continuation))[0].float()


def uncached_score(model: TransformerBridge, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, float]:
    """The log-probability (nats) of `continuation` after `prompt` in one uncached forward of `model`, and the largest logit."""
    logits = uncached_logits(model, prompt, continuation)
    chosen = logits.log_softmax(-1)[range(len(continuation)), list(continuation)]
    return float(chosen.sum()), float(logits.abs().max())


def shortfalls(logits: Float[Tensor, "token vocab"], tokens: Sequence[int]) -> list[float]:
    """How far the logit of each of `tokens` is below the highest of `logits`, as a share of the largest: 0 for the best token.

    If two nearly equal logits were decided the other way, the share is small; for a wrong token it is large.
    """
    chosen = logits[range(len(tokens)), list(tokens)]
    return ((logits.amax(-1) - chosen) / logits.abs().amax().clamp_min(1)).tolist()


def check_generated(model: TransformerBridge, prompts: Sequence[Sequence[int]], generated: Sequence[Sequence[int]]) -> None:
    """Compute some greedy continuations again: each token must be the most probable one of an uncached forward, or near it.

    `prompts` and what `model` has `generated` are token ids, one list per item. Raises `ReceiptError` where a token is not.
    """
    kind, off = "generated texts", []
    nonempty = [item for item, ids in enumerate(generated) if ids]
    for draw in receipts.draw_items(kind, len(nonempty)):
        item = nonempty[draw]
        off.append(shortfalls(uncached_logits(model, prompts[item], generated[item]), generated[item]))
    receipts.record_differences(
        kind, [max(gaps) for gaps in off], tolerance_of(model), sum(gap > 0 for gaps in off for gap in gaps)
    )


def check_scored(
    model: TransformerBridge,
    prompts: Sequence[Sequence[int]],
    rests: Sequence[Sequence[Sequence[int]]],
    sums: Sequence[Sequence[float]],
) -> None:
    """Compute some scores of continuations again, each by one uncached forward. Raises `ReceiptError` where one is off.

    `prompts[item]` are the ids of a prompt of `model`, `rests[item]` those of each of its continuations, and `sums[item]` the
    log-probabilities (nats) found for them.
    """
    kind, off = "scored continuations", []
    continuations = [(item, k) for item, options in enumerate(rests) for k in range(len(options))]
    for draw in receipts.draw_items(kind, len(continuations)):
        item, k = continuations[draw]
        truth, largest = uncached_score(model, prompts[item], rests[item][k])
        off.append(abs(truth - sums[item][k]) / max(1.0, largest, abs(truth)))
    receipts.record_differences(kind, off, tolerance_of(model))

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
def plain_logits_behind(model: TransformerBridge, prompt: Sequence[int], said: Sequence[int]) -> Float[Tensor, "token vocab"]:
    """The float32 logits that predict each token of `said` after `prompt` (ids), by one uncached forward pass of `model`."""
    batch = pad(model, [[*prompt, *said[:-1]]])
    return model(batch.ids, attention_mask=batch.mask, use_cache=False, logits_to_keep=len(said))[0].float()


def plain_score(model: TransformerBridge, prompt: Sequence[int], said: Sequence[int]) -> tuple[float, float]:
    """The summed log-probability (nats) of `said` behind the prompt in one uncached forward, and its largest logit."""
    logits = plain_logits_behind(model, prompt, said)
    chosen = logits.log_softmax(-1)[range(len(said)), list(said)]
    return float(chosen.sum()), float(logits.abs().max())


def shortfalls(logits: Float[Tensor, "token vocab"], said: Sequence[int]) -> list[float]:
    """How far the logit of each token of `said` is below the highest of `logits`, as a share of the largest: 0 for the best token.

    If two nearly equal logits were decided the other way, the share is small; for a wrong token it is large.
    """
    chosen = logits[range(len(said)), list(said)]
    return ((logits.amax(-1) - chosen) / logits.abs().amax().clamp_min(1)).tolist()


def check_said(model: TransformerBridge, prompts: Sequence[Sequence[int]], said: Sequence[Sequence[int]]) -> None:
    """Compute some greedy continuations again: each token must be the most probable one of an uncached forward, or near it.

    `prompts` and `said` are token ids, one list an item. Raises `ReceiptError` where a token is not.
    """
    what, off = "generated texts", []
    spoken = [item for item, ids in enumerate(said) if ids]
    for place in receipts.draw_items(what, len(spoken)):
        item = spoken[place]
        off.append(shortfalls(plain_logits_behind(model, prompts[item], said[item]), said[item]))
    receipts.record_differences(
        what, [max(each) for each in off], tolerance_of(model), sum(gap > 0 for each in off for gap in each)
    )


def check_scored(
    model: TransformerBridge,
    prompts: Sequence[Sequence[int]],
    rests: Sequence[Sequence[Sequence[int]]],
    sums: Sequence[Sequence[float]],
) -> None:
    """Compute some scores of continuations again, each by one uncached forward. Raises `ReceiptError` where one is off.

    `rests[item]` are the ids of each continuation of a prompt, `sums[item]` the log-probabilities (nats) found for them.
    """
    what, off = "scored continuations", []
    places = [(item, k) for item, each in enumerate(rests) for k in range(len(each))]
    for place in receipts.draw_items(what, len(places)):
        item, k = places[place]
        truth, largest = plain_score(model, prompts[item], rests[item][k])
        off.append(abs(truth - sums[item][k]) / max(1.0, largest, abs(truth)))
    receipts.record_differences(what, off, tolerance_of(model))

"""Compute some pooled activations of a run again: one sentence alone, by a plain forward pass, pooled by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interp.activations.pool import Pooling, Positions, pooled_positions, position_weights
from interp.activations.spans import Span
from interp.activations.store import Activations
from interp.models.batches import pad
from interp.models.checks import receipts
from interp.models.checks.verification import tolerance_of

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


@torch.no_grad()
def check_states(
    model: TransformerBridge, acts: Activations, texts: Mapping[str, Sequence[Span]], hooks: Sequence[str], pooling: Pooling
) -> None:
    """Compute the states of some sentences again. Raises `ReceiptError` where one in `acts` is off, read now or from disk.

    `texts` are the tokenized sentences of each language, `hooks` the hook of each layer of `model`, `pooling` is that of `acts`. A
    difference is a share of the largest value that the layer holds at any token pooled over. The attention sinks left out are those
    that the run found.
    """
    what, off = "captured sentences", []
    sentences = [(code, item) for code in texts if code in acts.languages for item in range(len(acts))]
    for index in receipts.draw_items(what, len(sentences)):
        code, item = sentences[index]
        span, batch = texts[code][item], pad(model, [texts[code][item].ids])
        _, held = model.run_with_cache(batch.ids, attention_mask=batch.mask, names_filter=list(hooks), use_cache=False)
        states = acts[code][:, item]
        left_out = acts.left_out(code)[item]
        off.append(max(_difference(states[row], held[name][0], span, left_out, pooling) for row, name in enumerate(hooks)))
    receipts.record_differences(what, off, tolerance_of(model))


def _difference(state: Tensor, held: Tensor, span: Span, left_out: Positions, pooling: Pooling) -> float:
    """How far a pooled state is from what a layer held at the tokens `[token d_model]` of its sentence."""
    kept = pooled_positions(span, left_out, pooling)
    tokens, weights = held[kept].float().cpu(), position_weights(kept, span, pooling)
    pooled = (weights[:, None] * tokens).sum(0) / weights.sum()
    return float((state - pooled).abs().max() / tokens.abs().max().clamp_min(1e-6))

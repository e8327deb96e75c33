"""How fast this machine is: FLOP/s of the model itself, measured in seconds, or a guess that needs no weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from experiments.costs.cost import Cost, Work
from interp.models.devices import choose_device

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_SECONDS = 2.0
_GLANCE = 0.25
_SHORT = 30.0
_LAYER = 3e-3
"""Seconds that the hooks and calls of one block take in a forward pass, whatever is read: one token through the bundled model took
2.7 to 3.1 ms a block, on one core of a busy machine."""
_WIDEST = 2048
_SLOW = 2e9
"""FLOP/s that any machine reaches: what is short at this rate is short, and nothing is measured."""


def measured(model: TransformerBridge, cost: Cost) -> tuple[float, float]:
    """FLOP/s of a loaded model at whole texts and at single tokens, in the batch and length of the largest work of each kind.

    It takes a few seconds. Single tokens are read without the cache that they have in a run.
    """
    reader, writer = _typical(cost)
    return _speed(model, cost, *reader), _speed(model, cost, *writer)


def guessed(model: TransformerBridge, cost: Cost) -> float:
    """Seconds that a run takes, from half a second of matrix products in the dtype and width of the model, without its weights."""
    layers = _LAYER * model.cfg.n_layers
    if (seconds := cost.seconds(_SLOW, _SLOW, layers)) < _SHORT:
        return seconds
    (rows, width), (together, _) = _typical(cost)
    device, dtype, d_model = choose_device(model.cfg.device), next(model.parameters()).dtype, model.cfg.d_model
    weight = torch.ones(d_model, 4 * d_model, dtype=dtype, device=device)

    def speed(tokens: int) -> float:
        states = torch.ones(tokens, d_model, dtype=dtype, device=device)
        return 2 * tokens * weight.numel() / _each(lambda: states @ weight, device, _GLANCE)

    return cost.seconds(speed(min(rows * width, _WIDEST)), speed(together), layers)


def _typical(cost: Cost) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and tokens of a forward pass over whole texts, and over single tokens."""
    reader = max(cost.works, key=lambda work: work.prefill * work.passes)
    writer = max(cost.works, key=lambda work: work.generated)
    width = max(1, round(_width(reader)))
    rows = max(1, round(reader.prefill / max(1, reader.forwards - reader.steps) / width))
    together = max(1, round(writer.generated / writer.steps)) if writer.steps else 1
    return (min(rows, max(1, _WIDEST // width)), width), (min(together, _WIDEST), 1)


def _width(work: Work) -> float:
    """Tokens of a text: those in reach of each token, or all of a pass if that is less."""
    return min(work.attended / max(1, work.tokens), work.prefill / max(1, work.forwards - work.steps))


@torch.no_grad()
def _speed(model: TransformerBridge, cost: Cost, rows: int, width: int) -> float:
    ids = torch.randint(3, model.cfg.d_vocab - 1, (rows, width), generator=torch.Generator().manual_seed(0)).to(model.cfg.device)
    mask = torch.ones_like(ids)
    seconds = _each(
        lambda: model(ids, attention_mask=mask, use_cache=False, logits_to_keep=1), torch.device(str(model.cfg.device)), _SECONDS
    )
    return cost.size.flops(rows * width, rows * width * width) / seconds


def _each(act: Callable[[], object], device: torch.device, limit: float) -> float:
    """Seconds of one call, the shortest of those that fit into `limit` seconds after a first one."""

    def timed() -> float:
        began = time.perf_counter()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began

    first = timed()
    if first > limit:
        return first
    began, times = time.perf_counter(), [timed()]
    while time.perf_counter() - began < limit / 2:
        times.append(timed())
    return min(times)

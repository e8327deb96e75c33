"""How many transplant cells fit into memory at a time, by an upper estimate from the sizes of the model."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from interp.interventions.grid.packed import lanes_for
from interp.interventions.grid.scores import Ask
from interp.models.devices import free_memory

if TYPE_CHECKING:
    from interp.interventions.grid.cells import Method
    from interp.models.load import TransformerBridge

_WIDEST = {"cpu": 512}
"""Number of cells in one wave at most, by kind of device: attention among them costs their number squared."""
_WIDEST_ELSEWHERE = 2048
_MOST: weakref.WeakKeyDictionary[TransformerBridge, int] = weakref.WeakKeyDictionary()
_log = logging.getLogger(__name__)


def fitting_cells(
    model: TransformerBridge, prompts: Sequence[Sequence[int]], asks: Sequence[Ask], cells: int, method: Method
) -> int:
    """How many of the `cells` of each of `prompts` fit into a quarter of the free memory at a time, by an upper estimate.

    `asks` are the scores of the prompts in `model`, `method` is how the cells are run; the plain one needs no bound.
    """
    if method == "naive":
        return cells
    free = free_memory(model.cfg.device) / 4
    widest = _WIDEST.get(torch.device(model.cfg.device or "cpu").type, _WIDEST_ELSEWHERE)
    count = min(cells, widest) if method == "wave" else cells
    while count > 1 and _memory(model, prompts, asks, count, method).total > free:
        count = -(-count // 2)
    return count


class _Memory(NamedTuple):
    """An upper estimate in bytes: the keys and values of prompts and cells, and their logits, scores and copies."""

    caches: int
    states: int

    @property
    def total(self) -> int:
        return self.caches + self.states


def _memory(model: TransformerBridge, prompts: Sequence[Sequence[int]], asks: Sequence[Ask], count: int, method: Method) -> _Memory:
    """What `count` cells of each prompt need at a time."""
    config, length = model.cfg, max(map(len, prompts))
    steps = asks[0].steps if asks[0].score == "generate" else 1
    nodes = 1 + sum(len(tail) - 1 for ask in asks[:1] for tail in ask.tails)
    heads, layers = config.n_heads, config.n_layers
    keys = 2 * 4 * layers * (getattr(config, "n_key_value_heads", None) or heads) * config.d_head
    lanes = {"batched": count, "wave": 1}.get(method) or lanes_for(count, steps if steps > 1 else 2 * nodes**2, length)
    sees = length + -(-count // lanes) * nodes * steps
    states = 12 * config.d_vocab + 16 * heads * sees + 64 * config.d_model
    return _Memory(len(prompts) * (count * nodes * steps + lanes * length) * keys, len(prompts) * count * nodes * states)


def tell_memory(
    model: TransformerBridge, prompts: Sequence[Sequence[int]], asks: Sequence[Ask], cells: int, size: int, method: Method
) -> None:
    """Log how many cells are run at a time (`size`), and their memory, where it is the most of this `model` so far.

    `prompts`, `asks`, `cells` and `method` as for `fitting_cells`.
    """
    if method == "naive":
        return
    size = min(size, cells)
    need = _memory(model, prompts, asks, size, method)
    if need.total > 1.1 * _MOST.get(model, 0):
        _MOST[model] = need.total
        _log.info(
            "transplant memory: %d of %d cells at a time, prompts of up to %d tokens: at most %.2f GiB of caches and %.2f GiB of "
            "logits and states, of %.1f GiB free.",
            size, cells, max(map(len, prompts)), need.caches / 2**30, need.states / 2**30,
            free_memory(model.cfg.device) / 2**30,
        )  # fmt: skip

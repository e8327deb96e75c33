"""The cells of a transplant grid, the cached prefix they share, and greedy decoding of many rows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from interp.interventions.edits import Transplant, hook_of
from interp.interventions.grid.room import RoomyLayer, contents
from interp.models.batches import pad
from interp.models.checks.finite import check_finite
from interp.models.plain.runner import runner
from interp.models.states import new_cache

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


Method = Literal["auto", "naive", "batched", "packed", "wave"]
"""How a grid is computed. `auto` is the first fast way that agrees with `naive` on this model."""
Tails = Sequence[Sequence[Sequence[int]]]
"""For each item, the continuations to score: token ids that may follow the prompt."""


@dataclass(frozen=True)
class Cells:
    """Cells of a grid, sorted by block: which row of the donors `[item source d]`, into which block; -1 is the untouched run.

    `source` and `block` stay on the CPU, where they are read without waiting for a GPU.
    """

    donors: Tensor
    source: Int[Tensor, " cell"]
    block: Int[Tensor, " cell"]
    transplant: Transplant

    def __len__(self) -> int:
        return len(self.source)

    @property
    def blocks(self) -> list[int]:
        """The blocks that are written to."""
        return [block for block in self.spans if block >= 0]

    @cached_property
    def spans(self) -> dict[int, tuple[int, int]]:
        """The first cell of each block, and the first behind it."""
        blocks, counts = self.block.unique_consecutive(return_counts=True)
        stops = counts.cumsum(0).tolist()
        return {block: (stop - count, stop) for block, stop, count in zip(blocks.tolist(), stops, counts.tolist(), strict=True)}

    @cached_property
    def values(self) -> Float[Tensor, "item cell d"]:
        """The donor activation of every cell."""
        return self.donors[:, self.source.to(self.donors.device)]

    def part(self, start: int, stop: int) -> Cells:
        """The cells from `start` to before `stop`, of all items."""
        return Cells(self.donors, self.source[start:stop], self.block[start:stop], self.transplant)

    def of_item(self, item: int) -> Cells:
        """All cells of one `item`."""
        return Cells(self.donors[item : item + 1], self.source, self.block, self.transplant)


class Scored(NamedTuple):
    """What the cells say: next-token logits `[item cell vocab]`, and for each item the log-probability of each of its
    continuations `[cell option]`."""

    logits: Tensor
    tails: list[Tensor]


class Prefix(NamedTuple):
    """The prompts without their last token, read once. `past` None where nothing stands before the last token."""

    past: DynamicCache | None
    mask: Int[Tensor, "item token"]
    last: Int[Tensor, " item"]


@torch.no_grad()
def read_prefix(model: TransformerBridge, prompts: Sequence[Sequence[int]], *, windows: bool) -> Prefix:
    """Read everything before the last token of each of `prompts` into a cache of `model`.

    `windows` keeps the cache as the model makes it, with sliding windows cut; without, every key stays.
    """
    batch = pad(model, prompts)
    ids, mask = batch.ids[:, :-1], batch.mask[:, :-1]
    if not ids.shape[1]:
        return Prefix(None, mask, batch.ids[:, -1])
    past = new_cache(model) if windows else DynamicCache()
    last = hook_of("attention", model.cfg.n_layers - 1)
    enough = (last, _stop)
    with suppress(_EnoughError):
        runner(model, [last]).run_with_hooks(ids, attention_mask=mask, past_key_values=past, logits_to_keep=1, fwd_hooks=[enough])
    return Prefix(past, mask, batch.ids[:, -1])


class _EnoughError(Exception):
    """The last keys are in the cache; nothing above them is read."""


def _stop(activation: Tensor, hook: object) -> None:
    raise _EnoughError


def fork(past: DynamicCache | None, copies: int = 1, room: int = 0) -> DynamicCache:
    """A cache that can grow without touching `past`, each row `copies` times in a row, with `room` for so many more tokens.

    A layer with a window, which forgets, is copied as it is.
    """
    if past is None:
        return DynamicCache()
    own = copy.copy(past)
    if room and (kept := contents(past)):
        own.layers = [RoomyLayer(keys, values, copies, room) for keys, values in kept]
        return own
    own.layers = [copy.copy(layer) for layer in past.layers]
    if copies > 1:
        own.batch_repeat_interleave(copies)
    return own


class Greedy:
    """Greedy decoding of many rows, and how near each came to a tie: the smallest gap between best and second best."""

    def __init__(self, logits: Float[Tensor, "row vocab"], stops: Sequence[int]) -> None:
        self.tokens: list[Tensor] = []
        self.stops = torch.tensor(list(stops), dtype=torch.long, device=logits.device)
        self.done = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        self.margin = torch.full((len(logits),), torch.inf, device=logits.device)
        self.take(logits)

    def take(self, logits: Float[Tensor, "row vocab"]) -> None:
        """Append the most probable token of every row of `logits`. Raises `ValueError` where one is not finite."""
        check_finite(logits, lambda row, _: f"transplant: a logit at step {len(self.tokens)} of row {row}")
        best = logits.float().topk(2, dim=-1)
        token = best.indices[:, 0].clone()
        if len(self.stops):
            token[self.done] = self.stops[0]
        gap = best.values[:, 0] - best.values[:, 1]
        self.margin = torch.where(self.done, self.margin, torch.minimum(self.margin, gap))
        self.done = self.done | torch.isin(token, self.stops)
        self.tokens.append(token)

    @property
    def steps(self) -> int:
        """The number of tokens generated per row."""
        return len(self.tokens)

    @property
    def finished(self) -> bool:
        """Whether every row has ended."""
        return bool(self.done.all())

    def result(self, steps: int) -> tuple[Int[Tensor, "row token"], Float[Tensor, " row"]]:
        """Tokens `[row steps]`, filled up with the stop token, and the margins."""
        tokens = self.tokens[:steps]
        if len(tokens) < steps:
            tokens += [self.stops[:1].expand(len(self.done))] * (steps - len(tokens))
        return torch.stack(tokens, dim=1), self.margin

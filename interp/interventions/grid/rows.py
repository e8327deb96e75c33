"""Cells as rows of a batch that share the cached prefix of their prompt: no row has a copy of its keys.

A row attends to the keys of its prompt, for all rows of an item in one matrix product, and to the keys of its own few tokens. There
is no mask over other cells, and a step costs little more than its matrix products with the weights. It is a form of `packed`, for
models whose attention can be given as a function (`interp.models.plain`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface, DynamicCache

from interp.interventions.edits import hook_of
from interp.interventions.grid.cells import Cells, Prefix
from interp.interventions.grid.room import OwnLayer, contents
from interp.models.hooks import Hook, Hooks
from interp.models.plain.model import Plain
from interp.models.plain.replay import replayed
from interp.models.plain.runner import runner

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_NAME = "interp_shared_prefix"


@dataclass
class Shared:
    """What all rows of an item see: keys and values of its prompt in every layer `[item head token d]`, `hidden` where these are
    padding (added to the scores, `[item 1 1 token]`; None where none is), and which places of its room each token of a row sees
    (`own`, added to the scores, `[item 1 1 1 token place]`; None for all)."""

    keys: list[Tensor]
    values: list[Tensor]
    hidden: Tensor | None
    own: Tensor | None


_IN_FORCE: list[Shared] = []


def _attend(
    module: nn.Module,
    query: Float[Tensor, "row head token d"],
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    **others: object,
) -> tuple[Float[Tensor, "row token head d"], None]:
    """Attention of every row to the prompt that it shares and to its own tokens, as transformers calls it."""
    if others.get("s_aux") is not None:
        raise NotImplementedError("attention with learned sinks")
    shared, layer = _IN_FORCE[-1], cast(int, module.layer_idx)
    far_keys, far_values = shared.keys[layer], shared.values[layer]
    items, heads, before, width = far_keys.shape
    rows, _, tokens, _ = query.shape
    each = query.reshape(rows, heads, -1, width) * (width**-0.5 if scaling is None else scaling)  # the queries of one key head
    far, near = _together(each, items) @ far_keys.mT, each @ key.mT
    if softcap is not None:
        far, near = (softcap * torch.tanh(scores / softcap) for scores in (far, near))
    if shared.hidden is not None:
        far = far + shared.hidden
    if shared.own is not None:
        near = (near.unflatten(2, (-1, tokens)).unflatten(0, (items, -1)) + shared.own).flatten(0, 1).flatten(2, 3)
    weights = torch.cat([far, _together(near, items)], dim=-1).softmax(-1)
    on_far = (weights[..., :before] @ far_values).unflatten(2, (-1, each.shape[2])).transpose(1, 2).flatten(0, 1)
    on_near = weights[..., before:].unflatten(2, (-1, each.shape[2])).transpose(1, 2).flatten(0, 1)
    return (on_far + on_near @ value).reshape(rows, -1, tokens, width).transpose(1, 2), None


def _together(of_rows: Float[Tensor, "row head query n"], items: int) -> Float[Tensor, "item head rowquery n"]:
    """The queries of all rows of an item side by side."""
    return of_rows.unflatten(0, (items, -1)).transpose(1, 2).flatten(2, 3)


AttentionInterface.register(_NAME, _attend)


@contextmanager
def _sharing(plain: Plain, shared: Shared) -> Iterator[None]:
    _IN_FORCE.append(shared)
    try:
        with plain.attention(_NAME):
            yield
    finally:
        _IN_FORCE.pop()


def can_share(model: TransformerBridge, cells: Cells) -> Plain | None:
    """The plain model beside `model`, where it can run `cells` as rows that share a prefix; else None."""
    running = runner(model, [hook_of(cells.transplant.target_site, block) for block in cells.blocks])
    return running if isinstance(running, Plain) and running.takes_attention else None


class Rows:
    """The rows of some cells of some items, which read one or more tokens at a time.

    Every row has places for tokens of its own; `own` says which of them the tokens read first see, one matrix `[token place]` an
    item. From then on a row reads one token at a time, which sees all before it.
    """

    def __init__(self, plain: Plain, prefix: Prefix, cells: Cells, own: Bool[Tensor, "item token place"]) -> None:
        self.plain, self.cells, self.items = plain, cells, len(prefix.last)
        dtype, device = next(plain.hf.parameters()).dtype, prefix.last.device
        self.before, self.first = prefix.mask.sum(1), own.shape[1]
        padding = ~prefix.mask.bool()
        hidden = _unseen(padding, dtype)[:, None, None] if bool(padding.any()) else None
        seen = _unseen(~own.to(device), dtype)[:, None, None, None]
        self.shared = Shared(*_per_layer(plain, prefix, dtype), hidden, None if bool(own.all()) else seen)
        self.place = torch.arange(self.first, device=device)
        self.cache = DynamicCache()
        self.cache.layers = [OwnLayer(own.shape[2], self.place) for _ in plain.blocks]
        self.mask = torch.zeros(1, 1, 1, 1, dtype=dtype, device=device)  # four axes: taken as it is, and not looked at

    def read(self, ids: Int[Tensor, "item cell token"], depth: Int[Tensor, "item token"]) -> Float[Tensor, "item cell token vocab"]:
        """Logits behind the tokens read first, `ids`, which stand `depth` places behind the last token of the prompt."""
        positions = (self.before[:, None] + depth)[:, None].expand(ids.shape).flatten(0, 1)
        return self._forward(ids.flatten(0, 1), positions, self._hooks()).unflatten(0, (self.items, -1))

    def steps(self) -> Callable[[Int[Tensor, "item cell"]], Float[Tensor, "row vocab"]]:
        """What reads one more token of every row at each call, and gives the logits behind it."""
        rows = self.items * len(self.cells)
        ids = self.before.new_zeros(rows, 1)
        positions = self.before.repeat_interleave(len(self.cells))[:, None] + self.first - 1
        place, own = self.place[-1:].clone(), self.shared.own
        if own is not None:
            self.shared.own = own = own[..., -1:, :].clone()
        for layer in self.cache.layers:
            cast(OwnLayer, layer).place = place
        again = replayed(lambda: self._forward(ids, positions, [])[:, -1])

        def step(tokens: Int[Tensor, "item cell"]) -> Float[Tensor, "row vocab"]:
            place.add_(1)
            positions.add_(1)
            ids.copy_(tokens.reshape(rows, 1))
            if own is not None:
                own.index_fill_(-1, place, 0)
            return again()

        return step

    def _forward(self, ids: Tensor, positions: Tensor, writes: Hooks) -> Tensor:
        with _sharing(self.plain, self.shared):
            return self.plain.run_with_hooks(
                ids, fwd_hooks=writes, attention_mask=self.mask, position_ids=positions, past_key_values=self.cache, use_cache=True
            )

    def _hooks(self) -> Hooks:
        starts = torch.arange(self.items, device=self.before.device)[:, None] * len(self.cells)
        hooks: Hooks = []
        for block in self.cells.blocks:
            start, stop = self.cells.spans[block]
            rows = starts + torch.arange(start, stop, device=starts.device)
            hooks.append((hook_of(self.cells.transplant.target_site, block), self._writer(rows, self.cells.values[:, start:stop])))
        return hooks

    def _writer(self, rows: Tensor, donors: Tensor) -> Hook:
        return lambda activation, hook: self.cells.transplant.write(activation, (rows, torch.zeros_like(rows)), donors)


def _per_layer(plain: Plain, prefix: Prefix, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
    """Keys and values of the prefix in every layer; without a token where it has none."""
    if prefix.past is not None:
        kept = contents(prefix.past)
        return [keys for keys, _ in kept], [values for _, values in kept]
    config = plain.hf.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    nothing = torch.zeros(len(prefix.last), heads, 0, width, dtype=dtype, device=prefix.last.device)
    return [nothing] * len(plain.blocks), [nothing] * len(plain.blocks)


def _unseen(where: Bool[Tensor, "*axes"], dtype: torch.dtype) -> Float[Tensor, "*axes"]:
    """What is added to scores so that nothing is seen `where` this is true."""
    return torch.zeros(where.shape, dtype=dtype, device=where.device).masked_fill_(where, torch.finfo(dtype).min)

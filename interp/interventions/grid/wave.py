"""The `wave` method: cells are added to the sequence at their target block, so that no block is run for unchanged cells.

Below its target block a cell equals the untouched last token. The prompt is read once; at each block, the cells with this target
are added as further positions, each attending to the prompt before its last token and to itself. This is half the work of `packed`
and exact wherever that is, but gives scores of the first token only, as the keys and values below the target that continuations
need do not exist. The cost of XTransplant falls from N^2 prompts to N^2 / 2 positions.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interp.interventions.edits import at, hook_of, kind
from interp.interventions.grid.cells import Cells, Prefix, fork
from interp.interventions.grid.packed import Seen, additive, dtype_of
from interp.models.hooks import Arguments, Hook, Hooks, Positional, PreHook
from interp.models.plain.runner import runner

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


@torch.no_grad()
def wave(model: TransformerBridge, prefix: Prefix, read: tuple[Tensor, Tensor], cells: Cells) -> Tensor:
    """Next-token logits of `model` in every cell, `[item cell vocab]`.

    `read` is what the prompt still has to be read, ids and mask `[item token]`: all of it where `prefix` is empty, else its
    last token. `cells` must be sorted by block.
    """
    ids, mask = read
    length = ids.shape[1]
    cache_arguments: Arguments = {} if prefix.past is None else {"past_key_values": fork(prefix.past)}
    front = _Front(cells, length)
    running = runner(model, [name for name, _ in front.names()])
    with ExitStack() as stack:
        for block, module in enumerate(running.blocks):
            stack.enter_context(_pre(module, front.enter(block)))
        stack.enter_context(_pre(running.ln_final, front.enter(model.cfg.n_layers)))
        return running.run_with_hooks(
            torch.cat([ids, ids[:, -1:].expand(-1, len(cells))], dim=1),
            fwd_hooks=front.hooks(),
            use_cache=prefix.past is not None,
            logits_to_keep=len(cells),
            **_seeing(prefix.mask, mask, len(cells), dtype_of(model)),
            **cache_arguments,
        )


def _seeing(before: Tensor, mask: Tensor, cells: int, dtype: torch.dtype) -> Seen:
    items, length = mask.shape
    past, size = before.shape[1], length + cells
    visible = torch.zeros(items, size, past + size, dtype=torch.bool, device=mask.device)
    visible[:, :, :past] = before.bool()[:, None]
    causal = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
    visible[:, :length, past : past + length] = causal & mask.bool()[:, None]
    visible[:, length:, past : past + length - 1] = mask.bool()[:, None, :-1]
    cell_rows = torch.arange(length, size, device=mask.device)
    visible[:, cell_rows, past + cell_rows] = True
    positions = (torch.cat([before, mask], dim=1).cumsum(1) - 1).clamp_min(0)[:, past:]
    return {
        "attention_mask": additive(visible, dtype),
        "position_ids": torch.cat([positions, positions[:, -1:].expand(-1, cells)], dim=1),
    }


class _Front:
    """Who is in the sequence at each block, and with what value each cell enters.

    A cell at the end of a block (MLP, residual_post) enters behind it, its value computed from the clean last token; one at
    an earlier site enters before the block as a copy of the last token, and a hook in the block writes the donor.
    """

    def __init__(self, cells: Cells, length: int) -> None:
        self.cells, self.length = cells, length
        self.late = kind(cells.transplant.target_site) in ("mlp", "residual_post")
        self.clean: dict[int, Tensor] = {}

    def joined(self, block: int) -> int:
        """How many cells are in the sequence when block `block` runs."""
        return max((stop for own, (_, stop) in self.cells.spans.items() if own < block + (not self.late)), default=0)

    def enter(self, block: int) -> PreHook:
        """Pre-hook of a block (or of the final norm): append who joins here, shorten mask and positions to who is there."""

        def hook(module: torch.nn.Module, args: Positional, kwargs: Arguments) -> tuple[Positional, Arguments]:
            hidden = args[0] if args else kwargs["hidden_states"]
            full = self.length + len(self.cells)
            if block == 0:
                hidden = hidden[:, : self.length]
            before, now = hidden.shape[1] - self.length, self.joined(block)
            hidden = torch.cat([hidden, self._values(hidden, before, now)], dim=1)
            short = [_shorten(value, full, hidden.shape[1]) for value in args[1:]]
            shortened = {name: _shorten(value, full, hidden.shape[1]) for name, value in kwargs.items()}
            return ((hidden, *short), shortened) if args else ((), shortened | {"hidden_states": hidden})

        return hook

    def _values(self, hidden: Tensor, before: int, now: int) -> Tensor:
        last = hidden[:, self.length - 1, None].expand(-1, now - before, -1)
        if not self.late or not self.clean or now == before:
            return last
        block = next(own for own, (start, _) in self.cells.spans.items() if start == before)
        old = self.clean[block][:, None].expand_as(last)
        return last - old + self.cells.transplant.blend(old, self.cells.values[:, before:now])

    def names(self) -> list[tuple[str, int]]:
        """The hook of each block that is written to."""
        return [(hook_of(self.cells.transplant.target_site, block), block) for block in self.cells.blocks]

    def hooks(self) -> Hooks:
        act = self._keep if self.late else self._write
        return [(name, act(block)) for name, block in self.names()]

    def _keep(self, block: int) -> Hook:
        def hook(activation: Tensor, hook: object) -> None:
            self.clean[block] = at(activation, self.cells.transplant.target_site)[:, self.length - 1]

        return hook

    def _write(self, block: int) -> Hook:
        start, stop = self.cells.spans[block]
        donors = self.cells.values[:, start:stop]

        def hook(activation: Tensor, hook: object) -> Tensor:
            rows = torch.arange(len(donors), device=activation.device)[:, None]
            in_block = torch.arange(self.length + start, self.length + stop, device=activation.device)
            where = (rows, in_block[None].expand(len(donors), -1))
            return self.cells.transplant.write(activation, where, donors)

        return hook


def _shorten(value: object, full: int, size: int) -> object:
    """Mask, positions or rotary angles of the full sequence, cut to its first `size` positions."""
    if isinstance(value, tuple) and all(isinstance(part, Tensor) for part in value):
        return tuple(part[:, :size] if part.ndim == 3 else part for part in value)
    if not isinstance(value, Tensor):
        return value
    if value.ndim == 4:
        return value[:, :, :size, : value.shape[3] - full + size]
    return value[:, :size] if value.ndim == 2 and value.shape[1] == full else value


class _pre:
    """A pre-hook of a module for the length of a `with` block."""

    def __init__(self, module: torch.nn.Module, hook: PreHook) -> None:
        self.handle = module.register_forward_pre_hook(hook, with_kwargs=True)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *raised: object) -> None:
        self.handle.remove()

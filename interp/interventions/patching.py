"""Activation patching between two prompts: put what one run holds at a place into the other, and see how the answer moves.

Translations have no token alignment, so places are anchored: the last token of the prompt, the last token of a marked span
(`"The capital of [[France]] is"`), or every token of the span with the span's mean. Prompts may differ in length. Layers are
blocks 0..N-1; the site is what `interp.models.sites` says. Method and pitfalls: Zhang & Nanda 2024, Heimersheim & Nanda 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.interventions.edits import Place, at, check_blocks, hook_of
from interp.interventions.grid.cells import fork, new_cache
from interp.interventions.grid.grid import free_memory
from interp.interventions.prompts import Anchor, Prompt, Question, untouched
from interp.models import receipts
from interp.models.batches import pad
from interp.models.sites import EditSite, hook_name
from interp.models.states import keeps_state
from interp.models.verification import share_of_largest, tolerance_of

Direction = Literal["denoise", "noise"]


@dataclass(frozen=True)
class Edit:
    """One thing to put in: `vector` `[d]` at these positions of one block, or `[position d]`, one for each; `head` where the site
    is one attention head."""

    block: int
    positions: tuple[int, ...]
    vector: Tensor
    head: int | None = None

    def place(self, site: EditSite) -> Place:
        return site if self.head is None else ("head", self.head)


@torch.no_grad()
def run_edits(
    model: TransformerBridge, ids: Sequence[int], edits: Sequence[Edit], site: EditSite, tail: Sequence[int] = ()
) -> Float[Tensor, "item token vocab"]:
    """The logits behind a prompt under each edit, a row an edit: at its last token, and at each token of `tail` but the last.

    What stands before the first edited token is read once and shared, unless the model keeps a state.
    """
    first = min(min(edit.positions) for edit in edits)
    batch = pad(model, [[*ids, *tail[:-1]]])
    past, shared = None, not keeps_state(model)
    if first and shared:
        _, past = model(
            batch.ids[:, :first],
            attention_mask=batch.mask[:, :first],
            past_key_values=new_cache(model),
            return_type="logits_and_cache",
            logits_to_keep=1,
        )
    else:
        first = 0
    rest, found = batch.ids[:, first:], []
    keep = batch.ids.shape[1] - len(ids) + 1
    size = _rows_at_a_time(model, batch.ids.shape[1], rest.shape[1])
    for start in range(0, len(edits), size):
        part = edits[start : start + size]
        logits = model.run_with_hooks(
            rest.expand(len(part), -1),
            attention_mask=batch.mask.expand(len(part), -1),
            past_key_values=fork(past, len(part)) if shared else None,
            use_cache=shared,
            fwd_hooks=_hooks(part, site, first),
            logits_to_keep=keep,
        )
        found.append(logits)
    result = torch.cat(found)
    _check(model, batch.ids, edits, site, keep, result)
    return result


def _check(model: TransformerBridge, ids: Tensor, edits: Sequence[Edit], site: EditSite, keep: int, found: Tensor) -> None:
    """Run some edits again, each in a forward of the whole prompt by itself. Raises `ReceiptError` where the logits differ."""
    what, off = "patched runs", []
    for row in receipts.chosen(what, len(edits), 1):
        hooks, mask = _hooks([edits[row]], site, 0), torch.ones_like(ids)
        plain = model.run_with_hooks(ids, attention_mask=mask, use_cache=False, fwd_hooks=hooks, logits_to_keep=keep)
        off.append(share_of_largest(found[row], plain[0]))
    receipts.give(what, off, tolerance_of(model))


def _rows_at_a_time(model: TransformerBridge, length: int, rest: int) -> int:
    config = model.cfg
    row = 8 * config.n_layers * config.d_model * length + 16 * config.n_heads * rest * length + 12 * config.d_vocab
    return max(1, int(free_memory(config.device) / 4 / row))


def _hooks(edits: Sequence[Edit], site: EditSite, first: int) -> list[Any]:
    blocks: dict[int, list[int]] = {}
    for row, edit in enumerate(edits):
        blocks.setdefault(edit.block, []).append(row)
    return [(hook_of(edits[rows[0]].place(site), block), _writer(edits, rows, site, first)) for block, rows in blocks.items()]


def _writer(edits: Sequence[Edit], rows: Sequence[int], site: EditSite, first: int) -> Any:
    def write(activation: Tensor, hook: object) -> Tensor:
        activation = activation.clone()
        for row in rows:
            view = at(activation, edits[row].place(site))
            view[row, [place - first for place in edits[row].positions]] = edits[row].vector.to(activation)
        return activation

    return write


@torch.no_grad()
def activations(model: TransformerBridge, ids: Sequence[int], site: EditSite, blocks: Sequence[int]) -> dict[int, Tensor]:
    """What a site holds at every token of a prompt: for each block `[token d]` (heads: `[token head d]`)."""
    kept: dict[int, Tensor] = {}
    batch = pad(model, [ids])
    hooks: list[Any] = [(hook_name(site, block), _keeper(kept, block)) for block in blocks]
    model.run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=hooks, use_cache=False, logits_to_keep=1)
    return kept


def _keeper(kept: dict[int, Tensor], block: int) -> Any:
    def keep(activation: Tensor, hook: object) -> None:
        kept[block] = activation[0].clone()

    return keep


@dataclass(frozen=True)
class Patched:
    """One base prompt with every place replaced: `values` `[block anchor]` (heads: `[block head anchor]`), and the metric of both
    untouched runs."""

    values: Tensor
    clean: float
    corrupt: float

    @property
    def normalised(self) -> Tensor:
        """0 where the run is as the corrupt one, 1 as the clean one. Explodes where the two hardly differ: look at both."""
        return (self.values - self.corrupt) / (self.clean - self.corrupt)


def patch(
    model: TransformerBridge,
    clean: Prompt,
    corrupt: Prompt,
    asked: Question,
    *,
    site: EditSite = "residual_post",
    anchors: Sequence[Anchor] = ("last",),
    blocks: Sequence[int] | None = None,
    direction: Direction = "denoise",
) -> Patched:
    """Exact activation patching of every block at every anchor.

    `denoise` puts clean activations into the corrupt run: is this place sufficient? `noise` puts corrupt activations into
    the clean run: is it necessary? The two differ wherever places can stand in for each other.
    """
    blocks = check_blocks(model, blocks, "blocks")
    donor, base = (clean, corrupt) if direction == "denoise" else (corrupt, clean)
    edits = edits_of(model, donor, base, site, anchors, blocks)
    values = asked.read(run_edits(model, base.ids, edits, site, asked.tail))
    shape = (len(blocks), -1, len(anchors)) if site == "head" else (len(blocks), len(anchors))
    ends = [float(asked.read(untouched(model, prompt.ids, asked.tail))[0]) for prompt in (clean, corrupt)]
    return Patched(values.reshape(shape).float().cpu(), *ends)


def edits_of(
    model: TransformerBridge, donor: Prompt, base: Prompt, site: EditSite, anchors: Sequence[Anchor], blocks: Sequence[int]
) -> list[Edit]:
    """The edits that put each anchor of the donor into the same anchor of the base, block by block, head by head."""
    held = activations(model, donor.ids, site, blocks)
    heads = range(model.cfg.n_heads) if site == "head" else [None]
    return [
        Edit(block, base.positions(anchor), _read(held[block], donor.positions(anchor), head), head)
        for block in blocks
        for head in heads
        for anchor in anchors
    ]


def _read(held: Tensor, positions: tuple[int, ...], head: int | None) -> Tensor:
    mean = held[list(positions)].mean(0)
    return mean if head is None else mean[head]

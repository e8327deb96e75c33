"""Activation patching between two prompts: replace an activation of one run by that of the other, and measure the answer.

The tokens of translations do not correspond one to one, so patching uses anchors: the last token of the prompt, the last token of a
marked span (`"The capital of [[France]] is"`), or every token of the span with the mean of the span. Prompts may differ in length.
Layers are blocks, 0 to N-1; sites are those of `interp.models.sites`. Method and pitfalls: Zhang & Nanda 2024, Heimersheim & Nanda
2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.interventions.edits import Place, at, check_blocks, hook_of
from interp.interventions.grid.cells import fork
from interp.interventions.prompts import Anchor, Prompt, Question, untouched
from interp.models.batches import pad
from interp.models.checks import receipts
from interp.models.checks.verification import share_of_largest, tolerance_of
from interp.models.devices import free_memory
from interp.models.hooks import Hook, Hooks
from interp.models.sites import EditSite, hook_name
from interp.models.states import keeps_state, new_cache

Direction = Literal["denoise", "noise"]


@dataclass(frozen=True)
class Edit:
    """A replacement: `vector`, `[d]` or `[position d]`, at some `positions` of a `block`, or of one `head` of it."""

    block: int
    positions: tuple[int, ...]
    vector: Tensor
    head: int | None = None

    def place(self, site: EditSite) -> Place:
        """Where `patched` writes the vector: at `site`, or at the head of the edit."""
        return site if self.head is None else ("head", self.head)


@torch.no_grad()
def run_edits(
    model: TransformerBridge, ids: Sequence[int], edits: Sequence[Edit], site: EditSite, tail: Sequence[int] = ()
) -> Float[Tensor, "item token vocab"]:
    """The logits after a prompt under each edit, one row per edit.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    ids
        Token ids of the prompt. Those before the first edited token are read once for all edits, unless the
        model keeps a state.
    edits
        Replacements, each in a run of its own.
    site
        What they replace.
    tail
        Token ids of a continuation. Logits are given at the last token of the prompt and at every token of it but the last.
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
    remaining, parts = batch.ids[:, first:], []
    keep = batch.ids.shape[1] - len(ids) + 1
    size = _rows_at_a_time(model, batch.ids.shape[1], remaining.shape[1])
    for start in range(0, len(edits), size):
        part = edits[start : start + size]
        logits = model.run_with_hooks(
            remaining.expand(len(part), -1),
            attention_mask=batch.mask.expand(len(part), -1),
            past_key_values=fork(past, len(part)) if shared else None,
            use_cache=shared,
            fwd_hooks=_hooks(part, site, first),
            logits_to_keep=keep,
        )
        parts.append(logits)
    result = torch.cat(parts)
    _check(model, batch.ids, edits, site, keep, result)
    return result


def _check(model: TransformerBridge, ids: Tensor, edits: Sequence[Edit], site: EditSite, keep: int, logits: Tensor) -> None:
    """Repeat some edits, each in a forward pass of the whole prompt. Raises `ReceiptError` if the logits differ."""
    kind, off = "patched runs", []
    for row in receipts.draw_items(kind, len(edits), 1):
        hooks, mask = _hooks([edits[row]], site, 0), torch.ones_like(ids)
        plain = model.run_with_hooks(ids, attention_mask=mask, use_cache=False, fwd_hooks=hooks, logits_to_keep=keep)
        off.append(share_of_largest(logits[row], plain[0]))
    receipts.record_differences(kind, off, tolerance_of(model))


def _rows_at_a_time(model: TransformerBridge, length: int, remaining: int) -> int:
    config = model.cfg
    row = 8 * config.n_layers * config.d_model * length + 16 * config.n_heads * remaining * length + 12 * config.d_vocab
    return max(1, int(free_memory(config.device) / 4 / row))


def _hooks(edits: Sequence[Edit], site: EditSite, first: int) -> Hooks:
    blocks: dict[int, list[int]] = {}
    for row, edit in enumerate(edits):
        blocks.setdefault(edit.block, []).append(row)
    return [(hook_of(edits[rows[0]].place(site), block), _writer(edits, rows, site, first)) for block, rows in blocks.items()]


def _writer(edits: Sequence[Edit], rows: Sequence[int], site: EditSite, first: int) -> Hook:
    def write(activation: Tensor, hook: object) -> Tensor:
        activation = activation.clone()
        for row in rows:
            view = at(activation, edits[row].place(site))
            view[row, [position - first for position in edits[row].positions]] = edits[row].vector.to(activation)
        return activation

    return write


@torch.no_grad()
def activations(model: TransformerBridge, ids: Sequence[int], site: EditSite, blocks: Sequence[int]) -> dict[int, Tensor]:
    """The activations of a `site` at every token of a prompt (`ids`) in some `blocks` of `model`: `[token d]`, for heads
    `[token head d]`."""
    recorded: dict[int, Tensor] = {}
    batch = pad(model, [ids])
    hooks: Hooks = [(hook_name(site, block), _keeper(recorded, block)) for block in blocks]
    model.run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=hooks, use_cache=False, logits_to_keep=1)
    return recorded


def _keeper(recorded: dict[int, Tensor], block: int) -> Hook:
    def keep(activation: Tensor, hook: object) -> None:
        recorded[block] = activation[0].clone()

    return keep


@dataclass(frozen=True)
class Patched:
    """The metric after each replacement, `values` `[block anchor]` (heads: `[block head anchor]`), and in both unchanged runs."""

    values: Tensor
    clean: float
    corrupt: float

    @property
    def normalised(self) -> Tensor:
        """0 for the metric of the corrupt run, 1 for that of the clean run. Unstable if the two hardly differ."""
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
    """Patch every block at every anchor, one at a time.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    clean, corrupt
        Two prompts, from `interp.interventions.prompts.marked`.
    asked
        The metric, from `interp.interventions.prompts.question`.
    site
        What is patched: `residual_pre`, `residual_mid`, `residual_post`, `mlp`, `attention`, or `head`, every attention head.
    anchors
        `last`, `span` (its last token) or `span_mean` (all its tokens, with their mean).
    blocks
        Blocks, 0 to N-1. Default: all.
    direction
        `denoise` puts clean activations into the corrupt run, which tests whether they are sufficient; `noise` puts corrupt
        activations into the clean run, which tests whether they are necessary. They differ if parts of the model are redundant.

    Raises
    ------
    ValueError
        A block, site or anchor that the model or the prompts do not have.
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
    """The edits that put the activations of `donor` at `site` of `model` into `base`, for each of `blocks`, heads and `anchors`."""
    donor_states = activations(model, donor.ids, site, blocks)
    heads = range(model.cfg.n_heads) if site == "head" else [None]
    return [
        Edit(block, base.positions(anchor), _read(donor_states[block], donor.positions(anchor), head), head)
        for block in blocks
        for head in heads
        for anchor in anchors
    ]


def _read(states: Tensor, positions: tuple[int, ...], head: int | None) -> Tensor:
    mean = states[list(positions)].mean(0)
    return mean if head is None else mean[head]

"""Every source layer into every target layer of one prompt, without optimisation: the reference for the faster methods.

Only the last token of the prompt is changed, so all earlier keys and values are those of the untouched run in every cell, and a
cell needs one token with a shared prefix. `naive` reads the whole prompt again for each cell; `batched` makes each cell a row of a
batch with a copy of the prefix; `packed` makes the cells positions of one sequence, in which each attends to the prefix and itself;
`wave` is `packed` with each cell added only at its target block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interp.interventions.edits import hook_of
from interp.interventions.grid.cells import Cells, Greedy, Scored, Tails
from interp.models.batches import pad
from interp.models.hooks import Hooks

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


# ---- naive -----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def naive(model: TransformerBridge, prompts: Sequence[Sequence[int]], cells: Cells, tails: Tails) -> Scored:
    """One forward of `model` on the whole prompt (of `prompts`) per cell of `cells`, and one more per continuation (of `tails`) of
    several tokens.
    """
    logits, scores = [], []
    for item, prompt in enumerate(prompts):
        own = cells.of_item(item)
        rows = [naive_forward(model, prompt, own, cell)[-1] for cell in range(len(cells))]
        logits.append(torch.stack(rows))
        scores.append(torch.stack([_naive_tails(model, prompt, own, cell, rows[cell], tails[item]) for cell in range(len(cells))]))
    return Scored(torch.stack(logits), scores)


def _naive_tails(
    model: TransformerBridge, prompt: Sequence[int], cells: Cells, cell: int, first: Tensor, tails: Sequence[Sequence[int]]
) -> Tensor:
    sums = []
    for tail in tails:
        rows = first[None] if len(tail) == 1 else naive_forward(model, [*prompt, *tail[:-1]], cells, cell, len(prompt))
        chosen = rows[-len(tail) :].float().log_softmax(-1)
        sums.append(chosen[range(len(tail)), list(tail)].sum())
    return torch.stack(sums) if sums else first.new_zeros(0)


def naive_forward(model: TransformerBridge, ids: Sequence[int], cells: Cells, cell: int, length: int | None = None) -> Tensor:
    """The logits `[token vocab]` at the last token of a prompt and at all behind it, in one forward without a cache.

    `ids` are the prompt and what follows it, `length` the tokens of the prompt alone (all, where none is given); the `cell` (its
    index in `cells`) writes at the last token of the prompt in `model`.
    """
    batch = pad(model, [ids])
    where = (torch.tensor([0]), torch.tensor([(length or len(ids)) - 1]))
    hooks = _transplant_hooks(cells, cell, where)
    keep = len(ids) - (length or len(ids)) + 1
    return model.run_with_hooks(batch.ids, attention_mask=batch.mask, use_cache=False, fwd_hooks=hooks, logits_to_keep=keep)[0]


def _transplant_hooks(cells: Cells, cell: int, where: tuple[Tensor, Tensor]) -> Hooks:
    if cells.block[cell] < 0:
        return []
    donor = cells.donors[0, cells.source[cell]]
    name = hook_of(cells.transplant.target_site, int(cells.block[cell]))
    return [(name, lambda activation, hook: cells.transplant.write(activation, where, donor))]


@torch.no_grad()
def naive_generate(
    model: TransformerBridge, prompts: Sequence[Sequence[int]], cells: Cells, steps: int, stops: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Greedy continuations `[item cell token]` and the smallest top-2 margin met `[item cell]`: a forward of everything per token.

    `model` continues each of `prompts` under each of `cells` by at most `steps` tokens, up to one of `stops` (ids).
    """
    tokens, margins = [], []
    for item, prompt in enumerate(prompts):
        for cell in range(len(cells)):
            item_cells, read_so_far = cells.of_item(item), list(prompt)
            greedy = Greedy(naive_forward(model, prompt, item_cells, cell), stops)
            while greedy.steps < steps and not greedy.finished:
                read_so_far.append(int(greedy.tokens[-1]))
                greedy.take(naive_forward(model, read_so_far, item_cells, cell, len(prompt))[-1:])
            rows, margin = greedy.result(steps)
            tokens.append(rows[0])
            margins.append(margin[0])
    shape = (len(prompts), len(cells))
    return torch.stack(tokens).reshape(*shape, steps), torch.stack(margins).reshape(shape)

"""Checks of some cells by plain forward passes: the donor prompt alone, then the whole target prompt with a hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from interp.generation.uncached import shortfalls
from interp.interventions.edits import Transplant
from interp.interventions.grid.cells import Cells
from interp.interventions.grid.naive import naive, naive_forward
from interp.interventions.grid.scores import Ask, reduce
from interp.models.checks import receipts
from interp.models.checks.verification import share_of_largest, tolerance_of
from interp.models.tokens import end_tokens

if TYPE_CHECKING:
    from interp.interventions.grid.grid import Grid
    from interp.models.load import TransformerBridge


def check_cells(
    model: TransformerBridge,
    grids: Mapping[int, Grid],
    donor_states: Callable[[int, int], Tensor],
    prompts: Sequence[Sequence[int]],
    asks: Sequence[Ask],
    blocks: tuple[Sequence[int], Sequence[int]],
    transplant: Transplant,
) -> None:
    """Compute some cells of some grids again. Raises `ReceiptError` where one is off, however the grid came: fast, or from disk.

    `grids` by item, computed by `model` from target `prompts`, the `asks` (one per item) and the `transplant`;
    `donor_states(item, source)` gives the donor `[1 1 d]` of an item recorded alone; `blocks` are the source and target blocks of
    the axes of a grid.
    """
    kind, off, items = "transplant cells", [], sorted(grids)
    sources, targets = blocks
    for draw in receipts.draw_items(kind, len(items) * len(sources) * len(targets), 2 if len(items) > 20 else 1):
        item, cell = items[draw // (len(sources) * len(targets))], draw % (len(sources) * len(targets))
        row, column = divmod(cell, len(targets))
        target = torch.tensor([-1, targets[column]])
        cells = Cells(donor_states(item, sources[row]), torch.tensor([0, 0]), target, transplant)
        off.append(_difference(model, prompts[item], cells, asks[item], grids[item].values[row, column]))
    receipts.record_differences(kind, off, tolerance_of(model), sum(difference > 0 for difference in off) if _decides(asks) else 0)


def _decides(asks: Sequence[Ask]) -> bool:
    """Whether cells hold decisions, which a difference turns or does not, instead of numbers."""
    return bool(asks) and asks[0].score in ("choice", "choice_whole", "generate")


def _difference(model: TransformerBridge, prompt: Sequence[int], cells: Cells, question: Ask, value: Tensor) -> float:
    """How far one value of a grid is from a plain forward; `cells` are the untouched run and the cell itself."""
    cell = cells.part(1, 2)
    if question.score == "generate":
        generated = value.tolist()
        logits = naive_forward(model, [*prompt, *generated[:-1]], cell, 0, len(prompt)).float()
        ended = _spoken(model, generated)
        return max(shortfalls(logits[:ended], generated[:ended]))
    scored = naive(model, [prompt], cells if question.score == "kl" else cell, [question.tails])
    logits, tails = scored.logits[0, -1:], scored.tails[0][-1:]
    scale = float(logits.float().abs().max().clamp_min(1))
    if question.score in ("choice", "choice_whole"):
        values = reduce(replace(question, score="logprob"), logits, tails, logits[0])[0][0]
        return float(values.max() - values[int(value)]) / scale
    truth = reduce(question, logits, tails, scored.logits[0, 0])[0][0]
    if question.score == "logits":
        return share_of_largest(value, truth)
    return float((value.cpu() - truth.cpu()).abs().max()) / max(scale, float(truth.abs().max()))


def _spoken(model: TransformerBridge, generated: Sequence[int]) -> int:
    """How many tokens were said, the end token among them; what fills up the row behind it was not."""
    ends = set(end_tokens(model))
    return next((index + 1 for index, token in enumerate(generated) if token in ends), len(generated))

"""The transplant grids of many items, in batches. Finished items are kept, so that an interrupted run continues."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from interp.files.cache import Cache
from interp.files.sealed_tensors import hash_tensors
from interp.interventions.edits import Place, Transplant, check_blocks, check_place, kind, record, tokens_of
from interp.interventions.grid.grid import Grid, Item, Method, measure_grids
from interp.interventions.grid.receipts import check_cells
from interp.interventions.grid.scores import NEAR_TIE, Ask, Score, ask
from interp.models.batches import batches
from interp.models.computation import computed_by, model_facts

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_log = logging.getLogger(__name__)

Donor = str | Sequence[int] | Tensor
"""A prompt as text or ids, or what was recorded from it: `[source d_model]`, one row a block."""


def transplant_items(
    model: TransformerBridge,
    donors: Sequence[Donor | Sequence[str]],
    prompts: Sequence[str | Sequence[int]],
    score: Score | str,
    *,
    options: Sequence[Sequence[str]] | None = None,
    gold: Sequence[int] | None = None,
    sources: Sequence[int] | None = None,
    targets: Sequence[int] | None = None,
    source_site: Place = "mlp",
    target_site: Place = "mlp",
    max_new_tokens: int = 20,
    alpha: float = 1.0,
    norm_match: bool = False,
    method: Method = "auto",
    max_cells: int | None = None,
    max_tokens: int = 512,
    folder: str | Path | None = None,
    only: Sequence[Sequence[int]] | None = None,
    progress: bool = True,
) -> list[Grid]:
    """Measure the transplant grid of every item.

    Parameters
    ----------
    model, score, sources, targets, source_site, target_site, max_new_tokens, alpha, norm_match, method, max_cells
        As in `transplant_grid`.
    donors, prompts
        Source and target prompt of each item, as in `transplant_grid`.
    options, gold
        For each item, the answers to score and the index of the right one.
    max_tokens
        Number of tokens of target prompts in a batch.
    folder
        Where finished items are kept, by a hash of all that they depend on. A batch is measured again as a whole unless all is
        there, because the last bits of its numbers depend on the items that are read together. Default: nowhere.
    only
        Some of the batches of `item_batches`, for several processes that fill one folder. Only their items are measured and
        returned. Default: all.
    progress
        Show a progress bar.

    Returns
    -------
    The grid of each item.

    Raises
    ------
    ValueError
        The numbers of donors, prompts, options and gold differ, or as in `transplant_grid`.
    """
    transplant = Transplant(source_site, target_site, alpha, norm_match)
    check_place(model, source_site)
    check_place(model, target_site)
    sources, targets = check_blocks(model, sources, "sources"), check_blocks(model, targets, "targets")
    if not len(donors) == len(prompts) == len(options or prompts) == len(gold or prompts):
        raise ValueError(
            f"got {len(donors)} donors, {len(prompts)} prompts, {len(options or ())} options, {len(gold or ())} gold, "
            "expected one of each for every item."
        )
    asks = [
        ask(model, prompt, score, options=options[i] if options else None, gold=gold[i] if gold else None, steps=max_new_tokens)
        for i, prompt in enumerate(prompts)
    ]
    asks = _alike(asks)
    ids = [tuple(tokens_of(model, prompt)) for prompt in prompts]
    cache: Cache[dict[str, Tensor]] | None = Cache(Path(folder), computed_by(model.cfg.device)) if folder else None
    same = {**model_facts(model), "sources": sources, "targets": targets, "graft": asdict(transplant)} if cache else {}
    grids: dict[int, Grid] = {}
    groups = item_batches(model, ids, max_tokens) if only is None else [list(group) for group in only]
    with tqdm(total=sum(map(len, groups)), desc="transplant", unit="item", disable=not progress) as bar:
        for group in groups:
            facts = [{**same, "donor": _facts(donors[i]), "prompt": ids[i], "question": asdict(asks[i])} for i in group]
            finished = [_grid(kept) for each in facts if cache and (kept := cache.find(each))]
            if len(finished) < len(group):
                states = recorded(model, [donors[i] for i in group], sources, transplant)
                items = [Item(ids[i], states[row], asks[i]) for row, i in enumerate(group)]
                measured = measure_grids(model, items, targets, transplant, method, max_cells)
                finished = [Grid(grid.values.cpu(), grid.untouched.cpu(), grid.near_ties) for grid in measured]
                for each, grid in zip(facts, finished, strict=True):
                    if cache:
                        cache.keep(each, _tensors(grid))
            grids |= dict(zip(group, finished, strict=True))
            bar.update(len(group))
    check_cells(
        model,
        grids,
        lambda i, source: recorded(model, [donors[i]], [source], transplant),
        ids,
        asks,
        (sources, targets),
        transplant,
    )
    near = sum(grid.near_ties for grid in grids.values())
    if near:
        cells = len(grids) * len(sources) * len(targets)
        _log.warning("%d of %d cells are within %g nats of a tie and may be decided by rounding.", near, cells, NEAR_TIE)
    return [grids[i] for i in sorted(grids)]


def item_batches(model: TransformerBridge, prompts: Sequence[str | Sequence[int]], max_tokens: int = 512) -> list[list[int]]:
    """The items that `transplant_items` measures together, given their target prompts: at most `max_tokens` tokens in a batch."""
    return batches([len(tokens_of(model, prompt)) for prompt in prompts], max_tokens)


def _alike(asks: list[Ask]) -> list[Ask]:
    """Score whole options of every item if the options of one item share their first token, so that all have the same scale."""
    clashes = sum(one.clash for one in asks)
    if not clashes or asks[0].score not in ("choice", "logit_difference"):
        return asks
    _log.warning("%d of %d items have options that share their first token: whole options are scored in all.", clashes, len(asks))
    return [replace(one, long=True) for one in asks]


def recorded(
    model: TransformerBridge,
    donors: Sequence[Donor | Sequence[str]],
    sources: Sequence[int],
    transplant: Transplant,
    position: int = -1,
) -> Tensor:
    """The donor activations, `[item source d]`. Prompts are run in one batch, tensors used as they are, lists of prompts averaged.

    `donors` and `sources` are those of `transplant_items`, `transplant` says which site to read, and `position` which token.
    """
    given = {k: donor for k, donor in enumerate(donors) if isinstance(donor, Tensor) and donor.is_floating_point()}
    for donor in given.values():
        _check_recorded(model, donor, transplant)
    states_of = {k: donor[list(sources)].to(model.cfg.device) for k, donor in given.items()}
    runs = {k: [tokens_of(model, one) for one in _prompts(donor)] for k, donor in enumerate(donors) if k not in given}
    if runs:
        done = iter(record(model, [ids for several in runs.values() for ids in several], transplant.source_site, sources, position))
        for k, several in runs.items():
            states = torch.stack([next(done) for _ in several])
            states_of[k] = states.float().mean(0).to(states.dtype)
    return torch.stack([states_of[k] for k in range(len(donors))])


def _prompts(donor: Any) -> list[Donor]:
    """The prompts that a donor is averaged over."""
    several = not isinstance(donor, str | Tensor) and len(donor) > 0 and isinstance(donor[0], str)
    return list(donor) if several else [donor]


def _check_recorded(model: TransformerBridge, donor: Tensor, transplant: Transplant) -> None:
    expected = (model.cfg.n_layers, model.cfg.d_head if kind(transplant.target_site) == "head" else model.cfg.d_model)
    if tuple(donor.shape) != expected:
        raise ValueError(
            f"got donor activations of shape {tuple(donor.shape)}, expected {expected}, one row for each block of this model. "
            "Were they recorded from another model or at another site?"
        )


def _facts(donor: Donor | Sequence[str]) -> str | list[object]:
    """A donor in the key of the cache: prompts as they are, tensors by their hash."""
    if not isinstance(donor, Tensor):
        return donor if isinstance(donor, str) else list(donor)
    return hash_tensors({"donor": donor.cpu()})


def _tensors(grid: Grid) -> dict[str, Tensor]:
    return {"values": grid.values, "untouched": grid.untouched, "near_ties": torch.tensor(grid.near_ties)}


def _grid(kept: dict[str, Tensor]) -> Grid:
    return Grid(kept["values"], kept["untouched"], int(kept["near_ties"]))

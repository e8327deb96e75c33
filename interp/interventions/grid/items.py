"""The transplant grids of many items. Each is kept when it is finished, so that an interrupted run continues."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from interp.files.cache import Cache
from interp.files.sealed_tensors import hash_tensors
from interp.interventions.edits import Place, Transplant, check_blocks, check_place, kind, record, tokens_of
from interp.interventions.grid.cells import Method
from interp.interventions.grid.grid import Grid, Item, measure_grids
from interp.interventions.grid.receipts import check_cells
from interp.interventions.grid.scores import NEAR_TIE, Ask, Score, ask
from interp.models.batches import batches
from interp.models.computation import computed_by, model_facts
from interp.models.devices import to_cpu
from interp.progress import Progress, shown

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_log = logging.getLogger(__name__)

_TOGETHER = 512
"""Number of cells that are measured together at most, if they are of several items: above it more is hardly faster."""

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
    progress: bool | Progress = True,
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
        Number of tokens of target prompts that are read together at most.
    folder
        Where finished items are kept, one file an item, by a hash of all that it depends on; what is missing is measured.
        Default: nowhere.
    only
        Some of the groups of `item_batches`, for several processes that fill one folder. Only their items are measured and
        returned. Default: all.
    progress
        Show a progress bar; or the bar of a larger battery, which is moved on by one per item.

    Returns
    -------
    The grid of each item.

    Raises
    ------
    ValueError
        The numbers of donors, prompts, options and gold differ, or as in `transplant_grid`.

    Notes
    -----
    A grid of 24 x 24 layers is measured alone, so that a killed run loses one item at most; items with few cells are measured in
    groups (`item_batches`). The last bits of a number depend on the items measured with it.
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
    cells = len(sources) * len(targets)
    groups = item_batches(model, ids, cells, max_tokens) if only is None else only
    wanted = [i for group in groups for i in group]
    facts = {i: {**same, "donor": _facts(donors[i]), "prompt": ids[i], "question": asdict(asks[i])} for i in wanted if cache}
    grids: dict[int, Grid] = {i: _grid(kept) for i in facts if cache and (kept := cache.find(facts[i]))}
    larger = progress if isinstance(progress, Progress) else None
    with shown(larger, total=len(wanted), desc="transplant", unit="item", disable=progress is False) as bar:
        bar.found(len(grids))
        for group in groups:
            if left := [i for i in group if i not in grids]:
                states = recorded(model, [donors[i] for i in left], sources, transplant)
                items = [Item(ids[i], donor, asks[i]) for i, donor in zip(left, states, strict=True)]
                for i, grid in zip(left, measure_grids(model, items, targets, transplant, method, max_cells), strict=True):
                    grids[i] = Grid(to_cpu(grid.values), grid.untouched.cpu(), grid.near_ties)
                    if cache:
                        cache.keep(facts[i], _tensors(grids[i]))
                    bar.update()
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
        _log.warning(
            "%d of %d cells are within %g nats of a tie and may be decided by rounding.", near, len(grids) * cells, NEAR_TIE
        )
    return [grids[i] for i in sorted(grids)]


def item_batches(
    model: TransformerBridge, prompts: Sequence[str | Sequence[int]], cells: int, max_tokens: int = 512
) -> list[list[int]]:
    """The items that `transplant_items` measures together in `model`, given their target `prompts` and the `cells` of a grid.

    A group has at most `max_tokens` tokens and 512 cells, or is one item.
    """
    groups, size = batches([len(tokens_of(model, prompt)) for prompt in prompts], max_tokens), max(1, _TOGETHER // max(1, cells))
    return [group[start : start + size] for group in groups for start in range(0, len(group), size)]


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
    """The donor activations in `model`, `[item source d_model]`: prompts run in one batch, tensors as they are, lists averaged.

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

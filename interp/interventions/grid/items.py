"""The transplant grids of many items, in batches. Finished items are kept, so that an interrupted run continues."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
    share: Callable[[Sequence[list[int]]], Sequence[list[int]]] = list,
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
    share
        Selects batches, for several processes that fill one folder. Only their items are measured and returned.
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
    shared_facts = {**model_facts(model), "sources": sources, "targets": targets, "graft": asdict(transplant)} if cache else {}
    grids: dict[int, Grid] = {}
    groups = share(batches([len(tokens) for tokens in ids], max_tokens))
    with tqdm(total=sum(map(len, groups)), desc="transplant", unit="item", disable=not progress) as bar:
        for group in groups:
            facts = [{**shared_facts, "donor": _facts(donors[i]), "prompt": ids[i], "question": asdict(asks[i])} for i in group]
            finished = [_grid(cached) for item_facts in facts if cache and (cached := cache.find(item_facts))]
            if len(finished) < len(group):
                states = recorded(model, [donors[i] for i in group], sources, transplant)
                items = [Item(ids[i], states[row], asks[i]) for row, i in enumerate(group)]
                measured = measure_grids(model, items, targets, transplant, method, max_cells)
                finished = [Grid(grid.values.cpu(), grid.untouched.cpu(), grid.near_ties) for grid in measured]
                for item_facts, grid in zip(facts, finished, strict=True):
                    if cache:
                        cache.keep(item_facts, _tensors(grid))
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
    near_ties = sum(grid.near_ties for grid in grids.values())
    if near_ties:
        cells = len(grids) * len(sources) * len(targets)
        _log.warning("%d of %d cells are within %g nats of a tie and may be decided by rounding.", near_ties, cells, NEAR_TIE)
    return [grids[i] for i in sorted(grids)]


def _alike(asks: list[Ask]) -> list[Ask]:
    """Score whole options of every item if the options of one item share their first token, so that all have the same scale."""
    clashes = sum(question.clash for question in asks)
    if not clashes or asks[0].score not in ("choice", "logit_difference"):
        return asks
    _log.warning("%d of %d items have options that share their first token: whole options are scored in all.", clashes, len(asks))
    return [replace(question, long=True) for question in asks]


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
    recorded_donors = {k: donor for k, donor in enumerate(donors) if isinstance(donor, Tensor) and donor.is_floating_point()}
    for donor in recorded_donors.values():
        _check_recorded(model, donor, transplant)
    states_of = {k: donor[list(sources)].to(model.cfg.device) for k, donor in recorded_donors.items()}
    runs = {
        k: [tokens_of(model, prompt) for prompt in _prompts(donor)] for k, donor in enumerate(donors) if k not in recorded_donors
    }
    if runs:
        run_states = iter(
            record(model, [ids for several in runs.values() for ids in several], transplant.source_site, sources, position)
        )
        for k, several in runs.items():
            states = torch.stack([next(run_states) for _ in several])
            states_of[k] = states.float().mean(0).to(states.dtype)
    return torch.stack([states_of[k] for k in range(len(donors))])


def _prompts(donor: Any) -> list[Any]:
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


def _facts(donor: Any) -> Any:
    """A donor in the key of the cache: prompts as they are, tensors by their hash."""
    if not isinstance(donor, Tensor):
        return donor if isinstance(donor, str) else list(donor)
    return hash_tensors({"donor": donor.cpu()})


def _tensors(grid: Grid) -> dict[str, Tensor]:
    return {"values": grid.values, "untouched": grid.untouched, "near_ties": torch.tensor(grid.near_ties)}


def _grid(tensors: dict[str, Tensor]) -> Grid:
    return Grid(tensors["values"], tensors["untouched"], int(tensors["near_ties"]))

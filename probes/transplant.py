"""Does carrying an activation from one language's run into another's give better answers, and is it the content that helps?

Every pair of languages gets the whole source x target grid, item by item, and beside it the same grid under each control.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from interp.corpus import ParallelTask
from interp.grafts import SITE_PAIRS, Place, kind, record, tokens_of
from interp.grid_items import transplant_items
from interp.grid_scores import contains, names_option
from interp.grids import Method
from interp.models import identify
from interp.provenance import Signature
from interp.tokens import batches
from probes.listing import Question, lists_options, questions
from probes.transplant_report import TransplantGrid

if TYPE_CHECKING:
    from interp.models import TransformerBridge

_log = logging.getLogger(__name__)

Control = Literal["shuffled", "same_language", "random", "norm_matched", "permuted"]
CONTROLS: tuple[Control, ...] = get_args(Control)
Measure = Literal["auto", "difference", "logprob", "match"]
Pair = tuple[tuple[str, ...], str]


@dataclass(frozen=True)
class _Setup:
    """What stays the same for every pair and control."""

    model: TransformerBridge
    task: ParallelTask
    measure: Measure
    source_site: Place
    target_site: Place
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    steps: int
    seed: int
    run: dict[str, Any]
    norm_match: bool = False


def measure_transplant(
    model: TransformerBridge,
    task: ParallelTask,
    pairs: Sequence[Pair],
    *,
    sites: str | tuple[Place, Place] = "mlp",
    measure: Measure = "auto",
    controls: Sequence[Control] = CONTROLS,
    sources: Sequence[int] | None = None,
    targets: Sequence[int] | None = None,
    max_new_tokens: int = 20,
    method: Method = "auto",
    seed: int = 0,
    resamples: int = 1000,
    folder: str | Path | None = None,
    progress: bool = True,
) -> TransplantGrid:
    """Measure the whole grid for each pair (donor languages, language), with the controls that make it honest.

    `measure` is `"difference"` (logit of the right option against the best wrong one; above 0 is a right answer), `"logprob"` of
    the reference answer (nats), or `"match"` (a right answer by the papers' string match of a greedy continuation); "auto" is
    difference where there are options, else logprob. Several donor languages of a pair are averaged.

    Controls: `shuffled` (the donor is another item), `same_language` (the item itself, off the diagonal), `random` (directions as
    long as the donor's), `norm_matched` (the donor as long as what it replaces), `permuted` (the options listed in another
    order, so that copying the donor's mark is wrong). Finished items are kept in `folder` and found again.

    When it misleads: the best of many cells on few items is chance in part; read the held-out rows, and the oracle only beside
    the same oracle under `shuffled`.
    """
    source_site, target_site = _sites(sites)
    n = model.cfg.n_layers
    sources, targets = tuple(range(n) if sources is None else sources), tuple(range(n) if targets is None else targets)
    measure = ("difference" if task.choices else "logprob") if measure == "auto" else measure
    run = {"method": method, "folder": folder, "progress": progress}
    setup = _Setup(model, task, measure, source_site, target_site, sources, targets, max_new_tokens, seed, run)
    left_out = _left_out(setup, controls)
    wanted = [control for control in controls if control not in left_out]
    arrays, rows, ties = {}, [], 0
    for donors, code in pairs:
        for condition, values, untouched, near in _conditions(setup, donors, code, wanted):
            name = f"{'+'.join(donors)}>{code}|{condition}"
            arrays[name] = values.astype(np.float32)
            rows.append(_rows(task, donors, code, f"untouched:{condition}" if condition == "permuted" else "untouched", untouched)
                        if condition in ("transplant", "permuted") else None)  # fmt: skip
            ties += near
        rows.append(_rows(task, donors, code, "source_run", np.mean([_own_run(setup, donor) for donor in donors], axis=0)))
        arrays[f"{'+'.join(donors)}>{code}|norm_ratio"] = _norm_ratio(setup, donors, code)
    settings = {
        "site": sites if isinstance(sites, str) else f"{source_site}>{target_site}",
        "score": measure, "seed": seed, "boot": resamples, "controls": "+".join(wanted) or "none",
    }  # fmt: skip
    return TransplantGrid(
        table=pd.concat([part for part in rows if part is not None], ignore_index=True),
        signature=Signature("transplant", identify(model), task.identity, settings),
        arrays=arrays,
        settings={**settings, "resamples": resamples, "sources": list(sources), "targets": list(targets), "layers": n},
        notes=(*left_out.values(), *([f"{ties} cells were within 0.001 nats of a tie."] if ties else [])),
    )


def _sites(sites: str | tuple[Place, Place]) -> tuple[Place, Place]:
    if isinstance(sites, str):
        if sites not in SITE_PAIRS:
            raise ValueError(f"site {sites!r}: needed one of {', '.join(SITE_PAIRS)}, or a pair of places.")
        return SITE_PAIRS[sites]
    return sites


def _left_out(setup: _Setup, controls: Sequence[Control]) -> dict[str, str]:
    """Controls that this task cannot have, with the sentence that says why."""
    unknown = [control for control in controls if control not in CONTROLS]
    if unknown:
        raise ValueError(f"control {unknown[0]!r}: needed some of {', '.join(CONTROLS)}.")
    found = {}
    if "permuted" in controls and not lists_options(setup.task):
        found["permuted"] = "no permuted control: the prompts list no options that could stand in another order."
    if "shuffled" in controls and len(setup.task) < 2:
        found["shuffled"] = "no shuffled control: it needs two items."
    if "same_language" in controls and kind(setup.source_site) != kind(setup.target_site):
        found["same_language"] = "no same-language control: it needs one site on both sides."
    return found


def _conditions(
    setup: _Setup, donors: tuple[str, ...], code: str, controls: Sequence[Control]
) -> Iterator[tuple[str, np.ndarray, np.ndarray, int]]:
    """The grid of one pair as it is, then under each control: name, values `[item source target]`, untouched, near ties."""
    own = questions(setup.task, code)
    prompts = [list(given) for given in zip(*(setup.task.prompts[donor] for donor in donors), strict=True)]
    yield "transplant", *_grid(setup, prompts, own)
    for control in controls:
        if control == "shuffled":
            yield control, *_grid(setup, [prompts[k] for k in derangement(len(prompts), setup.seed)], own)
        elif control == "same_language":
            values, untouched, ties = _grid(setup, [question.prompt for question in own], own)
            itself = np.equal.outer(np.array(setup.sources), np.array(setup.targets))
            yield control, np.where(itself, np.nan, values), untouched, ties
        elif control == "random":
            yield control, *_grid(setup, _directions(setup, prompts), own)
        elif control == "norm_matched":
            yield control, *_grid(replace(setup, norm_match=True), prompts, own)
        else:
            yield control, *_grid(setup, prompts, questions(setup.task, code, shift=1))


def _grid(setup: _Setup, donors: Sequence[Any], asked: Sequence[Question]) -> tuple[np.ndarray, np.ndarray, int]:
    given: dict[str, Any] = {"score": "generate", "max_new_tokens": setup.steps}
    if setup.measure == "difference":
        given = {"score": "logit_difference", "options": [one.options for one in asked], "gold": [one.gold for one in asked]}
    elif setup.measure == "logprob":
        given = {"score": "logprob", "options": [[_reference(one)] for one in asked]}
    grids = transplant_items(
        setup.model, donors, [one.prompt for one in asked], sources=setup.sources, targets=setup.targets,
        source_site=setup.source_site, target_site=setup.target_site, norm_match=setup.norm_match, **given, **setup.run,
    )  # fmt: skip
    values = [_values(setup, one, grid.values) for one, grid in zip(asked, grids, strict=True)]
    untouched = [_values(setup, one, grid.untouched[None, None])[0, 0] for one, grid in zip(asked, grids, strict=True)]
    return np.stack(values), np.array(untouched), sum(grid.near_ties for grid in grids)


def _reference(question: Question) -> str:
    return question.options[question.gold or 0] if question.options else question.answers[0]


def _values(setup: _Setup, question: Question, values: Tensor) -> np.ndarray:
    if setup.measure == "difference":
        return values.double().numpy()
    if setup.measure == "logprob":
        return values[..., 0].double().numpy()
    texts = setup.model.tokenizer.batch_decode(values.flatten(0, 1).tolist(), skip_special_tokens=True)
    return np.array([right(question, text) for text in texts], dtype=float).reshape(values.shape[:2])


def right(question: Question, text: str) -> bool:
    """Whether a continuation answers the question, by the papers' string matches."""
    if question.marks and question.gold is not None:
        return names_option(text, question.gold, question.marks, question.words)
    if question.options and question.gold is not None:
        others = [option for place, option in enumerate(question.options) if place != question.gold]
        return contains(text, question.answers) and not contains(text, others)
    return contains(text, question.answers)


def _own_run(setup: _Setup, code: str) -> np.ndarray:
    """What the donor's run answers by itself: for options that mean the same in every language, the bar to pass."""
    asked = questions(setup.task, code)
    run = replace(setup, sources=(0,), targets=(0,), run={**setup.run, "progress": False})
    return _grid(run, [one.prompt for one in asked], asked)[1]


def derangement(n: int, seed: int) -> list[int]:
    """Another item for each item, at random."""
    order = np.random.default_rng(seed).permutation(n)
    place = np.empty(n, dtype=int)
    place[order] = np.roll(order, 1)
    return place.tolist()


def _recorded(setup: _Setup, prompts: Sequence[Sequence[str]], place: Place) -> Tensor:
    """What a place holds at the last token of every prompt, the mean over an item's prompts: `[item block d]`."""
    runs = [tokens_of(setup.model, prompt) for several in prompts for prompt in several]
    found: dict[int, Tensor] = {}
    for group in batches([len(run) for run in runs], 4096):
        states = record(setup.model, [runs[k] for k in group], place, range(setup.model.cfg.n_layers)).float().cpu()
        found |= dict(zip(group, states, strict=True))
    return torch.stack([found[k] for k in range(len(runs))]).unflatten(0, (len(prompts), -1)).mean(1)


def _directions(setup: _Setup, prompts: Sequence[Sequence[str]]) -> list[Tensor]:
    """Random directions, each as long as the donor it stands for."""
    donors = _recorded(setup, prompts, setup.source_site)
    noise = torch.randn(donors.shape, generator=torch.Generator().manual_seed(setup.seed))
    return list(noise / noise.norm(dim=-1, keepdim=True) * donors.norm(dim=-1, keepdim=True))


def _norm_ratio(setup: _Setup, donors: tuple[str, ...], code: str) -> np.ndarray:
    """How long each source's donor is beside what it replaces in each target, median over items: `[source target]`."""
    prompts = [list(given) for given in zip(*(setup.task.prompts[donor] for donor in donors), strict=True)]
    given = _recorded(setup, prompts, setup.source_site).norm(dim=-1)[:, list(setup.sources)]
    replaced = _recorded(setup, [[prompt] for prompt in setup.task.prompts[code]], setup.target_site).norm(dim=-1)
    ratio = given[:, :, None] / replaced[:, None, list(setup.targets)].clamp_min(1e-9)
    return ratio.median(dim=0).values.numpy()


def _rows(task: ParallelTask, donors: tuple[str, ...], code: str, run: str, values: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame({"item": task.ids, "donor": "+".join(donors), "language": code, "run": run, "value": values})
    return frame.assign(document=task.documents) if task.documents else frame

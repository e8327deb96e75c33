"""What a transplant carries: the donor's own activation, and under each control something else in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from interp.interventions.edits import SITE_PAIRS, Graft, Place, check_blocks, check_place, kind, record, tokens_of
from interp.models.batches import batches
from interp.text.corpus import ParallelTask
from probes.transplant.options import Question, lists_options, questions

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Control = Literal["shuffled", "same_language", "random", "norm_matched", "permuted"]
CONTROLS: tuple[Control, ...] = get_args(Control)
Measure = Literal["auto", "difference", "logprob", "match"]


@dataclass(frozen=True)
class Setup:
    """What stays the same for every pair of languages and every control."""

    model: TransformerBridge
    task: ParallelTask
    measure: Measure
    source_site: Place
    target_site: Place
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    steps: int
    seed: int
    controls: tuple[Control, ...]
    run: dict[str, Any]
    norm_match: bool = False


class Carried(NamedTuple):
    """One grid to be measured: under which name, what is carried into each item, and what each is asked."""

    name: str
    setup: Setup
    donors: Sequence[Any]
    asked: Sequence[Question]


def plan(
    model: TransformerBridge,
    task: ParallelTask,
    *,
    sites: str | tuple[Place, Place],
    measure: Measure,
    controls: Sequence[Control],
    sources: Sequence[int] | None,
    targets: Sequence[int] | None,
    max_new_tokens: int,
    seed: int,
    **run: Any,
) -> Setup:
    """A setup with nothing left open: all layers where none are named, the measure that suits, the controls the task can have."""
    source_site, target_site = _sites(sites)
    check_place(model, source_site), check_place(model, target_site)
    Graft(source_site, target_site)  # refuses a head beside another site
    sources, targets = tuple(check_blocks(model, sources, "sources")), tuple(check_blocks(model, targets, "targets"))
    measure = ("difference" if task.choices else "logprob") if measure == "auto" else measure
    able = tuple(control for control in controls if control not in left_out(task, source_site, target_site, controls))
    return Setup(model, task, measure, source_site, target_site, sources, targets, max_new_tokens, seed, able, run)


def _sites(sites: str | tuple[Place, Place]) -> tuple[Place, Place]:
    if isinstance(sites, str):
        if sites not in SITE_PAIRS:
            raise ValueError(f"site {sites!r}: needed one of {', '.join(SITE_PAIRS)}, or a pair of places.")
        return SITE_PAIRS[sites]
    places = [place if isinstance(place, str) else tuple(place) for place in sites]
    if len(places) != 2 or not all(isinstance(place, str) or len(place) == 2 for place in places):
        raise ValueError(f"sites {sites!r}: needed two places, where from and where to, as ('mlp', 'mlp') or two ('head', 3).")
    return places[0], places[1]


def left_out(task: ParallelTask, source_site: Place, target_site: Place, controls: Sequence[Control]) -> dict[str, str]:
    """Controls that this task cannot have, with the sentence that says why."""
    unknown = [control for control in controls if control not in CONTROLS]
    if unknown:
        raise ValueError(f"control {unknown[0]!r}: needed some of {', '.join(CONTROLS)}.")
    found = {}
    if "permuted" in controls and not lists_options(task):
        found["permuted"] = "no permuted control: the prompts list no options that could stand in another order."
    if "shuffled" in controls and len(task) < 2:
        found["shuffled"] = "no shuffled control: it needs two items."
    if "same_language" in controls and kind(source_site) != kind(target_site):
        found["same_language"] = "no same-language control: it needs one site on both sides."
    return found


def carried(setup: Setup, donors: tuple[str, ...], code: str) -> Iterator[Carried]:
    """The grids of one pair: as it is, then under each control."""
    own = questions(setup.task, code)
    prompts = prompts_of(setup, donors)
    yield Carried("transplant", setup, prompts, own)
    for control in setup.controls:
        if control == "shuffled":
            yield Carried(control, setup, [prompts[k] for k in derangement(len(prompts), setup.seed)], own)
        elif control == "same_language":
            yield Carried(control, setup, [question.prompt for question in own], own)
        elif control == "random":
            yield Carried(control, setup, _directions(setup, prompts), own)
        elif control == "norm_matched":
            yield Carried(control, replace(setup, norm_match=True), prompts, own)
        else:
            yield Carried(control, setup, prompts, questions(setup.task, code, shift=1))


def own_run(setup: Setup, code: str) -> Carried:
    """The donor's prompts by themselves: for options that mean the same in every language, the bar to pass."""
    asked = questions(setup.task, code)
    run = replace(setup, sources=(0,), targets=(0,), run={**setup.run, "progress": False})
    return Carried("source_run", run, [one.prompt for one in asked], asked)


def prompts_of(setup: Setup, donors: Sequence[str]) -> list[list[str]]:
    """The prompts of each item in the donor languages."""
    return [list(given) for given in zip(*(setup.task.prompts[donor] for donor in donors), strict=True)]


def derangement(n: int, seed: int) -> list[int]:
    """Another item for each item, at random."""
    order = np.random.default_rng(seed).permutation(n)
    place = np.empty(n, dtype=int)
    place[order] = np.roll(order, 1)
    return place.tolist()


def recorded(setup: Setup, prompts: Sequence[Sequence[str]], place: Place) -> Tensor:
    """What a place holds at the last token of every prompt, the mean over an item's prompts: `[item block d]`."""
    runs = [tokens_of(setup.model, prompt) for several in prompts for prompt in several]
    found: dict[int, Tensor] = {}
    for group in batches([len(run) for run in runs], 4096):
        states = record(setup.model, [runs[k] for k in group], place, range(setup.model.cfg.n_layers)).float().cpu()
        found |= dict(zip(group, states, strict=True))
    return torch.stack([found[k] for k in range(len(runs))]).unflatten(0, (len(prompts), -1)).mean(1)


def _directions(setup: Setup, prompts: Sequence[Sequence[str]]) -> list[Tensor]:
    """Random directions, each as long as the donor it stands for."""
    donors = recorded(setup, prompts, setup.source_site)
    noise = torch.randn(donors.shape, generator=torch.Generator().manual_seed(setup.seed))
    return list(noise / noise.norm(dim=-1, keepdim=True) * donors.norm(dim=-1, keepdim=True))

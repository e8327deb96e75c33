"""What is copied in a transplant: the donor's activation, and under each control something else instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.interventions.edits import SITE_PAIRS, Place, kind, record, tokens_of
from interp.interventions.grid.cells import Method
from interp.interventions.grid.items import Donor
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
    """A study with nothing left open: what stays the same for every pair of languages and every control."""

    model: TransformerBridge
    task: ParallelTask
    score: Measure
    source_site: Place
    target_site: Place
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    max_new_tokens: int
    method: Method
    seed: int
    controls: tuple[Control, ...]
    norm_match: bool = False


class Condition(NamedTuple):
    """One grid to measure: its name, its setup, the donor of each item, and the question each item asks."""

    name: str
    setup: Setup
    donors: Sequence[Donor | Sequence[str]]
    questions: Sequence[Question]


def site_pair(sites: str | tuple[Place, Place]) -> tuple[Place, Place]:
    """The source and the target site that `sites` means: a name of `SITE_PAIRS` or a pair. Raises `ValueError` for others."""
    if isinstance(sites, str):
        if sites not in SITE_PAIRS:
            raise ValueError(f"got site {sites!r}, expected one of {', '.join(SITE_PAIRS)}, or a pair of sites.")
        return SITE_PAIRS[sites]
    if len(sites) != 2 or not all(isinstance(site, str) or len(site) == 2 for site in sites):
        raise ValueError(f"got sites {sites!r}, expected a source and a target site, such as ('mlp', 'mlp') or two ('head', 3).")
    source, target = ((site if isinstance(site, str) else (site[0], site[1])) for site in sites)
    return source, target


def left_out(task: ParallelTask, source_site: Place, target_site: Place, controls: Sequence[Control]) -> dict[str, str]:
    """Those of `controls` that `task` cannot have, each with the reason. Raises `ValueError` for an unknown control.

    `source_site` and `target_site` are the sites of the transplant: some controls need both to be the same.
    """
    unknown = [control for control in controls if control not in CONTROLS]
    if unknown:
        raise ValueError(f"got control {unknown[0]!r}, expected some of {', '.join(CONTROLS)}.")
    reasons = {}
    if "permuted" in controls and not lists_options(task):
        reasons["permuted"] = "no permuted control: the prompts list no options that could stand in another order."
    if "shuffled" in controls and len(task) < 2:
        reasons["shuffled"] = "no shuffled control: it needs two items."
    if "same_language" in controls and kind(source_site) != kind(target_site):
        reasons["same_language"] = "no same-language control: it needs one site on both sides."
    return reasons


def condition(setup: Setup, donors: Sequence[str], code: str, name: str) -> Condition:
    """One grid of one pair: `transplant`, a control, or `source_run`, how well the language `code` answers without a transplant.

    `setup` is shared by all conditions, `donors` are the languages carried from, and `name` says which condition.
    """
    asked = asked_in(setup.task, code, name)
    if name == "source_run":
        return Condition(name, replace(setup, sources=(0,), targets=(0,)), [one.prompt for one in asked], asked)
    prompts: list[Donor | Sequence[str]] = [*prompts_of(setup, donors)]
    if name == "shuffled":
        prompts = [prompts[item] for item in derangement(len(prompts), setup.seed)]
    elif name == "same_language":
        prompts = [question.prompt for question in asked]
    elif name == "random":
        prompts = [*_directions(setup, prompts_of(setup, donors))]
    return Condition(name, replace(setup, norm_match=name == "norm_matched"), prompts, asked)


def asked_in(task: ParallelTask, code: str, name: str) -> list[Question]:
    """The question of each item of `task` in language `code`; the condition `name` "permuted" lists options in another order."""
    return questions(task, code, shift=1 if name == "permuted" else 0)


def prompts_of(setup: Setup, donors: Sequence[str]) -> list[list[str]]:
    """The prompts of each item of the task of `setup` in the languages `donors`."""
    return [list(given) for given in zip(*(setup.task.prompts[donor] for donor in donors), strict=True)]


def derangement(n: int, seed: int) -> list[int]:
    """Another item for each of `n` items, at random by `seed`."""
    order = np.random.default_rng(seed).permutation(n)
    partners = np.empty(n, dtype=int)
    partners[order] = np.roll(order, 1)
    return partners.tolist()


def mean_activations(setup: Setup, prompts: Sequence[Sequence[str]], site: Place) -> Float[Tensor, "item source d_model"]:
    """The activation of each block at `site` and the last token, averaged over the `prompts` of each item (`setup`: the model)."""
    runs = [tokens_of(setup.model, prompt) for several in prompts for prompt in several]
    activations: dict[int, Tensor] = {}
    for group in batches([len(run) for run in runs], 4096):
        states = record(setup.model, [runs[index] for index in group], site, range(setup.model.cfg.n_layers)).float().cpu()
        activations |= dict(zip(group, states, strict=True))
    return torch.stack([activations[index] for index in range(len(runs))]).unflatten(0, (len(prompts), -1)).mean(1)


def _directions(setup: Setup, prompts: Sequence[Sequence[str]]) -> list[Tensor]:
    """Random directions, each as long as the donor it stands for."""
    donors = mean_activations(setup, prompts, setup.source_site)
    noise = torch.randn(donors.shape, generator=torch.Generator().manual_seed(setup.seed))
    return list(noise / noise.norm(dim=-1, keepdim=True) * donors.norm(dim=-1, keepdim=True))

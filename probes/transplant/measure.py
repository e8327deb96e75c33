"""Does carrying an activation from one language's run into another's give better answers, and is it the content that helps?

Every pair of languages gets the whole source x target grid, item by item, and beside it the same grid under each control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import Tensor

from interp.interventions.edits import Place, place_name
from interp.interventions.grid.grid import Grid, Method
from interp.interventions.grid.items import transplant_items
from interp.models.load import identify
from interp.provenance import Signature
from interp.text.corpus import ParallelTask
from probes.report import with_receipts
from probes.translation.text_scores import contains
from probes.transplant.controls import (
    CONTROLS,
    Carried,
    Control,
    Measure,
    Setup,
    carried,
    left_out,
    own_run,
    plan,
    prompts_of,
    recorded,
)
from probes.transplant.matching import names_option
from probes.transplant.options import Question
from probes.transplant.report import TransplantGrid

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Pair = tuple[tuple[str, ...], str]


@with_receipts
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

    `sites` is one of `SITE_PAIRS` by name, or the place read and the place written, `(("head", 3), ("head", 3))` for a head.
    `measure` is `"difference"` (logit of the right option against the best wrong one; above 0 is a right answer), `"logprob"` of
    the reference answer (nats), or `"match"` (a right answer by the papers' string match of a greedy continuation); "auto" is
    difference where there are options, else logprob. Several donor languages of a pair are averaged.

    Controls: `shuffled` (the donor is another item), `same_language` (the item itself, off the diagonal), `random` (directions as
    long as the donor's), `norm_matched` (the donor as long as what it replaces), `permuted` (the options listed in another
    order, so that copying the donor's mark is wrong). Finished items are kept in `folder` and found again.

    When it misleads: the best of many cells on few items is chance in part; read the held-out rows, and the oracle only beside
    the same oracle under `shuffled`.
    """
    setup = plan(
        model, task, sites=sites, measure=measure, controls=controls, sources=sources, targets=targets,
        max_new_tokens=max_new_tokens, seed=seed, method=method, folder=folder, progress=progress,
    )  # fmt: skip
    arrays, rows, ties = {}, [], 0
    for donors, code in pairs:
        pair = f"{'+'.join(donors)}>{code}"
        for each in carried(setup, donors, code):
            values, untouched, near = _measured(each)
            arrays[f"{pair}|{each.name}"] = values.astype(np.float32)
            if each.name in ("transplant", "permuted"):
                name = "untouched:permuted" if each.name == "permuted" else "untouched"
                rows.append(_rows(task, donors, code, name, untouched))
            ties += near
        alone = [_measured(own_run(setup, donor))[1] for donor in donors]
        rows.append(_rows(task, donors, code, "source_run", np.mean(alone, axis=0)))
        arrays[f"{pair}|norm_ratio"] = _norm_ratio(setup, donors, code)
    settings = {
        "site": sites if isinstance(sites, str) else f"{place_name(setup.source_site)}>{place_name(setup.target_site)}",
        "score": setup.measure, "seed": seed, "boot": resamples, "controls": "+".join(setup.controls) or "none",
    }  # fmt: skip
    return TransplantGrid(
        table=pd.concat(rows, ignore_index=True),
        signature=Signature("transplant", identify(model), task.identity, settings),
        arrays=arrays,
        settings={
            **settings,
            "resamples": resamples,
            "sources": list(setup.sources),
            "targets": list(setup.targets),
            "layers": model.cfg.n_layers,
        },
        notes=(
            *left_out(task, setup.source_site, setup.target_site, controls).values(),
            *([f"{ties} cells were within 0.001 nats of a tie."] if ties else []),
        ),
    )


def share_transplant(
    model: TransformerBridge,
    task: ParallelTask,
    pairs: Sequence[Pair],
    share: Callable[[Sequence[list[int]]], Sequence[list[int]]],
    *,
    folder: str | Path,
    sites: str | tuple[Place, Place] = "mlp",
    measure: Measure = "auto",
    controls: Sequence[Control] = CONTROLS,
    sources: Sequence[int] | None = None,
    targets: Sequence[int] | None = None,
    max_new_tokens: int = 20,
    method: Method = "auto",
    seed: int = 0,
) -> None:
    """Measure some batches of the items of every grid into `folder`, where `measure_transplant` with the same arguments finds them.

    `share` picks them from a list, and goes on dealing from grid to grid. A batch is read as a single process reads it, so the
    numbers are the same.
    """
    dealt = 0

    def deal(groups: Sequence[list[int]]) -> list[list[int]]:
        nonlocal dealt
        mine = [group for group in share([[]] * dealt + list(groups)) if group]
        dealt += len(groups)
        return mine

    setup = plan(
        model, task, sites=sites, measure=measure, controls=controls, sources=sources, targets=targets,
        max_new_tokens=max_new_tokens, seed=seed, method=method, folder=folder, share=deal,
    )  # fmt: skip
    for donors, code in pairs:
        for each in (*carried(setup, donors, code), *(own_run(setup, donor) for donor in donors)):
            _grids(each)


def _grids(each: Carried) -> list[Grid]:
    setup, asked = each.setup, each.asked
    given: dict[str, Any] = {"score": "generate", "max_new_tokens": setup.steps}
    if setup.measure == "difference":
        given = {"score": "logit_difference", "options": [one.options for one in asked], "gold": [one.gold for one in asked]}
    elif setup.measure == "logprob":
        given = {"score": "logprob", "options": [[_reference(one)] for one in asked]}
    return transplant_items(
        setup.model, each.donors, [one.prompt for one in asked], sources=setup.sources, targets=setup.targets,
        source_site=setup.source_site, target_site=setup.target_site, norm_match=setup.norm_match, **given, **setup.run,
    )  # fmt: skip


def _measured(each: Carried) -> tuple[np.ndarray, np.ndarray, int]:
    """The values `[item source target]` of one grid, the untouched runs, and near ties."""
    setup, grids = each.setup, _grids(each)
    values = np.stack([_values(setup, one, grid.values) for one, grid in zip(each.asked, grids, strict=True)])
    untouched = [_values(setup, one, grid.untouched[None, None])[0, 0] for one, grid in zip(each.asked, grids, strict=True)]
    if each.name == "same_language":
        values = np.where(np.equal.outer(np.array(setup.sources), np.array(setup.targets)), np.nan, values)
    return values, np.array(untouched), sum(grid.near_ties for grid in grids)


def _reference(question: Question) -> str:
    return question.options[question.gold or 0] if question.options else question.answers[0]


def _values(setup: Setup, question: Question, values: Tensor) -> np.ndarray:
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


def _norm_ratio(setup: Setup, donors: tuple[str, ...], code: str) -> np.ndarray:
    """How long each source's donor is beside what it replaces in each target, median over items: `[source target]`."""
    given = recorded(setup, prompts_of(setup, donors), setup.source_site).norm(dim=-1)[:, list(setup.sources)]
    replaced = recorded(setup, prompts_of(setup, [code]), setup.target_site).norm(dim=-1)
    ratio = given[:, :, None] / replaced[:, None, list(setup.targets)].clamp_min(1e-9)
    return ratio.median(dim=0).values.numpy()


def _rows(task: ParallelTask, donors: tuple[str, ...], code: str, run: str, values: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame({"item": task.ids, "donor": "+".join(donors), "language": code, "run": run, "value": values})
    return frame.assign(document=task.documents) if task.documents else frame

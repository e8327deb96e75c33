"""Does copying an activation from one language's run into another's improve the answers, and is it the content that helps?

For every pair of languages, the whole source x target grid is measured for every item, and again under each control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from torch import Tensor

from interp.interventions.edits import Place, Transplant, check_blocks, check_place, place_name
from interp.interventions.grid.cells import Method
from interp.interventions.grid.grid import Grid
from interp.interventions.grid.items import item_batches, transplant_items
from interp.models.load import identify
from interp.progress import Progress
from interp.provenance import Signature
from interp.text.corpus import ParallelTask
from probes.report import with_receipts
from probes.study import Study, with_fields_of
from probes.translation.text_scores import contains
from probes.transplant.controls import (
    CONTROLS,
    Condition,
    Control,
    Measure,
    Setup,
    asked_in,
    condition,
    left_out,
    mean_activations,
    prompts_of,
    site_pair,
)
from probes.transplant.matching import names_option
from probes.transplant.options import Question
from probes.transplant.report import TransplantGrid

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

Pair = tuple[tuple[str, ...], str]
"""The donor languages, whose activations are averaged, and the language of the run that is changed."""


class Batch(NamedTuple):
    """Items whose grids are measured together, in one condition of one pair; `source_run` has the donor's language alone."""

    pair: Pair
    condition: str
    items: tuple[int, ...]


@dataclass(frozen=True)
class TransplantStudy(Study[Batch, list[Grid]]):
    """Every source layer into every target layer for pairs of languages, with controls. A job is a batch of items: one, where
    its grid has many cells.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    task
        The same questions in several languages, from `interp.text.read.read_task`.
    pairs
        Pairs of donor languages and target language, such as `(("eng_Latn",), "deu_Latn")`. The activations of several donor
        languages are averaged. See `probes.transplant.options.pairs_of`.
    sites
        What is copied: a name in `interp.interventions.edits.SITE_PAIRS`, or a source and a target site, such as
        `(("head", 3), ("head", 3))` for one attention head.
    score
        The score of a cell: `difference`, the logit of the right option minus that of the best wrong one (right if above 0);
        `logprob`, the log-probability of the reference answer (nats); `match`, whether a greedy continuation matches the answer,
        as in the paper. `auto` is `difference` where the task has options, otherwise `logprob`.
    controls
        What else is copied. Each control costs as much as the grid itself. `shuffled`: the donor is another item.
        `same_language`: the donor is the same prompt, off the diagonal. `random`: random directions as long as the donor.
        `norm_matched`: the donor, rescaled to the length of what it replaces. `permuted`: the target prompt lists its options in
        another order, so that copying the donor's option mark is wrong.
    sources, targets
        Source and target blocks, 0 to N-1. Default: all.
    max_new_tokens
        Length of the continuation for `match`.
    method
        How the grid is computed: `naive`, `batched`, `packed` or `wave`. All give the same numbers; `auto` takes the fastest.
    seed
        Random seed of the controls, of the held-out splits and of the bootstrap.
    resamples
        Number of bootstrap resamples of the items (or documents).
    progress
        Show a progress bar.

    Example
    -------
    >>> import interp, probes
    >>> from interp.text.read import read_task
    >>> task = read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=3)
    >>> study = probes.TransplantStudy(interp.load("bundled"), task, [(("eng_Latn",), "deu_Latn")], controls=["shuffled"])
    >>> sorted({job.condition for job in study.jobs()})
    ['shuffled', 'source_run', 'transplant']
    """

    model: TransformerBridge
    task: ParallelTask
    pairs: Sequence[Pair]
    _: KW_ONLY
    sites: str | tuple[Place, Place] = "mlp"
    score: Measure = "auto"
    controls: Sequence[Control] = CONTROLS
    sources: Sequence[int] | None = None
    targets: Sequence[int] | None = None
    max_new_tokens: int = 20
    method: Method = "auto"
    seed: int = 0
    resamples: int = 1000
    progress: bool = True

    def jobs(self) -> list[Batch]:
        """The batches of every pair: of the transplant, of its controls, and of the donors' own runs, each once."""
        jobs: list[Batch] = []
        for pair in self._pairs:
            jobs += [batch for name in self._conditions for batch in self._batches(pair, name)]
            jobs += [batch for donor in pair[0] for batch in self._batches(((donor,), donor), "source_run")]
        return list(dict.fromkeys(jobs))

    def scores(self, jobs: Sequence[Batch], folder: str | Path | None = None) -> list[Grid]:
        """The grids of the items of some batches (`jobs`), one condition after another; in each, in the order of the items.

        Grids that `folder` holds are read from it, and new ones are kept there. Default: nowhere.
        """
        with self._bar(jobs) as bar:
            return self._scores(jobs, folder, bar)

    @with_receipts
    def measure(self, folder: str | Path | None = None) -> TransplantGrid:
        """Measure the grids of every pair that `folder` does not hold yet, and report."""
        with self._bar(self.jobs()) as bar:
            return self._measure(folder, bar)

    def _measure(self, folder: str | Path | None, bar: Progress) -> TransplantGrid:
        tables: list[pd.DataFrame] = []
        arrays: dict[str, np.ndarray] = {}
        alone: dict[str, np.ndarray] = {}
        ties = 0
        for donors, code in self._pairs:
            pair = f"{'+'.join(donors)}>{code}"
            for name in self._conditions:
                values, untouched, near = self._measured((donors, code), name, folder, bar)
                arrays[f"{pair}|{name}"] = values.astype(np.float32)
                if name in ("transplant", "permuted"):
                    run = "untouched:permuted" if name == "permuted" else "untouched"
                    tables.append(_rows(self.task, donors, code, run, untouched))
                ties += near
            for donor in donors:
                if donor not in alone:
                    alone[donor] = self._measured(((donor,), donor), "source_run", folder, bar)[1]
            tables.append(_rows(self.task, donors, code, "source_run", np.mean([alone[donor] for donor in donors], axis=0)))
            arrays[f"{pair}|norm_ratio"] = _norm_ratio(self._setup, donors, code)
        return self._report(pd.concat(tables, ignore_index=True), arrays, ties)

    @property
    def _pairs(self) -> list[Pair]:
        return [(tuple(donors), code) for donors, code in self.pairs]

    @property
    def _conditions(self) -> tuple[str, ...]:
        """The grids of each pair: the transplant, then every control."""
        return ("transplant", *self._setup.controls)

    def _batches(self, pair: Pair, name: str) -> list[Batch]:
        """The items of one condition, as they are read together in every process."""
        prompts = [question.prompt for question in asked_in(self.task, pair[1], name)]
        cells = 1 if name == "source_run" else len(self._setup.sources) * len(self._setup.targets)
        return [Batch(pair, name, tuple(items)) for items in item_batches(self.model, prompts, cells)]

    def _bar(self, jobs: Sequence[Batch]) -> Progress:
        """One bar over all grids. The donors' own runs are a cell each, and not counted."""
        total = sum(len(job.items) for job in jobs if job.condition != "source_run")
        return Progress(total=total, desc="transplant", unit="item", disable=not self.progress)

    def _scores(self, jobs: Sequence[Batch], folder: str | Path | None, bar: Progress) -> list[Grid]:
        grids: list[Grid] = []
        for ((donors, code), name), same in groupby(jobs, key=lambda job: (job.pair, job.condition)):
            bar.set_postfix_str(f"{'+'.join(donors)}>{code} {name}")
            asked = condition(self._setup, donors, code, name)
            grids += _grids(asked, [job.items for job in same], folder, bar if name != "source_run" else False)
        return grids

    def _measured(self, pair: Pair, name: str, folder: str | Path | None, bar: Progress) -> tuple[np.ndarray, np.ndarray, int]:
        """The values `[item source target]` of one grid, the values `[item]` of the unchanged runs, and the number of near ties."""
        setup, questions = self._setup, asked_in(self.task, pair[1], name)
        grids = self._scores(self._batches(pair, name), folder, bar)
        values = np.stack([_values(setup, *each) for each in zip(questions, (grid.values for grid in grids), strict=True)])
        untouched = [_values(setup, one, grid.untouched[None, None])[0, 0] for one, grid in zip(questions, grids, strict=True)]
        if name == "same_language":
            values = np.where(np.equal.outer(np.array(setup.sources), np.array(setup.targets)), np.nan, values)
        return values, np.array(untouched), sum(grid.near_ties for grid in grids)

    @cached_property
    def _setup(self) -> Setup:
        """All layers where none are named, the measure that suits, and the controls the task can have."""
        source, target = site_pair(self.sites)
        check_place(self.model, source)
        check_place(self.model, target)
        Transplant(source, target)  # refuses a head with another site
        sources, targets = check_blocks(self.model, self.sources, "sources"), check_blocks(self.model, self.targets, "targets")
        score = ("difference" if self.task.choices else "logprob") if self.score == "auto" else self.score
        missing = left_out(self.task, source, target, self.controls)
        controls = tuple(control for control in self.controls if control not in missing)
        return Setup(self.model, self.task, score, source, target, tuple(sources), tuple(targets), self.max_new_tokens,
                     self.method, self.seed, controls)  # fmt: skip

    def _report(self, table: pd.DataFrame, arrays: dict[str, np.ndarray], ties: int) -> TransplantGrid:
        setup = self._setup
        sites = self.sites if isinstance(self.sites, str) else f"{place_name(setup.source_site)}>{place_name(setup.target_site)}"
        settings: dict[str, str | int | float] = {
            "site": sites, "score": setup.score, "seed": self.seed, "boot": self.resamples,
            "controls": "+".join(setup.controls) or "none",
        }  # fmt: skip
        missing = left_out(self.task, setup.source_site, setup.target_site, self.controls)
        return TransplantGrid(
            table=table,
            signature=Signature("transplant", identify(self.model), self.task.identity, settings),
            arrays=arrays,
            settings={
                **settings,
                "resamples": self.resamples,
                "sources": list(setup.sources),
                "targets": list(setup.targets),
                "layers": self.model.cfg.n_layers,
            },
            notes=(*missing.values(), *([f"{ties} cells were within 0.001 nats of a tie."] if ties else [])),
        )


@with_fields_of(TransplantStudy)
def measure_transplant(study: TransplantStudy) -> TransplantGrid:
    """Copy activations from one language's run into another's, for every source and target layer, with controls.

    Parameters
    ----------
    study
        The fields of a `TransplantStudy`, which explains them: `model, task, pairs` and by name the others. Nothing is kept on
        disk; `TransplantStudy(...).measure(folder)` keeps finished items, so that an interrupted run continues.

    Returns
    -------
    A `TransplantGrid`. Its `values(pair)` are `[item source target]`.

    Raises
    ------
    ValueError
        A site, block or control that the model or the task does not have.

    Notes
    -----
    The best of many cells on few items is partly chance. Read the `held_out` rows of the summary, and compare the upper bound
    (the best cell of each item, chosen with knowledge of the answer) with the same upper bound under `shuffled`.

    References
    ----------
    Ye et al. 2024, "XTransplant", arXiv 2412.12686.

    Example
    -------
    >>> import interp, probes
    >>> from interp.text.read import read_task
    >>> model = interp.load("bundled")
    >>> task = read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=3)
    >>> pairs = [(("eng_Latn",), "deu_Latn")]
    >>> grid = probes.measure_transplant(
    ...     model, task, pairs, sources=[1], targets=[0], controls=["shuffled"], resamples=20, progress=False
    ... )
    >>> grid.values("eng_Latn>deu_Latn").shape  # item, source, target
    (3, 1, 1)
    """
    return study.measure()


def _grids(asked: Condition, batches: Sequence[Sequence[int]], folder: str | Path | None, progress: bool | Progress) -> list[Grid]:
    setup, questions = asked.setup, asked.questions
    score: dict[str, Any] = {"score": "generate", "max_new_tokens": setup.max_new_tokens}
    if setup.score == "difference":
        options, gold = [one.options for one in questions], [one.gold for one in questions]
        score = {"score": "logit_difference", "options": options, "gold": gold}
    elif setup.score == "logprob":
        score = {"score": "logprob", "options": [[_reference(one)] for one in questions]}
    return transplant_items(
        setup.model, asked.donors, [one.prompt for one in questions], sources=setup.sources, targets=setup.targets,
        source_site=setup.source_site, target_site=setup.target_site, norm_match=setup.norm_match, method=setup.method,
        folder=folder, only=batches, progress=progress, **score,
    )  # fmt: skip


def _reference(question: Question) -> str:
    return question.options[question.gold or 0] if question.options else question.answers[0]


def _values(setup: Setup, question: Question, values: Tensor) -> np.ndarray:
    if setup.score == "difference":
        return values.double().numpy()
    if setup.score == "logprob":
        return values[..., 0].double().numpy()
    texts = setup.model.tokenizer.batch_decode(values.flatten(0, 1).tolist(), skip_special_tokens=True)
    return np.array([right(question, text) for text in texts], dtype=float).reshape(values.shape[:2])


def right(question: Question, text: str) -> bool:
    """Whether the continuation `text` answers the `question`, by the papers' string matches."""
    if question.marks and question.gold is not None:
        return names_option(text, question.gold, question.marks, question.words)
    if question.options and question.gold is not None:
        others = [option for index, option in enumerate(question.options) if index != question.gold]
        return contains(text, question.answers) and not contains(text, others)
    return contains(text, question.answers)


def _norm_ratio(setup: Setup, donors: tuple[str, ...], code: str) -> np.ndarray:
    """The norm of each source's donor over the norm of what it replaces in each target, median over items: `[source target]`."""
    donor = mean_activations(setup, prompts_of(setup, donors), setup.source_site).norm(dim=-1)[:, list(setup.sources)]
    replaced = mean_activations(setup, prompts_of(setup, [code]), setup.target_site).norm(dim=-1)
    ratio = donor[:, :, None] / replaced[:, None, list(setup.targets)].clamp_min(1e-9)
    return ratio.median(dim=0).values.numpy()


def _rows(task: ParallelTask, donors: tuple[str, ...], code: str, run: str, values: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame({"item": task.ids, "donor": "+".join(donors), "language": code, "run": run, "value": values})
    return frame.assign(document=task.documents) if task.documents else frame

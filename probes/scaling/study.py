"""A data-scale series from start to end: models tuned on more and more pairs, the law of their scores, and a validated plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from interp.activations.capture import capture
from interp.models.load import identify, load
from interp.text.corpus import ParallelCorpus
from interp.tuning import Mixture, Recipe, muit, translations
from probes.scaling.allocation import Objective, Plan
from probes.scaling.allocation_report import measure_allocations, random_division
from probes.scaling.measure import Similarity, language_similarity, measure_scaling
from probes.scaling.report import ScalingReport
from probes.sweep.study import SWEEP, SweepStudy, describe_tuning
from probes.sweep.sweep import Cell, measure_cells
from probes.translation.metrics import Metric, check_studied, metric_name, signed_studied

Gamma = Literal["free", "alignment", "overlap"]
_SENTENCES = 200  # of the training text, for a measured similarity


@dataclass(frozen=True, kw_only=True)
class ScalingStudy(SweepStudy[Cell]):
    """How does translation into a language grow with the pairs it was tuned on, and how should a budget of pairs be divided?

    Tunes the parent on more and more pairs of each language, the smaller sets inside the larger, and fits the scaling law
    S = 100 - alpha (gamma X)^beta (arXiv 2308.04948, eq. 2) and its rivals to the scores.

    Other parameters are those of every `SweepStudy`.

    Parameters
    ----------
    train
        The text to tune on, `train[language]`, a corpus of the pivot and that language.
    recipe
        How to tune; models are asked in its prompt form. Give `steps`, and sizes differ in their data alone.
    sizes
        Numbers of pairs to tune on, three or more.
    metric
        The metric to fit: a name of `probes.translation.metrics.STUDIED`, or a function of your own (a share, 0 to 1).
    gamma
        How near a language is to the pivot: "free", fitted; "alignment" or "overlap", measured in the untuned model by MEXA or
        by shared tokens, and then tested.
    reference
        The language with gamma 1; None means the one that scores best.
    budget
        Pairs to divide over the languages; None makes no plan.
    caps
        The most pairs that a language may get; none given means the pairs there are.
    objective
        What the division makes highest: "sum" (the mean score), "weighted" (the mean weighted by `weights`) or "maxmin" (the
        lowest score).
    weights
        Weight of each language's score, for the objective "weighted".
    validate
        Whether to tune models on the planned, a uniform and random divisions of the budget, and compare them.
    dtype
        Precision of the untuned model when similarity is measured; None means the checkpoint's own.
    train_name
        What the signature calls the training text; None means the names of its corpora.
    resamples
        Bootstrap resamples behind every interval: 500, as the law is fitted to each.

    Raises
    ------
    ValueError
        Where there is no language to tune on, or `validate` has no budget.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe
    >>> train = {code: interp.read("cldr:dates", languages=["eng_Latn", code], split="train") for code in ("nld_Latn", "ukr_Cyrl")}
    >>> study = probes.ScalingStudy(
    ...     parent="bundled",
    ...     train=train,
    ...     test=interp.read("cldr:dates", languages=["eng_Latn", *train], split="heldout").select(limit=6),
    ...     recipe=Recipe(form="quoted", learning_rate=1e-3, steps=2, batch=8, held_out=0.0),  # quick
    ...     sizes=(8, 16, 32),
    ...     budget=200,
    ...     resamples=20,
    ... )
    >>> [job.name for job in study.jobs()][:3]
    ['untuned', 'nld_Latn/32/0', 'ukr_Cyrl/32/0']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = study.measure(folder)
    >>> report.law.languages
    ('nld_Latn', 'ukr_Cyrl')
    """

    train: Mapping[str, ParallelCorpus]
    recipe: Recipe
    sizes: tuple[int, ...]
    metric: Metric = "chrf"
    gamma: Gamma = "free"
    reference: str | None = None
    budget: int | None = None
    caps: Mapping[str, int] = field(default_factory=dict)
    objective: Objective = "sum"
    weights: Mapping[str, float] | None = None
    validate: bool = False
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    train_name: str | None = None
    resamples: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.train:
            raise ValueError("got no language to tune on, expected one or more. Give its pairs in train=.")
        check_studied([self.metric], self.train, "the law of all languages")
        if self.validate and self.budget is None:
            raise ValueError("got validate but no budget, so there is no plan to try. Give --budget (in Python: budget=).")

    def jobs(self) -> list[Cell]:
        """The untuned model, and every language in every size and order; the largest first, as they take longest."""
        pairs, own = self._pairs(), replace(self.recipe, seed=self.seed)
        cells = [Cell("untuned", None, own, self._into(*pairs), {"size": 0, "seed": self.seed})]
        for size in sorted(self.sizes, reverse=True):
            for seed in self.training_seeds:
                recipe, tags = replace(self.recipe, seed=seed), {"size": size, "seed": seed}
                cells += [
                    Cell(f"{code}/{size}/{seed}", mixture.prefix(size, seed), recipe, self._into(code), tags)
                    for code, mixture in pairs.items()
                ]
        return cells

    def scores(self, jobs: Sequence[Cell], folder: str | Path) -> pd.DataFrame:
        """The scores of the models of `jobs`, item by item, with the language each row is about.

        What is finished in `folder` is taken from there.
        """
        table = measure_cells(
            self.parent, jobs, self.test, Path(folder) / SWEEP, form=self.recipe.form, metrics=(self.metric,), beams=self.beams,
            max_new_tokens=self.max_new_tokens, device=self.device,
        )  # fmt: skip
        return table.assign(language=table["target"])

    def measure(self, folder: str | Path) -> ScalingReport:
        """Tune and score what `folder` does not hold yet, fit the law, plan, and validate the plan if asked to.

        Parameters
        ----------
        folder
            Where tuned models and scores are kept, in `sweep`, the same for every `share`; activations go beside it, and the
            validation of the plan, a report of its own (`AllocationReport`), in `validation`.
        """
        most = {code: min(len(each), self.caps.get(code, len(each))) for code, each in self._pairs().items()}
        plan = {"budget": self.budget, "caps": most, "objective": self.objective, "weights": self.weights}
        report = measure_scaling(
            self.scores(self.jobs(), folder),
            identify(load(self.parent, device="cpu")),
            self.test.identity,
            metric=metric_name(self.metric),
            reference=self.reference,
            similarity=None if self.gamma == "free" else self._similarity(self.gamma, Path(folder) / "activations"),
            similarity_of=self.gamma,
            plan=None if self.budget is None else plan,
            how=self._signed(),
            resamples=self.resamples,
            seed=self.seed,
        )
        return self._try_plan(report, report.plan, Path(folder)) if self.validate and report.plan else report

    def _pairs(self) -> dict[str, Mixture]:
        """All pairs of each language, as examples in one shuffled order."""
        return {code: translations(text, [(self.pivot, code)], seed=self.seed) for code, text in self.train.items()}

    def _into(self, *codes: str) -> tuple[tuple[str, str], ...]:
        return tuple((self.pivot, code) for code in codes)

    def _signed(self) -> dict[str, str | int | float]:
        name = self.train_name or "+".join(dict.fromkeys(text.name for text in self.train.values()))
        scored = signed_studied([self.metric], self.train)
        return describe_tuning(self.recipe, self.seeds, self.beams) | {"train": name, **scored}

    def _similarity(self, of: Similarity, folder: Path) -> dict[str, float]:
        """How near each language is to the pivot in the untuned model, on its own training text."""
        model = load(self.parent, device=self.device, dtype=self.dtype)
        similarity: dict[str, float] = {}
        for code, text in self.measured_texts().items():
            acts = capture(model, text, folder=folder / code)
            similarity |= language_similarity(acts, self.pivot, of)
        return similarity

    def measured_texts(self) -> dict[str, ParallelCorpus]:
        """The sentences of each language on which a measured similarity rests."""
        return {code: text.select(limit=_SENTENCES, seed=self.seed) for code, text in self.train.items()}

    def trials(self, divisions: Mapping[str, Mapping[str, int]], seed: int) -> list[Cell]:
        """The models that try `divisions` of the budget, each the number of pairs of every language, tuned with `seed`."""
        pairs, steps = self._pairs(), self.recipe.steps
        steps = steps and steps * len(self.train)  # as many updates per language as in the series
        recipe = replace(self.recipe, seed=seed, steps=steps)
        return [
            Cell(f"{arm}/{seed}", muit(pairs, budgets=budgets, seed=seed), recipe, self._into(*budgets), {"arm": arm, "seed": seed})
            for arm, budgets in divisions.items()
        ]

    def _try_plan(self, report: ScalingReport, plan: Plan, folder: Path) -> ScalingReport:
        """The report with the verdict of the validation of its plan, which is saved in `validation`."""
        caps, cells = report.settings["plan"]["caps"], list[Cell]()
        for seed in self.training_seeds:
            divisions = {"uniform": dict(zip(plan.languages, plan.uniform.tolist(), strict=True)),
                         "planned": dict(zip(plan.languages, plan.pairs.tolist(), strict=True)),
                         "random": random_division(plan, caps, seed)}  # fmt: skip
            cells += self.trials(divisions, seed)
        tried = measure_allocations(
            self.scores(cells, folder), plan, report.signature.model, self.test.identity, metric=metric_name(self.metric),
            weights=self.weights, how=self._signed(), resamples=self.resamples, seed=self.seed,
        )  # fmt: skip
        tried.save(folder / "validation")
        return replace(report, notes=(*report.notes, f"Validation of the plan: {tried.verdict()}"))

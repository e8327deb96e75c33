"""A sweep of factors from start to end: models tuned in every combination of levels and seeds, each scored alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from interp.files.cache import digest
from interp.models.load import identify, load
from interp.provenance import ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.tuning import Mixture, Recipe
from probes.factors.design import amounts, label
from probes.factors.outside_scores import with_outside_scores
from probes.factors.report import SweepReport
from probes.factors.scores import PREFIX, TUNED, UNTUNED
from probes.study import Study
from probes.sweep.asking import Asking
from probes.sweep.models import Cell, Keep
from probes.sweep.questions import QuestionSweep
from probes.sweep.study import SWEEP
from probes.sweep.sweep import Sweep
from probes.translation.answers import answer_metrics
from probes.translation.metrics import Metric, check_studied, metric_name, signed_metrics

Tags = dict[str, str | int | float]
"""What is known of a cell, as columns of its rows."""


class Arm(NamedTuple):
    """One model of a sweep: its `cell`, the `parent` it is tuned from, and the prompt `form` in which it is tuned and asked."""

    parent: str
    form: str
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class FactorStudy(Study[Arm, pd.DataFrame]):
    """What is the effect of each factor of tuning: languages, amount of data, method, template, direction, model, ...?

    Every arm is tuned and scored on the same items in the same directions, and so is every untuned parent.

    Parameters
    ----------
    arms
        The tuned models, from `tuned_arm`: every combination with the same seeds.
    factors
        The factors that vary, each with its levels in order; the first is the one that others are compared with.
    test
        Parallel text to translate, or questions to answer in every language that a direction ends in.
    metric
        How an item is scored: a metric of `measure_translation` or of `measure_answers`, or a function of your own.
    plain
        Whether questions are asked as they stand, not in the prompt form of tuning.
    beams
        Beam search with so many beams; 1 is greedy.
    max_new_tokens
        Maximum number of tokens of an output; None means twice the longest reference.
    keep
        "model": tuned models stay in the store; "nothing": their scores alone do.
    store
        Where tuned models and scored cells are kept. Sweeps with one store never compute a cell twice. None: in the study's folder.
    outside
        A file of scores by an outside judge, which take the place of `metric`.
    resamples, seed
        Bootstrap resamples behind every interval, and the random seed of all that is drawn.
    device
        cpu, cuda, cuda:1, mps or auto; None means auto.
    how
        What the signature says of the tuning.

    Raises
    ------
    ValueError
        There is no arm, or the metric does not suit the test.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe, translations
    >>> from probes.factors.study import tuned_arm
    >>> languages = ["eng_Latn", "nld_Latn"]
    >>> text = interp.read("cldr:dates", languages=languages, split="train")
    >>> recipe = Recipe(form="quoted", learning_rate=1e-3, steps=2, batch=8, held_out=0.0)  # quick
    >>> arms = [
    ...     tuned_arm("bundled", {"size": size}, translations(text, [languages], limit=size), recipe, [tuple(languages)])
    ...     for size in (8, 32)
    ... ]
    >>> study = probes.FactorStudy(
    ...     arms=tuple(arms),
    ...     factors={"size": (8, 32)},
    ...     test=interp.read("cldr:dates", languages=languages, split="heldout").select(limit=6),
    ...     resamples=20,
    ... )
    >>> [job.cell.name for job in study.jobs()]
    ['untuned/bundled/quoted', 'size=8/seed=42', 'size=32/seed=42']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = study.measure(folder)
    >>> report.summary().query("kind == 'mean'")["level"].tolist()
    ['8', '32']
    """

    arms: tuple[Arm, ...]
    factors: Mapping[str, Sequence[object]]
    test: ParallelCorpus | ParallelTask
    metric: Metric = "chrf"
    plain: bool = False
    beams: int = 1
    max_new_tokens: int | None = None
    keep: Keep = "nothing"
    store: Path | None = None
    outside: Path | None = None
    resamples: int = 1000
    seed: int = 0
    device: str | None = field(default=None, compare=False)
    how: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.arms:
            raise ValueError("got no model to tune, expected one or more.")
        if isinstance(self.test, ParallelTask):
            answer_metrics([self.metric], self.test)
        else:
            check_studied([self.metric], self._targets, "the mean over directions")

    @property
    def _targets(self) -> list[str]:
        return list(dict.fromkeys(target for arm in self.arms for _, target in arm.cell.directions))

    def jobs(self) -> list[Arm]:
        """Every untuned parent in every form, then every tuned model; those of one parent and form follow each other."""
        bare = dict[str, Arm]()
        for arm in self.arms:
            name = _untuned_name(arm.parent, arm.form)
            tags: Tags = {"role": UNTUNED, "untuned": name, **{PREFIX + each: "" for each in self.factors}, "seed": -1}
            bare.setdefault(name, Arm(arm.parent, arm.form, Cell(name, None, arm.cell.recipe, arm.cell.directions, tags)))
        order = {name: place for place, name in enumerate(bare)}
        return sorted([*bare.values(), *self.arms], key=lambda arm: order[_untuned_name(arm.parent, arm.form)])

    def scores(self, jobs: Sequence[Arm], folder: str | Path) -> pd.DataFrame:
        """The items of the models of `jobs`; what the store (or `folder`, where there is none) holds is taken from there."""
        tables = []
        for (parent, form), arms in groupby(jobs, key=lambda arm: (arm.parent, arm.form)):
            tables.append(self._asking(parent, form).measure([arm.cell for arm in arms], self._place(folder)))
        return pd.concat(tables, ignore_index=True)

    def _place(self, folder: str | Path) -> Path:
        """Where cells are kept."""
        return self.store or Path(folder) / SWEEP

    def _asking(self, parent: str, form: str) -> Asking:
        """How the models of one parent are asked in one prompt form."""
        how, where = (self.beams, self.max_new_tokens), (self.keep, self.device)
        if isinstance(self.test, ParallelTask):
            return QuestionSweep(parent, self.test, None if self.plain else form, (self.metric,), *how, *where)
        return Sweep(parent, self.test, form, (self.metric,), 0, *how, *where)

    def measure(self, folder: str | Path) -> SweepReport:
        """Tune and score what the store does not hold yet, and report the effect of every factor.

        Parameters
        ----------
        folder
            The study's folder, the same for every `share`.
        """
        table, metric = self.scores(self.jobs(), folder), metric_name(self.metric)
        if self.outside is not None:
            table, metric = with_outside_scores(table, self.outside), self.outside.stem
        return self._report(table, metric)

    def _report(self, table: pd.DataFrame, metric: str) -> SweepReport:
        """The report of the items of every cell, scored by `metric`."""
        parents = [identify(load(parent, device="cpu")) for parent in dict.fromkeys(arm.parent for arm in self.arms)]
        codes = sorted({code for arm in self.arms for pair in arm.cell.directions for code in pair} & set(self.test.languages))
        signed = {"metric": metric, "beams": self.beams, "seeds": table.loc[table["role"] == TUNED, "seed"].nunique(),
                  "boot": self.resamples, "seed": self.seed, **self.how}  # fmt: skip
        if self.outside is None and not isinstance(self.test, ParallelTask):
            signed |= signed_metrics([self.metric] if metric != "chrf" else [], self._targets)
        return SweepReport(
            table,
            Signature("sweep", _together(parents), self.test.select(languages=codes).identity, signed),
            settings={
                "factors": {name: [label(level) for level in levels] for name, levels in self.factors.items()},
                "amounts": {name: amounts(list(levels)) for name, levels in self.factors.items()},
                "metric": metric, "outside": self.outside is not None, "resamples": self.resamples, "seed": self.seed,
            },
            notes=_notes(table, parents),
        )  # fmt: skip


def tuned_arm(
    parent: str, levels: Mapping[str, object], mixture: Mixture, recipe: Recipe, directions: Sequence[tuple[str, str]]
) -> Arm:
    """One tuned model of a sweep.

    Parameters
    ----------
    parent
        Hub name or folder of the model to tune.
    levels
        Its level of every factor; the seed is that of its recipe.
    mixture, recipe
        What it is tuned on, and how; it is asked in the prompt form of the recipe.
    directions
        What it is scored in: pairs (source, target), the same for every arm. Questions are asked in the targets.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import Recipe, copies
    >>> arm = tuned_arm("bundled", {"size": 8}, copies(interp.read("cldr:names"), limit=8), Recipe(), [("eng_Latn", "deu_Latn")])
    >>> arm.cell.name, arm.form
    ('size=8/seed=42', 'parrot')
    """
    named = {name: label(level) for name, level in levels.items()}
    name = "/".join(f"{key}={value}" for key, value in {**named, "seed": recipe.seed}.items())
    tags: Tags = {"role": TUNED, "untuned": _untuned_name(parent, recipe.form), "seed": recipe.seed}
    tags |= {PREFIX + key: value for key, value in named.items()}
    return Arm(parent, recipe.form, Cell(name, mixture, recipe, tuple((a, b) for a, b in directions), tags))


def _untuned_name(parent: str, form: str) -> str:
    return f"{UNTUNED}/{parent}/{form}"


def _together(parents: Sequence[ModelIdentity]) -> ModelIdentity:
    """Several models under one name; what they differ in is that of the first."""
    if len(parents) == 1:
        return parents[0]
    return replace(parents[0], name="+".join(each.name for each in parents), sha=digest([each.sha for each in parents]))


def _notes(table: pd.DataFrame, parents: Sequence[ModelIdentity]) -> tuple[str, ...]:
    notes, tuned = [], table[table["role"] == TUNED].drop_duplicates("cell")
    steps = tuned["steps"].to_numpy()
    if steps.min() != steps.max():
        notes.append(
            f"Models made {steps.min()} to {steps.max()} updates: a level with more data or languages was also trained longer. "
            "Set steps to make updates equal."
        )
    if tuned["seed"].nunique() == 1:
        notes.append("One seed: intervals are over items alone (item noise), without what another training would give.")
    if any(each.name == "bundled" for each in parents):
        notes.append("The bundled model is a lexicon: this shows that the method works, and says nothing about models of prose.")
    return tuple(notes)

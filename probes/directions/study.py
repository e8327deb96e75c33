"""A study of translation directions from start to end: models tuned on some, scored on all, and what may explain the scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd

from interp.models.load import identify, load
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe
from probes.directions.cells import Control, PairText, direction_cells, untuned_cell, with_errors
from probes.directions.companions import Companions, add_companions
from probes.directions.means import common_items
from probes.directions.report import DirectionReport
from probes.directions.roles import Roles
from probes.sweep.study import SWEEP, SweepStudy, describe_tuning
from probes.sweep.sweep import Cell, Keep, kept_model, measure_cells
from probes.translation.language_id import LearnedLanguages, by_script, learn_languages
from probes.translation.measure import check_shots
from probes.translation.metrics import Metric, check_studied, metric_name, signed_studied


class Job(NamedTuple):
    """One model of the study: its `cell`, what to `keep` of it for later measurements, and the number of `shots` in its prompts."""

    cell: Cell
    keep: Keep = "nothing"
    shots: int = 0


@dataclass(frozen=True, kw_only=True)
class DirectionStudy(SweepStudy[Job]):
    """Does tuning on some translation directions carry to unseen ones (mFTI, arXiv 2305.15083)?

    Tunes the parent on the directions that the roles of the languages allow and scores every direction, beside the untuned
    model, the same with a few examples shown, and tuned controls.

    Other parameters are those of every `SweepStudy`.

    Parameters
    ----------
    train
        The text to tune on: one corpus of all languages, or a function from a source and a target to the text of that pair.
    roles
        The part each language plays in tuning.
    recipe
        How to tune; models are asked in its prompt form.
    rotations
        How many times to tune with the roles turned over the languages, so that a class of directions is not a few fixed languages.
    samples
        Examples of each seen direction; None means all.
    shots
        Examples shown to the untuned model; 0 leaves few-shot out. Their items are not tested.
    controls
        Other tunings with as many updates: "copy" repeats the pivot (the format), "shuffled" has shuffled answers, "all" is
        tuned on every direction (an upper bound).
    metrics
        What to score; the first is the main one: names of `probes.translation.metrics.STUDIED`, or functions of your own.
    judge
        How the language of an output is identified: "learned" (a classifier learned from the tuning text) or "script".
    companions
        What is measured inside the models, and what is known of the languages, to explain the scores.
    dtype
        Precision of the untuned model when it is looked into; None means the checkpoint's own.

    Raises
    ------
    ValueError
        Where `seeds` is less than 1; and from `jobs` and `measure` where `rotations` is not 1 to the number of languages, or the
        text of a language with a role is missing.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe
    >>> roles = probes.Roles(mix=("eng_Latn",), read_only=("deu_Latn",), write_only=("fra_Latn",), unseen=("spa_Latn",))
    >>> train, test = (interp.read("cldr:dates", languages=roles.languages, split=part) for part in ("train", "heldout"))
    >>> study = probes.DirectionStudy(
    ...     parent="bundled",
    ...     train=train,
    ...     test=test.select(limit=8),
    ...     roles=roles,
    ...     recipe=Recipe(form="mfti-own", mask="all", learning_rate=1e-3, steps=2, batch=8, held_out=0.0),  # quick
    ...     samples=20,
    ...     seeds=1,
    ...     resamples=100,
    ... )
    >>> [job.cell.name for job in study.jobs()]
    ['tuned/0/0', 'copy/0', 'base', 'few-shot']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = study.measure(folder)
    >>> report.settings["metrics"]
    ['exact', 'chrf']
    """

    train: ParallelCorpus | PairText
    roles: Roles
    recipe: Recipe
    rotations: int = 1
    samples: int | None = None
    shots: int = 4
    controls: tuple[Control, ...] = ("copy",)
    metrics: tuple[Metric, ...] = ("exact", "chrf")
    judge: Literal["learned", "script"] = "learned"
    companions: Companions = field(default_factory=Companions)
    dtype: Literal["float32", "bfloat16", "float16"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_studied(self.metrics, self.roles.languages, "a class of directions")
        check_shots(self.shots, len(self.test))

    def pair_text(self, source: str, target: str) -> ParallelCorpus:
        """The text that the direction from `source` to `target` is tuned on."""
        return self.train if isinstance(self.train, ParallelCorpus) else self.train(source, target)

    def jobs(self) -> list[Job]:
        """Every model, the one to look into first, and those that are not tuned last."""
        first, *rest = direction_cells(
            self.pair_text,
            self.roles.rotations(self.rotations),
            self.recipe,
            seeds=self.training_seeds,
            samples=self.samples,
            controls=self.controls,
            pivot=self.pivot,
        )
        untuned = [Job(untuned_cell("base", self.recipe, self.roles))]
        if self.shots:
            untuned.append(Job(untuned_cell("few-shot", self.recipe, self.roles), shots=self.shots))
        return [Job(first, keep="model" if self.companions.align else "nothing"), *map(Job, rest), *untuned]

    def scores(self, jobs: Sequence[Job], folder: str | Path) -> pd.DataFrame:
        """The scores of the models of `jobs`, item by item; what is finished in `folder` is taken from there."""
        tables = [
            measure_cells(
                self.parent, [job.cell for job in alike], self.test, Path(folder) / SWEEP, form=self.recipe.form,
                metrics=self.metrics, shots=shots, beams=self.beams, max_new_tokens=self.max_new_tokens, keep=keep,
                device=self.device,
            ) for (keep, shots), alike in groupby(jobs, key=lambda job: (job.keep, job.shots))
        ]  # fmt: skip
        return pd.concat(tables, ignore_index=True)

    def measure(self, folder: str | Path) -> DirectionReport:
        """Tune and score what `folder` does not hold yet, judge the errors, and add alignment and factors.

        Parameters
        ----------
        folder
            Where tuned models and scores are kept, in `sweep`, the same for every `share`; reports of their own go into
            `alignment` and `factors`.
        """
        jobs = self.jobs()
        table = common_items(self.scores(jobs, folder))
        learned = learn_languages(self.written()) if self.judge == "learned" else None
        base, how = load(self.parent, device=self.device, dtype=self.dtype), {"resamples": self.resamples, "seed": self.seed}
        tuning = describe_tuning(self.recipe, self.seeds, self.beams)
        amounts = {"samples": self.samples, "shots": self.shots, "rotations": self.rotations}
        scored = signed_studied(self.metrics, self.roles.languages)
        signed = {**tuning, **amounts, **scored, "boot": self.resamples, "seed": self.seed}
        roles = [asdict(each) for each in self.roles.rotations(self.rotations)]
        report = DirectionReport(
            with_errors(table, learned.judge if learned else by_script),
            Signature("directions", identify(base), self.test.identity, signed),
            settings={"metrics": [metric_name(metric) for metric in self.metrics], "roles": roles, **how},
            notes=tuple(self._notes(learned)),
        )
        return add_companions(
            report,
            self.companions,
            self.test,
            base,
            lambda: kept_model(Path(folder) / SWEEP, jobs[0].cell, self.device),
            self.pivot,
            Path(folder),
        )

    def written(self) -> dict[str, tuple[str, ...]]:
        """Sentences of each language in the tuning text, from its pair with the pivot."""
        codes = self.roles.languages
        beside = next(code for code in codes if code != self.pivot)
        return {code: self.pair_text(self.pivot, beside if code == self.pivot else code)[code] for code in codes}

    def _notes(self, learned: LearnedLanguages | None) -> Iterator[str]:
        test = self.test
        yield "Unseen means not in tuning; pre-training may have seen the language and the direction."
        if test.name.startswith("cldr:"):
            yield "cldr text: a few hundred dates, numbers or names, each of them short."
        if self.shots:
            yield f"Items shown in few-shot prompts ({self.shots}) are not tested in any model."
        if learned is not None:
            own = [sum(learned.judge(test[code], code)) / len(test) for code in test.languages]
            other = [sum(learned.judge(test[a], b)) / len(test) for a in test.languages for b in test.languages if a != b]
            yield (
                "Off-target outputs are recognised by a language identifier learned from the tuning text. It takes "
                f"{sum(own) / len(own):.0%} of the test sentences for their own language, {sum(other) / len(other):.1%} for "
                "another one."
            )
        if self.rotations == 1:
            yield "Roles are not rotated, so differences of classes are also differences of their languages."

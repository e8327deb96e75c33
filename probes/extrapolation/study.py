"""A study of cross-lingual instruction tuning from start to end: models tuned on several mixtures, and what each of them can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.tuning import Mixture, Recipe, coit, muit, translations, union
from probes.extrapolation.measure import Abilities, Pooling, measure_models, report_abilities
from probes.extrapolation.report import ExtrapolationReport
from probes.sweep.study import SweepStudy, describe_tuning
from probes.sweep.sweep import Cell
from probes.translation.metrics import Metric

Arm = Literal["english", "coit", "muit"]
_MODELS = "models"  # the folder, inside that of the study, with everything tuned and measured


@dataclass(frozen=True, kw_only=True)
class ExtrapolationStudy(SweepStudy[Cell]):
    """Does tuning carry what a model can do in English into other languages (arXiv 2308.04948)?

    Tunes the parent on English instructions alone, on English, one more language and translation into it (CoIT, a model a
    language), and on all languages at once (MuIT). Asks every model the questions of `task` and translations of `test`, and
    measures how its layers align with English.

    Other parameters are those of every `SweepStudy`.

    Parameters
    ----------
    train
        The sentences to translate in tuning, `train[language]`, a corpus of the pivot and that language.
    general
        General instructions in the pivot and in every language of `train`, from `interp.tuning.answered_questions` or
        `interp.tuning.read_instructions`. What `task` asks is left out of them.
    task
        Questions to test with.
    text
        Sentences to align in the layers, best not those of `train`.
    recipe
        How to tune; models are asked in its prompt form.
    arms
        What to tune on; the untuned model is always measured too.
    samples
        Examples of each kind and language, the first so many of one shuffled order; None means all.
    answer
        How an answer is judged: a metric of `measure_answers`. `contains` is the paper's.
    translation
        How a translation is judged: a metric of `measure_translation`. `spbleu_flores101` is the paper's.
    template
        Words around every sentence of `text`, "{sentence}" with "{language}" or "{autonym}"; only the sentence is pooled.
    pooling
        How the states of a sentence's tokens become one: mean, last, weighted or end.
    train_name, general_name
        What the signature calls the training texts; None means their own names.

    Raises
    ------
    ValueError
        Where there is no language to tune on, or `general` has nothing in one of the languages.

    Notes
    -----
    When it misleads: see `measure_extrapolation`.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe, answered_questions
    >>> languages = ["eng_Latn", "deu_Latn"]
    >>> facts = interp.read_task("cldr:facts", languages=languages)
    >>> study = probes.ExtrapolationStudy(
    ...     parent="bundled",
    ...     train={"deu_Latn": interp.read("cldr:names", languages=languages, split="train")},
    ...     general=answered_questions(facts, languages),
    ...     task=facts.select(limit=6),
    ...     test=interp.read("cldr:names", languages=languages, split="heldout").select(limit=6),
    ...     text=interp.read("cldr:phrases", languages=languages).select(limit=20),
    ...     recipe=Recipe(form="quoted", steps=2, batch=8, held_out=0.0),  # a few steps, to be quick
    ...     arms=("english",),
    ...     resamples=100,
    ...     seeds=1,
    ... )
    >>> [job.name for job in study.jobs()]
    ['untuned', 'english/0']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = study.measure(folder)
    >>> report.settings["pivot"], len(report.summary()) > 2
    ('eng_Latn', True)
    """

    train: Mapping[str, ParallelCorpus]
    general: Mixture
    task: ParallelTask
    text: ParallelCorpus
    recipe: Recipe
    arms: tuple[Arm, ...] = ("english", "coit", "muit")
    samples: int | None = None
    answer: Metric = "exact"
    translation: Metric = "chrf"
    template: str | None = None
    pooling: Pooling = "mean"
    train_name: str | None = None
    general_name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.train:
            raise ValueError("got no language to tune on, expected one or more. Give its pairs in train=.")
        self.asked.check()

    @property
    def asked(self) -> Abilities:
        """What every model is asked."""
        return Abilities(
            task=self.task,
            corpus=self.test,
            text=self.text,
            pivot=self.pivot,
            form=self.recipe.form,
            answer=self.answer,
            translation=self.translation,
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            template=self.template,
            pooling=self.pooling,
            seed=self.seed,
        )

    def jobs(self) -> list[Cell]:
        """The untuned model, then for each seed those of each arm, the largest first."""
        every = tuple((self.pivot, code) for code in self.train)
        untuned = replace(self.recipe, seed=self.seed)
        cells = [Cell("untuned", None, untuned, every, {"arm": "untuned", "seed": self.seed})]
        for seed in self.training_seeds:
            recipe = replace(self.recipe, seed=seed)
            cells += [
                Cell(f"{name}/{seed}", mixture, recipe, tuple((self.pivot, code) for code in codes), {"arm": arm, "seed": seed})
                for arm, name, mixture, codes in self._mixtures
                if arm in self.arms
            ]
        return cells

    def scores(self, jobs: Sequence[Cell], folder: str | Path) -> pd.DataFrame:
        """What the models of `jobs` can do, item by item; what is finished in `folder` is taken from there."""
        return measure_models(self.parent, jobs, self.asked, Path(folder) / _MODELS, self.device)

    def measure(self, folder: str | Path) -> ExtrapolationReport:
        """Tune and measure what `folder` does not hold yet, in `models`, and pair the models item by item.

        Parameters
        ----------
        folder
            Where tuned models and measurements are kept; the same for every `share`.
        """
        names = {
            "train": self.train_name or "+".join(dict.fromkeys(text.name for text in self.train.values())),
            "general": self.general_name or self.general.name,
        }
        how = {**describe_tuning(self.recipe, self.seeds, self.beams), **names}
        table = self.scores(self.jobs(), folder)
        return report_abilities(table, self.parent, self.asked, how, resamples=self.resamples, seed=self.seed)

    @cached_property
    def _mixtures(self) -> list[tuple[Arm, str, Mixture, list[str]]]:
        """The arm of each model, its name, what it is tuned on, and the languages it is asked in beside the pivot."""
        general = {code: self._general(code) for code in (self.pivot, *self.train)}
        english, codes = general[self.pivot], list(self.train)
        pairs = {
            code: translations(text, [(self.pivot, code)], limit=self.samples, seed=self.seed) for code, text in self.train.items()
        }
        together = muit({self.pivot: english, **{code: union(code, [general[code], pairs[code]]) for code in codes}})
        return [
            ("muit", "muit", together, codes),
            *(("coit", f"coit-{code}", coit(english, general[code], pairs[code]), [code]) for code in codes),
            ("english", "english", english, codes),
        ]

    def _general(self, code: str) -> Mixture:
        """General instructions in one language; no question that is tested is among them."""
        every = untested(self.general, self.task)
        kept = tuple(each for each in every.examples if each.target == code)
        if not kept:
            name = self.general_name or every.name
            raise ValueError(f"{name} has no example in {code}. A .jsonl file needs its lines tagged with their language.")
        mine = Mixture(f"{every.name}/{code}", kept)
        return mine.prefix(min(self.samples or len(mine), len(mine)), self.seed)


def untested(general: Mixture, task: ParallelTask) -> Mixture:
    """The instructions of `general` without the items that `task` asks, in whatever language."""
    asked = {f"{task.name}/{item}" for item in task.ids}
    return replace(general, examples=tuple(each for each in general.examples if each.item not in asked))

"""`interp extrapolate`: does tuning carry what the model can do in English into other languages?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.settings.tuning.training import Scoped, Training

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelTask
    from interp.tuning import Mixture
    from probes.extrapolation.report import ExtrapolationReport
    from probes.extrapolation.study import ExtrapolationStudy


@dataclass(frozen=True)
class ExtrapolateSettings(Scoped, Training):
    """Does tuning carry what the model can do in English into other languages?

    Tunes on English instructions alone; on English, one more language and translation into it (CoIT, one model for each
    language); and on all languages at once (MuIT). Every model is tested on questions and translation, and its alignment with
    English is measured.

    Example: interp extrapolate --config extrapolate-bundled --output runs/extrapolate
    """

    output: Path = Path("runs/extrapolate")
    """The run folder to write."""
    arms: tuple[Literal["english", "coit", "muit"], ...] = ("english", "coit", "muit")
    """What to tune on. The untuned model is always measured too."""
    general: str = "cldr:facts"
    """General instructions: questions with answers (cldr:facts, or a folder), or an instruction .jsonl file with languages."""
    general_split: str | None = None
    """Split of the general instructions."""
    questions: str = "cldr:facts"
    """Questions to test with."""
    question_split: str | None = None
    """Split of the questions."""
    held_out: float = 0.5
    """If both are the same text: share of it that is tested and not trained on."""
    text: str = "cldr:phrases"
    """Parallel sentences to measure alignment on, preferably not those of --corpus."""
    text_split: str | None = None
    """Split of the sentences."""
    template: str | None = None
    """Template around every sentence, with {sentence} and perhaps {language} or {autonym}. Only the sentence itself is pooled."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How tokens become one vector: mean of the sentence, its last token, the weighted mean of MEXA, or end (last of the text)."""
    answer: str = "exact"
    """Metric of an answer: one of `interp answer --metrics`, or a function of your own as module:function."""
    translation: str = "chrf"
    """Metric of a translation: exact, chrf, bleu, spbleu_flores101 (the paper's), spbleu_flores200, spbleu_spm, script, or a
    function of your own."""
    samples: int | None = None
    """Number of examples of each kind and language, drawn with --seed. Default: all."""

    def study(self) -> ExtrapolationStudy:
        """The study that these settings ask for."""
        import interp
        from probes.extrapolation.study import ExtrapolationStudy

        task = self._questions()
        text = interp.read(self.text, languages=self.wanted, split=self.text_split)
        return ExtrapolationStudy(
            parent=self.model,
            train=self.read_pairs(self.others()),
            train_name=self.corpus,
            general=self._instructions(task),
            general_name=self.general,
            task=task.select(limit=self.limit, seed=self.seed),
            test=self.read_test(),
            text=text.select(limit=self.limit, seed=self.seed),
            recipe=self.recipe(),
            arms=self.arms,
            samples=self.samples,
            pivot=self.pivot,
            seeds=self.seeds,
            seed=self.seed,
            answer=self.answer,
            translation=self.translation,
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            template=self.template,
            pooling=self.pooling,
            device=self.device,
        )

    def _questions(self) -> ParallelTask:
        """The questions to test with: a share of them where the general instructions are the same text."""
        from interp.text.read import read_task

        task = read_task(self.questions, languages=self.wanted, split=self.question_split)
        if (self.general, self.general_split) != (self.questions, self.question_split):
            return task
        held = round(self.held_out * len(task))
        if not 0 < held < len(task):
            raise ValueError(
                f"held_out {self.held_out:g} of {len(task)} questions is {held}, expected 1 to {len(task) - 1}. Change --held-out."
            )
        return task.select(limit=held, seed=self.seed)

    def _instructions(self, tested: ParallelTask) -> Mixture:
        """General instructions in every language, without the questions to test with, also those that --limit leaves out."""
        from interp.text.read import read_task
        from interp.tuning import answered_questions, read_instructions
        from probes.extrapolation.study import untested

        if Path(self.general).suffix == ".jsonl":
            return untested(read_instructions(self.general, self.pivot), tested)
        task = read_task(self.general, languages=self.wanted, split=self.general_split)
        return untested(answered_questions(task, [self.pivot, *self.others()], seed=self.seed), tested)


def run(settings: ExtrapolateSettings) -> ExtrapolationReport:
    """Tune and measure what `settings.output` does not hold yet, and pair the models item by item."""
    return settings.study().measure(settings.output)


def work(settings: ExtrapolateSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every model is tuned, answers, translates, and has its states read."""
    from experiments.costs.measuring import answered, captured
    from experiments.costs.sweeping import swept

    works: list[Work] = []
    study, beams, new = settings.study(), settings.beams, settings.max_new_tokens
    cells, form = study.jobs(), settings.form
    for cell in cells:
        asked = study.asked.asked([target for _, target in cell.directions])
        works += answered(model, asked.task, metrics=(settings.answer,), form=form, beams=beams, max_new_tokens=new)
        works += captured(model, asked.text, kept=False, template=settings.template)
    return [*swept(model, cells, study.test, form=form, beams=beams, max_new_tokens=new), *works]


def share(settings: ExtrapolateSettings, shard: Shard) -> None:
    """Tune and measure the models of one `shard`, as `settings` say."""
    settings.study().share(settings.output, shard.index, shard.count)

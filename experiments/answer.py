"""`interp answer`: how well does the model answer, in each language?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelTask
    from probes.report import Report


@dataclass(frozen=True)
class AnswerSettings(Settings):
    """How well does the model answer, in each language?

    The same questions in several languages. The model chooses among the options, where there are some, and writes its answer.

    Example: interp answer --languages de sw --limit 50 --metrics exact f1 --output runs/answer
    """

    corpus: str = "cldr:facts"
    """Parallel questions: "cldr:facts", or a folder of them (XQuAD, XNLI, XCOPA, MGSM, ...)."""
    split: str | None = None
    """Split of the questions (validation, test)."""
    template: str | None = None
    """Template of a question: a text with the field names of the source in braces. --form is what is put around it."""
    form: str | None = None
    """Prompt form around the question, one of interp.tuning.TEMPLATES. Default: the question alone."""
    metrics: tuple[str, ...] = ()
    """Metrics: choice, exact, f1, contains, contains_whole, script, mlqa_exact, mlqa_f1, squad_exact, squad_f1, or a function of
    your own as module:function. The verdict is about the first. Default: choice (of options) exact f1 contains script."""
    shots: int = 0
    """Number of few-shot examples. They are not tested."""
    written: bool = True
    """Where there are options, also let the model write its answer; --no-written: only choose."""
    beams: int = 1
    """Number of beams of beam search; 1 is greedy."""
    max_new_tokens: int | None = None
    """Maximum number of tokens of a written answer. Default: twice the longest reference."""
    output: Path = Path("runs/answer")
    """The run folder to write."""

    def read_task(self) -> ParallelTask:
        """The questions, at most `limit` of them. A metric that does not suit them is refused here, before a model loads."""
        from interp.text.read import read_task
        from probes.translation.answers import answer_metrics

        task = read_task(self.corpus, languages=self.wanted, template=self.template, split=self.split, columns=self.chosen_columns)
        task = task.select(limit=self.limit, seed=self.seed)
        answer_metrics(self.metrics, task, self.written)
        return task


def check(settings: AnswerSettings) -> None:
    """Raise `ValueError` for a metric that does not suit the questions, and for too many examples."""
    from probes.translation.measure import check_shots

    check_shots(settings.shots, len(settings.read_task()))


def run(settings: AnswerSettings) -> Report:
    """Ask the model every question in every language and score the answers."""
    from probes.translation.answers import measure_answers

    task = settings.read_task()
    return measure_answers(
        settings.load_model(),
        task,
        form=settings.form,
        metrics=settings.metrics,
        shots=settings.shots,
        written=settings.written,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
        seed=settings.seed,
    )


def work(settings: AnswerSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: in every language the options are scored and answers written."""
    from experiments.costs.measuring import answered

    return answered(
        model,
        settings.read_task(),
        form=settings.form,
        metrics=settings.metrics,
        shots=settings.shots,
        written=settings.written,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
    )

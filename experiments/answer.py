"""`interp answer`: how well does the model answer, in each language?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.report import Report


@dataclass(frozen=True)
class AnswerSettings(Settings):
    """How well does the model answer, in each language?

    The same questions in several languages. The model chooses among the options, where there are some, and writes its answer.
    """

    corpus: str = "cldr:facts"
    """Parallel questions: "cldr:facts", or a folder of them (XQuAD, XNLI, XCOPA, MGSM, ...)."""
    split: str | None = None
    """Split of the questions (validation, test)."""
    template: str | None = None
    """Template of a question, with the field names of the source in braces."""
    form: str | None = None
    """Prompt template around the question, one of interp.tuning.TEMPLATES. Default: the question alone."""
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


def run(settings: AnswerSettings) -> Report:
    """Ask the model every question in every language and score the answers."""
    from interp.text.read import read_task
    from probes.translation.answers import measure_answers

    task = read_task(settings.corpus, languages=settings.wanted, template=settings.template, split=settings.split)
    return measure_answers(
        settings.load_model(),
        task.select(limit=settings.limit, seed=settings.seed),
        form=settings.form,
        shots=settings.shots,
        written=settings.written,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
        seed=settings.seed,
    )

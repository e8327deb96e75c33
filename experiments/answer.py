"""`interp answer`: how well does the model answer questions, in each language?"""

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
    """The part of the questions to ask, as their source names it (validation, test)."""
    template: str | None = None
    """The wording of a question, with field names of the source in braces."""
    form: str | None = None
    """The prompt template around the question, one of interp.tuning.TEMPLATES; by default the question as it stands."""
    shots: int = 0
    """Questions to show first with their answers; they are not tested."""
    written: bool = True
    """Let the model write its answer too where there are options."""
    beams: int = 1
    """Beams of beam search; 1 is greedy."""
    max_new_tokens: int | None = None
    """Most tokens of a written answer; by default twice the longest reference."""
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

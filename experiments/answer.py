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

    The same questions in several languages, answered by choosing among options where there are some, and by writing.
    """

    corpus: str = "cldr:facts"
    """Parallel questions: "cldr:facts", or a folder of them (XQuAD, XNLI, XCOPA, MGSM, ...)."""
    split: str | None = None
    """A part of the questions that the source names."""
    template: str | None = None
    """How a question is put, with the source's field names in braces."""
    form: str | None = None
    """The prompt template to put it in, one of interp.tuning.TEMPLATES; none gives it as it stands."""
    shots: int = 0
    """Questions shown with their answers first."""
    written: bool = True
    """Let the model write its answer too, where there are options to choose from."""
    beams: int = 1
    """Beam search with so many beams; 1 is greedy."""
    max_new_tokens: int | None = None
    """How long a written answer may be; none given means twice the longest reference."""
    output: Path = Path("runs/answer")
    """The run folder to write."""


def run(settings: AnswerSettings) -> Report:
    """Read the questions, load the model, ask."""
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

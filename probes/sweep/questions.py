"""A sweep whose models answer questions: every cell asked the same questions, in the languages of its directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from interp.models.load import TransformerBridge
from interp.text.corpus import ParallelTask
from probes.sweep.asking import Asking
from probes.sweep.models import Cell, Keep, Models
from probes.translation.answers import answer_metrics, measure_answers
from probes.translation.metrics import Metric, metric_name
from probes.translation.normalisation import RULE


@dataclass(frozen=True)
class QuestionSweep(Asking):
    """How the models of a sweep are made from one parent, and asked questions.

    A cell is asked in the languages that its directions end in, and a row has its language as `source` and `target`. `task` holds
    the questions, `form` is the prompt form around each, `metrics` are those of `probes.measure_answers`, which also has
    `beams` and `max_new_tokens`; `parent, keep, device` are as in `measure_cells`.

    Example
    -------
    >>> import interp, tempfile
    >>> from probes.sweep.models import Cell
    >>> from probes.sweep.questions import QuestionSweep
    >>> task = interp.read_task("cldr:facts", languages=["deu_Latn"]).select(limit=2, seed=0)
    >>> sweep = QuestionSweep("bundled", task, metrics=("exact",), max_new_tokens=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = sweep.measure([Cell("untuned", None, None, (("deu_Latn", "deu_Latn"),))], folder)
    >>> table["target"].tolist()
    ['deu_Latn', 'deu_Latn']
    """

    parent: str | Path
    task: ParallelTask
    form: str | None = "quoted"
    metrics: Sequence[Metric] = ("exact",)
    beams: int = 1
    max_new_tokens: int | None = None
    keep: Keep = "nothing"
    device: str | None = None

    def _languages(self, cell: Cell) -> list[str]:
        return list(dict.fromkeys(target for _, target in cell.directions))

    def _contents(self, models: Models, cell: Cell) -> dict[str, object]:
        """What the numbers of a cell are made of."""
        names = [metric_name(metric) for metric in self.metrics]
        own = {metric_name(each): each.sha for each in answer_metrics(self.metrics, self.task) if not isinstance(each, str)}
        scoring = {"form": self.form, "metrics": names, "beams": self.beams, "max_new_tokens": self.max_new_tokens, "rule": RULE}
        task = self.task.select(languages=self._languages(cell)).identity.sha
        return {**models.contents(cell), "questions": task, "scoring": scoring | ({"own": own} if own else {})}

    def _asked(self, model: TransformerBridge, cell: Cell) -> pd.DataFrame:
        table = measure_answers(
            model, self.task.select(languages=self._languages(cell)), form=self.form, metrics=self.metrics, beams=self.beams,
            max_new_tokens=self.max_new_tokens, resamples=1,
        ).table  # fmt: skip
        return table.rename(columns={"language": "target", "question": "text"}).assign(source=table["language"])

    def _check(self, cells: Sequence[Cell]) -> None:
        super()._check(cells)
        answer_metrics(self.metrics, self.task)

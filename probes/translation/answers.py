"""How well a model answers questions in each language: written answers, chosen answers, and whether they are in the language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from interp.generation.generate import generate
from interp.generation.score import choose
from interp.models.load import TransformerBridge, identify
from interp.provenance import Signature
from interp.text.corpus import ParallelTask
from interp.tuning import Example, Template, template
from probes.report import Report, with_receipts
from probes.statistics.resampling import bootstrap
from probes.translation.figures import score_dots
from probes.translation.measure import room_for_answers
from probes.translation.text_scores import contains, exact_match, f1, in_script

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Metric = Literal["choice", "exact", "f1", "contains", "script"]
_LABELS = {"choice": "accuracy of the choice", "exact": "exact match", "f1": "F1", "contains": "answer contained",
           "script": "share in the language's script"}  # fmt: skip


class AnswerReport(Report):
    """One row a language and item: question, accepted answers, what was written or chosen, each metric beside its baseline.

    The baseline of a choice is one in so many options; that of a written answer is the answer written to another question,
    so it is what knowing the format and the kind of answer alone is worth.
    """

    question = "How well does the model answer, in each language?"

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.settings["metrics"])

    def summary(self) -> pd.DataFrame:
        """One row a language and metric, and the mean over languages; intervals over items, drawn once for all languages."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        codes = list(self.table["language"].unique())
        rows = []
        for name in self.metrics:
            values, chance = (self._values(column) for column in (name, f"{name}_baseline"))
            if len(codes) > 1:
                values = np.column_stack([values, values.mean(1)])
                chance = np.column_stack([chance, chance.mean(1)])
            lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"])
            rows += [{"language": code, "metric": name, "estimate": values[:, k].mean(), "lower": lower[k], "upper": upper[k],
                      "n": len(values), "baseline": chance[:, k].mean()}
                     for k, code in enumerate([*codes, "mean"][: values.shape[1]])]  # fmt: skip
        return pd.DataFrame(rows)

    def _values(self, column: str) -> np.ndarray:
        """One column as `[item language]`."""
        return self.table[column].to_numpy(dtype=float).reshape(self.table["language"].nunique(), -1).T

    def verdict(self) -> str:
        several = self.table["language"].nunique() > 1
        of = self._summary[self._summary["language"] == "mean"] if several else self._summary
        parts = [f"{_LABELS[row.metric]} {row.estimate:.3f} [{row.lower:.3f}, {row.upper:.3f}] (baseline {row.baseline:.3f})"
                 for row in of.itertuples()]  # fmt: skip
        who = f"{self.table['language'].nunique()} languages" if several else of.iloc[0]["language"]
        above = of.iloc[0]["lower"] > of.iloc[0]["baseline"]
        clear = "" if above else f" {_LABELS[of.iloc[0]['metric']]} is not distinguishable from its baseline."
        return f"Over {of.iloc[0]['n']} questions in {who}: {'; '.join(parts)}.{clear}"

    def figures(self) -> dict[str, Figure]:
        frame = self._summary[self._summary["language"] != "mean"]
        return {name: score_dots(frame[frame["metric"] == name], f"{self.question[:-1]}: {_LABELS[name]}", _LABELS[name],
                                 str(self.signature)) for name in self.metrics}  # fmt: skip


@with_receipts
def measure_answers(
    model: TransformerBridge,
    task: ParallelTask,
    *,
    form: str | None = None,
    shots: int = 0,
    written: bool = True,
    beams: int = 1,
    max_new_tokens: int | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> AnswerReport:
    """How well does the model answer the same questions in each language?

    With options, the most probable one is its choice (`choice`). `written` lets it write the answer too, greedily or with
    `beams`: exact match, F1 and containment against the accepted answers, and the share in the language's own script.
    `form` names a prompt template to put around the question; none gives it as it stands. `shots`: the first so many
    questions are shown with their answers in every language, and not tested.

    When it misleads: containment rewards long answers; a script does not tell languages apart that share one; and a choice
    between options of different frequency measures frequency too.
    """
    if not 0 <= shots < len(task):
        raise ValueError(f"{shots} shots of {len(task)} questions leave nothing to test. Needed: 0 to {len(task) - 1}.")
    shape = template(form) if form else _plain(task)
    frames = []
    for code in task.languages:
        prompts, frame = _asked(task, code, shape, shots), _questions(task, code, shots)
        if task.choices:
            frame = frame.assign(**_chosen(model, prompts, shape, task.choices[code][shots:], task.answers[code][shots:]))
        if written or not task.choices:
            most = max_new_tokens or room_for_answers(model, prompts, [f"{text}{shape.close}" for text in frame["reference"]])
            said = generate(model, prompts, max_new_tokens=most, beams=beams, stop=shape.stop)
            frame = frame.assign(**_written([one.strip() for one in said], task.answers[code][shots:], code))
        frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    how = {"form": form or "as it stands", "shots": shots, "beams": beams, "boot": resamples, "seed": seed}
    return AnswerReport(
        table=table,
        signature=Signature("answer", identify(model), task.identity, how),
        settings={"metrics": [name for name in _LABELS if name in table], "resamples": resamples, "seed": seed},
    )


def _plain(task: ParallelTask) -> Template:
    """The question as it stands; an answer in quotes where every question ends by opening one."""
    quoted = all(prompt.endswith('"') for prompts in task.prompts.values() for prompt in prompts)
    return Template("{instruction}{input}", "{instruction}", "", "", '"' if quoted else "")


def _asked(task: ParallelTask, code: str, shape: Template, shots: int) -> list[str]:
    examples = [Example(item, prompt, "", answers[0], code, code, item)
                for item, prompt, answers in zip(task.ids, task.prompts[code], task.answers[code], strict=True)]  # fmt: skip
    shown = [shape.prompt(each) + shape.answer(each) for each in examples[:shots]]
    return ["\n".join([*shown, shape.prompt(each)]) for each in examples[shots:]]


def _questions(task: ParallelTask, code: str, shots: int) -> pd.DataFrame:
    references = [answers[0] for answers in task.answers[code][shots:]]
    return pd.DataFrame(
        {"language": code, "item": task.ids[shots:], "question": task.prompts[code][shots:], "reference": references}
    )


def _chosen(
    model: TransformerBridge,
    prompts: Sequence[str],
    shape: Template,
    options: Sequence[Sequence[str]],
    accepted: Sequence[Sequence[str]],
) -> dict[str, Any]:
    places = choose(model, prompts, [[shape.joint + option for option in each] for each in options])
    picked = [each[place] for each, place in zip(options, places, strict=True)]
    right = [[one in golds for one in each] for each, golds in zip(options, accepted, strict=True)]
    return {
        "chosen": picked,
        "choice": [float(each[place]) for each, place in zip(right, places, strict=True)],
        "choice_baseline": [sum(each) / len(each) for each in right],
    }


def _written(said: list[str], accepted: Sequence[Sequence[str]], code: str) -> dict[str, Any]:
    """Every metric of each written answer, and of the answer that was written to the next question."""
    found: dict[str, Any] = {"hypothesis": said}
    for suffix, texts in (("", said), ("_baseline", [*said[1:], said[0]])):
        pairs = list(zip(texts, accepted, strict=True))
        found |= {
            f"exact{suffix}": [exact_match(text, golds) for text, golds in pairs],
            f"f1{suffix}": [f1(text, golds, code) for text, golds in pairs],
            f"contains{suffix}": [contains(text, golds, code) for text, golds in pairs],
            f"script{suffix}": [in_script(text, code) for text in texts],
        }
    return found

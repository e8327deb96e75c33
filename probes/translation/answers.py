"""How well does a model answer questions in each language, in written answers and by choosing among options?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.generation.generate import generate
from interp.generation.score import choose
from interp.models.load import TransformerBridge, identify
from interp.provenance import Signature
from interp.text.corpus import ParallelTask
from interp.tuning import Example, Template, template
from probes.item_values import ItemColumns
from probes.report import Report, with_receipts
from probes.statistics.layer_runs import capitalised
from probes.statistics.resampling import bootstrap, bracketed
from probes.statistics.significance import FEWEST, LEVEL, max_statistic, sign_flip
from probes.translation.figures import score_dots
from probes.translation.measure import room_for_answers
from probes.translation.metrics import ANSWERED, Metric, Resolved, label_of, metric_name, own_scores, resolved
from probes.translation.published_answers import PUBLISHED, check_published, published_score
from probes.translation.text_scores import contains, exact_match, f1, in_script

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WRITTEN = ("exact", "f1", "contains", "script")
_NAMED = 8


class AnswerReport(Report):
    """Answers to questions and their scores, as `measure_answers` measures them.

    `table` has one row per `language` and `item`: the `question`, its `reference`, what was written (`hypothesis`) or `chosen`,
    and each metric beside its `<metric>_baseline`. The baseline of a choice is the share of options that are right. The baseline
    of a written answer scores what the model wrote for another question: what it gets by knowing the format and the kind of
    answer alone.

    Example
    -------
    >>> import interp, probes
    >>> task = interp.read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=3, seed=0)
    >>> report = probes.measure_answers(interp.load("bundled"), task, resamples=10)
    >>> report.summary()["n"].unique().tolist()
    [3]
    """

    question = "How well does the model answer, in each language?"
    item_columns = ItemColumns("item", ("language",), layer=None, one_column_a_metric=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was scored, the main metric first."""
        return tuple(self.settings["metrics"])

    def summary(self) -> pd.DataFrame:
        """One row per language and metric, and the mean over languages (`language` "mean").

        95 % confidence intervals over items (`bootstrap`), with the same resamples for every language. `difference` is
        the score less its baseline, with an interval of its own: both vary from item to item. `p` is that of its paired sign flip,
        corrected within a metric for the number of languages (`p_max`; the mean over languages is one test by itself). `above` is
        p_max below 0.05 with a difference above 0.
        """
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
            rows.append(self._against(name, [*codes, "mean"][: values.shape[1]], values, chance))
        return pd.concat(rows, ignore_index=True)

    def _against(self, metric: str, names: Sequence[str], values: np.ndarray, chance: np.ndarray) -> pd.DataFrame:
        """One metric `[item language]` beside its baseline, item by item."""
        resamples, seed, gap = self.settings["resamples"], self.settings["seed"], values - chance
        (lower, upper), (least, most) = bootstrap(values, resamples, seed), bootstrap(gap, resamples, seed, difference=True)
        p, alone = sign_flip(gap, seed=seed), slice(-1, None)
        corrected = max_statistic(gap[:, :-1] if len(names) > 1 else gap, seed=seed)
        corrected = np.append(corrected, p[alone]) if len(names) > 1 else corrected
        return pd.DataFrame({
            "language": names, "metric": metric, "estimate": values.mean(0), "lower": lower, "upper": upper, "n": len(values),
            "baseline": chance.mean(0), "difference": gap.mean(0), "difference_lower": least, "difference_upper": most, "p": p,
            "p_max": corrected, "above": (corrected < LEVEL) & (gap.mean(0) > 0),
        })  # fmt: skip

    def _values(self, column: str) -> np.ndarray:
        """One column as `[item language]`."""
        return self.table[column].to_numpy(dtype=float).reshape(self.table["language"].nunique(), -1).T

    def finds(self) -> bool:
        """Whether the verdict claims that the main metric is above its baseline, in any language or on average."""
        return bool(self._summary.loc[self._summary["metric"] == self.metrics[0], "above"].any())

    def verdict(self) -> str:
        """Whether the main metric is above its baseline, in how many languages; then every metric with interval and baseline."""
        several = self.table["language"].nunique() > 1
        rows = self._summary[self._summary["language"] == "mean"] if several else self._summary
        main = rows.iloc[0]
        parts = [f"{label_of(row.metric)} {row.estimate:.3f} {bracketed(row.lower, row.upper, '.3f')} (baseline {row.baseline:.3f})"
                 for row in rows.itertuples()]  # fmt: skip
        where = f"{self.table['language'].nunique()} languages" if several else main["language"]
        gap = f"{main['difference']:+.3f} {bracketed(main['difference_lower'], main['difference_upper'], '+.3f')}"
        return f"{self._answered(main, where)} {'; '.join(parts)}. Paired difference from the baseline: {gap}.{self._by_language()}"

    def _answered(self, main: pd.Series, where: str) -> str:
        n, metric = main["n"], main["metric"]
        what, rival = f"{n} questions in {where}", "guessing" if metric == "choice" else "answers given to other questions"
        if (self._values(metric) == 0).all():
            return f"The model got none of {what} right, so this run cannot compare languages."
        if n < FEWEST:
            return f"{capitalised(what)} are too few to tell answers from {rival}: at least {FEWEST} are needed."
        if main["above"]:
            return f"The model answers {what} better than {rival} would."
        return f"The model is not shown to answer {what} better than {rival} would."

    def _by_language(self) -> str:
        metric, frame = self.metrics[0], self._summary
        own = frame[(frame["metric"] == metric) & (frame["language"] != "mean")]
        if len(own) < 2:
            return ""
        above = [str(code) for code in own.loc[own["above"], "language"]]
        named = f" ({', '.join(above)})" if 0 < len(above) <= _NAMED else ""
        label = label_of(metric)
        return f" {capitalised(label)} is above its baseline in {len(above)} of {len(own)} languages{named}."

    def figures(self) -> dict[str, Figure]:
        """The score of every language beside its baseline; one figure per metric."""
        frame = self._summary[self._summary["language"] != "mean"]
        return {name: score_dots(frame[frame["metric"] == name], f"{self.question[:-1]}: {label_of(name)}", label_of(name),
                                 str(self.signature)) for name in self.metrics}  # fmt: skip


@with_receipts
def measure_answers(
    model: TransformerBridge,
    task: ParallelTask,
    *,
    form: str | None = None,
    metrics: Sequence[Metric] = (),
    shots: int = 0,
    written: bool = True,
    beams: int = 1,
    max_new_tokens: int | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> AnswerReport:
    """How well does the model answer the same questions in each language?

    Parameters
    ----------
    model
        A model from `interp.load`.
    task
        The same questions in several languages, from `interp.read_task`. Where it has options, the most probable one is the
        model's choice (metric `choice`).
    form
        Prompt form around each question, one of `interp.tuning.TEMPLATES`; None gives the question as it stands. Take the
        template of its tuning for a tuned model.
    metrics
        What to score, the main metric first: names, and functions of your own (`probes.translation.metrics.TextMetric`).
        `choice`: whether the most probable option is right. `exact`, `f1`: by the rule of `probes.translation.normalisation`.
        `contains`: whether the characters of an accepted answer are there, as in arXiv 2308.04948 and 2412.12686;
        `contains_whole`: as whole words. `mlqa_exact`, `mlqa_f1`, `squad_exact`, `squad_f1`: by the released scripts. `script`:
        share in the language's script. Default: choice where there are options, exact, f1, contains, script.
    shots
        Questions shown first with their answers, in every language the first so many of the task, which are then not tested.
    written
        Let the model write its answer too where there are options, for all metrics but `choice`.
    beams
        Beam search with so many beams; 1 is greedy.
    max_new_tokens
        Most tokens of a written answer; None is twice the longest reference.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    seed
        Of the resamples.

    Returns
    -------
    AnswerReport
        One row per language and question.

    Raises
    ------
    ValueError
        Where `shots` leaves nothing to test, `form` names no template, or a metric is unknown or does not suit the task.

    Notes
    -----
    Containment rewards long answers; a script does not tell languages apart that share it; and a choice between options of
    different frequency measures their frequency too.

    Examples
    --------
    >>> import interp, probes
    >>> task = interp.read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=3, seed=0)
    >>> report = probes.measure_answers(interp.load("bundled"), task, resamples=10)
    >>> list(report.table["language"].unique())
    ['eng_Latn', 'deu_Latn']
    """
    if not 0 <= shots < len(task):
        raise ValueError(
            f"got {shots} shots of {len(task)} questions, expected 0 to {len(task) - 1} so that some are left to test."
        )
    shape, scored = template(form) if form else as_it_stands(task), answer_metrics(metrics, task, written)
    frames = []
    for code in task.languages:
        prompts, frame = answer_prompts(task, code, shape, shots), _questions(task, code, shots)
        if task.choices and "choice" in scored:
            frame = frame.assign(**_chosen(model, prompts, shape, task.choices[code][shots:], task.answers[code][shots:]))
        if set(scored) != {"choice"}:
            limit = max_new_tokens or room_for_answers(model, prompts, [f"{text}{shape.close}" for text in frame["reference"]])
            texts = generate(model, prompts, max_new_tokens=limit, beams=beams, stop=shape.stop)
            frame = frame.assign(**_written(scored, [text.strip() for text in texts], task, code, shots))
        frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    signed = {"form": form or "as it stands", "shots": shots, "beams": beams, "boot": resamples, "seed": seed}
    own = {metric.name: metric.sha[:8] for metric in scored if not isinstance(metric, str)}
    return AnswerReport(
        table=table,
        signature=Signature("answer", identify(model), task.identity, signed | own),
        settings={"metrics": [metric_name(metric) for metric in scored], "resamples": resamples, "seed": seed},
    )


def answer_metrics(metrics: Sequence[Metric], task: ParallelTask, written: bool = True) -> list[Resolved]:
    """The metrics of `measure_answers`, whose arguments `metrics`, `task` and `written` are, the main one first.

    Raises `ValueError` where one is unknown or does not suit the task: to be called before a model is loaded.
    """
    choice = ["choice"] if task.choices else []
    scored = resolved(metrics or [*choice, *(_WRITTEN if written or not choice else ())], ANSWERED)
    if "choice" in scored and not task.choices:
        raise ValueError(f"metric 'choice': task {task.name!r} has no options, expected some to choose from. Leave it out.")
    if metrics and not written and set(scored) != {"choice"}:
        raise ValueError(
            "got metrics of written answers, but no answers are to be written. Leave out written=False (--no-written)."
        )
    for metric in scored:
        for code in task.languages:
            if isinstance(metric, str):
                check_published(metric, code)
    return scored


def as_it_stands(task: ParallelTask) -> Template:
    """The question alone; the answer ends at a quotation mark where every question of the `task` ends by opening one."""
    quoted = all(prompt.endswith('"') for prompts in task.prompts.values() for prompt in prompts)
    return Template("{instruction}{input}", "{instruction}", "", "", '"' if quoted else "")


def answer_prompts(task: ParallelTask, code: str, shape: Template, shots: int) -> list[str]:
    """The prompt of every tested question of a `task` in language `code`, in `shape`, behind the first `shots` as examples."""
    examples = [Example(item, prompt, "", answers[0], code, code, item)
                for item, prompt, answers in zip(task.ids, task.prompts[code], task.answers[code], strict=True)]  # fmt: skip
    shown = [shape.prompt(example) + shape.answer(example) for example in examples[:shots]]
    return ["\n".join([*shown, shape.prompt(example)]) for example in examples[shots:]]


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
) -> dict[str, list[str] | list[float]]:
    indices = choose(model, prompts, [[shape.joint + option for option in row] for row in options])
    right = [[text in golds for text in row] for row, golds in zip(options, accepted, strict=True)]
    return {
        "chosen": [row[index] for row, index in zip(options, indices, strict=True)],
        "choice": [float(row[index]) for row, index in zip(right, indices, strict=True)],
        "choice_baseline": [sum(row) / len(row) for row in right],
    }


def _written(
    scored: Sequence[Resolved], hypotheses: list[str], task: ParallelTask, code: str, shots: int
) -> dict[str, list[str] | np.ndarray]:
    """Every metric of each written answer, and as its baseline of the answer written to the next question."""
    columns: dict[str, list[str] | np.ndarray] = {"hypothesis": hypotheses}
    accepted, questions = task.answers[code][shots:], task.prompts[code][shots:]
    for metric in scored:
        if metric != "choice":
            name = metric_name(metric)
            columns[name] = _scores(metric, hypotheses, accepted, questions, code)
            columns[f"{name}_baseline"] = _scores(metric, [*hypotheses[1:], hypotheses[0]], accepted, questions, code)
    return columns


def _scores(
    metric: Resolved, texts: Sequence[str], accepted: Sequence[Sequence[str]], questions: Sequence[str], code: str
) -> np.ndarray:
    """One metric of every written answer of a language."""
    if not isinstance(metric, str):
        return own_scores(metric, texts, accepted, questions, code)
    return np.array([_score(metric, text, golds, code) for text, golds in zip(texts, accepted, strict=True)])


def _score(metric: str, text: str, golds: Sequence[str], code: str) -> float:
    for published in PUBLISHED:
        if metric == published:
            return published_score(published, text, golds, code)
    if metric == "script":
        return in_script(text, code)
    if metric == "f1":
        return f1(text, golds, code)
    if metric == "exact":
        return exact_match(text, golds, code)
    return float(contains(text, golds, code if metric == "contains_whole" else None))

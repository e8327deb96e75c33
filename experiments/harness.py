"""`interp harness`: questions as task files of lm-evaluation-harness, so that its numbers can stand beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from experiments.settings.bounds import check_bounds
from experiments.settings.flags import parse_flags
from experiments.settings.settings import read_choices
from experiments.settings.values import check_values

if TYPE_CHECKING:
    from interp.text.corpus import ParallelTask


@dataclass(frozen=True)
class HarnessSettings:
    """Questions as task files of lm-evaluation-harness, so that its numbers can stand beside ours.

    Writes a task (YAML) and its questions (JSON Lines) for each language, and a group of all. With options the harness chooses by
    the log-probability of the whole option after the prompt, as `interp answer` does (`acc` there is `choice` here); without, it
    compares what is written with the answers.

    Example: interp harness --corpus cldr:facts --languages en de sw --output runs/harness
    """

    corpus: str = "cldr:facts"
    """Parallel questions: "cldr:facts", or a folder of them (XQuAD, XNLI, XCOPA, MGSM, ...)."""
    languages: tuple[str, ...] = ()
    """Languages, as deu_Latn, de or German. Default: all languages of the corpus."""
    columns: tuple[str, ...] = ()
    """Where the corpus does not say it clearly, its columns, as in `interp answer`."""
    split: str | None = None
    """Split of the corpus, if it has several."""
    template: str | None = None
    """Template of a question: a text with the field names of the source in braces."""
    limit: int | None = None
    """Use at most this many items: a random subset drawn with --seed, in corpus order. Default: all."""
    seed: int = 0
    """Random seed."""
    output: Path = Path("runs/harness")
    """Folder to write, for `lm_eval --include_path`."""
    debug: bool = False
    """On an error, show the full traceback."""


def main(args: Sequence[str]) -> None:
    """Write the tasks that `args` ask for, and say how the harness is started with them."""
    from interp.text.read import read_task

    settings = parse_flags(HarnessSettings, args, "harness")
    check_bounds(settings)
    check_values(settings)
    task = read_task(
        settings.corpus,
        languages=settings.languages or None,
        split=settings.split,
        template=settings.template,
        columns=read_choices(settings.columns),
    )
    group = write_tasks(task.select(limit=settings.limit, seed=settings.seed), settings.output)
    print(f"lm_eval --model hf --model_args pretrained=MODEL --include_path {settings.output} --tasks {group}")


def write_tasks(task: ParallelTask, folder: Path) -> str:
    """Write a `task` into a `folder`, a YAML and a JSONL file for each language. Returns the name of the group of all."""
    from interp.files.atomic import write_text
    from interp.files.names import file_name

    group = f"interp_{file_name(task.name).replace('-', '_')}"
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} holds files already. Choose another --output.")
    for code in task.languages:
        name, lines = f"{group}_{code}", [json.dumps(row, ensure_ascii=False) for row in _rows(task, code)]
        questions = folder / f"{name}.jsonl"
        write_text(questions, "\n".join(lines) + "\n")
        write_text(folder / f"{name}.yaml", _yaml({"task": name, **_settings(task, questions.absolute())}))
    metric = "acc" if task.choices else "exact_match"
    every: dict[str, object] = {"group": group, "task": [f"{group}_{code}" for code in task.languages],
             "aggregate_metric_list": [{"metric": metric, "aggregation": "mean", "weight_by_size": True}],
             "metadata": {"version": 1.0}}  # fmt: skip
    write_text(folder / f"{group}.yaml", _yaml(every))
    return group


def _rows(task: ParallelTask, code: str) -> Iterator[dict[str, object]]:
    for row, item in enumerate(task.ids):
        answers = list(task.answers[code][row])
        asked: dict[str, object] = {"id": item, "prompt": task.prompts[code][row], "answers": answers}
        if task.choices:
            choices = list(task.choices[code][row])
            asked |= {"choices": choices, "gold": choices.index(answers[0])}
        yield asked


def _settings(task: ParallelTask, questions: Path) -> dict[str, object]:
    """The fields of a task in the form that lm-evaluation-harness 0.4 documents (docs/task_guide.md there)."""
    common: dict[str, object] = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(questions)}},
        "test_split": "test",
        "doc_to_text": "{{prompt}}",
        "target_delimiter": "",
        "num_fewshot": 0,
    }
    if task.choices:
        own: dict[str, object] = {"output_type": "multiple_choice", "doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}"}
        metrics = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
    else:
        own = {"output_type": "generate_until", "doc_to_target": "{{answers[0]}}",
               "generation_kwargs": {"until": ["\n", '"'], "do_sample": False}}  # fmt: skip
        metrics = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
    return {**common, **own, "metric_list": metrics, "metadata": {"version": 1.0}}


def _yaml(values: dict[str, object]) -> str:
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

"""The task files for lm-evaluation-harness are of its form, and hold the questions as they are asked here."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
import pytest
import yaml

import experiments.__main__ as cli
from interp.text.read import read_task

FIELDS = {
    "task", "dataset_path", "dataset_kwargs", "test_split", "doc_to_text", "doc_to_choice", "doc_to_target", "target_delimiter",
    "num_fewshot", "output_type", "generation_kwargs", "metric_list", "metadata",
}  # fmt: skip
"""Of the fields of a task's configuration in lm-evaluation-harness 0.4 those that are written."""


def filled(template: str, row: dict[str, object]) -> str:
    return jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True).from_string(template).render(row)


def questions(task: dict) -> list[dict]:
    return [
        json.loads(line) for line in Path(task["dataset_kwargs"]["data_files"]["test"]).read_text(encoding="utf-8").splitlines()
    ]


def test_the_bundled_questions_are_tasks_that_choose(tmp_path, capsys):
    assert cli.main(["harness", "--languages", "en", "de", "zh", "--limit", "7", "--output", str(tmp_path / "tasks")]) == 0
    said = capsys.readouterr().out
    assert f"--include_path {tmp_path / 'tasks'} --tasks interp_cldr_facts" in said
    ours = read_task("cldr:facts", languages=["en", "de", "zh"]).select(limit=7, seed=0)
    group = yaml.safe_load((tmp_path / "tasks" / "interp_cldr_facts.yaml").read_text())
    assert set(group) == {"group", "task", "aggregate_metric_list", "metadata"}
    for name, code in zip(group["task"], ours.languages, strict=True):
        task = yaml.safe_load((tmp_path / "tasks" / f"{name}.yaml").read_text())
        assert set(task) <= FIELDS
        assert (task["task"], task["dataset_path"], task["output_type"]) == (name, "json", "multiple_choice")
        assert [metric["metric"] for metric in task["metric_list"]] == [each["metric"] for each in group["aggregate_metric_list"]]
        rows = questions(task)
        assert [filled(task["doc_to_text"], row) for row in rows] == list(ours.prompts[code])
        chosen = [row["choices"][int(filled(task["doc_to_target"], row))] for row in rows]
        assert chosen == [answers[0] for answers in ours.answers[code]]
        assert [filled(task["doc_to_choice"], row) for row in rows] == [str(list(options)) for options in ours.choices[code]]
        assert task["target_delimiter"] == "", "an option follows the prompt as it stands"


def test_questions_without_options_are_written_answers(tmp_path):
    text = tmp_path / "sums"
    text.mkdir()
    (text / "eng_Latn.jsonl").write_text('{"question": "2 + 2?", "answer": "4"}\n{"question": "3 + 3?", "answer": "6"}\n')
    assert cli.main(["harness", "--corpus", str(text), "--template", "{question} ", "--output", str(tmp_path / "tasks")]) == 0
    (path,) = tmp_path.glob("tasks/*eng_Latn.yaml")
    task = yaml.safe_load(path.read_text())
    assert set(task) <= FIELDS
    assert task["output_type"] == "generate_until"
    assert {"until", "do_sample"} <= set(task["generation_kwargs"])
    assert [filled(task["doc_to_target"], row) for row in questions(task)] == ["4", "6"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--corpus", "cldr:names"], "which has no questions"),
        (["--languages", "xx"], "unknown language"),
        (["--output", "."], "holds files already"),
    ],
)
def test_what_cannot_be_written_is_one_line(args, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis.tex").write_text("x")
    assert cli.main(["harness", "--limit", "3", *args]) == 2
    assert told in capsys.readouterr().err

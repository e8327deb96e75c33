"""Code of one's own on the command line: it runs where it was typed, its change is seen on resuming, and a recipe runs none."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest

import experiments.__main__ as cli
from interp.own_code import own_code
from probes.alignment.report import AlignmentReport
from probes.report import read_manifest
from probes.translation.answers import AnswerReport
from probes.translation.metrics import own_scores
from probes.translation.report import TranslationReport

PAGE = (Path(__file__).parents[2] / "docs" / "own_code.md").read_text(encoding="utf-8")
MODULE = """
import functools
import torch
import pathlib

def _times(hypotheses, references, sources, language, factor):
    return [factor * len(said) for said in hypotheses]

def letters(hypotheses, references, sources, language):
    return [float(len(said)) for said in hypotheses]

def nearness(x, y):
    return -torch.cdist(x, y)

scaled = functools.partial(_times, factor=float(pathlib.Path(__file__).with_name("factor.txt").read_text()))

def text(languages, split):
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    return {"eng_Latn": words, "deu_Latn": [word + "e" for word in words]}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    for kind in (AlignmentReport, AnswerReport, TranslationReport):
        monkeypatch.setattr(kind, "figures", lambda self: {})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_code.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "factor.txt").write_text("2.0", encoding="utf-8")
    yield tmp_path
    _forget()


def _forget() -> None:
    """As in a new process."""
    for name in [name for name in sys.modules if name == "my_code" or name.startswith("_own_my_code")]:
        del sys.modules[name]


def _translate(*more: str) -> int:
    _forget()
    short = ("--languages", "de", "--limit", "4", "--max-new-tokens", "3", "--device", "cpu", "--output", "run")
    return cli.main(["translate", "--corpus", "cldr:names", *short, *more])


@pytest.mark.parametrize("name", ["my_code:letters", "my_code.py:letters"])
def test_a_metric_typed_is_measured_and_its_change_is_seen_on_resuming(name, here, capsys):
    assert _translate("--metrics", name, "exact") == 0
    table = pd.read_parquet("run/table.parquet")
    assert table[name].tolist() == table["hypothesis"].str.len().tolist()
    assert table[f"{name}_baseline"].tolist() == table["text"].str.len().tolist()
    assert name in capsys.readouterr().out
    assert _translate("--metrics", name, "exact", "--resume") == 0
    (here / "my_code.py").write_text(MODULE + "\n# otherwise\n", encoding="utf-8")
    assert _translate("--metrics", name, "exact", "--resume") == 2
    assert f"was started with --metrics {name} exact, where {name} has changed since" in capsys.readouterr().err


def test_another_argument_of_a_partial_is_seen_on_resuming(here, capsys):
    assert _translate("--metrics", "my_code:scaled") == 0
    assert "my_code:scaled" in pd.read_parquet("run/table.parquet")
    assert _translate("--metrics", "my_code:scaled", "--resume") == 0
    (here / "factor.txt").write_text("30.0", encoding="utf-8")
    assert _translate("--metrics", "my_code:scaled", "--resume") == 2
    assert "where my_code:scaled has changed since" in capsys.readouterr().err


def test_a_recipe_runs_no_code_that_was_not_typed(here, capsys):
    (here / "recipe.yaml").write_text("command: translate\nmetrics: [my_code:letters]\n", encoding="utf-8")
    assert _translate("--config", "recipe.yaml") == 2
    said = capsys.readouterr().err
    assert "metrics: got 'my_code:letters', which is code, and a recipe runs none. Read the code, and give it yourself: " in said
    assert "my_code" not in sys.modules
    assert not (here / "run").exists()
    assert _translate("--config", "recipe.yaml", "--metrics", "my_code:letters") == 0
    (here / "corpus.yaml").write_text("command: align\ncorpus: my_code:text\n", encoding="utf-8")
    assert cli.main(["align", "--config", "corpus.yaml"]) == 2
    assert "corpus: got 'my_code:text', which is code" in capsys.readouterr().err


def test_text_and_measure_of_ones_own_in_one_run(here):
    given = ("--corpus", "my_code:text", "--metrics", "my_code:nearness", "--device", "cpu", "--output", "run")
    assert cli.main(["align", *given]) == 0
    manifest = read_manifest(here / "run")
    assert manifest["signature"]["corpus"]["name"] == "my_code:text"  # type: ignore[index,call-overload]
    assert "metrics:my_code:nearness@" in manifest["signature"]["line"]  # type: ignore[operator,index,call-overload]


@pytest.mark.parametrize(
    ("command", "more", "words"),
    [
        ("translate", ("--metrics", "my_code:leters"), "the module has no leters. Did you mean letters?"),
        ("translate", ("--metrics", "chrff"), "Did you mean chrf"),
        ("answer", ("--metrics", "mlqa_f1", "--languages", "tr"), "got language tur_Latn, expected one that MLQA's script knows"),
        ("align", ("--metrics", "my_code:letters"), "expected one of (x, y)"),
        ("scale", ("--metric", "spbleu", "--languages", "de"), "leaves its tokens open"),
        ("quadrants", ("--metric", "bleu", "--languages", "de", "--probes", "zh"), "BLEU counts in different tokens"),
        ("directions", ("--metrics", "my_code:gone"), "the module has no gone"),
        ("extrapolate", ("--answer", "my_code:gone", "--languages", "de"), "the module has no gone"),
        ("extrapolate", ("--translation", "nothing", "--languages", "de"), "got metric 'nothing'"),
    ],
)
def test_a_metric_that_cannot_be_measured_stops_before_a_model_loads(command, more, words, here, capsys, monkeypatch):
    def loads(*_, **__):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("interp.models.load.load", loads)
    assert cli.main([command, *more, "--output", "run"]) == 2
    assert words in capsys.readouterr().err


def test_answers_by_the_released_scripts(here):
    short = ("--limit", "3", "--max-new-tokens", "4", "--device", "cpu", "--output", "run")
    assert cli.main(["answer", "--languages", "de", "--metrics", "mlqa_f1", "contains_whole", "my_code:letters", *short]) == 0
    table = pd.read_parquet("run/table.parquet")
    assert {"mlqa_f1", "contains_whole", "my_code:letters", "my_code:letters_baseline"} <= set(table)


@pytest.mark.parametrize("line", re.findall(r"^interp .*", PAGE, re.MULTILINE))
def test_the_page_about_it_runs(line, here):
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    (here / "my_code.py").write_text(code, encoding="utf-8")
    _forget()
    more = () if " align " in line else ("--max-new-tokens", "3")
    assert cli.main([*shlex.split(line)[1:], "--device", "cpu", *more]) == 0


def test_scores_of_another_program_are_looked_up_as_the_page_says(here):
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    (here / "my_code.py").write_text(code, encoding="utf-8")
    (here / "scores.csv").write_text("hypothesis,reference,score\nja,yes,0.5\n", encoding="utf-8")
    own = own_code("my_code.py:looked_up", "interp.text_metrics")
    assert own is not None
    assert own_scores(own, ["ja", "no"], [["yes"], ["yes"]], ["?", "?"], "eng_Latn").tolist() == [0.5, 0]

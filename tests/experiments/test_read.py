"""`interp read` shows what is understood of a text before a model is loaded; a run keeps the same, and takes `--columns`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from experiments.__main__ import main
from experiments.runs.finished import read_finished
from experiments.settings.settings import read_choices
from tests.support.texts import jsonl, put

OPEN = "nr;one;other;notes\n1;Good morning.;Guten Morgen.;x\n2;Good night.;Gute Nacht.;\n3;Thank you.;Danke.;\n"
CHOSEN = ("--columns", "english=one", "german=other")


@pytest.fixture
def corpus(tmp_path) -> Path:
    return put(tmp_path / "c", {"open.csv": OPEN}) / "open.csv"


def test_read_shows_columns_counts_and_what_looks_wrong(tmp_path, capsys):
    text = "id\tEnglish\tRussian\tdoc\n1\tone\tone\ta\n2\ttwo\ttwo\ta\n3\ttwo\ttri\tb\n"
    path = put(tmp_path / "c", {"t.tsv": text}) / "t.tsv"
    assert main(["read", str(path)]) == 0
    said = capsys.readouterr().out
    for line in (
        "t: 3 items, 2 languages, 2 documents",
        "columns: 'English' is eng_Latn, 'Russian' is rus_Cyrl, ids are 'id', documents are 'doc'",
        "! eng_Latn: 1 of 3 texts occur before: no measure can tell them apart",
        "! rus_Cyrl: 2 of 3 texts are those of eng_Latn, letter by letter",
        "! rus_Cyrl: 100% of the letters are not in its script: is it another language or script?",
        "! 3 items: intervals of so few hold almost anything",
    ):
        assert line in said
    assert main(["read", "--corpus", str(path), "--json", "--languages", "ru"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(own["code"], own["origin"], own["foreign"]) for own in found["languages"]] == [("rus_Cyrl", "column 'Russian'", 1.0)]


def test_read_shows_questions_and_their_options(tmp_path, capsys):
    row = {"idx": 0, "premise": "It rained.", "choice1": "Dry.", "choice2": "Wet.", "label": 1}
    folder = put(tmp_path / "q", {"en.jsonl": jsonl(row), "de.jsonl": jsonl(row)})
    assert main(["read", str(folder), "--questions"]) == 0
    said = capsys.readouterr().out
    assert "q: 1 items, 2 languages, no documents, 2 options, right answer: option 2 (1)" in said
    assert "rows are paired by key idx" in said
    shown = " ".join(said.split())
    for cell in ("language item 0 options gold", "eng_Latn It rained. Dry. | Wet. Wet."):
        assert cell in shown
    assert main(["read", str(folder), "--questions", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["gold"] == {"option 2": 1}
    assert found["examples"][0] == {"code": "deu_Latn", "item": "0", "prompt": "It rained.\n", "answers": ["Wet."],
                                    "options": ["Dry.", "Wet."]}  # fmt: skip


def test_what_is_open_is_settled_by_the_option_that_the_message_names(corpus, tmp_path, capsys):
    assert main(["read", str(corpus)]) == 2
    assert "(--columns english=one german=other)" in capsys.readouterr().err
    assert main(["read", str(corpus), *CHOSEN]) == 0
    assert "'one' is eng_Latn, 'other' is deu_Latn, ids are 'nr'" in capsys.readouterr().out
    run = tmp_path / "run"
    assert main(["vocabulary", "--corpus", str(corpus), *CHOSEN, "--resamples", "10", "--output", str(run)]) == 0
    said = capsys.readouterr().out
    assert f"read {corpus}" in said
    assert "columns are separated by ';'" in said
    (text,) = read_finished(run).texts
    assert text.origins == {"eng_Latn": "column 'one'", "deu_Latn": "column 'other'"}
    assert text.source == str(corpus)
    assert yaml.safe_load((run / "config.yaml").read_text())["columns"] == ["english=one", "german=other"]
    assert "--columns english=one german=other" in read_finished(run).command_line
    assert main(["vocabulary", "--corpus", str(corpus), "--output", str(run), "--resume"]) == 2


def test_a_language_chosen_twice_is_refused_and_the_last_does_not_win():
    with pytest.raises(ValueError, match="--columns: got english twice, expected each language and each column once"):
        read_choices(("english=a", "english=b"))


@pytest.mark.parametrize(("choice", "message"), [("text_en", "expected LANGUAGE=COLUMN"), ("Germn=a", "Did you mean German")])
def test_a_choice_that_says_nothing_is_refused_before_anything_is_read(choice, message, tmp_path, capsys):
    assert main(["align", "--columns", choice, "--output", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert read_choices(()) is None


def test_read_loads_no_model_library(corpus):
    code = (
        f"from experiments.__main__ import main; main(['read', {str(corpus)!r}, *{CHOSEN!r}])\nimport sys; print('|', *sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert not {"torch", "transformers"} & set(found.stdout.rpartition("|")[2].split())

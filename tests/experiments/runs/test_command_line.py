"""The command line a page shows asks the same question again."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from experiments.align import AlignSettings
from experiments.commands import COMMANDS
from experiments.quadrants import QuadrantsSettings
from experiments.runs.command_line import rebuild_command_line
from experiments.settings.settings import RECIPES, Settings, parse, read_recipe, settings_of
from experiments.settings.strict_yaml import read_yaml
from experiments.tour import CHAPTERS
from experiments.transplant import TransplantSettings


def asked(line: str) -> dict:
    program, command, *args = shlex.split(line)
    assert program == "interp"
    return parse(settings_of(import_module(COMMANDS[command][0])), args).asked()


def said_again(settings: Settings, folder: Path) -> str:
    folder.mkdir()
    (folder / "config.yaml").write_text(settings.to_yaml(), encoding="utf-8")
    return rebuild_command_line(folder)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_as_a_command_line_asks_the_same(path, tmp_path):
    shutil.copy(path, tmp_path / "config.yaml")
    line = rebuild_command_line(tmp_path)
    tables = [value for value in read_yaml(path).values() if isinstance(value, dict)]
    assert line or tables, "only a table of lists, or a part of one, may need YAML"
    if line:
        kind = settings_of(import_module(COMMANDS[shlex.split(line)[1]][0]))
        assert asked(line) == read_recipe(kind, path).asked()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.output.name)
def test_a_chapter_as_a_command_line_asks_the_same(chapter, tmp_path):
    assert asked(said_again(chapter, tmp_path / "run")) == chapter.asked()


@pytest.mark.parametrize(
    "settings",
    [
        AlignSettings(model="a b/$HOME; rm 'x'", template='-"{sentence}"\n', languages=("deu_Latn",)),
        AlignSettings(metrics=(), limit=3, dtype="bfloat16"),
        replace(TransplantSettings(), template={"eng_Latn": "Q: {question}", "zho_Hans": "问：{question}"}),
    ],
    ids=["quotes", "nothing", "each language"],
)
def test_awkward_values_come_through_a_shell(settings, tmp_path):
    line = said_again(settings, tmp_path / "my run")
    assert line.endswith(" --output 'runs/my run'")
    assert asked(line) == settings.asked()


def test_a_table_that_has_a_default_is_spelled_key_by_key(tmp_path):
    rates = {**QuadrantsSettings().rates, "lora": 0.0001}
    line = said_again(QuadrantsSettings(rates=rates), tmp_path / "run")
    assert "--rates.lora 0.0001" in line
    assert asked(line)["rates"] == rates


def test_only_the_defaults_that_were_left_are_spelled(tmp_path):
    assert said_again(AlignSettings(limit=7), tmp_path / "seven") == "interp align --limit 7 --output runs/seven"


@pytest.mark.parametrize("text", ["", "command: nothing\n", "command: align\nlayers: 3\n", "[", "- a\n"])
def test_what_no_command_wrote_gives_none(text, tmp_path):
    assert rebuild_command_line(tmp_path) == ""
    (tmp_path / "config.yaml").write_text(text)
    assert rebuild_command_line(tmp_path) == ""

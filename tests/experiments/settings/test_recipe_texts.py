"""Every shipped recipe with only the model and the corpus replaced: it starts, or says what else it needs and with which flag."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import experiments.__main__ as cli
from experiments.settings.recipe_texts import ORIGINS, SPLITS, check_texts
from experiments.settings.settings import RECIPES, Settings, read_recipe, settings_of
from experiments.settings.strict_yaml import read_yaml
from experiments.settings.values import option_names
from interp.text.read import _HUB
from tests.support.tiny import tiny_folder

ALL = pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)


def settings(path: Path) -> Settings:
    command = read_yaml(path)["command"]
    return read_recipe(settings_of(import_module(cli.COMMANDS[command][0])), path)


def texts(asked: Settings) -> dict[str, str]:
    return {name: value for name in SPLITS if isinstance(value := getattr(asked, name, None), str)}


@ALL
def test_a_text_of_a_recipe_is_built_in_or_its_origin_is_known(path):
    named = texts(settings(path))
    assert named
    assert all(value.startswith("cldr:") or value in ORIGINS for value in named.values())


@ALL
def test_a_missing_text_is_told_with_its_origin_and_its_flag_and_no_hub_is_asked(path, tmp_path, monkeypatch, capsys):
    """The corpus is replaced by the names that are built in; nothing else of the recipe is there."""
    monkeypatch.chdir(tmp_path)
    asked = settings(path)
    left = {name: value for name, value in texts(asked).items() if name != "corpus" and value in ORIGINS}
    args = [asked.command, "--config", path.stem, "--model", "bundled", "--corpus", "cldr:names", "--limit", "4"]
    if not left:
        check_texts(settings(path).__class__(corpus="cldr:names"))  # nothing to complain of
        return
    assert cli.main([*args, "--output", "run"]) == 2
    said, flags = capsys.readouterr().err, option_names(type(asked))
    for name, value in left.items():
        assert f"--{flags[name]} {value!r} is {ORIGINS[value].what}" in " ".join(said.split())
        assert f"Prepare it: {ORIGINS[value].prepare}" in said
        assert f"Give its path with --{flags[name]}" in said
    assert "hub dataset" not in said


@pytest.mark.parametrize("name", sorted(name for name in ORIGINS if _HUB.fullmatch(name.replace("{language}", "arb_Arab"))))
def test_a_name_that_could_be_a_dataset_of_the_hub_is_none(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["scale", "--config", "scale-llama", "--model", "bundled", "--corpus", name, "--output", "run"]) == 2
    assert f"--corpus {name!r} is {ORIGINS[name].what}" in " ".join(capsys.readouterr().err.split())


def test_files_of_that_name_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = settings(RECIPES / "transplant-xquad.yaml")
    with pytest.raises(ValueError, match="--corpus 'xquad' is a folder"):
        check_texts(asked)
    (tmp_path / "xquad").mkdir()
    check_texts(asked)


@pytest.mark.parametrize(
    ("config", "corpus", "told"),
    [
        ("directions-bundled", "text", "--corpus text --split train; give others with --corpus or --split."),
        ("tune-bundled", "text", "--corpus text --split train; give others with --corpus or --split."),
        ("patch-concepts", "text", "--corpus text; give others with --corpus."),
        ("mexa", "nowhere/at/all", "--corpus nowhere/at/all; give others with --corpus."),
    ],
)  # fmt: skip
def test_what_the_replaced_corpus_lacks_is_told_with_the_flags_that_asked_for_it(
    config, corpus, told, tmp_path, monkeypatch, capsys
):
    model = tiny_folder("llama", tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").mkdir()
    for code in ("eng_Latn", "deu_Latn"):
        (tmp_path / "text" / f"{code}.txt").write_text("a\nb\n", encoding="utf-8")
    command = read_yaml(RECIPES / f"{config}.yaml")["command"]
    args = [command, "--config", config, "--model", str(model), "--corpus", corpus, "--languages", "de", "--output", "run"]
    assert cli.main(args) == 2
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("path", sorted(RECIPES.glob("tune-*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_that_tunes_names_its_languages(path):
    """With another model and corpus in place of its own it starts, also where the paper took languages of its own."""
    assert settings(path).languages


def test_a_layer_counted_from_the_last_is_that_of_any_model(tmp_path):
    from experiments.costs.outline import outline
    from experiments.transplant import _planned

    model = outline(str(tiny_folder("llama", tmp_path / "model")))
    asked = settings(RECIPES / "transplant-attention-as-released.yaml")
    study = _planned(replace(asked, corpus="cldr:facts", languages=("deu_Latn",), limit=2, split=None), model)
    assert (study.sources, study.targets) == ((model.cfg.n_layers - 1,), (0,))


@ALL
def test_the_settings_of_a_recipe_are_in_their_bounds(path):
    """Stop strings of generation may be a line break, which is no empty name."""
    assert settings(path).resolved().command == read_yaml(path)["command"]

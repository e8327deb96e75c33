"""Every setting is checked before a model is loaded, and what is refused leaves a folder that the corrected command takes."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest

import experiments.__main__ as cli
from experiments.commands import COMMANDS
from experiments.runs.folder import is_new
from experiments.settings.values import option_names
from tests.experiments.settings.test_command_errors import QUESTIONS, one_line
from tests.support.tiny import tiny_folder

FREE = {"stop", "mask", "prompt", "output", "config", "shard", "device"}
"""Settings that may be any text, or that are no question of the model and the text."""
SMALL = ("--limit", "20")
DEFAULTS = {"directions": (), "quadrants": (), "instruction": (), "align": ("--languages", "de", "zh"), "compare": ()}


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch):
    """Nothing here gets that far; and no hub is asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("interp.models.load.load", lambda *_, **__: pytest.fail("a model was loaded"))


def words(kind: type) -> list[tuple[str, tuple[str, ...]]]:
    """Every option that takes a text, with a value that means nothing."""
    hints, options, found = get_type_hints(kind), option_names(kind), []
    for field in dataclasses.fields(kind):
        hint = str(hints[field.name])
        if field.name not in FREE and ("str" in hint or "Literal" in hint):
            value = ("zzqqx", "5") if hint.startswith("dict") else ("zzqqx",)
            found.append((f"--{options[field.name]}", value))
    return found


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_word_that_means_nothing_is_told_before_a_model_is_loaded(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(import_module(COMMANDS[command][0]), "run", lambda _: pytest.fail("it ran"))
    for flag, value in words(QUESTIONS[command]):
        languages = () if flag in ("--languages", "--pivot") else DEFAULTS.get(command, ("--languages", "zh"))
        args = [command, *languages, flag, *value, *SMALL, "--output", str(tmp_path / "run")]
        assert cli.main(args) == 2, (args, capsys.readouterr())
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"interp {command}: error: "), args
        assert is_new(tmp_path / "run"), "the corrected command takes the folder"


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("align --languages de zh --limit 4", "got 4 sentences, expected at least 8"),
        ("align --languages en --limit 9", "got eng_Latn alone, expected at least 2 languages"),
        ("align --languages de --layers 99", "got layer '99', expected one of embed, 0"),
        ("align --languages de --include-bos --template {sentence}", "got include_bos and a template"),
        ("probe --languages de --limit 20 --folds 50", "got 20 sentences, expected at least 50"),
        ("probe --languages de --target tpye", "Did you mean type?"),
        ("atlas --languages de --layers 1 2 --depths 3", "got layer '3', expected one of 1, 2"),
        ("atlas --languages de --limit 20 --neighbours 50", "--neighbours: got 50 of 40 points"),
        ("lens --languages de zh --limit 9 --shots 50", "got 50 shots for 9 items"),
        ("lens --languages de --task prompt", "got no prompt, expected one. Give it with --prompt."),
        ("lens --languages de --lens-corpus cldr:names", "--lens-corpus is read only with --lens FILE"),
        ("transplant --languages de --limit 9 --sources 99", "got sources [99]"),
        ("transplant --languages de --limit 1", "got 1 question (or document), expected at least 2"),
        ("patch --languages de --design concept --site head", "Use design 'contrast' for heads."),
        ("neurons --languages de --limit 40 --share 1e-8", "which selects none of 4096 neurons"),
        ("steer --limit 20 --target de", "which share a script"),
        ("steer --limit 20 --alphas 0", "got no strength besides 0"),
        ("translate --languages de --limit 9 --shots 9", "got 9 shots of 9 items, expected 0 to 8"),
        ("answer --languages de --limit 9 --shots 9", "got 9 shots of 9 items, expected 0 to 8"),
        ("tune --languages de --scope lora --targets qproj", "got target qproj, expected linear layers of this model: down_proj"),
        ("tune --languages de --mixture muit --budgets fr 5", "muit: got a budget for fra_Latn"),
        ("scale --languages de --sizes 8 16", "--sizes: got 2, expected at least 3"),
        ("scale --languages de --reference fr", "--reference: got fra_Latn, expected some of --languages: deu_Latn"),
        ("quadrants --languages de --probes de", "got deu_Latn alone, which is tuned on"),
        ("instruction --languages de fr --form bare", "expected one that names the target language"),
        ("compare --after runs/no/model", "is not a folder"),
        ("compare --after bundled --with translate --form nono", "got template 'nono'"),
        ("compare --after bundled --split nono", "got split 'nono' of cldr:names"),
    ],
)
def test_a_value_that_does_not_fit_is_told_before_a_model_is_loaded(args, told, tmp_path, capsys):
    line = one_line(cli.main([*args.split(), "--output", str(tmp_path / "run")]), 2, capsys)
    assert told in line
    assert is_new(tmp_path / "run")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("align --plan-rate 1e12", "--plan-rate is read only with --plan; got no --plan."),
        ("lens --words de a", "--words is read only with --task labels; got --task translation."),
        ("tune --languages de --targets q_proj", "--targets is read only with --scope lora; got --scope full."),
        ("tune --languages de --total 5", "--total is read only with --mixture muit"),
        ("scale --languages de --caps de 5", "--caps is read only with --budget; got none."),
        ("transplant --tokens 5", "--tokens is read only with --measure match"),
        ("atlas --no-umap --neighbours 5", "--neighbours is read only with --umap; got --no-umap."),
    ],
)
def test_an_option_that_would_change_nothing_is_told(args, told, tmp_path, capsys):
    assert told in one_line(cli.main([*args.split(), "--output", str(tmp_path / "run")]), 2, capsys)


@pytest.mark.parametrize("name", ["bundledd", "Bundled", "budled"])
@pytest.mark.parametrize("command", ["align", "vocabulary", "check", "tour"])
def test_a_mistyped_bundled_is_told_without_the_hub(command, name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", lambda *_, **__: pytest.fail("the hub was asked"))
    assert "Did you mean bundled?" in one_line(cli.main([command, "--model", name, "--output", str(tmp_path / "run")]), 2, capsys)


def test_a_mistyped_folder_of_a_model_is_told_and_another_size_is_looked_for(tmp_path, monkeypatch):
    from interp.models.checkpoints.folders import locate

    monkeypatch.chdir(tmp_path)
    for name in ("models/qwen-0.5b", "llama"):
        Path(name).mkdir(parents=True)
        Path(name, "config.json").write_text("{}")
    for name, meant in (("models/qwem-0.5b", "models/qwen-0.5b"), ("lama", "llama"), ("./lamma", "llama")):
        with pytest.raises(ValueError, match=rf"Did you mean {meant}\?"):
            locate(name, None)
    assert locate("models/qwen-1.5b", None) == "models/qwen-1.5b", "a name of the hub"


def test_a_library_that_is_not_installed_is_one_line_with_the_command(tmp_path, monkeypatch, capsys):
    for module, declared, args in (("umap", "umap-learn>=", ["atlas", "--languages", "de"]),
                                   ("peft", "peft>=", ["tune", "--languages", "de", "--scope", "lora"]),
                                   ("pyarrow", "pyarrow>=", ["lens"])):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr("experiments.settings.needs.find_spec", lambda name, gone=module: None if name == gone else name)
            line = one_line(cli.main([*args, "--output", str(tmp_path / "run")]), 2, capsys)
        assert f"{module} is not installed. Install it: " in line
        assert f" -m pip install '{declared}" in line


def test_a_library_that_is_missed_late_is_one_line_too(tmp_path, monkeypatch, capsys):
    def run(_: object) -> None:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn.linear_model")

    monkeypatch.setattr("experiments.align.run", run)
    code = cli.main(["align", "--languages", "de", "--limit", "9", "--output", str(tmp_path / "run")])
    assert "sklearn.linear_model is not installed. Install it: " in (line := one_line(code, 2, capsys))
    assert "'scikit-learn>=" in line


@pytest.mark.parametrize("command", ["tune --scope embeddings --limit 40", "quadrants --probes af --sizes 8 --limit 8"])
def test_a_tied_model_whose_embeddings_are_tuned_is_told_before_it_is_loaded(command, tmp_path, capsys):
    folder = tiny_folder("llama", tmp_path / "model", tie_word_embeddings=True, max_position_embeddings=2048)
    args = [*command.split(), "--languages", "de", "--model", str(folder), "--output", str(tmp_path / "run")]
    assert cli.main(args) == 2
    assert "ties its input and output embeddings" in capsys.readouterr().err
    assert is_new(tmp_path / "run")

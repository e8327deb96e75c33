"""`--help` begins with what the question asks, names the metrics, and has an example that runs as it stands."""

from __future__ import annotations

import dataclasses
import re
import shlex
from importlib import import_module

import pytest

import experiments.__main__ as cli
from experiments.commands import COMMANDS
from experiments.settings.settings import Settings, parse
from experiments.settings.together import check_together
from experiments.settings.values import option_names
from tests.experiments.settings.test_command_errors import QUESTIONS


def helped(command: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, columns: int = 400) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    return capsys.readouterr().out


def example(command: str) -> list[str]:
    """The command line in the docstring of the settings."""
    kinds = [kind for kind in vars(import_module(COMMANDS[command][0])).values() if isinstance(kind, type)]
    (line,) = {found[1] for kind in kinds if (found := re.search(rf"Example: (interp {command}\b.*)", kind.__doc__ or ""))}
    return shlex.split(line)


@pytest.mark.parametrize("command", QUESTIONS)
def test_the_options_of_a_question_stand_before_the_common_ones(command, capsys, monkeypatch):
    shown = helped(command, capsys, monkeypatch, columns=80)
    own, common = shown.index(f" {command} options "), shown.index(" common options ")
    assert own < common
    shared = {field.name for field in dataclasses.fields(Settings)} - {"shard"}  # offered where it is taken
    options = option_names(QUESTIONS[command])
    for name in options.keys() - {"shard"}:
        place = re.search(rf"^(. )?--(no-)?{options[name]}[ ,.\n]", shown[own:], re.MULTILINE)
        if name in ("rates", "factors", "leave_out", "only"):  # a group of its own, an option for each method; and YAML only
            continue
        assert place, name
        assert (own + place.start() > common) == (name in shared), name


@pytest.mark.parametrize("command", QUESTIONS)
def test_the_example_of_a_question_is_read_as_it_stands(command, capsys, monkeypatch):
    _, _, *args = example(command)
    assert shlex.join(args) in helped(command, capsys, monkeypatch).replace('"', "")
    settings = parse(QUESTIONS[command], args).resolved()
    check_together(settings, args)
    assert settings.output.parts[0] == "runs"


@pytest.mark.parametrize("command", sorted({*COMMANDS} - {*QUESTIONS, "page"}))
def test_every_other_command_has_an_example(command, capsys, monkeypatch):
    assert f"Example: interp {command} " in helped(command, capsys, monkeypatch)


def test_the_metrics_are_named_in_the_help(capsys, monkeypatch):
    from probes.alignment.own_metrics import METRICS
    from probes.translation.metrics import ANSWERED, TRANSLATED

    shown = helped("align", capsys, monkeypatch)
    for name in METRICS:
        assert re.search(rf"\b{name.removesuffix('_centred')}\b", shown), name
    assert {f"{name}_centred" for name in re.search(r"Alignment metrics: ([\w, ]*), each also", shown)[1].split(", ")} == {
        name for name in METRICS if name.endswith("_centred")
    }
    for command, names in (("answer", ANSWERED), ("translate", set(TRANSLATED) - {"identified"})):
        own = helped(command, capsys, monkeypatch)
        assert not [name for name in names if not re.search(rf"\b{name}\b", own)]

"""Whatever a command line says, it ends in an answer or in one line."""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest

import experiments.__main__ as cli
from experiments.commands import COMMANDS
from experiments.settings.bounds import BOUNDS, check_bounds
from experiments.settings.flags import _one_line
from experiments.settings.settings import settings_of
from experiments.settings.values import option_names

QUESTIONS = {
    name: settings_of(import_module(module))
    for name, (module, _) in COMMANDS.items()
    if name not in ("check", "read", "page", "tour", "recipes", "verify", "harness", "completion")
}
WRONG = ("0.5x", "nan", "inf", "-inf", "-1", "9" * 40, "1e400", "", "٣½", "\U0001f600")


def one_line(code: int, wanted: int, capsys: pytest.CaptureFixture) -> str:
    said = capsys.readouterr()
    assert code == wanted, said
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def numeric_flags(kind: type) -> list[str]:
    """The flags of a command that take any number."""
    number = re.compile(r"\b(int|float)\b")
    fields = [each for each in dataclasses.fields(kind) if number.search(re.sub(r"Literal\[.*?\]", "", str(each.type)))]
    return [f"--{each.name.replace('_', '-')}" for each in fields]


@pytest.fixture(autouse=True)
def no_model_is_loaded(monkeypatch):
    """No wrong setting gets that far."""
    monkeypatch.setattr("interp.load", lambda *_, **__: pytest.fail("a model was loaded"))


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_number_that_can_mean_nothing_is_one_line(command, tmp_path, monkeypatch, capsys):
    kind = QUESTIONS[command]
    monkeypatch.setattr(import_module(COMMANDS[command][0]), "run", lambda _: pytest.fail("it ran"))
    for flag in numeric_flags(kind):
        mapping = "dict" in str({f"--{each.name.replace('_', '-')}": each.type for each in dataclasses.fields(kind)}[flag])
        for value in WRONG:
            if (flag, value) in {(name, "-1") for name in ("--threshold", "--alphas", "--similarity", "--sources", "--targets")}:
                continue
            args = (flag, "deu_Latn", value) if mapping else (f"{flag}={value}",)
            code = cli.main([command, *args, "--output", str(tmp_path / "run")])
            line = one_line(code, 2, capsys)
            assert line.startswith(f"interp {command}: error: ")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", QUESTIONS)
def test_every_number_of_a_command_has_bounds_and_its_defaults_keep_them(command):
    named = {flag[2:].replace("-", "_") for flag in numeric_flags(QUESTIONS[command])}
    assert named <= set(BOUNDS)
    check_bounds(QUESTIONS[command]())


@pytest.mark.parametrize(
    "args",
    [
        ("--nope",),
        ("--dtype", "int8"),
        ("--dtype", ""),
        ("--device", "quantum"),
        ("--device", "cuda:999"),
        ("--device", "meta"),
        ("--languages", "Klingonisch", "\udcff"),
        ("--pivot", ""),
        ("--config", "no such recipe"),
        ("--config", "."),
        ("--shard", "99999999999/99999999999"),
        ("--shard", "0/1"),
        ("--shard", "10001/10001"),
        ("--shard", "nan"),
        ("--shard", ""),
        ("--output", "/dev/null"),
        ("--output", "x" * 5000),
    ],
    ids=lambda args: " ".join(args)[:30].encode("ascii", "replace").decode(),
)
def test_a_word_that_can_mean_nothing_is_one_line(args, tmp_path, capsys):
    given = args if "--output" in args else (*args, "--output", str(tmp_path / "run"))
    assert one_line(cli.main(["align", *given]), 2, capsys).startswith("interp align: error: ")


def list_flags(kind: type) -> dict[str, str]:
    """The flags of a command that take a list, each with a value."""
    kinds = {name: get_args(hint)[0] for name, hint in get_type_hints(kind).items() if get_origin(hint) is tuple}
    values = {name: {str: "deu_Latn", int: "7", float: "7"}.get(each) or get_args(each)[0] for name, each in kinds.items()}
    options = option_names(kind)
    return {f"--{options[name]}": value for name, value in values.items()}


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_value_given_twice_is_one_line(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(import_module(COMMANDS[command][0]), "run", lambda _: pytest.fail("it ran"))
    flags = list_flags(QUESTIONS[command])
    assert "--languages" in flags
    for flag, value in flags.items():
        line = one_line(cli.main([command, flag, value, value, "--output", str(tmp_path / "run")]), 2, capsys)
        assert re.search(rf"{flag}: got '?{value}.* twice, expected each \w+ once|Give each language once", line), line
    assert not (tmp_path / "run").exists()


def test_methods_given_twice_are_refused_by_name(tmp_path, capsys):
    line = one_line(cli.main(["quadrants", "--methods", "full", "full", "--output", str(tmp_path / "run")]), 2, capsys)
    assert "--methods: got 'full' twice, expected each method once." in line


def test_two_spellings_of_one_language_are_one_line(tmp_path, capsys):
    line = one_line(cli.main(["scale", "--caps", "de", "5", "German", "6", "--output", str(tmp_path / "run")]), 2, capsys)
    assert "'de' and 'German' both mean deu_Latn" in line


def word_flags(kind: type) -> list[str]:
    """The flags of a command that take a word or a path and are not empty by default."""
    fields = [each for each in dataclasses.fields(kind) if re.match(r"(str|Path)( \| None)?$", str(each.type))]
    return [f"--{each.name.replace('_', '-')}" for each in fields if each.default != ""]


@pytest.mark.parametrize("command", QUESTIONS)
def test_an_empty_word_or_path_is_one_line(command, tmp_path, monkeypatch, capsys):
    """An empty path would be the current directory."""
    monkeypatch.setattr(import_module(COMMANDS[command][0]), "run", lambda _: pytest.fail("it ran"))
    monkeypatch.chdir(tmp_path)
    flags = word_flags(QUESTIONS[command])
    assert {"--corpus", "--model", "--output"} <= set(flags)
    for flag in flags:
        for args in ((flag, ""), (f"{flag}=",), (flag, " ")):
            line = one_line(cli.main([command, *args]), 2, capsys)
            assert f"{flag}: got an empty value, expected a name or a path." in line
    assert not list(tmp_path.iterdir())


def test_an_empty_path_in_a_recipe_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("corpus", "output"):
        (tmp_path / "recipe.yaml").write_text(f'command: align\n{name}: ""\n')
        line = one_line(cli.main(["align", "--config", "recipe.yaml"]), 2, capsys)
        assert f"{name}: got an empty value" in line
    for args in (
        ["page", ""],
        ["check", ""],
        ["read", ""],
        ["tour", "--output", ""],
        ["check", "--output="],
        ["page", "runs/a", "--output", ""],
    ):
        assert "got an empty value" in one_line(cli.main(args), 2, capsys)
    assert "got 'runs/a' twice, expected each run once" in one_line(cli.main(["page", "runs/a", "runs/a"]), 2, capsys)


def test_what_tyro_says_in_a_frame_is_one_line(capsys):
    line = one_line(cli.main(["align", "--dtype", "int8"]), 2, capsys)
    assert "invalid choice 'int8' for argument '--dtype'" in line
    assert not set("│╭╮╰╯─") & set(line)
    ascii_box = f" Missing argument \n {'-' * 30} \n  Missing value for '--x'. \n  {'-' * 30}\n"
    assert _one_line(ascii_box) == "Missing value for '--x'."
    for command in ("page", "tour"):
        assert "Unrecognized options: --nope" in one_line(cli.main([command, "--nope"]), 2, capsys)


def break_(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def wrong(*_: object) -> None:
        raise KeyError("an unforeseen\nkey")

    monkeypatch.setattr(where, wrong)


def test_a_fault_of_ours_is_one_line_and_its_traceback_is_in_the_log_of_the_run(tmp_path, monkeypatch, capsys):
    break_(monkeypatch, "experiments.align.run")
    args = ["align", "--languages", "de", "--limit", "20", "--output", str(tmp_path / "run"), "--device", "cpu"]
    line = one_line(cli.main(args), 1, capsys)
    assert line.startswith("interp align: error: a fault of this program: KeyError: ")
    assert f"The traceback is in {tmp_path / 'run' / 'run.log'}; --debug shows it." in line
    log = (tmp_path / "run" / "run.log").read_text()
    assert "Traceback (most recent call last)" in log
    assert "in wrong" in log
    with pytest.raises(KeyError):
        cli.main([*args, "--resume", "--debug"])


def test_a_fault_before_there_is_a_run_folder_has_a_log_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    break_(monkeypatch, "experiments.ask.parse")
    line = one_line(cli.main(["align"]), 1, capsys)
    (log,) = tmp_path.glob("interp-*.log")
    assert f"The traceback is in {log};" in line
    assert "in wrong" in Path(log).read_text()

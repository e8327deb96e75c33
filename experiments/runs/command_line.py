"""The command line that repeats a run, given only if parsing it gives the same settings."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shlex
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

from experiments.settings.settings import CONFIG, Settings, parse, read_recipe
from experiments.settings.strict_yaml import read_yaml
from experiments.settings.values import option_names


def rebuild_command_line(folder: Path) -> str:
    """The command whose settings are those of a run folder's `config.yaml`, "interp align --languages de --output runs/align".

    Empty where no command line says the same: the run came from Python or from another version, or a setting has a shape
    that only YAML can hold.
    """
    from experiments.commands import COMMANDS
    from experiments.settings.settings import settings_of

    try:
        command = _command(folder / CONFIG)
        settings = read_recipe(settings_of(import_module(COMMANDS[command][0])), folder / CONFIG)
    except (OSError, ValueError, KeyError):
        return ""
    args = [*_flags(settings), "--output", (Path("runs") / folder.name).as_posix()]
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            same = parse(type(settings), args).asked() == settings.asked()
        except (SystemExit, ValueError):
            same = False
    return shlex.join(["interp", command, *args]) if same else ""


def _command(config: Path) -> str:
    return str(read_yaml(config).get("command"))


def _flags(settings: Settings) -> Iterator[str]:
    """A flag for every setting that is not its default, the name as a shell has it."""
    default, options = type(settings)(), option_names(type(settings))
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name in settings.asked() and value != getattr(default, field.name):
            yield from _flag(options[field.name], value, getattr(default, field.name))


def _flag(name: str, value: object, default: object) -> Iterator[str]:
    """A mapping that is empty by default takes any pairs; the keys of another are flags of their own."""
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}"
    elif isinstance(value, tuple | list):
        yield from (f"--{name}", *map(str, value))
    elif isinstance(value, Mapping) and default:
        for key in value:
            yield from _flag(f"{name}.{key}", value[key], None)
    elif isinstance(value, Mapping):
        yield from (f"--{name}", *(str(part) for item in value.items() for part in item))
    else:
        yield from (f"--{name}={value}",) if str(value).startswith("-") else (f"--{name}", str(value))

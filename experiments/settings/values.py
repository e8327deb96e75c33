"""What no setting may be: empty text where a name or a path is expected, or the same value twice in a list."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_type_hints


def check_values(settings: Any) -> None:
    """Raises `ValueError`, naming the flag, for the first setting of a dataclass that is empty text or a list with a repeat.

    Text may be empty, or a line break, where it is so by default.
    """
    options = option_names(type(settings))
    for field in dataclasses.fields(settings):
        value, flag = getattr(settings, field.name), f"--{options[field.name]}"
        values = value if isinstance(value, tuple | list) else (value,)
        if not _may_be_blank(field) and any(isinstance(each, str) and not each.strip(" ") for each in values):
            raise empty(flag)
        if twice := [each for index, each in enumerate(values) if each in values[:index]]:
            one = field.name.removesuffix("s") if field.name.endswith("s") else "value"
            got = str(twice[0]) if isinstance(twice[0], Path) else twice[0]
            raise ValueError(f"{flag}: got {got!r} twice, expected each {one} once. Leave one out.")


def check_arguments(kind: type, args: Sequence[str]) -> None:
    """Raises `ValueError` for an empty argument, which a path would read as the current directory.

    Parameters
    ----------
    kind
        The settings class of the command. Text may be empty where it is so by default, and in a mapping.
    args
        The arguments after the name of the command.
    """
    options = option_names(kind)
    may = {f"--{options[field.name]}" for field in dataclasses.fields(kind) if _may_be_blank(field) or "dict" in str(field.type)}
    for flag in _empty(args):
        if flag not in may:
            raise empty(flag)


def _may_be_blank(field: dataclasses.Field[object]) -> bool:
    default = field.default if isinstance(field.default, tuple) else (field.default,)
    return any(isinstance(each, str) and not each.strip() for each in default)


def empty(flag: str) -> ValueError:
    """The error for a setting that is empty text."""
    return ValueError(f"{flag}: got an empty value, expected a name or a path. Leave the option out for its default.")


def option_names(kind: type) -> dict[str, str]:
    """The command-line option of every setting, without its dashes: "test_corpus" has `test-corpus`, or a name of its own."""
    hints = get_type_hints(kind, include_extras=True)
    names = {}
    for field in dataclasses.fields(kind):
        other = [each.name for each in getattr(hints[field.name], "__metadata__", ()) if getattr(each, "name", None)]
        names[field.name] = str((other or [field.name.replace("_", "-")])[0])
    return names


def _empty(args: Sequence[str]) -> Iterator[str]:
    """The option of every empty argument; "argument" for one that follows none."""
    flag = "argument"
    for arg in args:
        if arg.startswith("--"):
            flag, is_set, value = arg.partition("=")
            flag = flag.replace("_", "-")
            if is_set and not value:
                yield flag
        elif not arg.strip():
            yield flag

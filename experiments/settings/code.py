"""Settings that name code of your own: what they name, and that a recipe may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from experiments.settings.values import option_names

if TYPE_CHECKING:
    from interp.own_code import Group


class Fields(Protocol):
    """A dataclass of settings."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


_METRICS: tuple[Group, ...] = ("interp.text_metrics", "interp.alignment_metrics")
_TEXTS: tuple[Group, ...] = ("interp.readers", "interp.tasks")
HOLDS: dict[str, tuple[Group, ...]] = {
    **dict.fromkeys(("metrics", "metric", "answer", "translation"), _METRICS),
    **dict.fromkeys(("corpus", "test_corpus", "align_corpus", "lens_corpus", "survey", "general", "questions", "text"), _TEXTS),
}
"""The settings that may name code, with the groups of entry points in which an installed package may declare the name."""


def code_of(settings: Fields) -> dict[str, dict[str, str]]:
    """The hash of all code of your own that a dataclass of settings names, by setting and name."""
    from interp.own_code import declared, names_code, own_code

    found: dict[str, dict[str, str]] = {}
    for field, name in _named(settings):
        for group in HOLDS[field]:
            if not Path(name).exists() and (names_code(name) or name in declared(group)):
                own = own_code(name, group)
                found.setdefault(field, {})[name] = own.sha if own else ""
                break
    return found


def check_code_typed(path: Path, settings: Fields, args: Sequence[str]) -> None:
    """Raise `ValueError` where settings name code that was not typed: a recipe may come from someone else, and runs none.

    Parameters
    ----------
    path
        The recipe.
    settings
        The settings, those of the recipe included.
    args
        What was typed.
    """
    from interp.own_code import names_code

    for field, name in _named(settings):
        if names_code(name) and not Path(name).exists() and not any(name in arg for arg in args):
            flag = f"--{option_names(type(settings))[field]}"
            raise ValueError(
                f"{path}: {field}: got {name!r}, which is code, and a recipe runs none. Read the code, and give it yourself: "
                f"{flag} {name}"
            )


def _named(settings: Fields) -> list[tuple[str, str]]:
    """Every text in the settings that may name code, with its setting."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings) if field.name in HOLDS}
    every = [(field, name) for field, value in values.items() for name in (value if isinstance(value, tuple) else (value,))]
    return [(field, name) for field, name in every if isinstance(name, str)]

"""The factors of a sweep: which settings may vary, what their levels may be, and the settings of every combination."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from experiments.settings.settings import Settings
from experiments.settings.tuning.mixture import Mixing
from experiments.settings.tuning.training import Scoped

FACTORS: Mapping[str, str] = {
    "languages": "languages", "size": "samples", "total": "total", "method": "scope", "template": "form", "mixture": "mixture",
    "objective": "mixture", "direction": "direction", "directions": "directions", "paraphrases": "paraphrases",
    "control": "control", "model": "model", "general": "general", "corpus": "corpus", "pivot": "pivot", "seed": "seed",
    "mask": "mask", "learning_rate": "learning_rate", "epochs": "epochs", "steps": "steps", "batch": "batch",
    "rank": "rank", "alpha": "alpha",
}  # fmt: skip
"""Every factor, and the setting that its levels are values of."""
SEED = "seed"
JOIN = "+"
"""What stands between the kinds of a mixture of several."""
METHODS: tuple[str, ...] = get_args(get_type_hints(Scoped)["scope"])
_METHODS = {"embed": "embeddings", "embedding": "embeddings", "adapter": "lora"}
_Kind = TypeVar("_Kind", bound=Settings)
Levels = dict[str, tuple[object, ...]]


def read_factors(kind: type[Settings], factors: Mapping[str, Sequence[object]]) -> Levels:
    """The levels of every factor, each as the value of its setting.

    Parameters
    ----------
    kind
        The settings class of the command.
    factors
        As a recipe gives them: languages in any spelling, "embed" for "embeddings", one language as a text.

    Raises
    ------
    ValueError
        A factor is unknown, two mean one setting, or a level is no value of its setting.
    """
    from interp.languages import nearest

    if not factors:
        raise ValueError(
            "got no factors, expected some, such as `factors: {size: [16, 64], method: [embeddings, full]}` in a YAML file."
        )
    meant: dict[str, str] = {}
    for name in factors:
        if name not in FACTORS:
            raise ValueError(f"factors: got {name!r}, expected one of {', '.join(FACTORS)}.{nearest(name, FACTORS, n=1)}")
        if FACTORS[name] in meant:
            raise ValueError(f"factors: got {meant[FACTORS[name]]!r} and {name!r}, which mean the same. Keep one.")
        meant[FACTORS[name]] = name
    return {name: tuple(_level(kind, name, level) for level in levels) for name, levels in factors.items()}


def read_lines(lines: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The `lines` of `except` and `only`, with languages and methods spelled as `read_factors` spells them.

    Raises `ValueError` where one is about seeds, as every combination has the same, or names an unknown language.
    """
    from interp.languages import languages

    def said(name: str, value: object) -> object:
        if isinstance(value, list) and not (name == "languages" and all(isinstance(each, str) for each in value)):
            return [said(name, each) for each in value]
        if name == "languages":
            named = value if isinstance(value, list) else [value]
            return [each.code for each in languages([str(each) for each in named])]
        return _METHODS.get(str(value), value) if name == "method" else value

    if any(SEED in line for line in lines):
        raise ValueError("except and only: got factor 'seed', expected others: every combination has the same seeds.")
    return [{name: said(name, value) for name, value in line.items()} for line in lines]


def with_levels(settings: _Kind, levels: Mapping[str, object]) -> _Kind:
    """The settings of one combination, given the level of each factor."""
    changes: dict[str, Any] = {FACTORS[name]: level for name, level in levels.items()}
    return dataclasses.replace(settings, **changes)


def check_kinds(mixture: str) -> None:
    """Raise `ValueError` where one of the kinds of a `mixture`, joined by "+", is unknown or stands there twice."""
    from interp.languages import nearest

    known, kinds = get_args(get_type_hints(Mixing)["mixture"]), mixture.split(JOIN)
    for place, kind in enumerate(kinds):
        if kind not in known:
            raise ValueError(
                f"--mixture: got {kind!r}, expected one of {', '.join(known)}, or several joined by +.{nearest(kind, known)}"
            )
        if kind in kinds[:place]:
            raise ValueError(f"--mixture: got {kind!r} twice in {mixture!r}, expected each once. Leave one out.")


def _level(kind: type[Settings], name: str, level: object) -> object:
    from pydantic import TypeAdapter, ValidationError

    from interp.languages import language, languages, nearest
    from interp.own_code import names_code

    field = FACTORS[name]
    if field == "languages":
        named = [level] if isinstance(level, str) else level
        if not isinstance(named, list | tuple) or not named or not all(isinstance(each, str) for each in named):
            raise ValueError(
                f"factors: languages: got level {level!r}, expected a language or a list of some, such as [deu_Latn, fra_Latn]."
            )
        return tuple(each.code for each in languages([str(each) for each in named]))
    if field in ("corpus", "general") and names_code(str(level)):
        raise ValueError(
            f"factors: {name}: got {level!r}, which is code, and a file of factors runs none. Write its text to a file."
        )
    if field == "scope":
        level = _METHODS.get(str(level), level)
    if field == "pivot" and isinstance(level, str):
        level = language(level).code
    hint = get_type_hints(kind)[field]
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if choices and level not in choices:
        known = [str(choice) for choice in choices]
        raise ValueError(f"factors: {name}: got level {level!r}, expected one of {', '.join(known)}.{nearest(str(level), known)}")
    try:
        return TypeAdapter(hint).validate_json(json.dumps(level, default=str), strict=True)
    except ValidationError as error:
        raise ValueError(f"factors: {name}: got level {level!r}. {error.errors()[0]['msg']}.") from None

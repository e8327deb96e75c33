"""Bounds of the numeric settings, by name, the same in every command."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

_MANY, _TINY = 1_000_000_000, 1e-12
_COUNT = (1, _MANY)
_SHARE, _INSIDE = (0.0, 1.0), (_TINY, 1 - _TINY)
_ANY = (-1e12, 1e12)
_RATE = (_TINY, 10.0)

BOUNDS: dict[str, tuple[float, float]] = {
    "seed": (0, 2**32 - 1),
    **dict.fromkeys(
        ("limit", "align_limit", "samples", "directions", "paraphrases", "total", "budgets", "budget", "caps", "sizes", "pieces"),
        _COUNT,
    ),
    **dict.fromkeys(("steps", "lens_steps", "batch", "device_batch", "max_length"), _COUNT),
    **dict.fromkeys(("tokens", "max_new_tokens"), (1, 1_000_000)),
    **dict.fromkeys(("rank", "alpha"), (1, 65_536)),
    "flips": (1, 10_000_000),
    "resamples": (1, 100_000),
    **dict.fromkeys(("seeds", "rotations", "draws", "choosing"), (1, 10_000)),
    "workers": (1, 10_000),
    "hours": (1, 100_000),
    "beams": (1, 1000),
    **dict.fromkeys(("shots", "checkpoints"), (0, 10_000)),
    **dict.fromkeys(("shards", "folds", "neighbours"), (2, 100_000)),
    **dict.fromkeys(("sources", "targets"), (-_MANY, _MANY)),
    **dict.fromkeys(("learning_rate", "rates"), _RATE),
    "epochs": (_TINY, 1e6),
    "clip": (_TINY, 1e12),
    "tolerance": (0.0, 1.0),
    "sample": _COUNT,
    "plan_rate": (1.0, 1e30),
    "weight_decay": (0.0, 1e3),
    **dict.fromkeys(("warmup", "bar"), _SHARE),
    "held_out": (0.0, 1 - _TINY),
    **dict.fromkeys(("share", "level"), _INSIDE),
    **dict.fromkeys(("weights", "shares", "ratios"), (0.0, 1e12)),
    **dict.fromkeys(("threshold", "alphas", "similarity"), _ANY),
}


def check_bounds(settings: Any) -> None:
    """Raises `ValueError`, naming the flag, for the first number of a dataclass of settings that is out of its bounds."""
    for field in dataclasses.fields(settings):
        least, most = BOUNDS.get(field.name, (-math.inf, math.inf))
        for value in _numbers(getattr(settings, field.name)):
            if not (math.isfinite(value) and least <= value <= most):
                flag = f"--{field.name.replace('_', '-')}"
                raise ValueError(f"{flag}: got {_short(value)}, expected {_said(least, most)}. Give one of these.")


def _numbers(value: object) -> Iterator[int | float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from _numbers(entry)
    elif isinstance(value, Mapping):
        yield from _numbers(tuple(value.values()))


def _said(least: float, most: float) -> str:
    """Bounds in words: what is next to a bound is meant to leave the bound out."""
    if isinstance(least, int):
        return f"a whole number from {least} to {most}"
    low = "above 0" if least == _TINY else f"from {least:g}"
    high = "below 1" if most == 1 - _TINY else f"up to {most:g}"
    return f"a number {low} and {high}"


def _short(value: float) -> str:
    """A number for an error message, without a thousand digits."""
    return (
        f"{value:g}"
        if isinstance(value, float) or abs(value) < 10**6
        else f"{value:.6g}"
        if abs(value) < 10**300
        else "a huge number"
    )

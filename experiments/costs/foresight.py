"""What a run cannot show, whatever it finds: too few items, training seeds, random directions or flips for any claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from probes.statistics.random_draws import FEWEST_DRAWS
from probes.statistics.significance import FEWEST, LEVEL

_WITHOUT_CLAIMS = ("atlas", "check", "tune", "vocabulary")
"""Commands whose verdict describes, or whose `limit` is not that of the items tested."""


class Asked(Protocol):
    """The settings of a command."""

    @property
    def command(self) -> str: ...


def unprovable(settings: Asked) -> list[str]:
    """Why the run of these `settings` can claim nothing, a sentence for each reason; none where a clear effect would be found.

    A text that turns out to be shorter than its limit is seen only by the run, whose verdict then says the same.
    """
    said = [_few(each, settings) for each in (_items, _training_seeds, _random_directions, _flips)]
    return [sentence for sentence in said if sentence]


def _few(reason: Callable[[Asked], str], settings: Asked) -> str:
    why = reason(settings)
    return f"{settings.command}: nothing can be claimed from this run: {why}." if why else ""


def _items(settings: Asked) -> str:
    limit: int | None = getattr(settings, "limit", None)
    if limit is None or settings.command in _WITHOUT_CLAIMS:
        return ""
    tested = limit
    if settings.command == "steer":  # half of the items fit the direction, up to 8 of the others choose
        tested = limit // 2 - min(8, limit // 6)
    if tested >= FEWEST:
        return ""
    return f"--limit {limit} leaves {tested} items to test on, and at least {FEWEST} are needed"


def _training_seeds(settings: Asked) -> str:
    seeds: int | None = getattr(settings, "seeds", None)
    runs = None if seeds is None else seeds * int(getattr(settings, "rotations", 1))
    return "one training seed says nothing of training noise, and at least 2 are needed (--seeds)" if runs == 1 else ""


def _random_directions(settings: Asked) -> str:
    draws: int | None = getattr(settings, "draws", None) if settings.command == "steer" else None
    return (
        "" if draws is None or draws >= FEWEST_DRAWS else f"--draws {draws} is too few random directions, {FEWEST_DRAWS} are needed"
    )


def _flips(settings: Asked) -> str:
    flips: int | None = getattr(settings, "flips", None)
    enough = flips is None or 1 / (flips + 1) < LEVEL
    return "" if enough else f"no p is below 1 / (flips + 1), and --flips {flips} gives none below {LEVEL}"

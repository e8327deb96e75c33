"""Options that mean something only beside another: one that was typed and would change nothing is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from experiments.settings.code import Fields
from experiments.settings.values import option_names

_SHUT: Mapping[str, Mapping[str, tuple[str, tuple[object, ...]]]] = {
    "": {"plan_rate": ("plan", (True,))},
    "atlas": {"neighbours": ("umap", (True,))},
    "lens": {
        "prompt": ("task", ("prompt",)),
        "labels": ("task", ("labels",)),
        "words": ("task", ("labels",)),
        "template": ("task", ("labels", "cloze")),
        "line": ("task", ("translation", "repetition")),
        "names": ("task", ("translation", "repetition")),
        "source": ("task", ("translation", "repetition")),
    },
    "transplant": {"tokens": ("measure", ("match",))},
    "patch": {
        "steps": ("method", ("attribution",)),
        "method": ("design", ("contrast",)),
        "metric": ("design", ("contrast",)),
        "directions": ("design", ("contrast",)),
        "keep": ("design", ("contrast",)),
    },
    "neurons": {"bar": ("method", ("lape",))},
    "tune": {
        "rank": ("scope", ("lora",)),
        "alpha": ("scope", ("lora",)),
        "targets": ("scope", ("lora",)),
        "total": ("mixture", ("muit",)),
        "ratios": ("mixture", ("muit",)),
        "budgets": ("mixture", ("muit",)),
        "general": ("mixture", ("questions", "instructions", "coit", "muit")),
        "mix": ("mixture", ("mfti",)),
        "read_only": ("mixture", ("mfti",)),
        "write_only": ("mixture", ("mfti",)),
    },
    "scale": {"weights": ("objective", ("weighted",)), "rank": ("scope", ("lora",)), "alpha": ("scope", ("lora",))},
    "extrapolate": {"rank": ("scope", ("lora",)), "alpha": ("scope", ("lora",))},
    "directions": {
        "align_limit": ("align", (True,)),
        "align_metric": ("align", (True,)),
        "rank": ("scope", ("lora",)),
        "alpha": ("scope", ("lora",)),
    },
}
"""By command ("" for all), the options that are read only where another has one of some values."""
_GIVEN: Mapping[str, Mapping[str, str]] = {
    "lens": {"lens_steps": "lens_corpus"},
    "scale": {"caps": "budget", "objective": "budget", "validate": "budget"},
}
"""By command, the options that are read only where another is given at all."""


class Typed(Fields, Protocol):
    """The settings of a command."""

    @property
    def command(self) -> str: ...


def check_together(settings: Typed, args: Sequence[str]) -> None:
    """Raise `ValueError` for an option that was typed and is not read, as the setting that it belongs to has another value.

    Parameters
    ----------
    settings
        The settings, those of a recipe included.
    args
        What was typed after the name of the command. What a recipe says is left alone: another setting may have been typed over it.
    """
    options = option_names(type(settings))
    typed = {arg.partition("=")[0].partition(".")[0].replace("_", "-") for arg in args if arg.startswith("--")}
    shut = {**_SHUT[""], **_SHUT.get(settings.command, {})}
    for name, (other, values) in shut.items():
        if f"--{options[name]}" in typed and getattr(settings, other) not in values:
            wanted = _said(
                options[other], values[-1] if len(values) == 1 else f"{', '.join(map(str, values[:-1]))} or {values[-1]}"
            )
            raise ValueError(
                f"--{options[name]} is read only with {wanted}; got {_said(options[other], getattr(settings, other))}. Leave "
                f"--{options[name]} out, or give {wanted}."
            )
    for name, other in _GIVEN.get(settings.command, {}).items():
        if f"--{options[name]}" in typed and getattr(settings, other) is None:
            raise ValueError(
                f"--{options[name]} is read only with --{options[other]}; got none. Leave --{options[name]} out, or give "
                f"--{options[other]}."
            )


def _said(option: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{option}" if value else f"no --{option}" if option == "plan" else f"--no-{option}"
    return f"--{option} {value}"

"""`interp steer`: does a direction or subspace carry the language of what the model writes?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.steering.measure import SubspaceReport


@dataclass(frozen=True)
class SteerSettings(Settings):
    """Does a direction or subspace carry the language of what the model writes?

    Fits an edit on one half of the sentences and lets the model go on from the other half, in the pivot, under the edit at
    several strengths, beside random directions. The texts are scored by their language, fidelity and surprise.
    """

    output: Path = Path("runs/steer")
    """The run folder to write."""
    target: str = "zho_Hans"
    """The language to steer to, written in another script than the pivot."""
    kind: Literal["steer", "leace", "lsar"] = "steer"
    """Add the difference of the means, or erase the language."""
    layers: tuple[str, ...] = ()
    """Layers to edit; none given means the middle third."""
    alphas: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Strengths to try."""
    template: str = "{sentence}\n"
    """The prompt around a sentence of the pivot."""
    tokens: int = 32
    """How many tokens the model writes."""


def run(settings: SteerSettings) -> SubspaceReport:
    """Fit on one half, try on the other."""
    import interp
    from probes.statistics.folds import halves
    from probes.steering.measure import measure_steering

    wanted = replace(settings, languages=settings.languages or (settings.target,))
    model, (first, second) = settings.load_model(), halves(wanted.read_corpus(), settings.seed)
    return measure_steering(
        model,
        interp.capture(model, first, folder=settings.output / "activations"),
        second,
        settings.pivot,
        settings.target,
        kind=settings.kind,
        layers=settings.layers,
        alphas=settings.alphas,
        template=settings.template,
        max_new_tokens=settings.tokens,
        seed=settings.seed,
    )

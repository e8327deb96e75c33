"""`interp steer`: does a direction or subspace determine the language that the model writes?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.steering.measure import SubspaceReport


@dataclass(frozen=True)
class SteerSettings(Settings):
    """Does a direction or subspace determine the language that the model writes?

    Fits an edit on one half of the sentences. On the other half, in the reference language, the model generates under the edit at
    several strengths, and under random directions as a control. The texts are scored by language, fidelity and surprise.
    """

    output: Path = Path("runs/steer")
    """Run folder to write."""
    target: str = "zho_Hans"
    """Language to steer to. It must be written in another script than the reference language."""
    kind: Literal["steer", "leace", "lsar"] = "steer"
    """steer: add the difference of the language means. leace, lsar: erase the language."""
    layers: tuple[str, ...] = ()
    """Layers to edit, as `embed` or a block index. Default: the middle third."""
    alphas: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    """Strengths of the edit. 0 (no edit) is always measured too."""
    template: str = "{sentence}\n"
    """Prompt template around a sentence of the reference language."""
    tokens: int = 32
    """Number of tokens to generate."""


def run(settings: SteerSettings) -> SubspaceReport:
    """Fit the edit on one half of the corpus, and test it on the other."""
    import interp
    from probes.statistics.folds import halves
    from probes.steering.measure import measure_steering

    chosen = replace(settings, languages=settings.languages or (settings.target,))
    model, (first, second) = settings.load_model(), halves(chosen.read_corpus(), settings.seed)
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

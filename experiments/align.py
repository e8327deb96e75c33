"""`interp align`: at which layers do languages share a space?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings import Settings
from interp.sites import Site

if TYPE_CHECKING:
    from interp.report import Report


@dataclass(frozen=True)
class AlignSettings(Settings):
    """At which layers do languages share a space?

    Runs the same sentences in several languages through a model and measures, layer by layer, whether a sentence lies
    nearer to its translation than to any other. Every number stands beside the same number over shuffled pairs.
    """

    output: Path = Path("runs/align")
    """The run folder to write."""
    site: Site = "residual"
    """Where to look: the residual stream, or what attention or MLP add to it."""
    pooling: Literal["mean", "last", "weighted"] = "mean"
    """How tokens become one vector a sentence."""
    metrics: tuple[str, ...] = ("mexa", "cka_debiased")
    """Measures of alignment."""
    template: str | None = None
    """A prompt with {text} in it, put around every sentence; only the sentence's own tokens are pooled."""


def run(settings: AlignSettings) -> Report:
    """Read, load, capture, measure."""
    import interp
    import probes

    corpus = interp.read(settings.corpus, languages=settings.wanted, limit=settings.limit, seed=settings.seed)
    model = interp.load(settings.model, device=settings.device, dtype=settings.dtype)
    activations = interp.capture(
        model,
        corpus,
        site=settings.site,
        pooling=settings.pooling,
        template=settings.template,
        folder=settings.output / "activations",
    )
    return probes.measure_alignment(activations, pivot=settings.pivot, metrics=settings.metrics, seed=settings.seed)

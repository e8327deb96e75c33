"""`interp align`: at which layers do languages share a space?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings import Settings
from interp.sites import Site

if TYPE_CHECKING:
    from probes.alignment_report import AlignmentReport


@dataclass(frozen=True)
class AlignSettings(Settings):
    """At which layers do languages share a space?

    Reads the same sentences in several languages through a model and measures, layer by layer, whether a sentence lies
    nearer to its translation than to any other. Every number stands beside the same number over wrong pairs.
    """

    output: Path = Path("runs/align")
    """The run folder to write."""
    site: Site = "residual"
    """Where to look: the residual stream, or what attention or MLP add to it."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How the states of a sentence's tokens become one: their mean, the last, MEXA's weighted mean, the end of the text."""
    metrics: tuple[str, ...] = ("mexa", "mexa_centred", "p_at_1", "cka_debiased")
    """Measures of alignment; the verdict is of the first."""
    template: str | None = None
    """Words around every sentence, "{sentence}" with "{language}" or "{autonym}"; only the sentence is pooled."""
    include_bos: bool = False
    """Pool what stands before the sentence too, as MEXA does."""
    truncate: bool = False
    """Cut sentences that are longer than the model reads, and say how many; an error otherwise."""
    erase: Literal["none", "leace", "lsar", "lir", "centre"] = "none"
    """Take the language out of the states first, by a map fitted on other sentences."""
    random_init: bool = False
    """Measure an untrained network of the same shape as well."""
    controls: tuple[Literal["length", "lexical"], ...] = ()
    """Also measure with sentence length partialled out, and the share of tokens that a pair has in common."""


def run(settings: AlignSettings) -> AlignmentReport:
    """Capture the corpus, once more in an untrained network where that is asked, and measure."""
    import interp
    from probes.alignment import measure_alignment
    from probes.subspace import erase

    def states(model: interp.models.TransformerBridge, name: str) -> interp.Activations:
        acts = interp.capture(
            model,
            corpus,
            site=settings.site,
            pooling=settings.pooling,
            template=settings.template,
            include_bos=settings.include_bos,
            truncate=settings.truncate,
            folder=settings.output / name,
        )
        return acts if settings.erase == "none" else erase(acts, settings.erase, seed=settings.seed)

    corpus, model = settings.read_corpus(), settings.load_model()
    return measure_alignment(
        states(model, "activations"),
        settings.pivot,
        settings.metrics,
        settings.seed,
        random_init=states(interp.random_init(model, settings.seed), "activations-random") if settings.random_init else None,
        controls=settings.controls,
    )

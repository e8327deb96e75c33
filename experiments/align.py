"""`interp align`: at which layers do languages share a space?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.captures import Capturing, capture_states, share_states
from experiments.runs.settings import Settings
from experiments.runs.shards import Shard
from interp.models.sites import Site

if TYPE_CHECKING:
    from probes.alignment.report import AlignmentReport


@dataclass(frozen=True)
class AlignSettings(Settings):
    """At which layers do languages share a space?

    Runs the same sentences in several languages through a model and measures, layer by layer, whether a sentence is nearer to its
    translation than to any other sentence. The baseline of every score is the same score over shuffled pairs.
    """

    output: Path = Path("runs/align")
    """Run folder to write."""
    site: Site = "residual"
    """Activation to read: the residual stream, or the output of attention or of the MLP."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How tokens become one vector: mean of the sentence, its last token, the weighted mean of MEXA, or end (last of the text)."""
    metrics: tuple[str, ...] = ("mexa", "mexa_centred", "p_at_1", "cka_debiased")
    """Alignment metrics. The verdict is about the first."""
    template: str | None = None
    """Template around every sentence, with {sentence} and perhaps {language} or {autonym}. Only the sentence itself is pooled."""
    include_bos: bool = False
    """Include the BOS token in the pooling, as MEXA does."""
    truncate: bool = False
    """Truncate sentences that exceed the context length, and report how many. Default: raise an error."""
    erase: Literal["none", "leace", "lsar", "lir", "centre"] = "none"
    """Erase the language from the activations first, with a map fitted on other sentences."""
    random_init: bool = False
    """Also measure a randomly initialised model of the same architecture."""
    controls: tuple[Literal["length", "lexical"], ...] = ()
    """Extra controls. length: the metric with sentence length partialled out. lexical: the token overlap of the two sentences."""


def run(settings: AlignSettings) -> AlignmentReport:
    """Capture the activations of the model (and of a randomly initialised one if wanted), then measure the alignment."""
    from probes.alignment.measure import measure_alignment
    from probes.linear.erasure import erase

    states, random = capture_states(settings, settings.random_init, **_how(settings))
    if settings.erase != "none":
        states = erase(states, settings.erase, seed=settings.seed)
        random = erase(random, settings.erase, seed=settings.seed) if random is not None else None
    return measure_alignment(
        states, settings.pivot, settings.metrics, settings.seed, random_init=random, controls=settings.controls
    )


def share(settings: AlignSettings, shard: Shard) -> None:
    """Capture the activations of the languages of this shard."""
    share_states(settings, shard, settings.random_init, **_how(settings))


def _how(settings: AlignSettings) -> Capturing:
    """The arguments of `interp.capture`."""
    return {"site": settings.site, "pooling": settings.pooling, "template": settings.template,
            "include_bos": settings.include_bos, "truncate": settings.truncate}  # fmt: skip

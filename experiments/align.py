"""`interp align`: at which layers do languages share a space?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.captures import capture_states, share_states
from experiments.runs.settings import Settings
from experiments.runs.shards import Shard
from interp.models.sites import Site

if TYPE_CHECKING:
    from probes.alignment.report import AlignmentReport


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
    from probes.alignment.measure import measure_alignment
    from probes.linear.erasure import erase

    states, random = capture_states(settings, settings.random_init, **_how(settings))
    if settings.erase != "none":
        states, random = (acts and erase(acts, settings.erase, seed=settings.seed) for acts in (states, random))
    return measure_alignment(
        states, settings.pivot, settings.metrics, settings.seed, random_init=random, controls=settings.controls
    )


def share(settings: AlignSettings, shard: Shard) -> None:
    """Capture some of the languages."""
    share_states(settings, shard, settings.random_init, **_how(settings))


def _how(settings: AlignSettings) -> dict[str, Any]:
    """How sentences are read."""
    return {name: getattr(settings, name) for name in ("site", "pooling", "template", "include_bos", "truncate")}

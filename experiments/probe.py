"""`interp probe`: what can a linear probe read, and does it carry to another language?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.captures import capture_states, share_states
from experiments.runs.settings import Settings
from experiments.runs.shards import Shard
from interp.models.sites import Site

if TYPE_CHECKING:
    from probes.linear.probe import ProbeReport


@dataclass(frozen=True)
class ProbeSettings(Settings):
    """What can a linear probe read at each layer, and does it carry from one language to another?

    Trains a probe in each language and tries it in every other, on held-out sentences. Beside each score: the majority
    class, shuffled labels, an untrained network, and what is left once the language is taken out.
    """

    output: Path = Path("runs/probe")
    """The run folder to write."""
    target: str = "language"
    """What to read: `language`, `length` (tokens), or a label of the corpus."""
    site: Site = "residual"
    """Where to look: the residual stream, or what attention or MLP add to it."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How the states of a sentence's tokens become one: their mean, the last, MEXA's weighted mean, the end of the text."""
    template: str | None = None
    """Words around every sentence, "{sentence}" with "{language}" or "{autonym}"; only the sentence is pooled."""
    erase: Literal["leace", "lsar", "lir", "centre", "none"] = "leace"
    """How the language is taken out for the last control."""
    folds: int = 5
    """Parts the sentences are held out in; never their translations apart."""
    random_init: bool = True
    """Probe an untrained network of the same shape as well."""


def run(settings: ProbeSettings) -> ProbeReport:
    """Capture the corpus, once more in an untrained network, and probe."""
    from probes.linear.probe import measure_probes

    states, random = capture_states(settings, settings.random_init, **_how(settings))
    return measure_probes(
        states,
        settings.target,
        random_init=random,
        erase=None if settings.erase == "none" else settings.erase,
        folds=settings.folds,
        seed=settings.seed,
    )


def share(settings: ProbeSettings, shard: Shard) -> None:
    """Capture some of the languages."""
    share_states(settings, shard, settings.random_init, **_how(settings))


def _how(settings: ProbeSettings) -> dict[str, Any]:
    """How sentences are read."""
    return {"site": settings.site, "pooling": settings.pooling, "template": settings.template}

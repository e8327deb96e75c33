"""`interp atlas`: what do the sentences look like at each depth?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.captures import capture_states, share_states
from experiments.runs.settings import Settings
from experiments.runs.shards import Shard
from interp.models.sites import Site

if TYPE_CHECKING:
    from probes.atlas.measure import AtlasReport


@dataclass(frozen=True)
class AtlasSettings(Settings):
    """What do the sentences look like at each depth, and does length alone explain it?

    Draws the same sentences in every language with PCA and UMAP, translations joined, and correlates the first joint
    component between languages beside what sentence length and random weights explain. An illustration, never evidence.
    """

    output: Path = Path("runs/atlas")
    """The run folder to write."""
    depths: tuple[str, ...] = ()
    """Layers to draw, as `embed` or a block number; none given means the first, middle and last."""
    site: Site = "residual"
    """Where to look: the residual stream, or what attention or MLP add to it."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How the states of a sentence's tokens become one: their mean, the last, MEXA's weighted mean, the end of the text."""
    template: str | None = None
    """Words around every sentence, "{sentence}" with "{language}" or "{autonym}"; only the sentence is pooled."""
    umap: bool = True
    """Draw UMAP below PCA; it takes most of the time."""
    neighbours: int = 15
    """How many neighbours UMAP keeps together."""
    random_init: bool = True
    """Correlate in an untrained network of the same shape as well."""


def run(settings: AtlasSettings) -> AtlasReport:
    """Capture the corpus, once more in an untrained network, and draw."""
    from probes.atlas.measure import measure_atlas

    states, random = capture_states(settings, settings.random_init, **_how(settings))
    return measure_atlas(
        states,
        depths=settings.depths or None,
        random_init=random,
        umap=settings.umap,
        neighbours=settings.neighbours,
        seed=settings.seed,
    )


def share(settings: AtlasSettings, shard: Shard) -> None:
    """Capture some of the languages."""
    share_states(settings, shard, settings.random_init, **_how(settings))


def _how(settings: AtlasSettings) -> dict[str, Any]:
    """How sentences are read."""
    return {"site": settings.site, "pooling": settings.pooling, "template": settings.template}

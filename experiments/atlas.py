"""`interp atlas`: what do the sentences look like at each layer, and does sentence length alone explain it?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.runs.captures import CaptureSettings, capture_states, share_states
from experiments.runs.shards import Shard

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from probes.atlas.measure import AtlasReport


@dataclass(frozen=True)
class AtlasSettings(CaptureSettings):
    """What do the sentences look like at each layer, and does sentence length alone explain it?

    Draws the same sentences in every language with PCA and UMAP, with lines between translations. Correlates the first joint
    principal component between languages, and reports what sentence length and random weights explain. The maps illustrate; they
    are not evidence.
    """

    output: Path = Path("runs/atlas")
    """Run folder to write."""
    depths: tuple[str, ...] = ()
    """Layers to draw, as `embed` or a block index. Default: the first, middle and last."""
    umap: bool = True
    """Also draw UMAP, which takes most of the time; --no-umap: do not."""
    neighbours: int = 15
    """Number of neighbours of UMAP (n_neighbors)."""
    random_init: bool = True
    """Also correlate in a randomly initialised model of the same architecture; --no-random-init: do not."""


def run(settings: AtlasSettings) -> AtlasReport:
    """Capture the activations of the model (and of a randomly initialised one), then draw the maps and correlate."""
    from probes.atlas.measure import measure_atlas

    states, random = capture_states(settings, settings.random_init)
    return measure_atlas(
        states,
        depths=settings.depths or None,
        random_init=random,
        umap=settings.umap,
        neighbours=settings.neighbours,
        seed=settings.seed,
    )


def share(settings: AtlasSettings, shard: Shard) -> None:
    """Capture the activations of the languages of this shard."""
    share_states(settings, shard, settings.random_init)


def work(settings: AtlasSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every sentence is read once, and once more with random weights if wanted."""
    from experiments.costs.measuring import captured_by

    return captured_by(settings, model, settings.random_init)

"""`interp atlas`: what do the sentences look like at each layer, and does sentence length alone explain it?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.runs.captures import CaptureSettings, capture_states, share_states
from experiments.runs.shards import Shard
from experiments.settings.needs import check_installed, check_sentences

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

    Example: interp atlas --languages de zh --limit 100 --no-umap --output runs/atlas
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


def check(settings: AtlasSettings) -> None:
    """Raise `ValueError` for too little text, and `ImportError` without the library that draws the maps."""
    if settings.umap:
        check_installed("umap")
    corpus = settings.read_corpus()
    check_sentences(corpus, 10, "draw")
    if settings.umap and settings.neighbours >= (points := len(corpus) * len(corpus.languages)):
        raise ValueError(
            f"--neighbours: got {settings.neighbours} of {points} points, expected fewer than there are points. Lower it, or give "
            "--no-umap."
        )


def work(settings: AtlasSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every sentence is read once, and once more with random weights if wanted."""
    from experiments.costs.measuring import captured_by
    from interp.activations.store import choose_rows
    from interp.models.sites import layer_names

    choose_rows(settings.layers or layer_names(settings.site, model.cfg.n_layers), settings.depths or None)
    return captured_by(settings, model, settings.random_init)

"""What the model holds for a question's corpus, and an untrained one of the same shape: captured into the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard

if TYPE_CHECKING:
    from interp.activations.store import Activations
    from interp.models.load import TransformerBridge


def capture_states(settings: Settings, random_init: bool, **how: Any) -> tuple[Activations, Activations | None]:
    """The states of the corpus, in every language, and those in the untrained network where they are asked for."""
    import interp

    corpus = settings.read_corpus()
    activations = [
        interp.capture(model, corpus, **how, folder=settings.output / name) for name, model in _models(settings, random_init)
    ]
    return activations[0], activations[1] if random_init else None


def share_states(settings: Settings, shard: Shard, random_init: bool, **how: Any) -> None:
    """The languages of one share: whole languages, so that each is read in the same batches by one process or by many."""
    import interp

    corpus = settings.read_corpus()
    if mine := shard.mine(corpus.languages):
        for name, model in _models(settings, random_init):
            interp.capture(model, corpus, **how, folder=settings.output / name, only=mine)


def _models(settings: Settings, random_init: bool) -> Iterator[tuple[str, TransformerBridge]]:
    import interp

    model = settings.load_model()
    yield "activations", model
    if random_init:
        yield "activations-random", interp.random_init(model, settings.seed)

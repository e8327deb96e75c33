"""Capture the activations of a corpus into the run folder, of the model and of an untrained one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard

if TYPE_CHECKING:
    from interp.activations.store import Activations
    from interp.models.load import TransformerBridge


def capture_states(settings: Settings, random_init: bool, **how: Any) -> tuple[Activations, Activations | None]:
    """Capture the activations of a corpus into the run folder, and optionally those of an untrained model.

    Parameters
    ----------
    settings
        Settings of the command: model, corpus, languages, output folder.
    random_init
        Also capture an untrained model of the same architecture (`interp.random_init`).
    how
        Further arguments of `interp.capture`, such as `site` and `pooling`.

    Returns
    -------
    The activations of the model, and those of the untrained model or None.
    """
    import interp

    corpus = settings.read_corpus()
    activations = [
        interp.capture(model, corpus, **how, folder=settings.output / name) for name, model in _models(settings, random_init)
    ]
    return activations[0], activations[1] if random_init else None


def share_states(settings: Settings, shard: Shard, random_init: bool, **how: Any) -> None:
    """Capture the languages of one process of a run that several processes share.

    A language is never divided, so its batches, and hence its numbers, do not depend on the number of processes.

    Parameters
    ----------
    settings
        Settings of the command: model, corpus, languages, output folder.
    shard
        Which of the processes this is.
    random_init
        Also capture an untrained model of the same architecture.
    how
        Further arguments of `interp.capture`, the same as for `capture_states`.
    """
    import interp

    corpus = settings.read_corpus()
    if own_languages := shard.mine(corpus.languages):
        for name, model in _models(settings, random_init):
            interp.capture(model, corpus, **how, folder=settings.output / name, only=own_languages)


def _models(settings: Settings, random_init: bool) -> Iterator[tuple[str, TransformerBridge]]:
    import interp

    model = settings.load_model()
    yield "activations", model
    if random_init:
        yield "activations-random", interp.random_init(model, settings.seed)

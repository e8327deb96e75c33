"""Capture the activations of a corpus into the run folder, of the model and of an untrained one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.shards import Shard
from experiments.settings.settings import Settings
from interp.models.sites import Site

if TYPE_CHECKING:
    from interp.activations.store import Activations

_TRAINED, _UNTRAINED = "activations", "activations-random"
_ARGUMENTS = ("site", "pooling", "template", "chat", "sinks", "start", "include_bos", "truncate")


@dataclass(frozen=True)
class CaptureSettings(Settings):
    """Settings of a command that pools the activations of sentences."""

    site: Site = "residual"
    """Activation to read: the residual stream, or the output of attention or of the MLP."""
    layers: tuple[str, ...] = ()
    """Layers to capture, as `embed` or a block index. Default: all."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How tokens become one vector: mean of the sentence, its last token, the weighted mean of MEXA, or end (last of the text)."""
    template: str | None = None
    """Template around every sentence, with {sentence} and perhaps {language} or {autonym}. Only the sentence itself is pooled."""
    chat: bool = False
    """Write every text as the user's message in the chat template of the tokenizer. Only the sentence itself is pooled."""
    sinks: Literal["omit", "keep"] = "omit"
    """Attention sinks, tokens whose norm is far above the others': omit them from the pooling, or keep them."""
    start: str | None = None
    """Token to put before every text. Default: none, unless a text is nothing but sinks; then one of the tokenizer's own."""
    include_bos: bool = False
    """Include the BOS token in the pooling, as MEXA does, and keep all sinks."""
    truncate: bool = False
    """Truncate sentences that exceed the context length, and report how many. Default: raise an error."""

    def capture_arguments(self) -> dict[str, Any]:
        """The arguments of `interp.capture`."""
        return {"layers": self.layers or None, **{name: getattr(self, name) for name in _ARGUMENTS}}


def capture_states(settings: CaptureSettings, random_init: bool) -> tuple[Activations, Activations | None]:
    """Capture the activations of a corpus into the run folder, and optionally those of an untrained model.

    Parameters
    ----------
    settings
        Settings of the command: model, corpus, languages, output folder, and how to pool.
    random_init
        Also capture an untrained model of the same architecture (`interp.random_init`).

    Returns
    -------
    The activations of the model, and those of the untrained model or None.
    """
    import interp

    corpus, model, how = settings.read_corpus(), settings.load_model(), settings.capture_arguments()
    trained = interp.capture(model, corpus, **how, folder=settings.output / _TRAINED)
    if not random_init:
        return trained, None
    untrained = interp.random_init(model, settings.seed)
    return trained, interp.capture(untrained, corpus, **_same_start(how, trained), folder=settings.output / _UNTRAINED)


def share_states(settings: CaptureSettings, shard: Shard, random_init: bool) -> None:
    """Capture the languages of one process of a run that several processes share.

    A language is never divided, so its batches, and hence its numbers, do not depend on the number of processes.

    Parameters
    ----------
    settings
        Settings of the command: model, corpus, languages, output folder, and how to pool.
    shard
        Which of the processes this is.
    random_init
        Also capture an untrained model of the same architecture.
    """
    import interp

    corpus, how = settings.read_corpus(), settings.capture_arguments()
    if own_languages := shard.mine(corpus.languages):
        model = settings.load_model()
        trained = interp.capture(model, corpus, **how, folder=settings.output / _TRAINED, only=own_languages)
        if random_init:
            untrained, how = interp.random_init(model, settings.seed), _same_start(how, trained)
            interp.capture(untrained, corpus, **how, folder=settings.output / _UNTRAINED, only=own_languages)


def _same_start(how: dict[str, Any], trained: Activations) -> dict[str, Any]:
    """The arguments for the untrained model: its texts begin with the token that those of the trained one began with."""
    return how | {"start": str(trained.signature.settings.get("start", ""))}

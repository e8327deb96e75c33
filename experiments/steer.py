"""`interp steer`: does a direction or subspace determine the language that the model writes?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus
    from probes.steering.report import SubspaceReport


_FEWEST = 4
"""Sentences of a run: two to fit on, one to choose on, one to test on."""


@dataclass(frozen=True)
class SteerSettings(Settings):
    """Does a direction or subspace determine the language that the model writes?

    Fits an edit on one half of the sentences. The model writes sentences of the other half again, in the reference language, under
    the edit. Some of them choose the block and the strength; the rest test these, beside random directions. The texts are scored by
    language, repetition, fidelity and surprise.

    Example: interp steer --target zh --limit 40 --output runs/steer
    """

    output: Path = Path("runs/steer")
    """Run folder to write."""
    target: str = "zho_Hans"
    """Language to steer to. It must be written in another script than the reference language."""
    kind: Literal["steer", "leace", "lsar"] = "steer"
    """steer: add the difference of the language means. leace, lsar: erase the language."""
    layers: tuple[str, ...] = ()
    """Layers to edit together, as `embed` or a block index. Default: one block, chosen among eight spread over the depth."""
    alphas: tuple[float, ...] = (1.0, 1.5, 2.0)
    """Strengths of the edit to choose among. 0 (no edit) is always measured too."""
    choosing: int | None = None
    """Sentences to choose the layer and the strength on. Default: a third of the second half, at most 8."""
    draws: int = 8
    """Random directions of the control."""
    template: str = '"{sentence}" = "'
    """Prompt template around a sentence of the reference language. By default the model writes it again, and an edit can make that
    a translation: then fidelity says whether the meaning is kept."""
    stop: tuple[str, ...] = ('"', "\n", " = ")
    """A text ends before any of these strings."""
    tokens: int = 24
    """Number of tokens to generate."""
    limit: int | None = 64
    """Use at most this many items, drawn with --seed: half fit, up to 8 choose, the rest test. None for all."""


def run(settings: SteerSettings) -> SubspaceReport:
    """Fit the edit on one half of the corpus, and test it on the other."""
    import interp
    from probes.steering.measure import measure_steering

    first, second = _halves(settings)
    model = settings.load_model()
    return measure_steering(
        model,
        interp.capture(model, first, folder=settings.output / "activations"),
        second,
        settings.pivot,
        settings.target,
        kind=settings.kind,
        layers=settings.layers,
        alphas=settings.alphas,
        choosing=settings.choosing,
        draws=settings.draws,
        template=settings.template,
        stop=settings.stop,
        max_new_tokens=settings.tokens,
        seed=settings.seed,
    )


def check(settings: SteerSettings) -> None:
    """Raise `ValueError` for two languages of one script, no strength, or too few sentences for random directions."""
    from interp.languages import language
    from interp.vocabulary.spelling import scripts_of

    source, target = settings.pivot, language(settings.target).code
    if scripts_of(source) & scripts_of(target):
        raise ValueError(
            f"--target: got {target} and --pivot {source}, which share a script, expected two scripts: they tell which language "
            "is written."
        )
    if not set(settings.alphas) - {0.0}:
        raise ValueError("--alphas: got no strength besides 0, expected at least one other, such as 1.0.")
    first, _ = _halves(settings)
    if len(first) < 3:
        raise ValueError(
            f"got {len(first)} sentences to fit on, half of the text, expected at least 3 for random directions. Raise --limit."
        )


def work(settings: SteerSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: states are read, and the texts under every edit written and scored."""
    from experiments.costs.steering import steered

    return steered(settings, model, *_halves(settings))


def _halves(settings: SteerSettings) -> tuple[ParallelCorpus, ParallelCorpus]:
    """The half of the text to fit on, and that to choose and to test on. Raises `ValueError` where that would be one sentence."""
    from probes.statistics.folds import halves

    corpus = replace(settings, languages=settings.languages or (settings.target,)).read_corpus()
    if (texts := len(set(corpus.documents or corpus.ids))) < _FEWEST:
        raise ValueError(
            f"got {texts} sentences (or documents), expected at least {_FEWEST}: half of them fit the edit, and of the others some "
            f"choose the layer and the strength and the rest test them. Raise --limit to {_FEWEST} or more, or leave it out."
        )
    return halves(corpus, settings.seed)

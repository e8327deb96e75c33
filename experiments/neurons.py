"""`interp neurons`: which neurons are specific to a language, and what does switching them off do?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from experiments.runs.shards import Shard, meet
from experiments.settings.needs import check_sentences
from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.neurons import NeuronCounts
    from interp.text.corpus import ParallelCorpus
    from probes.neurons.ablation import AblationStudy
    from probes.neurons.report import NeuronReport


@dataclass(frozen=True)
class NeuronsSettings(Settings):
    """Which neurons are specific to a language, and what does switching them off do?

    On one half of the sentences, counts how often every MLP neuron fires in each language and selects the language-specific ones.
    On the other half, switches them off, and compares with random neurons of similar activity. A randomly initialised model is
    the control.

    Example: interp neurons --languages de zh --limit 200 --output runs/neurons
    """

    output: Path = Path("runs/neurons")
    """Run folder to write."""
    method: Literal["lape", "mean_difference"] = "lape"
    """Ranking of neurons: entropy of their activation rates (Tang et al. 2024), or difference of mean activations."""
    share: float = 0.01
    """Share of all neurons to select."""
    bar: float = 0.95
    """Quantile of all activation rates that a neuron's rate in a language must exceed (LAPE only)."""
    modes: tuple[Literal["zero", "mean"], ...] = ("zero", "mean")
    """Value that switched-off neurons are set to: zero, or their mean over languages. With no value, nothing is switched off."""
    shards: int = 8
    """Number of groups of sentences counted separately, for the split-half agreement and the permutation test."""
    random_init: bool = True
    """Also count a randomly initialised model of the same architecture; --no-random-init: do not."""


class _Inputs(NamedTuple):
    """The model, a randomly initialised one if wanted, and the two halves of the corpus."""

    model: TransformerBridge
    random: TransformerBridge | None
    first: ParallelCorpus
    second: ParallelCorpus


def run(settings: NeuronsSettings) -> NeuronReport:
    """Find the neurons on one half of the corpus (also in a randomly initialised model); switch them off on the other half."""
    inputs = _open(settings)
    report = _find(settings, inputs)
    return _ablation(settings, inputs, report).measure(settings.output / "damage") if settings.modes else report


def check(settings: NeuronsSettings) -> None:
    """Raise `ValueError` for too few texts or languages."""
    first, _ = _halves(settings)
    check_sentences(first, 1, "compare")


def work(settings: NeuronsSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: one half of the text is counted, and the other half is read with every set of neurons off."""
    from experiments.costs.lenses import neurons_counted
    from experiments.costs.measuring import losses
    from probes.neurons.ablation import AblationStudy

    first, second = _halves(settings)
    if (neurons := model.cfg.n_layers * (model.cfg.d_mlp or 0)) and round(settings.share * neurons) < 1:
        raise ValueError(
            f"--share: got {settings.share:g}, which selects none of {neurons} neurons, expected {1 / neurons:.1g} or more."
        )
    works = neurons_counted(model, first, random_init=settings.random_init)
    if not settings.modes:
        return works
    masks = len(settings.modes) * len(first.languages) * (1 + AblationStudy.draws)
    return [*works, losses(model, "measure the loss with neurons off", second, 1 + masks)]


def share(settings: NeuronsSettings, shard: Shard) -> None:
    """Count in the languages of this shard; once all shards have counted, switch off this shard's share of the neurons."""
    inputs = _open(settings)
    if own_languages := shard.mine(inputs.first.languages):
        _count(settings, inputs, only=own_languages)
    if settings.modes and meet(settings, shard, "counted"):
        study = _ablation(settings, inputs, _find(settings, inputs, only=inputs.first.languages))  # all shards read at once
        study.share(settings.output / "damage", shard.index, shard.count)


def _open(settings: NeuronsSettings) -> _Inputs:
    import interp

    first, second = _halves(settings)
    model = settings.load_model()
    random = interp.random_init(model, settings.seed) if settings.random_init else None
    return _Inputs(model, random, first, second)


def _halves(settings: NeuronsSettings) -> tuple[ParallelCorpus, ParallelCorpus]:
    """The half of the text to count in, and that to switch neurons off in. Raises `ValueError` for too few texts."""
    from probes.statistics.folds import halves

    corpus = settings.read_corpus()
    texts, least = len(set(corpus.documents or corpus.ids)), 2 * settings.shards
    if settings.shards >= 2 and texts < least:
        got = f"{len(corpus)} sentences of {texts} documents" if corpus.documents else f"{texts} sentences"
        more = "with --limit, or leave it out" if settings.limit else "with another --corpus"
        raise ValueError(
            f"got {got}, expected at least {least}{' documents' if corpus.documents else ''}: half of them are counted, in "
            f"{settings.shards} groups (--shards). Give more sentences {more}, or fewer --shards (2 at least)."
        )
    return halves(corpus, settings.seed)


def _count(settings: NeuronsSettings, inputs: _Inputs, only: Sequence[str] | None = None) -> list[NeuronCounts]:
    from interp.neurons import count_neurons

    models = {"counts": inputs.model, "counts-random": inputs.random}
    return [
        count_neurons(model, inputs.first, shards=settings.shards, folder=settings.output / name, only=only, seed=settings.seed)
        for name, model in models.items()
        if model is not None
    ]


def _find(settings: NeuronsSettings, inputs: _Inputs, only: Sequence[str] | None = None) -> NeuronReport:
    from probes.neurons.find import find_neurons

    counts, *random = _count(settings, inputs, only)
    return find_neurons(
        counts,
        random_init=random[0] if random else None,
        method=settings.method,
        share=settings.share,
        bar=settings.bar,
        seed=settings.seed,
    )


def _ablation(settings: NeuronsSettings, inputs: _Inputs, report: NeuronReport) -> AblationStudy:
    from probes.neurons.ablation import AblationStudy

    return AblationStudy(model=inputs.model, corpus=inputs.second, report=report, modes=settings.modes, seed=settings.seed)

"""`interp neurons`: which neurons belong to a language, and what is lost without them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard, meet

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from interp.neurons import NeuronCounts
    from interp.text.corpus import ParallelCorpus
    from probes.neurons.find import NeuronReport


@dataclass(frozen=True)
class NeuronsSettings(Settings):
    """Which neurons belong to a language, and what is lost without them?

    Counts on one half of the sentences how often every MLP neuron fires in each language, names the specific ones, and
    switches them off on the other half, beside random neurons as busy. An untrained network is counted beside it.
    """

    output: Path = Path("runs/neurons")
    """The run folder to write."""
    method: Literal["lape", "mean_difference"] = "lape"
    """How neurons are ranked: entropy of their rates (Tang et al. 2024), or difference of mean values."""
    share: float = 0.01
    """Share of all neurons that is named."""
    bar: float = 0.95
    """Quantile of all rates that a neuron's rate in a language must exceed (LAPE)."""
    modes: tuple[Literal["zero", "mean"], ...] = ("zero", "mean")
    """What neurons are set to when switched off; none given means they are not."""
    shards: int = 8
    """Parts of the sentences that are counted apart, for halves and for the null."""
    random_init: bool = True
    """Count an untrained network of the same shape as well."""


class _World(NamedTuple):
    """The model, an untrained one where it is asked for, and two halves of the sentences."""

    model: TransformerBridge
    random: TransformerBridge | None
    first: ParallelCorpus
    second: ParallelCorpus


def run(settings: NeuronsSettings) -> NeuronReport:
    """Count on one half, once more in an untrained network; switch off on the other half."""
    from probes.neurons.ablation import measure_damage

    world = _open(settings)
    report = _name(settings, world)
    return measure_damage(world.model, world.second, report, **_off(settings)) if settings.modes else report


def share(settings: NeuronsSettings, shard: Shard) -> None:
    """Count in some of the languages; when all are counted, switch some of the neurons off."""
    from probes.neurons.ablation import share_damage

    world = _open(settings)
    if mine := shard.mine(world.first.languages):
        _count(settings, world, only=mine)
    if settings.modes and meet(settings, shard, "counted"):
        share_damage(world.model, world.second, _name(settings, world), shard.mine, **_off(settings))


def _open(settings: NeuronsSettings) -> _World:
    import interp
    from probes.statistics.folds import halves

    model = settings.load_model()
    random = interp.random_init(model, settings.seed) if settings.random_init else None
    return _World(model, random, *halves(settings.read_corpus(), settings.seed))


def _count(settings: NeuronsSettings, world: _World, only: Sequence[str] | None = None) -> list[NeuronCounts]:
    from interp.neurons import count_neurons

    how = {"shards": settings.shards, "seed": settings.seed, "only": only}
    models = {"counts": world.model, "counts-random": world.random}
    return [
        count_neurons(model, world.first, folder=settings.output / name, **how)
        for name, model in models.items()
        if model is not None
    ]


def _name(settings: NeuronsSettings, world: _World) -> NeuronReport:
    from probes.neurons.find import find_neurons

    counts, *random = _count(settings, world)
    how = {"method": settings.method, "share": settings.share, "bar": settings.bar, "seed": settings.seed}
    return find_neurons(counts, random_init=random[0] if random else None, **how)


def _off(settings: NeuronsSettings) -> dict[str, Any]:
    """How neurons are switched off, and where losses lie."""
    return {"modes": settings.modes, "seed": settings.seed, "folder": settings.output / "damage"}

"""`interp neurons`: which neurons belong to a language, and what is lost without them?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings import Settings

if TYPE_CHECKING:
    from probes.neurons import NeuronReport


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


def run(settings: NeuronsSettings) -> NeuronReport:
    """Count on one half, once more in an untrained network; switch off on the other half."""
    import interp
    from interp.neurons import count_neurons
    from probes.damage import measure_damage
    from probes.folds import halves
    from probes.neurons import find_neurons

    corpus, model = settings.read_corpus(), settings.load_model()
    first, second = halves(corpus, settings.seed)
    how = {"shards": settings.shards, "seed": settings.seed}
    random = interp.random_init(model, settings.seed) if settings.random_init else None
    report = find_neurons(
        count_neurons(model, first, folder=settings.output / "counts", **how),
        random_init=count_neurons(random, first, folder=settings.output / "counts-random", **how) if random else None,
        method=settings.method,
        share=settings.share,
        bar=settings.bar,
        seed=settings.seed,
    )
    return measure_damage(model, second, report, modes=settings.modes, seed=settings.seed) if settings.modes else report

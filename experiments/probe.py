"""`interp probe`: what can a linear probe read at each layer, and does it transfer to other languages?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.captures import CaptureSettings, capture_states, share_states
from experiments.runs.shards import Shard
from experiments.settings.needs import check_sentences

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from probes.linear.probe import ProbeReport


@dataclass(frozen=True)
class ProbeSettings(CaptureSettings):
    """What can a linear probe read at each layer, and does it transfer to other languages?

    Trains a probe in each language and tests it in every language, on held-out sentences. Each score is reported with four
    controls: the majority class, shuffled labels, a randomly initialised model, and the score after language erasure.

    Example: interp probe --languages de zh --target language --output runs/probe
    """

    output: Path = Path("runs/probe")
    """Run folder to write."""
    target: str = "language"
    """What to predict: `language`, `length` (in tokens), or the name of a label of the corpus."""
    erase: Literal["leace", "lsar", "lir", "centre", "none"] = "leace"
    """How the language is erased for the last control."""
    folds: int = 5
    """Number of cross-validation folds. A sentence and its translations are always in the same fold."""
    random_init: bool = True
    """Also probe a randomly initialised model of the same architecture; --no-random-init: do not."""


def run(settings: ProbeSettings) -> ProbeReport:
    """Capture the activations of the model (and of a randomly initialised one), then train and test the probes."""
    from probes.linear.probe import measure_probes

    states, random = capture_states(settings, settings.random_init)
    return measure_probes(
        states,
        settings.target,
        random_init=random,
        erase=None if settings.erase == "none" else settings.erase,
        folds=settings.folds,
        seed=settings.seed,
    )


def check(settings: ProbeSettings) -> None:
    """Raise `ValueError` for a target that the text has not, and for too little text."""
    from interp.languages import nearest

    corpus = settings.read_corpus()
    targets = ("language", "length", *corpus.labels)
    if settings.target not in targets:
        raise ValueError(
            f"--target: got {settings.target!r}, expected one of {', '.join(targets)} for corpus {corpus.name!r}."
            f"{nearest(settings.target, targets)}"
        )
    check_sentences(corpus, settings.folds, "probe", least=2 if settings.target == "language" else 1)


def share(settings: ProbeSettings, shard: Shard) -> None:
    """Capture the activations of the languages of this shard."""
    share_states(settings, shard, settings.random_init)


def work(settings: ProbeSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every sentence is read once, and once more with random weights if wanted."""
    from experiments.costs.measuring import captured_by

    return captured_by(settings, model, settings.random_init)

"""`interp align`: at which layers do languages share a space?"""

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
    from interp.text.corpus import ParallelCorpus
    from probes.alignment.report import AlignmentReport


@dataclass(frozen=True)
class AlignSettings(CaptureSettings):
    """At which layers do languages share a space?

    Runs the same sentences in several languages through a model and measures, layer by layer, whether a sentence is nearer to its
    translation than to any other sentence. The baseline of every score is the same score over shuffled pairs.

    Example: interp align --languages de zh sw --metrics mexa cka_debiased --output runs/align
    """

    output: Path = Path("runs/align")
    """Run folder to write."""
    metrics: tuple[str, ...] = ("mexa", "mexa_centred", "p_at_1", "cka_debiased")
    """Alignment metrics: mexa, p_at_1, csls, margin, cosine_gap, auc, mutual_knn, rsa, each also as NAME_centred; cka,
    cka_debiased, svcca, pwcca, procrustes; or functions of your own as module:function. The verdict is about the first. Alone:
    dali, of questions with options (--corpus names them): is each option nearer to its translation than to another's?"""
    erase: Literal["none", "leace", "lsar", "lir", "centre"] = "none"
    """Erase the language from the activations first, with a map fitted on other sentences."""
    random_init: bool = False
    """Also measure a randomly initialised model of the same architecture."""
    controls: tuple[Literal["length", "lexical"], ...] = ()
    """Extra controls. length: the metric with sentence length partialled out. lexical: the token overlap of the two sentences."""

    @property
    def of_options(self) -> bool:
        """Whether the text is questions with their options (DALI). Raises `ValueError` where that is not asked alone."""
        if "dali" in self.metrics and (len(self.metrics) > 1 or self.erase != "none" or self.controls):
            raise ValueError(
                f"got --metrics {' '.join(self.metrics)}, expected dali alone, without --erase and --controls: it reads questions "
                "with options, the others read sentences. Ask the others in a run of their own."
            )
        return "dali" in self.metrics

    def read_corpus(self) -> ParallelCorpus:
        """The sentences; for DALI every question with each of its options."""
        if not self.of_options:
            return super().read_corpus()
        from interp.text.read import read_task
        from probes.alignment.dali import options_as_sentences

        task = read_task(self.corpus, languages=self.wanted, columns=self.chosen_columns)
        return options_as_sentences(task.select(limit=self.limit, seed=self.seed))


def run(settings: AlignSettings) -> AlignmentReport:
    """Capture the activations of the model (and of a randomly initialised one if wanted), then measure the alignment."""
    from probes.alignment.dali import measure_dali
    from probes.alignment.measure import measure_alignment
    from probes.linear.erasure import erase

    states, random = capture_states(settings, settings.random_init)
    if settings.of_options:
        return measure_dali(states, settings.pivot, settings.seed, random_init=random, device=settings.device)
    if settings.erase != "none":
        states = erase(states, settings.erase, seed=settings.seed)
        random = erase(random, settings.erase, seed=settings.seed) if random is not None else None
    return measure_alignment(
        states,
        settings.pivot,
        settings.metrics,
        settings.seed,
        random_init=random,
        controls=settings.controls,
        device=settings.device,
    )


def check(settings: AlignSettings) -> None:
    """Raise `ValueError` for a metric that there is not, and for too little text."""
    from probes.alignment.own_metrics import known_metrics

    if not settings.of_options:
        known_metrics(settings.metrics)
    check_sentences(settings.read_corpus(), 8, "compare")


def share(settings: AlignSettings, shard: Shard) -> None:
    """Capture the activations of the languages of this shard."""
    share_states(settings, shard, settings.random_init)


def work(settings: AlignSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every sentence is read once, and once more with random weights if wanted."""
    from experiments.costs.measuring import captured_by

    return captured_by(settings, model, settings.random_init)

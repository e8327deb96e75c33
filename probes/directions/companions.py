"""Measurements that help to explain the scores of directions: alignment before and after, factors of a language, additivity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from interp.activations.capture import capture
from interp.activations.store import Activations
from interp.models.load import TransformerBridge
from interp.text.corpus import ParallelCorpus
from probes.directions.alignment import measure_pair_alignment
from probes.directions.factors import FactorReport, measure_factors, similarity_to
from probes.directions.report import DirectionReport
from probes.report import Report


@dataclass(frozen=True)
class Companions:
    """What is measured inside the models, and what is known of the languages, to explain the scores of directions.

    Parameters
    ----------
    align
        Whether to measure the alignment of all pairs of languages before and after tuning.
    text
        Parallel text to measure alignment on, and similarity to the pivot; None means what is translated.
    metric
        How alignment is measured, as `probes.measure_alignment` has it.
    template
        Words around each sentence, with {sentence}, {language} and {autonym}; None means the bare sentence.
    pooling
        Which tokens of a sentence alignment looks at, as `interp.capture` has it.
    shares
        What pre-training had of each language (tokens or percent), where it is known.
    similarity
        How like the pivot each language is; none given means alignment measured in the untuned model.

    Example
    -------
    >>> from probes.directions.companions import Companions
    >>> Companions(align=False, similarity={"deu_Latn": 0.4}).metric
    'mexa'
    """

    align: bool = True
    text: ParallelCorpus | None = None
    metric: Literal["mexa", "mexa_centred", "p_at_1", "cka_debiased"] = "mexa"
    template: str | None = None
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    shares: Mapping[str, float] = field(default_factory=dict)
    similarity: Mapping[str, float] = field(default_factory=dict)


def add_companions(
    report: DirectionReport,
    companions: Companions,
    text: ParallelCorpus,
    base: TransformerBridge,
    tuned: Callable[[], TransformerBridge],
    pivot: str,
    folder: Path,
) -> DirectionReport:
    """`report` with the verdicts of its companions in its notes; they are saved in `folder/alignment` and `folder/factors`.

    `text` is what alignment is measured on where `companions` name none, `base` the untuned model, and `tuned` opens the one
    tuned in the roles as given. `pivot` is the language that others are compared with.
    """
    seed = report.settings["seed"]

    def states(model: TransformerBridge) -> Activations:
        return capture(model, companions.text or text, pooling=companions.pooling, template=companions.template)

    before = states(base) if companions.align or not companions.similarity else None
    notes, beside = _additivity(report), dict[str, Report]()
    if companions.align and before is not None:
        beside["alignment"] = measure_pair_alignment(
            before, states(tuned()), report.means.roles[0], metric=companions.metric, seed=seed
        )
    try:
        beside["factors"] = _factors(report, companions, before, pivot, seed)
    except ValueError as error:
        notes.append(f"factors: {error}")
    for name, other in beside.items():
        other.save(folder / name)
        notes.append(f"{name}: {other.verdict()}")
    return replace(report, notes=(*report.notes, *notes))


def _additivity(report: DirectionReport) -> list[str]:
    """How far scores are sums of a source and a target effect; nothing where there are too few directions or all score the same."""
    try:
        means = report.additivity().mean(numeric_only=True)
    except ValueError:
        return []
    if not np.isfinite(means["explained"]):
        return []
    left = ", ".join(f"{name} {means[name]:+.3f}" for name in means.index if name not in ("explained", "predicted"))
    return [
        f"additivity: the sum of a source effect and a target effect explains {means['explained']:.0%} of the variance over "
        f"directions ({means['predicted']:.0%} predicted from the others); mean residual: {left}."
    ]


def _factors(report: DirectionReport, companions: Companions, before: Activations | None, pivot: str, seed: int) -> FactorReport:
    """The tuned model's score of each language against what is known of it."""
    metric = report.metrics[0]
    cells = report.means.cells.assign(score=report.means.scores(metric).once)
    scores = cells.groupby(["source", "target"], sort=False)["score"].mean().reset_index()
    similarity = companions.similarity
    if not similarity and before is not None:
        similarity = similarity_to(pivot, before, companions.metric, seed)
    factors = {"similarity": similarity} | ({"share": companions.shares} if companions.shares else {})
    return measure_factors(scores, factors, report.signature, metric=metric, pivot=pivot, seed=seed)

"""What `interp directions` puts beside its scores: alignment before and after, factors of a language, additivity."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import interp
from experiments.directions_sweep import kept
from probes.directions.alignment import measure_pair_alignment
from probes.directions.factors import FactorReport, measure_factors, similarity_to
from probes.directions.report import DirectionReport

if TYPE_CHECKING:
    from experiments.directions import DirectionsSettings
    from interp.activations.store import Activations
    from interp.models.load import TransformerBridge
    from probes.report import Report


def with_beside(settings: DirectionsSettings, report: DirectionReport, base: TransformerBridge) -> DirectionReport:
    """The report with what the others found in its notes; alignment and factors are saved in folders of their own."""
    before = _states(settings, base) if settings.align or not settings.similarity else None
    notes: list[str] = [_additivity(report)]
    beside: dict[str, Report] = {}
    if settings.align and before is not None:
        after = _states(settings, kept(settings))
        beside["alignment"] = measure_pair_alignment(
            before, after, settings.roles, metric=settings.align_metric, seed=settings.seed
        )
    try:
        beside["factors"] = _factors(settings, report, before)
    except ValueError as error:
        notes.append(f"factors: {error}")
    for name, other in beside.items():
        other.save(settings.output / name)
        notes.append(f"{name}: {other.verdict()}")
    return replace(report, notes=(*report.notes, *notes))


def _states(settings: DirectionsSettings, model: TransformerBridge) -> Activations:
    text = settings.align_corpus or settings.test_corpus or settings.corpus
    split = None if settings.align_corpus else settings.test_split
    corpus = interp.read(text, languages=settings.wanted, split=split).select(limit=settings.align_limit, seed=settings.seed)
    return interp.capture(model, corpus, pooling=settings.align_pooling, template=settings.align_template)


def _additivity(report: DirectionReport) -> str:
    found = report.additivity().mean(numeric_only=True)
    left = ", ".join(f"{name} {found[name]:+.3f}" for name in found.index if name not in ("explained", "predicted"))
    return (
        f"additivity: what a source and a target give by themselves explains {found['explained']:.0%} of the variance over "
        f"directions ({found['predicted']:.0%} predicted from the others); left over: {left}."
    )


def _factors(settings: DirectionsSettings, report: DirectionReport, before: Activations | None) -> FactorReport:
    """The tuned model's score of each language against what is known of it."""
    metric = settings.metrics[0]
    cells = report.means.cells.assign(score=report.means.scores(metric).once)
    scores = cells.groupby(["source", "target"], sort=False)["score"].mean().reset_index()
    similarity = settings.similarity or similarity_to(settings.pivot, before, settings.align_metric, settings.seed)
    known = {"similarity": similarity} | ({"share": settings.shares} if settings.shares else {})
    return measure_factors(scores, known, report.signature, metric=metric, pivot=settings.pivot, seed=settings.seed)

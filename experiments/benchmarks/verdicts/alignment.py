"""`interp align`: unrelated states align nowhere, a planted layer of one pair is found, the peak's interval holds its height."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from experiments.benchmarks.verdicts.rows import LANGUAGES, Budget, Row, coverage, holds, null, power
from experiments.costs.plan import named
from interp.activations.store import Activations
from probes.alignment.measure import measure_alignment
from probes.alignment.report import AlignmentReport
from probes.report import Report

_WIDTH = 16
_METRIC, _SMOOTH = "p_at_1", "cosine_gap"


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls and planted layers of several depths and numbers of pairs, and the interval at the chosen layer."""
    sizes = [(12, 12, 6), (30, 33, 1), (30, 33, 6)] if budget.quick else [
        (n, layers, pairs) for n in (12, 30, 100) for layers, pairs in ((12, 1), (12, 20), (33, 6), (81, 1), (81, 6))
    ]  # fmt: skip
    for n, layers, pairs in sizes:
        found = [_finds(_report(n, layers, pairs, seed)) for seed in budget.seeds(0.5)]
        yield null(f"align, {layers} layers, {named(pairs, 'pair')}", n, found)
    for layers, pairs in ((33, 6),) if budget.quick else ((33, 6), (81, 1), (81, 20)):
        found = [_finds(_report(30, layers, pairs, seed, planted=layers // 2)) for seed in budget.seeds(0.25)]
        yield power(f"align, one of {layers} layers of one of {named(pairs, 'pair')}", 30, found)
    for n in (30,) if budget.quick else (30, 100):
        yield coverage("align, height at the chosen layer", n, _peaks(n, budget))


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, 12, 6, seed), "planted": _report(30, 12, 6, seed, planted=5)}


def _finds(report: AlignmentReport) -> bool:
    return bool(report.finds())


def _peaks(n: int, budget: Budget) -> np.ndarray:
    """Whether the peak's interval holds the expected value of the layer it names, in many studies of layers that are all alike."""
    reports = [_report(n, 9, 1, seed, planted=-1, metric=_SMOOTH) for seed in budget.seeds()]
    truth = float(np.mean([report.summary()["estimate"].mean() for report in reports]))
    peaks = [report.peak().iloc[0] for report in reports]
    return np.array([holds(peak["lower"], peak["upper"], truth) for peak in peaks])


def _report(n: int, layers: int, pairs: int, seed: int, planted: int | None = None, metric: str = _METRIC) -> AlignmentReport:
    """Languages whose states are noise that changes slowly over the layers.

    `planted`: a layer at which the last language's states are half those of the pivot; -1: all layers and languages.
    """
    rng = torch.Generator().manual_seed(seed)
    names = ["eng_Latn", *LANGUAGES[:pairs]]
    arrays = {name: _walk(torch.randn(layers, n, _WIDTH, generator=rng)) for name in names}
    if planted is not None:
        rows = slice(None) if planted == -1 else slice(planted, planted + 1)
        shared = arrays["eng_Latn"][rows]
        arrays[names[-1]][rows] = 0.7 * shared + 0.7 * arrays[names[-1]][rows]
    acts = Activations.from_arrays(arrays)
    return measure_alignment(acts, metrics=(metric,), resamples=300, seed=seed)


def _walk(steps: torch.Tensor) -> torch.Tensor:
    """States of unit variance, each layer's correlated by .7 with the layer before."""
    states = [steps[0]]
    for step in steps[1:]:
        states.append(0.7 * states[-1] + 0.51**0.5 * step)
    return torch.stack(states)

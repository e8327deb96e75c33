"""`interp directions`: tuning that helps nothing claims nothing, transfer is found; factors of languages, and their alignment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import LANGUAGES, Budget, Row, coverage, holds, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.directions.alignment import PAIR_CLASSES, PairAlignmentReport
from probes.directions.cells import with_errors
from probes.directions.factors import FactorReport, measure_factors
from probes.directions.report import DirectionReport
from probes.directions.roles import Roles
from probes.report import Report

_MODEL, _CORPUS = ModelIdentity("simulated", "0" * 64, 12, 8, "float32"), CorpusIdentity("simulated", "1" * 64, 30)
_TRAINED = 0.03
_SLOW = 0.1
"""Share of the simulations of a report of all directions."""


def checks(budget: Budget) -> Iterator[Row]:
    """Directions by number of languages and items, factors of languages, and alignment of pairs before and after."""
    for n, languages in ((30, 9),) if budget.quick else ((12, 9), (30, 9), (30, 13), (100, 9)):
        reports = [_directions(n, languages, seed) for seed in budget.seeds(_SLOW)]
        yield null(f"directions, {languages} languages, 4 partitions", n, [report.finds() for report in reports])
        held = np.concatenate([_gaps_held(report, 0.0) for report in reports])
        yield coverage(f"directions, differences of {languages} languages", n, held, wider=True, together=len(held) // len(reports))
    found = [_directions(30, 9, seed, gain=0.2).finds() for seed in budget.seeds(_SLOW)]
    yield power("directions, unseen ones better by 1 sd of an item", 30, found)
    yield from _of_factors(budget)
    yield from _of_pairs(budget)


def _of_factors(budget: Budget) -> Iterator[Row]:
    for n in (12, 30):
        reports = [_factors(n, 0.0, seed) for seed in budget.seeds(0.2)]
        yield null("factors, two of languages", n, [report.finds() for report in reports])
        held = [bool(held) for report in reports for held in holds(report.summary()["lower"], report.summary()["upper"], 0.0)]
        yield coverage("factors, partial correlation of 0", n, held, together=4)
    yield power("factors, correlation .8", 30, [_factors(30, 1.33, seed).finds() for seed in budget.seeds(0.2)])


def _of_pairs(budget: Budget) -> Iterator[Row]:
    for n, layers in ((30, 33),) if budget.quick else ((12, 13), (30, 33), (100, 33)):
        reports = [_pairs(n, layers, 0.0, seed) for seed in budget.seeds(0.2)]
        yield null(f"alignment of pairs before and after, {layers} layers", n, [report.finds() for report in reports])
        changes = [report.summary().query("series == 'change'") for report in reports]
        held = np.concatenate([holds(rows["lower"], rows["upper"], 0.0) for rows in changes])
        yield coverage("alignment of pairs, change", n, held, together=len(held) // len(reports))
    yield power(
        "alignment of pairs, one class and layer of 81, 1 sd", 30, [_pairs(30, 81, 1.0, seed).finds() for seed in budget.seeds(0.2)]
    )


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _directions(30, 9, seed), "planted": _directions(30, 9, seed, gain=0.3), "factors": _factors(30, 2.0, seed),
            "pairs": _pairs(30, 12, 1.5, seed), "right everywhere": _directions(30, 9, seed, hits=1.0)}  # fmt: skip


def _directions(n: int, languages: int, seed: int, gain: float = 0.0, hits: float | None = None) -> DirectionReport:
    """Tuned and control models that are as good as each other but for training noise; `hits`: the rate of exact matches instead."""
    rng = np.random.default_rng(seed)
    codes = ("eng_Latn", *LANGUAGES[: languages - 1])
    first = Roles(mix=codes[:2], read_only=codes[2:4], write_only=codes[4:6], unseen=codes[6:])
    rotations = first.rotations(4)
    hard = 0.14 * rng.normal(size=n)
    easy = {code: 0.05 * rng.normal(size=2) for code in codes}
    frames = []
    for turn, roles in [*enumerate(rotations), (-1, first)]:
        for source, target in roles.directions:
            level = 0.5 + easy[source][0] + easy[target][1] + _TRAINED * rng.normal()
            level += gain * (turn >= 0 and roles.kind(source, target) != "seen")
            values = np.full(n, hits) if hits is not None else level + hard + 0.14 * rng.normal(size=n)
            system = "tuned" if turn >= 0 else "copy"
            frames.append(pd.DataFrame({
                "cell": f"{system}/{turn}", "system": system, "rotation": turn, "seed": min(turn, 0), "source": source,
                "target": target, "item": [f"i{item}" for item in range(n)], "text": "a", "reference": "b", "hypothesis": "c",
                "exact": np.clip(values, 0, 1), "exact_baseline": 0.0,
            }))  # fmt: skip
    table = pd.concat(frames, ignore_index=True)
    rates = with_errors(table.iloc[:1]).iloc[0]
    table = table.assign(**{name: rates[name] for name in rates.index if name not in table})
    settings = {"metrics": ["exact"], "roles": [asdict(roles) for roles in rotations], "resamples": 100, "seed": seed}
    return DirectionReport(table, Signature("directions", _MODEL, _CORPUS), settings=settings)


def _gaps_held(report: DirectionReport, truth: float) -> np.ndarray:
    rows = report.claims().query("against == 'copy'")
    return holds(rows["lower"], rows["upper"], truth)


def _factors(languages: int, slope: float, seed: int) -> FactorReport:
    """Scores of directions between languages whose own levels are `slope` times their similarity, and noise of 1."""
    rng = np.random.default_rng(seed)
    codes = [f"l{k:02}_Latn" for k in range(languages)]
    similarity = rng.normal(size=languages)
    share = np.exp(0.5 * similarity + rng.normal(size=languages))
    level = slope * similarity + rng.normal(size=(2, languages))
    rows = [(a, b, level[0, i] + level[1, j]) for i, a in enumerate(codes) for j, b in enumerate(codes) if a != b]
    factors = {"similarity": dict(zip(codes, similarity, strict=True)), "share": dict(zip(codes, share, strict=True))}
    scores = pd.DataFrame(rows, columns=["source", "target", "score"])
    return measure_factors(scores, factors, Signature("directions", _MODEL, _CORPUS), metric="exact", resamples=200, seed=seed)


def _pairs(n: int, layers: int, effect: float, seed: int) -> PairAlignmentReport:
    """Changes of alignment that are noise; the last class has `effect` standard deviations in one layer."""
    rng = np.random.default_rng(seed)
    frames = []
    for kind in PAIR_CLASSES:
        change = 0.1 * (0.6 * rng.normal(size=(n, 1)) + 0.8 * rng.normal(size=(n, layers)))
        if kind == PAIR_CLASSES[-1]:
            change[:, layers // 2] += 0.1 * effect
        before = 0.5 + 0.1 * rng.normal(size=(n, layers))
        frames.append(pd.DataFrame({
            "class": kind, "layer": np.tile([str(layer) for layer in range(layers)], n),
            "sentence": np.repeat(np.arange(n).astype(str), layers),
            "before": before.ravel(), "after": (before + change).ravel(), "value": change.ravel(), "before_baseline": 0.1,
            "after_baseline": 0.1, "pairs": 3,
        }))  # fmt: skip
    settings = {"metric": "mexa_centred", "resamples": 100, "seed": seed}
    return PairAlignmentReport(
        pd.concat(frames, ignore_index=True), Signature("pair alignment", _MODEL, _CORPUS), settings=settings
    )

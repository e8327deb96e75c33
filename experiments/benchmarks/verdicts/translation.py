"""`interp translate`, `extrapolate` and `tune`: copies beat nothing, equal arms differ in nothing, a better model is found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, holds, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.extrapolation.report import ExtrapolationReport
from probes.report import Report
from probes.translation.report import TranslationReport
from probes.translation.text_scores import overlap_score
from probes.tuning.hybrids_report import BlocksReport, EntryReport, HybridReport, RowsReport
from probes.tuning.losses import TuningReport

_MODEL, _CORPUS = ModelIdentity("simulated", "0" * 64, 12, 8, "float32"), CorpusIdentity("simulated", "1" * 64, 30)
_TARGETS = ("deu_Latn", "fra_Latn", "rus_Cyrl")
_ARMS, _SEEDS = ("untuned", "english", "muit"), 3
_RATE = 0.4


def translations(budget: Budget) -> Iterator[Row]:
    """`interp translate`: hits of the model against those of the source as it is, and the intervals of hits and of chrF++."""
    for n in (30,) if budget.quick else (12, 30, 100):
        reports = [_translated(n, _RATE, seed) for seed in budget.seeds(0.3)]
        yield null("translate, no better than the source as it is", n, [report.finds() for report in reports])
        rows = [report.summary().query("metric == 'exact' and source == 'mean'").iloc[0] for report in reports]
        yield coverage(
            "translate, exact match, mean of 3 directions", n, [bool(holds(row["lower"], row["upper"], _RATE)) for row in rows]
        )
    yield power("translate, .8 of items right, .4 as it is", 30, [_translated(30, 0.8, seed).finds() for seed in budget.seeds(0.3)])
    truth = float(overlap_score("chrf", _counts(50_000, np.random.default_rng(1)), np.ones((1, 50_000)))[0])
    for n in (30,) if budget.quick else (12, 30, 100):
        rows = [
            _translated(n, _RATE, seed).summary().query("metric == 'chrf' and source == 'mean'").iloc[0]
            for seed in budget.seeds(0.3)
        ]
        yield coverage(
            "translate, chrF++ of a corpus, mean of 3 directions",
            n,
            [bool(holds(row["lower"], row["upper"], truth)) for row in rows],
        )


def arms(budget: Budget) -> Iterator[Row]:
    """`interp extrapolate`: arms that differ by training noise alone, and one that is better."""
    for n, languages in ((30, 3),) if budget.quick else ((12, 3), (30, 3), (30, 6), (100, 3)):
        reports = [_extrapolated(n, languages, 0.0, seed) for seed in budget.seeds(0.3)]
        yield null(f"extrapolate, {languages} languages, {_SEEDS} seeds", n, [report.finds() for report in reports])
        rows = [report.summary().query("language == 'mean' and arm == 'muit'").iloc[0] for report in reports]
        held = [bool(holds(row["over_english_lower"], row["over_english_upper"], 0.0)) for row in rows]
        yield coverage(f"extrapolate, gain of {languages} languages", n, held)
    found = [_extrapolated(30, 3, 0.2, seed).finds() for seed in budget.seeds(0.3)]
    yield power("extrapolate, better by 1 sd of an item", 30, found)


def losses(budget: Budget) -> Iterator[Row]:
    """`interp tune` and hybrids: a model that gained nothing, one that did, and the share of the part that was chosen."""
    for n in (30,) if budget.quick else (12, 30, 100):
        yield null("tune, held-out loss", n, [_tuned(n, 0.0, seed).finds() for seed in budget.seeds(0.3)])
        yield null("hybrids, no gain", n, [_hybrid(n, 12, 0.0, seed).finds() for seed in budget.seeds(0.3)])
        held = [_chosen_holds(n, seed) for seed in budget.seeds(0.3)]
        yield coverage("hybrids, share of the best of 34 parts", n, held)
    yield power("tune, held-out loss lower by 1 sd", 30, [_tuned(30, 1.0, seed).finds() for seed in budget.seeds(0.3)])
    yield power("hybrids, a gain of 1 sd", 30, [_hybrid(30, 12, 1.0, seed).finds() for seed in budget.seeds(0.3)])


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    hybrids = {kind.measure: _hybrid(30, 12, 2.0, seed, kind) for kind in (EntryReport, BlocksReport, RowsReport)}
    return {"null": _translated(30, _RATE, seed), "planted": _translated(30, 0.9, seed),
            "right everywhere": _translated(30, 1.0, seed),
            "arms": _extrapolated(30, 3, 0.3, seed), "tuned": _tuned(30, 1.5, seed), **hybrids}  # fmt: skip


def _counts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Counts of chrF++ (hypothesis, reference and shared n-grams of each order) of sentences of different length and quality."""
    length = rng.integers(8, 60, size=n)
    quality = rng.beta(2, 2, size=n)
    orders = []
    for order in range(8):  # six orders of characters, two of words
        total = np.maximum(length - order if order < 6 else length // 6 - (order - 6), 0)
        orders += [total, total, rng.binomial(total, quality ** (1 + 0.3 * order))]
    return np.stack(orders, axis=1).astype(float)


def _translated(n: int, rate: float, seed: int) -> TranslationReport:
    """Exact matches at this `rate`, and .4 of the source as it is; a sentence is hard in every direction, and its copy is too."""
    rng = np.random.default_rng(seed)
    hard, frames = rng.random(n), []
    arrays: dict[str, np.ndarray] = {}
    for target in _TARGETS:
        own, copied = (np.where(rng.random(n) < 0.5, part, rng.random(n)) for part in (hard, rng.random(n)))
        frames.append(pd.DataFrame({"source": "eng_Latn", "target": target, "item": np.arange(n).astype(str),
                                    "exact": (own < rate) * 1.0,
                                    "exact_baseline": (copied < _RATE) * 1.0, "chrf": 50.0, "chrf_baseline": 20.0}))  # fmt: skip
        key = f"chrf:eng_Latn>{target}"
        arrays |= {key: _counts(n, rng), f"{key}:copy": _counts(n, rng)}
    settings = {"metrics": ["exact", "chrf"], "resamples": 200, "seed": seed}
    return TranslationReport(pd.concat(frames, ignore_index=True), Signature("translate", _MODEL, _CORPUS), arrays, settings)


def _extrapolated(n: int, languages: int, gain: float, seed: int) -> ExtrapolationReport:
    rng = np.random.default_rng(seed)
    hard, frames = 0.14 * rng.normal(size=n), []
    for arm in _ARMS:
        for turn in range(1 if arm == "untuned" else _SEEDS):
            shift = 0.02 * rng.normal() * (arm != "untuned")
            for code in ("eng_Latn", *(f"l{k:02}" for k in range(languages))):
                values = (
                    0.5
                    + hard
                    + 0.14 * rng.normal(size=n)
                    + shift
                    + 0.01 * rng.normal() * (arm != "untuned")
                    + gain * (arm == "muit")
                )
                frames.append(pd.DataFrame({"measure": "answers: f1", "arm": arm, "language": code, "layer": "", "seed": turn,
                                            "item": np.arange(n), "value": values, "baseline": 0.1}))  # fmt: skip
    table = pd.concat(frames, ignore_index=True)
    settings = {"pivot": "eng_Latn", "resamples": 100, "seed": seed}
    return ExtrapolationReport(table, Signature("extrapolate", _MODEL, _CORPUS), settings=settings)


def _tuned(n: int, effect: float, seed: int) -> TuningReport:
    rng = np.random.default_rng(seed)
    before = rng.normal(3, 1, size=n)
    table = pd.DataFrame({"item": np.arange(n).astype(str), "direction": "eng_Latn>deu_Latn", "before": before,
                          "after": before - 0.3 * (effect + rng.normal(size=n))})  # fmt: skip
    arrays = {
        "step": np.arange(3),
        "loss": np.array([3.0, 2.5, 2.4]),
        "held_out_step": np.arange(2),
        "held_out_loss": np.array([3.0, 2.9]),
    }
    settings = {"resamples": 100, "seed": seed, "moved": {"tensors": 3, "rows": 0}}
    return TuningReport(table, Signature("tune", _MODEL, _CORPUS), arrays, settings)


def _hybrid(n: int, places: int, effect: float, seed: int, kind: type[HybridReport] = BlocksReport) -> HybridReport:
    """Gains of `effect` standard deviations; every part alone gives a third of it, and leaves two thirds where it is taken out."""
    rng = np.random.default_rng(seed)
    gain = 0.3 * (effect + rng.normal(size=n))
    lines = {
        "entry": {"tuned below": np.linspace(0, 1, places), "base below": np.linspace(1, 0, places)},
        "blocks": {"base + 1": np.full(places, 1 / 3), "tuned - part": np.full(places, 2 / 3)},
        "rows": {"most frequent": np.linspace(0.2, 1, places), "random rows": np.linspace(0.05, 1, places)},
    }[kind.measure]  # fmt: skip
    frames = [
        pd.DataFrame({"item": np.arange(n).astype(str), "language": "eng_Latn>deu_Latn", "line": line, "place": str(place),
                      "base": 3.0, "tuned": 3.0 - gain,
                      "loss": 3.0 - share * gain - 0.1 * rng.normal(size=n) * (share not in (0, 1))})
        for line, shares in lines.items() for place, share in enumerate(shares)
    ]  # fmt: skip
    sizes = {f"{line}|{place}": 10 * (place + 1) for line in lines for place in range(places)}
    settings = {"resamples": 100, "seed": seed, "sizes": sizes}
    return kind(pd.concat(frames, ignore_index=True), Signature(kind.measure, _MODEL, _CORPUS), settings=settings)


def _chosen_holds(n: int, seed: int) -> bool:
    """Whether the interval of the chosen part's share holds a third, where all parts are alike."""
    report = _hybrid(n, 34, 3.0, seed)
    _, lower, upper = report.chosen("base + 1")
    return bool(holds(lower, upper, 1 / 3))

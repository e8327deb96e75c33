"""`interp lens`: words that are no likelier than others lead nowhere, one that is likelier at one layer is found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import LANGUAGES, Budget, Row, coverage, holds, null, power
from experiments.costs.plan import named
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.lens.labels_report import LabelLensReport
from probes.lens.latent_language_report import LatentLanguageReport
from probes.report import Report
from probes.statistics.crossover import find_peak

_HEIGHT, _SPREAD = 0.06, 0.6  # of a probability, and the sd of its logarithm over items


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls by number of layers and target languages, a planted lead, the height at the peak, and labels chosen at random."""
    sizes = [(30, 32, 1), (30, 12, 6)] if budget.quick else [
        (n, layers, targets) for n in (12, 30, 100) for layers, targets in ((12, 1), (12, 20), (32, 6), (80, 1))
    ]  # fmt: skip
    for n, layers, targets in sizes:
        found = [_report(n, layers, targets, seed).finds() for seed in budget.seeds(0.2)]
        yield null(f"lens, {layers} layers, {named(targets, 'target language')}", n, found)
    for layers, targets in ((32, 1),) if budget.quick else ((32, 1), (80, 1), (80, 6)):
        found = [_report(30, layers, targets, seed, planted=True).finds() for seed in budget.seeds(0.2)]
        yield power(f"lens, one of {layers} layers, {named(targets, 'target language')}, 1 sd", 30, found)
    for n in (30,) if budget.quick else (12, 30, 100):
        yield coverage("lens, height at the peak of 32 layers", n, [_peak_holds(n, seed) for seed in budget.seeds()])
        found = [_labels(n, seed).finds() for seed in budget.seeds()]
        yield null("lens, labels chosen at random, more right than the most frequent", n, found)
    yield power("lens, labels right in .8 of items, chance .5", 30, [_labels(30, seed, 0.8).finds() for seed in budget.seeds()])


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, 32, 6, seed), "planted": _report(30, 32, 6, seed, planted=True), "labels": _labels(30, seed, 0.8)}


def _peak_holds(n: int, seed: int) -> bool:
    """Whether the peak's interval holds the height, of layers that are all alike."""
    rng = np.random.default_rng(seed)
    values, prior = rng.lognormal(np.log(0.1), 0.5, (n, 32)), rng.lognormal(np.log(0.01), 0.5, (n, 32))
    peak = find_peak(values, prior, [str(layer) for layer in range(32)], seed=seed)
    return bool(holds(peak.lower, peak.upper, 0.1 * np.exp(0.125)))


def _report(n: int, layers: int, targets: int, seed: int, planted: bool = False) -> LatentLanguageReport:
    """Words, unrelated words and an untrained model that are all equally likely; the pivot more so at one layer if `planted`."""
    rng = np.random.default_rng(seed)
    codes, ids = LANGUAGES[:targets], [f"i{item}" for item in range(n)]
    names = ["embed", *map(str, range(layers))]
    frames = []
    for target in codes:
        items = rng.normal(size=(n, 1))

        def drawn() -> np.ndarray:
            walk = np.cumsum(rng.normal(size=(n, layers + 1)), axis=1) / np.sqrt(np.arange(1, layers + 2))
            return np.asarray(_HEIGHT * np.exp(_SPREAD * (0.7 * walk + 0.5 * items)))  # noqa: B023

        for series in ("eng_Latn", target):
            for weights in ("trained", "random"):
                value, baseline = drawn(), drawn()
                if planted and series == "eng_Latn" and weights == "trained":
                    value[:, layers // 2] *= np.exp(3 * _SPREAD)
                frames.append(pd.DataFrame({
                    "item": np.tile(ids, layers + 1), "source": "eng_Latn", "target": target, "weights": weights,
                    "layer": np.repeat(names, n), "measure": "probability", "series": series, "role": "pivot",
                    "value": value.T.ravel(), "baseline": baseline.T.ravel(),
                }))  # fmt: skip
    settings = {"pivot": "eng_Latn", "resamples": 100, "seed": seed, "task": "translation", "layers": names, "of": n,
                "items": dict.fromkeys(codes, ids), "left_out": {}}  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, layers, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    return LatentLanguageReport(pd.concat(frames, ignore_index=True), Signature("lens", model, text), settings=settings)


def _labels(n: int, seed: int, rate: float = 0.5) -> LabelLensReport:
    """Answers to questions with two labels, as often each, in three languages; each is right at this `rate`."""
    rng = np.random.default_rng(seed)
    codes, common = ("eng_Latn", "deu_Latn", "fra_Latn"), rng.random(n)
    frames = [
        pd.DataFrame({
            "item": np.arange(n).astype(str), "language": code, "weights": "trained", "layer": "0", "measure": measure,
            "value": (np.where(rng.random(n) < 0.5, common, rng.random(n)) < rate) * 1.0,
        })
        for code in codes for measure in ("correct", "gold", "any")
    ]  # fmt: skip
    settings = {"labels": "english", "layers": ["0"], "words": {code: ["a", "b"] for code in codes}, "resamples": 100, "seed": seed,
                "majority": 0.5}  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, 1, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    return LabelLensReport(pd.concat(frames, ignore_index=True), Signature("labels", model, text), settings=settings)

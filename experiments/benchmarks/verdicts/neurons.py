"""`interp neurons`: sets that are no more than further random sets do no special damage; neurons of a language do."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, holds, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.neurons.report import NeuronReport
from probes.report import Report

_TOKENS = 20


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls with random sets that differ little and a lot, power, and the interval of the excess over random sets."""
    for n in (30,) if budget.quick else (12, 30, 100):
        for spread in (0.0, 0.05):
            found = [_damages(_report(n, seed, spread)) for seed in budget.seeds()]
            yield null(f"neurons, 6 languages, random sets differ by {spread}", n, found)
            rows = [_report(n, seed, spread, gain=0.1, languages=2).summary() for seed in budget.seeds(0.5)]
            held = [row for frame in rows for row in _held(frame, 0.1)]
            yield coverage(f"neurons, excess over random sets that differ by {spread}", n, held, wider=True)
    for languages in (6,) if budget.quick else (2, 6):
        found = [_damages(_report(30, seed, 0.02, gain=0.15, languages=languages)) for seed in budget.seeds(0.5)]
        yield power(f"neurons, {languages} languages, .15 nats more, 1 sd of sentences", 30, found)


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, seed, 0.05), "planted": _report(30, seed, 0.02, gain=0.2)}


def _damages(report: NeuronReport) -> bool:
    assert report.claims is not None
    return bool((report.claims.p < 0.05).any())


def _held(summary: pd.DataFrame, truth: float) -> list[bool]:
    own = summary[(summary["metric"] == "damage") & (summary["language"] == summary["text"])]
    return [bool(held) for held in holds(own["excess_lower"].to_numpy(), own["excess_upper"].to_numpy(), truth)]


def _report(n: int, seed: int, spread: float, gain: float = 0.0, languages: int = 6, draws: int = 4) -> NeuronReport:
    """Rises of .1 nats a token with an sd of .15 over sentences; `spread`: between sets; `gain`: of a language's own neurons.

    With a gain, own sets are fixed and not drawn: they are more than random sets on average by it.
    """
    rng = np.random.default_rng(seed)
    codes = ["deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "tur_Latn", "swh_Latn"][:languages]
    tokens = rng.integers(_TOKENS // 2, 2 * _TOKENS, size=(languages, n))
    clean = 3.0 * tokens
    sets = 0.1 + spread * rng.normal(size=(languages, 1 + draws, 1, 1))
    if gain:
        sets[:, 0] = 0.1 + gain
    sentences = 0.15 * (0.5 * rng.normal(size=(1, 1, languages, n)) + rng.normal(size=(languages, 1 + draws, languages, n)))
    losses = clean + (sets + sentences) * tokens
    chosen = np.zeros((languages, 2, 100), dtype=np.uint8)
    chosen[:, 0, :10] = 1
    arrays = {
        "loss": losses[None, :, 0], "random_loss": losses[None, :, 1:].mean(axis=2), "clean_loss": clean, "text_tokens": tokens,
        "random_rise": ((losses[:, 1:] - clean).sum(axis=-1) / tokens.sum(axis=-1))[None], "text_cluster": np.arange(n),
        "chosen": chosen, "jaccard": np.full((languages, 5), 0.5), "rate": chosen * 0.5, "mean": chosen * 0.5,
    }  # fmt: skip
    table = pd.DataFrame({"item": "0.0", "language": codes, "layer": 0, "neuron": 0, "above_null": True})
    settings = {"languages": codes, "method": "lape", "share": 0.01, "permutations": 100, "modes": ["zero"], "draws": draws,
                "resamples": 300, "damage_seed": seed}  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, 2, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    return NeuronReport(table, Signature("neurons", model, text), arrays, settings)

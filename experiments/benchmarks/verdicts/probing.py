"""`interp probe`: labels that mean nothing are read nowhere, a layer that has them is found, its height is as sure as printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO

import numpy as np
import pandas as pd
import torch

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, holds, null, power
from interp.activations.store import Activations
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.linear.probe import ProbeReport, measure_probes
from probes.report import Report


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls of simulated hits and of trained probes, a planted layer, and the interval at the chosen layer."""
    for n in (30,) if budget.quick else (12, 30, 100):
        for layers in (33,) if budget.quick else (13, 33, 81):
            reports = [_report(n, layers, seed) for seed in budget.seeds(0.5)]
            yield null(f"probe, {layers} layers", n, [report.finds() for report in reports])
            # all layers alike and above chance: the best of them is no better than its mean
            rows = [_report(n, layers, seed, everywhere=0.2).height() for seed in budget.seeds(0.5)]
            yield coverage(
                f"probe, accuracy at the best of {layers} layers", n, [bool(holds(*row[2:4], 0.7)) for row in rows], True
            )
    for n in (30,) if budget.quick else (30, 100):
        trained = [_trained(n, seed).finds() for seed in budget.seeds(0.1)]
        yield null("probe, trained on noise, 2 layers", n, trained)
    for layers in (33,) if budget.quick else (13, 33, 81):
        found = [_report(30, layers, seed, planted=True).finds() for seed in budget.seeds(0.5)]
        yield power(f"probe, one of {layers} layers, 1 sd", 30, found)


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, 33, seed), "planted": _report(30, 33, seed, planted=True)}


def _report(n: int, layers: int, seed: int, planted: bool = False, everywhere: float = 0.0) -> ProbeReport:
    """Hits at chance (.5); `planted`: one layer has accuracy .98, 1 sd (of a hit at chance) more; `everywhere`: more at all."""
    rng = np.random.default_rng(seed)
    rate = np.full(layers, 0.5 + everywhere)
    rate[layers // 2] += 0.48 * planted
    common = rng.random((n, 1))
    score, shuffled, random = (
        np.where(rng.random((n, layers)) < 0.4, common, rng.random((n, layers))) < rates for rates in (rate, 0.5, rate)
    )
    majority = np.broadcast_to(rng.random((n, 1)) < 0.5, (n, layers))
    columns = {"score": score, "majority": majority, "shuffled": shuffled, "random_init": random}
    names = ["embed", *map(str, range(layers - 1))]
    table = pd.DataFrame({
        "layer": np.repeat(names, n), "source": "eng_Latn", "target": "eng_Latn", "item": np.tile(np.arange(n).astype(str), layers),
        **{name: values.T.ravel().astype(float) for name, values in columns.items()}, "erased": np.nan,
    })  # fmt: skip
    settings = {"target": "topic", "kind": "class", "erase": None, "folds": 5, "resamples": 300, "seed": seed}
    model, text = ModelIdentity("none", "0" * 8, layers - 1, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    return ProbeReport(table, Signature("probe", model, text), settings=settings)


def _trained(n: int, seed: int) -> ProbeReport:
    rng = torch.Generator().manual_seed(seed)
    labels = tuple("ab"[int(flip)] for flip in torch.randperm(n, generator=rng) % 2)
    states = {code: torch.randn(2, n, 8, generator=rng) for code in ("eng_Latn", "deu_Latn")}
    noise = {code: torch.randn(2, n, 8, generator=rng) for code in states}
    acts, random = (Activations.from_arrays(arrays, labels={"topic": labels}) for arrays in (states, noise))
    with redirect_stderr(StringIO()):  # a progress bar a simulation
        return measure_probes(acts, "topic", random_init=random, erase=None, folds=5, seed=seed, resamples=50)

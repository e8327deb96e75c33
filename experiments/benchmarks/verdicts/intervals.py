"""Every kind of interval that reports print: of numbers, hits, differences of hits, ratios, with few items and few clusters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, holds
from probes.statistics.resampling import bootstrap, bootstrap_ratio
from probes.statistics.selection import choose_on_half

_TAIL = 2.0
_CLUSTER = 5


def checks(budget: Budget) -> Iterator[Row]:
    """Coverage of the truth; each simulation is a cell."""
    cells = 4 * budget.simulations
    for n in (12, 30, 100):
        rng = np.random.default_rng(budget.seed + n)
        yield from _of_means(n, cells, rng)
        yield from _of_hits(n, cells, rng)
        yield from _of_ratios(n, cells, rng)
    for clusters in (5, 10, 20):
        yield from _of_clusters(clusters, cells, np.random.default_rng(budget.seed + clusters))
    yield from _of_the_chosen(budget)


def _of_means(n: int, cells: int, rng: np.random.Generator) -> Iterator[Row]:
    samples = {
        "normal": (rng.normal(size=(n, cells)), 0.0),
        "exponential": (rng.exponential(size=(n, cells)), 1.0),
        "heavy tails (t of 3)": (rng.standard_t(3, size=(n, cells)), 0.0),
        "hits .3, mean of three languages": (rng.binomial(3, 0.3, size=(n, cells)) / 3, 0.3),
    }
    for name, (values, truth) in samples.items():
        yield coverage(f"mean, {name}", n, holds(*bootstrap(values), truth))
    if n > 12:  # of twelve no method known to us covers: the tail is not in the sample
        yield coverage("mean, lognormal", n, holds(*bootstrap(rng.lognormal(size=(n, cells))), np.exp(0.5)))


def _of_hits(n: int, cells: int, rng: np.random.Generator) -> Iterator[Row]:
    """Hits are counts, so no interval covers 95 % at every rate: below 93 % breaks the promise, too wide does not."""
    for rate in (0.02, 0.1, 0.5, 0.95, 1.0):
        yield coverage(f"hits, {rate}", n, holds(*bootstrap((rng.random((n, cells)) < rate) * 1.0), rate), wider=True)
    for rate in (0.02, 0.3):
        pairs = (rng.random((n, cells)) < rate) * 1.0 - (rng.random((n, cells)) < rate)
        yield coverage(f"difference of hits, {rate}", n, holds(*bootstrap(pairs, difference=True), 0.0), wider=True)


def _of_ratios(n: int, cells: int, rng: np.random.Generator) -> Iterator[Row]:
    for spread in (0.1, 0.5, 1.0):
        whole = rng.normal(1, spread, size=(n, cells))
        lower, upper = bootstrap_ratio(0.5 * whole + 0.2 * rng.normal(size=(n, cells)), whole)
        known = ~np.isnan(lower)
        yield coverage(f"ratio, sd of the denominator {spread} of its mean", n, holds(lower[known], upper[known], 0.5))


def _of_clusters(clusters: int, cells: int, rng: np.random.Generator) -> Iterator[Row]:
    labels = np.repeat(np.arange(clusters), _CLUSTER)
    shared, own = rng.normal(size=(clusters, cells))[labels], rng.normal(size=(len(labels), cells))
    few = f"{clusters} documents of {_CLUSTER}"
    yield coverage(f"mean, {few}", len(labels), holds(*bootstrap(shared + own, clusters=labels), 0.0))
    hits = (0.5**0.5 * (shared + own) > 1.0) * 1.0
    yield coverage(f"hits, {few}", len(labels), holds(*bootstrap(hits, clusters=labels), float(stats.norm.sf(1.0))), wider=True)


def _of_the_chosen(budget: Budget) -> Iterator[Row]:
    """The mean of the layer that one half of the items chose, among many that are equally good, on the other half."""
    for n, layers in ((30, 12), (30, 80), (100, 32)):
        held = []
        for seed in budget.seeds():
            values = np.random.default_rng(seed).normal(size=(n, layers))
            option, rows = choose_on_half(values, seed)
            held.append(bool(holds(*bootstrap(values[rows, option], 500, seed), 0.0)))
        yield coverage(f"mean at the best of {layers} layers", n, held)

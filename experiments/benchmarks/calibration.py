"""Do the intervals cover and the tests keep their level? Every check is on simulated data in which nothing is to be found."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy import stats

from interp.statistics import bootstrap, holm, max_statistic, sign_flip
from probes.clouds import METRICS, Cloud, Pair, measure

Row = tuple[str, float, str, bool]
_CHANCE = 0.001  # eight checks of uniformity: fewer than one of a hundred runs fails by luck


def main(arguments: Sequence[str] = ()) -> None:
    """Simulate, and print what was found beside what was promised; leaves with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks calibration", description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table = Table(title=f"{options.simulations} simulations of nothing, seed {options.seed}")
    for heading in ("check", "found", "promised", ""):
        table.add_column(heading, justify="right" if heading == "found" else "left")
    kept = []
    for check in (_coverage, _paired_tests, _families, _alignment):
        for name, found, promised, good in check(options.simulations, options.seed):
            table.add_row(name, f"{found:.3f}", promised, "ok" if good else "BROKEN")
            kept.append(good)
        table.add_section()
    Console().print(table)
    if not all(kept):
        raise SystemExit(1)


def _coverage(simulations: int, seed: int) -> Iterator[Row]:
    """How often a 95 % interval holds the truth; each simulation is a cell."""
    rng = np.random.default_rng(seed)
    texts, n = np.repeat(np.arange(60), 5), 200
    shared = rng.normal(size=(60, simulations))[texts] + rng.normal(size=(300, simulations))
    samples = {
        "normal, n=200": (rng.normal(size=(n, simulations)), 0.0, None),
        "hits 0.5, n=200": (rng.random((n, simulations)) < 0.5, 0.5, None),
        "hits 0.2, n=200": (rng.random((n, simulations)) < 0.2, 0.2, None),
        "skewed, n=200": (rng.exponential(size=(n, simulations)), 1.0, None),
        "60 documents of 5": (shared, 0.0, texts),
    }
    for name, (values, truth, clusters) in samples.items():
        lower, upper = bootstrap(values, 1000, seed, clusters)
        held = float(((lower <= truth) & (truth <= upper)).mean())
        yield f"95 % band, {name}", held, "0.93 to 0.97", 0.93 <= held <= 0.97


def _paired_tests(simulations: int, seed: int) -> Iterator[Row]:
    """Whether p-values of differences around zero are uniform, by Kolmogorov and Smirnov."""
    rng = np.random.default_rng(seed)
    texts = np.repeat(np.arange(40), 3)
    clustered = rng.normal(size=(40, simulations))[texts] + rng.normal(size=(120, simulations))
    for name, p in {
        "normal": sign_flip(rng.normal(size=(60, simulations)), 2000, seed),
        "heavy tails": sign_flip(rng.standard_t(2, size=(60, simulations)), 2000, seed),
        "documents": sign_flip(clustered, 2000, seed, texts),
    }.items():
        yield _uniform(f"sign flip, {name}", p)


def _families(simulations: int, seed: int) -> Iterator[Row]:
    """How often anything at all is found among many cells in which there is nothing; neighbouring cells are alike."""
    rng = np.random.default_rng(seed)
    found = {"max statistic, 12 x 12 grid": 0, "Holm, 13 layers": 0}
    for simulation in range(simulations):
        noise = rng.normal(size=(40, 14, 14))
        grid = noise[:, :12, :12] + noise[:, 1:13, 1:13] + noise[:, 2:, 2:]
        found["max statistic, 12 x 12 grid"] += (max_statistic(grid, 500, seed + simulation) <= 0.05).any()
        layers = np.cumsum(rng.normal(size=(40, 13)), axis=1)
        found["Holm, 13 layers"] += (holm(sign_flip(layers, 500, seed + simulation)) <= 0.05).any()
    for name, count in found.items():
        yield _level(f"false find, {name}", count / simulations, simulations)


def _alignment(simulations: int, seed: int) -> Iterator[Row]:
    """Each measure between two unrelated clouds; each simulation is a layer. Discrete and widened ones may only be careful."""
    rng = torch.Generator().manual_seed(seed)
    n = 50
    x, y = (torch.randn(simulations, n, 16, generator=rng) for _ in range(2))
    folds, same = torch.arange(n) % 5, torch.eye(n, dtype=torch.bool)
    pair = Pair(Cloud(x, folds, same), Cloud(y, folds, same))
    for metric in METRICS:
        p = measure(pair, metric).p
        if metric in ("cosine_gap", "auc", "rsa", "cka", "cka_debiased"):
            yield _uniform(metric, p)
        yield _level(f"p <= 0.05, {metric}", float((p <= 0.05).mean()), simulations)


def _uniform(name: str, p: np.ndarray) -> Row:
    found = float(stats.kstest(p, "uniform").pvalue)
    return f"uniform p (KS), {name}", found, f"over {_CHANCE}", found > _CHANCE


def _level(name: str, share: float, simulations: int) -> Row:
    most = 0.05 + 2 * (0.05 * 0.95 / simulations) ** 0.5
    return name, share, f"0.05 (luck: {most:.3f})", share <= most

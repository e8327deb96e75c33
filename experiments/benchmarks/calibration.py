"""Do the confidence intervals cover the truth, and do the tests keep their level? On simulated data with a known truth.

A share of 1000 simulations is imprecise (5 % comes out as 3.6 to 6.4 %), so tests whose level is exact by construction, those
of grids and of few sentences, get ten times as many, and the distribution of p is compared with the uniform one too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy import stats

from experiments.benchmarks import calibration_studies
from probes.alignment.clouds import METRICS, Cloud, Pair, measure
from probes.statistics.resampling import bootstrap
from probes.statistics.significance import holm, max_statistic, sign_flip

Row = tuple[str, float, str, bool]
"""Name of a check, the number measured, what was promised, and whether it holds."""
_CONTINUOUS = ("cosine_gap", "auc", "rsa", "cka", "cka_debiased")
_CHANCE = 0.001  # of a check to fail by chance; about thirty can, so 97 of 100 runs pass
_MORE, _AT_ONCE = 10, 250


def main(arguments: Sequence[str] = ()) -> None:
    """Simulate, and print what was measured beside what was promised; exits with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks calibration", description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    table = Table(
        title=f"{options.simulations} simulations, {_MORE} times as many of grids and of few sentences; seed {options.seed}"
    )
    for heading in ("check", "measured", "promised", ""):
        table.add_column(heading, justify="right" if heading == "measured" else "left")
    results = []
    for check in (
        _coverage,
        _coverage_of_measures,
        _paired_tests,
        _families,
        _alignment,
        _few_sentences,
        calibration_studies.checks,
    ):
        for name, measured, promised, good in check(options.simulations, options.seed):
            table.add_row(name, f"{measured:.3f}", promised, "ok" if good else "BROKEN")
            results.append(good)
        table.add_section()
    Console().print(table)
    if not all(results):
        raise SystemExit(1)


def _coverage(simulations: int, seed: int) -> Iterator[Row]:
    """How often a 95 % confidence interval holds the truth; each simulation is a cell."""
    rng = np.random.default_rng(seed)
    texts, n = np.repeat(np.arange(60), 5), 200
    shared = rng.normal(size=(60, simulations))[texts] + rng.normal(size=(300, simulations))
    samples: dict[str, tuple[np.ndarray, float, np.ndarray | None]] = {
        "normal, n=200": (rng.normal(size=(n, simulations)), 0.0, None),
        "hits 0.5, n=200": (rng.random((n, simulations)) < 0.5, 0.5, None),
        "hits 0.2, n=200": (rng.random((n, simulations)) < 0.2, 0.2, None),
        "skewed, n=200": (rng.exponential(size=(n, simulations)), 1.0, None),
        "60 documents of 5": (shared, 0.0, texts),
    }
    for name, (values, truth, clusters) in samples.items():
        lower, upper = bootstrap(values, 1000, seed, clusters)
        coverage = float(((lower <= truth) & (truth <= upper)).mean())
        yield f"95 % interval, {name}", coverage, "0.93 to 0.97", 0.93 <= coverage <= 0.97


def _paired_tests(simulations: int, seed: int) -> Iterator[Row]:
    """Whether p of differences around zero is uniform (Kolmogorov-Smirnov test)."""
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
    """How often any cell of many without an effect is called significant; neighbouring cells are correlated."""
    rng = np.random.default_rng(seed)
    smallest: dict[str, list[float]] = {"max statistic, 12 x 12 grid": [], "Holm, 13 layers": []}
    for flips in rng.integers(2**31, size=_MORE * simulations):
        noise = rng.normal(size=(40, 14, 14))
        grid = noise[:, :12, :12] + noise[:, 1:13, 1:13] + noise[:, 2:, 2:]
        smallest["max statistic, 12 x 12 grid"].append(max_statistic(grid, 199, flips).min())
        layers = np.cumsum(rng.normal(size=(40, 13)), axis=1)
        smallest["Holm, 13 layers"].append(holm(sign_flip(layers, 199, flips)).min())
    for name, p in smallest.items():
        yield _level(f"any false positive, {name}", np.array(p))
    yield _uniform("smallest p of a 12 x 12 grid", np.array(smallest["max statistic, 12 x 12 grid"]))


def _coverage_of_measures(simulations: int, seed: int) -> Iterator[Row]:
    """How often the 95 % interval of each measure holds its mean, between clouds that share half of their variance."""
    for metric, (values, _) in _measured(simulations, 100, 0.5, seed).items():
        lower, upper = bootstrap(values.T, 500, seed)
        truth = values.mean()
        coverage = float(((lower <= truth) & (truth <= upper)).mean())
        yield f"95 % interval, {metric}", coverage, "0.90 or more", coverage >= 0.90


def _alignment(simulations: int, seed: int) -> Iterator[Row]:
    """p of each measure between two unrelated clouds: uniform where the measure is continuous, else not below its level."""
    for metric, (_, p) in _measured(simulations, 50, 0.0, seed).items():
        if metric in _CONTINUOUS:
            yield _uniform(metric, p)
        yield _level(f"p <= 0.05, {metric}", p)


def _few_sentences(simulations: int, seed: int) -> Iterator[Row]:
    """The same with the fewest sentences allowed, where an error in drawing the random pairings shows most."""
    for metric, (_, p) in _measured(_MORE * simulations, 8, 0.0, seed, _CONTINUOUS).items():
        yield _uniform(f"8 sentences, {metric}", p)
        yield _level(f"p <= 0.05, 8 sentences, {metric}", p)


def _measured(
    simulations: int, n: int, share: float, seed: int, metrics: Sequence[str] = METRICS
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Measures of two clouds that share a part of their variance: `values [simulation sentence]` and p of each."""
    rng = torch.Generator().manual_seed(seed)
    results: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {metric: [] for metric in metrics}
    folds, same = torch.arange(n) % min(5, n // 2), torch.eye(n, dtype=torch.bool)
    for start in range(0, simulations, _AT_ONCE):
        layers = min(_AT_ONCE, simulations - start)
        shared, *own = (torch.randn(layers, n, 16, generator=rng) for _ in range(3))
        pair = Pair(*(Cloud(share**0.5 * shared + (1 - share) ** 0.5 * part, folds, same) for part in own))
        for metric in metrics:
            scores = measure(pair, metric)
            results[metric].append((scores.values.numpy(), scores.p))
    return {
        metric: (np.concatenate([values for values, _ in parts]), np.concatenate([p for _, p in parts]))
        for metric, parts in results.items()
    }


def _uniform(name: str, p: np.ndarray) -> Row:
    uniform = float(stats.kstest(p, "uniform").pvalue)
    return f"uniform p (KS), {name}", uniform, f"over {_CHANCE}", uniform > _CHANCE


def _level(name: str, p: np.ndarray) -> Row:
    most = stats.binom.isf(_CHANCE, len(p), 0.05) / len(p)
    share = float((p <= 0.05).mean())
    return name, share, f"0.05 (by chance up to {most:.3f})", share <= most

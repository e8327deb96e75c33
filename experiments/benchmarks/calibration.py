"""Do verdicts claim what is there and nothing else, and do intervals cover the truth? On simulated data with a known truth.

The verdicts of every command (`verdicts/`) go through the report of that command, made of simulated values: how often does it
claim a finding on a null, how often does it find a planted effect, how often do its intervals hold the truth? Before them, the
tests and measures that all rest on. A share of 1000 simulations is imprecise (5 % comes out as 3.6 to 6.4 %), so tests whose level
is exact by construction, those of grids and of few sentences, get ten times as many, and the distribution of p is compared with
the uniform one too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import stats

from experiments.benchmarks.kept import kept_rows, rows_of
from experiments.benchmarks.verdicts.commands import COMMANDS
from experiments.benchmarks.verdicts.rows import CHANCE, LEVEL, Budget, Row, holds, null
from probes.alignment.clouds import METRICS, Cloud, Pair, measure
from probes.statistics.resampling import bootstrap
from probes.statistics.significance import holm, max_statistic, sign_flip

_CONTINUOUS = ("cosine_gap", "auc", "rsa", "cka", "cka_debiased")
_MORE, _AT_ONCE = 10, 250


def main(arguments: Sequence[str] = ()) -> None:
    """Simulate, and print what was measured beside what was promised; exits with 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks calibration", description=__doc__)
    parser.add_argument("--simulations", type=int, help="default: 1000, or 100 with --quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="the middle sizes alone, a few minutes")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="keep rows here as they finish; a finished command is not run again"
    )
    parser.add_argument("--show", action="store_true", help="print the rows that --keep holds, and simulate nothing")
    parser.add_argument("--only", nargs="+", choices=["tests", *COMMANDS], default=["tests", *COMMANDS])
    options = parser.parse_args(arguments)
    if options.show and not options.keep:
        parser.error("--show prints the rows of a file: expected --keep FILE")
    torch.set_num_threads(1)
    budget = Budget(options.simulations or (100 if options.quick else 1000), options.seed, options.quick)
    table = Table(box=box.MARKDOWN)
    for heading in ("check", "kind", "n", "simulations", "measured", "promised (bound of chance)", "holds"):
        table.add_column(heading, justify="right" if heading in ("n", "simulations", "measured") else "left")
    results = []
    for name in options.only:
        checks = tests if name == "tests" else COMMANDS[name]
        for row in rows_of(options.keep, name, budget) if options.show else kept_rows(options.keep, name, checks, budget):
            *shown, kept = row
            table.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in shown), "yes" if kept else "BROKEN")
            results.append(kept)
    Console(width=150).print(table)
    if not all(results):
        raise SystemExit(1)


def tests(budget: Budget) -> Iterator[Row]:
    """The tests and measures of alignment that verdicts rest on, as `budget` says."""
    for check in (_paired_tests, _families, _coverage_of_measures, _alignment, *(() if budget.quick else (_few_sentences,))):
        yield from check(budget.simulations, budget.seed)


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
        yield _uniform(f"sign flip, {name}", 60, p)


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
        yield null(name, 40, np.array(p) <= LEVEL)
    yield _uniform("smallest p of a 12 x 12 grid", 40, np.array(smallest["max statistic, 12 x 12 grid"]))


def _coverage_of_measures(simulations: int, seed: int) -> Iterator[Row]:
    """How often the 95 % interval of each measure holds its mean, between clouds that share half of their variance."""
    for metric, (values, _) in _measured(simulations, 100, 0.5, seed).items():
        lower, upper = bootstrap(values.T, 500, seed)
        truth = values.mean()
        held = float(holds(lower, upper, truth).mean())
        yield Row(metric, "coverage", 100, len(values), held, "0.90 or more", held >= 0.90)


def _alignment(simulations: int, seed: int) -> Iterator[Row]:
    """p of each measure between two unrelated clouds: uniform where the measure is continuous, else not below its level."""
    for metric, (_, p) in _measured(simulations, 50, 0.0, seed).items():
        if metric in _CONTINUOUS:
            yield _uniform(metric, 50, p)
        yield null(f"p of {metric}", 50, p <= LEVEL)


def _few_sentences(simulations: int, seed: int) -> Iterator[Row]:
    """The same with the fewest sentences allowed, where an error in drawing the random pairings shows most."""
    for metric, (_, p) in _measured(_MORE * simulations, 8, 0.0, seed, _CONTINUOUS).items():
        yield _uniform(metric, 8, p)
        yield null(f"p of {metric}", 8, p <= LEVEL)


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


def _uniform(name: str, n: int, p: np.ndarray) -> Row:
    uniform = float(stats.kstest(p, "uniform").pvalue)
    return Row(
        f"p of {name}" if not name.startswith("smallest") else name,
        "uniform",
        n,
        len(p),
        uniform,
        f"over {CHANCE}",
        uniform > CHANCE,
    )

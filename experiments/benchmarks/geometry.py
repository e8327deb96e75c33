"""CPU time of all alignment measures, compared with MEXA written as a double loop over sentence pairs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.spatial.distance import cosine

from probes.alignment.clouds import METRICS, Cloud, Pair, measure
from probes.alignment.retrieval import cosines, mexa


def main(arguments: Sequence[str] = ()) -> None:
    """Time every measure with its shuffled pairings on two random clouds, and the double loop on some of the rows."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    x, y = (torch.randn(options.layers, options.sentences, options.width) for _ in range(2))
    table = Table(title=f"{options.sentences} sentences x {options.layers} layers x {options.width}, {options.threads} thread(s)")
    for heading in ("measure", "CPU s", "times faster"):
        table.add_column(heading, justify="left" if heading == "measure" else "right")
    loop = _loop_seconds(x.numpy(), y.numpy(), options.rows)
    table.add_row(f"mexa, double loop ({options.rows} rows measured)", f"{loop:.1f}", "1")
    pair = _pair(x, y)
    rows: list[tuple[str, Callable[[], object]]] = [("mexa alone", lambda: _hits(x, y))]
    rows += [(f"{name} + shuffles", partial(_p, pair, name)) for name in METRICS]
    total = 0.0
    for name, run in rows:
        seconds = _clock(run)
        total += seconds if "+" in name else 0.0
        table.add_row(name, f"{seconds:.2f}", f"{loop / seconds:.0f}")
    table.add_section()
    table.add_row(f"all {len(METRICS)} with shuffles", f"{total:.2f}", f"{loop / total:.1f}")
    Console().print(table)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks geometry", description=__doc__)
    for name, default in {"sentences": 1000, "layers": 13, "width": 512, "rows": 20, "threads": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args(arguments)


def _pair(x: torch.Tensor, y: torch.Tensor) -> Pair:
    folds, same = torch.arange(x.shape[1]) % 5, torch.eye(x.shape[1], dtype=torch.bool)
    return Pair(Cloud(x, folds, same), Cloud(y, folds, same))


def _p(pair: Pair, metric: str) -> np.ndarray:
    return measure(pair, metric).p


def _hits(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """What the double loop computes of MEXA: one value a layer and no baseline."""
    similarity = cosines(x, y)
    matched = similarity.diagonal(dim1=1, dim2=2)
    second = torch.maximum(similarity.topk(2, dim=2).values[..., 1], similarity.topk(2, dim=1).values[:, 1])
    return (matched > second).float().mean(-1)


def _loop_seconds(x: np.ndarray, y: np.ndarray, rows: int) -> float:
    """CPU seconds of the double loop over all sentences and layers, extrapolated from the first rows of the first layer."""

    def run() -> list[bool]:
        hits = []
        for i in range(rows):
            own = 1 - cosine(x[0, i], y[0, i])
            forward = max(1 - cosine(x[0, i], y[0, j]) for j in range(x.shape[1]) if j != i)
            backward = max(1 - cosine(x[0, j], y[0, i]) for j in range(x.shape[1]) if j != i)
            hits.append(own > max(forward, backward))
        return hits

    pair = _pair(torch.from_numpy(x[:1]), torch.from_numpy(y[:1]))
    assert run() == mexa(pair.cosines).values[0, :rows].bool().tolist(), "the double loop and the tensors must agree"
    return _clock(run) * x.shape[0] * x.shape[1] / rows


def _clock(run: Callable[[], object]) -> float:
    """CPU seconds, on which other work on the machine has less effect than on wall time."""
    start = time.process_time()
    run()
    return time.process_time() - start

"""How much slower is a forward pass beside other work on the machine, if threads spin or sleep while they wait for each other?

The commands let threads sleep (`OMP_WAIT_POLICY=PASSIVE`, set before torch is imported); left alone, OpenMP lets them spin. Both
are timed in processes of their own, with all processors, alone and beside processes that only count. Wall time, medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

_POLICY = "OMP_WAIT_POLICY"


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table: a line for alone and one for beside others; how long where threads spin, where they sleep, and the ratio."""
    options = _parse(arguments)
    if options.here:
        print(_milliseconds(options.model, options.seconds))
        return
    table = Table(title=f"a forward pass of {options.model}, 32 x 24 tokens, {os.cpu_count()} processors")
    for heading in ("beside", "spin, ms", "sleep, ms", "spin / sleep"):
        table.add_column(heading, justify="left" if heading == "beside" else "right")
    for others in (0, options.others):
        with _busy(others):
            spin, sleep = (_timed(options, policy) for policy in ("", "PASSIVE"))
        table.add_row(f"{others} busy processes" if others else "nothing", f"{spin:.1f}", f"{sleep:.1f}", f"{spin / sleep:.2f}")
    Console().print(table)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks crowd", description=__doc__)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--others", type=int, default=os.cpu_count() or 1, help="busy processes, by default one a processor")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is timed")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _timed(options: argparse.Namespace, policy: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in (_POLICY, "OMP_NUM_THREADS")}
    command = [sys.executable, "-m", "experiments.benchmarks", "crowd", "--here", "--model", options.model]
    done = subprocess.run(
        [*command, "--seconds", str(options.seconds)], env=environment | ({_POLICY: policy} if policy else {}), check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return float(done.stdout.split()[-1])


def _milliseconds(model: str, seconds: float) -> float:
    import torch

    import interp

    bridge, ids = interp.load(model, device="cpu"), torch.randint(0, 1000, (32, 24), generator=torch.Generator().manual_seed(0))
    times, end = list[float](), time.perf_counter() + seconds
    with torch.no_grad():
        bridge(ids)
        while time.perf_counter() < end or not times:
            start = time.perf_counter()
            bridge(ids)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


@contextmanager
def _busy(others: int) -> Iterator[None]:
    """So many processes that count, in a `with` block."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(others)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()

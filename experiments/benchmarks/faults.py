"""Is anything lost when a run is killed? Every long command, killed several times and resumed, compared with an undisturbed run.

A round kills (SIGKILL) the same run five times: at its first file, three times after a random time of up to half of what it takes
undisturbed (finished work is kept, so each gets further), and in the middle of saving; each time it is resumed with --resume.
The files of its manifest are then compared with the undisturbed run's by checksum: on a CPU with one thread every file is
the same, bit for bit. On a GPU tuned weights, and what follows from them, may differ in their last bits, killed or not,
because gradients of embeddings are summed there in no fixed order; the table then says by how much.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pkgutil
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

LONG = {
    "align": "--languages de fr ru zh --limit 200 --metrics mexa cka_debiased --random-init",
    "transplant": "--languages de --limit 12 --controls shuffled",
    "neurons": "--languages de fr --limit 100 --modes zero",
    "lens": "--languages de --limit 20 --no-controls --lens {output}/lens.safetensors --lens-corpus cldr:phrases --lens-steps 50",
    "tune": "--languages de fr --limit 200 --steps 12 --batch 16 --checkpoints 6 --form quoted",
    "quadrants": "--languages de fr --probes ro --sizes 32 --limit 10 --steps 4 --max-new-tokens 8",
}
_BEFORE = frozenset({"config.yaml", "run.log"})
When = Callable[[Path, float], bool]
"""From a run folder and the CPU seconds so far to whether to kill the process now."""


@dataclass(frozen=True)
class Attempt:
    """One process: its CPU seconds, and its exit code: 0 finished, -9 killed."""

    seconds: float
    code: int


def main(arguments: Sequence[str] = ()) -> None:
    """Kill and resume every command and print the CPU time lost; exits with 1 where a result differs from the undisturbed one."""
    options = _parse(arguments)
    _import_all()
    rng, table, good = random.Random(options.seed), Table(title=f"Killed and resumed, {options.rounds} round(s)"), True
    for heading in ("command", "CPU s", "kills", "CPU s lost", "equal?"):
        table.add_column(heading, justify="left" if heading in ("command", "equal?") else "right")
    for command in options.commands:
        with tempfile.TemporaryDirectory() as root:
            undisturbed = Path(root, "undisturbed")
            straight = _attempt(_flags(command, undisturbed, options), undisturbed, lambda folder, seconds: False)
            for number in range(options.rounds):
                folder = Path(root, str(number))
                attempts = list(_round(_flags(command, folder, options), folder, straight.seconds, rng))
                same = _compare(undisturbed, folder)
                good &= same.startswith("yes")
                lost = sum(attempt.seconds for attempt in attempts) - straight.seconds
                kills = sum(attempt.code < 0 for attempt in attempts)
                table.add_row(command, f"{straight.seconds:.1f}", str(kills), f"{lost:.1f}", same)
    Console().print(table)
    if not good:
        raise SystemExit(1)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks faults", description=__doc__)
    parser.add_argument("commands", nargs="*", default=list(LONG), metavar="COMMAND", help=f"some of {', '.join(LONG)}")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args(arguments)


def _flags(command: str, folder: Path, options: argparse.Namespace) -> list[str]:
    return [command, *LONG[command].format(output=folder).split(), "--device", options.device, "--output", str(folder)]


def _round(flags: list[str], folder: Path, usual: float, rng: random.Random) -> Iterator[Attempt]:
    """Five kills of one run, and the attempt that finishes it."""
    by_time = [_after(rng.uniform(0, usual / 2)) for _ in range(3)]
    for when in (_at_first_file, *by_time, _while_saving, lambda folder, seconds: False):
        resume = ["--resume"] if folder.is_dir() else []
        attempt = _attempt([*flags, *resume], folder, when)
        yield attempt
        if attempt.code >= 0:
            return


def _after(limit: float) -> When:
    return lambda folder, seconds: seconds > limit


def _at_first_file(folder: Path, seconds: float) -> bool:
    return any(path.is_file() and path.name not in _BEFORE and not path.name.startswith(".") for path in folder.rglob("*"))


def _while_saving(folder: Path, seconds: float) -> bool:
    return (folder / "table.parquet").is_file() and not (folder / "manifest.json").is_file()


def _attempt(flags: list[str], folder: Path, when: When) -> Attempt:
    """Run a command in a process of its own until it ends, or kill it as soon as `when` says so."""
    log = folder.with_suffix(".log")
    process = multiprocessing.get_context("fork").Process(target=_command, args=(flags, log))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.start()
    assert process.pid is not None
    while process.is_alive() and not when(folder, _cpu_seconds(process.pid)):
        time.sleep(0.002)
    process.kill()
    process.join()
    code = process.exitcode
    assert code is not None
    if code > 0:
        raise SystemExit(f"interp {' '.join(flags)}\n{log.read_text(encoding='utf-8')}\nexited with {code}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Attempt(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, code)


def _cpu_seconds(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def _command(flags: list[str], log: Path) -> None:
    """Run `interp` with one thread, its output in `log`."""
    import torch

    from experiments.__main__ import main as interp

    torch.set_num_threads(1)
    for stream in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.exit(interp(flags))


def _import_all() -> None:
    """Import everything, so that a forked process begins to work at once."""
    for package in ("interp", "probes", "experiments"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)


def _compare(undisturbed: Path, folder: Path) -> str:
    """Whether two runs wrote the same files; else which differ, and the largest difference of their tables."""
    files, others = (json.loads((run / "manifest.json").read_text(encoding="utf-8"))["files"] for run in (undisturbed, folder))
    differ = sorted(name for name in {**files, **others} if files.get(name) != others.get(name) and name != "config.yaml")
    if left := [path.name for path in folder.rglob(".interp-*")]:
        return f"NO: left behind {', '.join(left)}"
    if not differ:
        return f"yes, {len(files)} files bit for bit"
    import pandas as pd

    table, other = (pd.read_parquet(run / "table.parquet").select_dtypes("number") for run in (undisturbed, folder))
    return f"NO: {', '.join(differ)} (numbers by {(table - other).abs().max().max():.2g})"

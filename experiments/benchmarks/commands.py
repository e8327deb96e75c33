"""How long does each command take on a model of yours, and how much memory? A short run of every command, each in a new process.

The settings are those of a first look: few languages, few items, few steps, built-in text. CPU seconds hardly change with other
work on the machine, wall seconds do. The peak is that of the resident set, weights and libraries included (about half a GiB); on a
GPU it is the memory of the host alone. `plan` is what `--plan` states for the same settings: time of the forwards, time to start,
memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from experiments.commands import COMMANDS
from interp.files.atomic import write_text
from interp.provenance import environment

FIRST_LOOK = {
    "check": "{model}",
    "align": "--languages de fr zh --limit 100",
    "lens": "--languages de zh --limit 30",
    "transplant": "--languages de --limit 10 --controls shuffled",
    "patch": "--languages de --limit 10 --directions denoise",
    "probe": "--languages de fr zh --limit 100",
    "neurons": "--languages de fr zh --limit 100 --modes zero",
    "steer": "--limit 20",
    "atlas": "--languages de fr zh --limit 100",
    "vocabulary": "--languages de fr zh --limit 200",
    "tune": "--languages de --limit 100 --scope lora --steps 8 --batch 16 --form quoted",
    "translate": "--languages de --limit 10",
    "answer": "--languages de --limit 20",
    "compare": "--after {model} --with answer align --languages de --limit 20",
    "quadrants": "--languages de --probes fr --sizes 32 --limit 10 --steps 4 --tie untie",
    "scale": "--languages nl uk --sizes 8 16 32 --seeds 1 --steps 4 --limit 8 --budget 48",
    "directions": "--mix en --read_only de --write_only fr --languages es it --rotations 1 --limit 8 --samples 32 --steps 4",
    "extrapolate": "--languages de --steps 4 --limit 8 --seeds 1",
    "instruction": "--languages de fr --limit 6",
}
"""Options of a first look at each question. {model} is the model."""
_POLL = 0.05
_TOLD = (("on this machine:", " of forwards"), (", after ", " to start"), ("the process: about ", " of memory"))
"""What stands before and behind the time of the forwards, the time to start, and the memory, in the text of `--plan`."""


@dataclass(frozen=True)
class Cost:
    """What one command took: seconds of wall and CPU time, peak of the resident memory in GiB, and what `--plan` said."""

    model: str
    command: str
    options: str
    wall: float
    cpu: float
    peak: float
    planned: str
    code: int


def main(arguments: Sequence[str] = ()) -> None:
    """Run every command on every model, print one table, and exit with 1 where a command fails."""
    options = _parse(arguments)
    costs: list[Cost] = []
    with tempfile.TemporaryDirectory() as root:
        for cost in _costs(options, Path(root)):
            costs.append(cost)
            print(f"{cost.model} {cost.command}: {cost.wall:.0f} s, {cost.cpu:.0f} CPU s, {cost.peak:.2f} GiB", file=sys.stderr)
            if options.json is not None:
                kept = {"environment": environment(), "threads": options.threads, "costs": [asdict(one) for one in costs]}
                write_text(options.json, json.dumps(kept, indent=1) + "\n")
    Console().print(_table(costs, options.threads))
    if any(cost.code for cost in costs):
        raise SystemExit(1)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks commands", description=__doc__)
    parser.add_argument("commands", nargs="*", default=list(FIRST_LOOK), metavar="COMMAND", help=f"some of {', '.join(FIRST_LOOK)}")
    parser.add_argument("--models", nargs="+", default=["bundled"], help="hub names, folders or bundled")
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="items of every command, in place of its own number")
    parser.add_argument("--plan", action="store_true", help="also ask --plan, which loads the model once more")
    parser.add_argument("--json", type=Path, default=None, help="also write the table here, after every command")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.commands if name not in FIRST_LOOK]:
        parser.error(f"got {', '.join(unknown)}, expected commands among {', '.join(FIRST_LOOK)}.")
    return options


def _costs(options: argparse.Namespace, root: Path) -> Iterator[Cost]:
    for number, model in enumerate(options.models):
        for name in options.commands:
            line = flags(name, model, options.dtype, options.device, options.limit)
            planned = _planned(line, options.threads) if options.plan else ""
            output = [] if name == "check" else ["--output", str(root / f"{name}-{number}")]
            wall, cpu, peak, code = _watched([*line, *output], options.threads, root / f"{name}-{number}.log")
            yield Cost(Path(model).name, name, _options(name, options.limit), wall, cpu, peak, planned, code)


def _options(command: str, limit: int | None) -> str:
    """The options of a first look, at so many items."""
    return FIRST_LOOK[command] if limit is None else re.sub(r"--limit \d+", f"--limit {limit}", FIRST_LOOK[command])


def flags(command: str, model: str, dtype: str | None = None, device: str = "cpu", limit: int | None = None) -> list[str]:
    """The command line of a first look.

    Parameters
    ----------
    command
        A command of `FIRST_LOOK`.
    model
        A hub name, a folder, or `bundled`.
    dtype, device
        Those of the command. Default: the dtype of the checkpoint, on the CPU.
    limit
        Its number of items. Default: that of `FIRST_LOOK`.
    """
    own = shlex.split(_options(command, limit).replace("{model}", shlex.quote(model)))
    own = own if command == "check" else ["--model", model, *own]
    return [command, *own, "--device", device, *(["--dtype", dtype] if dtype else [])]


def _environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def _planned(line: Sequence[str], threads: int) -> str:
    """The time of the forwards, the time to start and the memory that `--plan` states."""
    settings = import_module(COMMANDS[line[0]][0])
    if not hasattr(settings, "work"):
        return ""
    command = [sys.executable, "-m", "experiments", *line, "--plan"]
    run = subprocess.run(command, capture_output=True, text=True, env=_environment(threads), check=False)
    lines = run.stdout.splitlines()
    return ", ".join(part for part in (_between(lines, *ends) for ends in _TOLD) if part)


def _between(lines: Sequence[str], before: str, after: str) -> str:
    """What the first line that has both texts says between them; empty if none has."""
    return next((text.split(before, 1)[1].split(after)[0].strip() for text in lines if before in text and after in text), "")


def _watched(line: Sequence[str], threads: int, log: Path) -> tuple[float, float, float, int]:
    """Wall seconds, CPU seconds, peak GiB and exit code of a command, with its worker processes."""
    started, peak, cpu = time.monotonic(), 0.0, 0.0
    with log.open("w", encoding="utf-8") as out:
        process = psutil.Popen([sys.executable, "-m", "experiments", *line], stdout=out, stderr=out, env=_environment(threads))
        while process.poll() is None:
            try:
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in family) / 2**30)
                times = process.cpu_times()
                cpu = max(cpu, times.user + times.system + times.children_user + times.children_system)
            except psutil.Error:
                pass
            time.sleep(_POLL)
    if process.returncode:
        print(f"interp {shlex.join(line)}\n{log.read_text(encoding='utf-8')[-2000:]}", file=sys.stderr)
    return time.monotonic() - started, cpu, peak, int(process.returncode)


def _table(costs: Sequence[Cost], threads: int) -> Table:
    table = Table(title=f"A first look with each command, {threads} thread(s)")
    for heading in ("model", "command", "wall s", "CPU s", "peak GiB", "plan", "options"):
        table.add_column(heading, justify="left" if heading in ("model", "command", "plan", "options") else "right")
    for cost in costs:
        seen = [f"{cost.wall:.0f}", f"{cost.cpu:.0f}", f"{cost.peak:.2f}"] if not cost.code else ["failed", "", ""]
        table.add_row(cost.model, cost.command, *seen, cost.planned, cost.options)
    return table

"""What do the check at load and the receipts cost, as shares of the load and of the run that they belong to?

One model, loaded as a command loads it. The check is timed inside its load, the receipts inside `measure_transplant` with all
controls: the time spent in `check_cells` against the whole. Process CPU time; shares hardly move with other work on the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar
from unittest.mock import patch

import torch
from rich.console import Console
from rich.table import Table

import interp
from interp.interventions.grid import items, receipts
from interp.models.checks import verification
from interp.models.load import TransformerBridge
from interp.text.read import read_task
from probes.transplant.measure import measure_transplant
from probes.transplant.options import pairs_of

P = ParamSpec("P")
T = TypeVar("T")


class _Clock(Generic[P, T]):
    """The CPU seconds spent in one function, in all its calls."""

    def __init__(self, function: Callable[P, T]) -> None:
        self.seconds, self.function = 0.0, function

    def timed(self) -> Callable[P, T]:
        @wraps(self.function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            started = time.process_time()
            try:
                return self.function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - started

        return call


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table: seconds of the whole and of the check, and the share."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks checks", description=__doc__)
    parser.add_argument("--model", default="bundled", help="a hub name, a folder or bundled")
    parser.add_argument("--dtype", default=None)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    table = Table(title=f"{options.model}, {options.items} items of cldr:facts, English into German, all controls")
    for heading in ("what", "whole, CPU s", "checks, CPU s", "share"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    model, total, checks = _load(options)
    table.add_row("load check in interp.load", f"{total:.2f}", f"{checks:.2f}", f"{checks / total:.1%}")
    total, checks = _transplant(model, options)
    table.add_row("receipts in measure_transplant", f"{total:.2f}", f"{checks:.2f}", f"{checks / total:.1%}")
    Console().print(table)


def _load(options: argparse.Namespace) -> tuple[TransformerBridge, float, float]:
    plain, check = verification.plain_logits, verification.check_model
    clocks: list[_Clock[..., Any]] = [_Clock(plain), _Clock(check)]
    verification.plain_logits, verification.check_model = (clock.timed() for clock in clocks)
    started = time.process_time()
    try:
        model = interp.load(options.model, dtype=options.dtype)
    finally:
        verification.plain_logits, verification.check_model = plain, check
    return model, time.process_time() - started, sum(clock.seconds for clock in clocks)


def _transplant(model: TransformerBridge, options: argparse.Namespace) -> tuple[float, float]:
    task = read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=options.items)
    clock = _Clock(receipts.check_cells)
    with patch.object(items, "check_cells", clock.timed()):
        started = time.process_time()
        measure_transplant(model, task, pairs_of(task, "eng_Latn", "to"), progress=False)
    return time.process_time() - started, clock.seconds

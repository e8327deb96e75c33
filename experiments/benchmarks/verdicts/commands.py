"""The commands whose verdicts are checked, each with its module: a new one adds a line here and a module with `checks`."""

from __future__ import annotations

from experiments.benchmarks.verdicts import alignment, instruction, intervals, lens, neurons, patching, probing, steering, studies
from experiments.benchmarks.verdicts.rows import Checks

COMMANDS: dict[str, Checks] = {
    "intervals": intervals.checks,
    "align": alignment.checks,
    "instruction": instruction.checks,
    "lens": lens.checks,
    "neurons": neurons.checks,
    "patch": patching.checks,
    "probe": probing.checks,
    "steer": steering.checks,
    "compare": studies.changes,
    "answer": studies.answers,
    "transplant": studies.transplants,
    "quadrants": studies.quadrants,
    "scale": studies.scales,
}

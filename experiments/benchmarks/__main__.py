"""`python -m experiments.benchmarks NAME`: run one benchmark; only its module is imported."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = {
    "all": "One table for this machine, on CPU or GPU: everything as a ratio to plain Hugging Face.",
    "capture": "Sentences a second and peak memory, compared with plain Hugging Face loops.",
    "geometry": "CPU time of every alignment measure, compared with a double loop over sentence pairs.",
    "transplant": "CPU time of the whole source x target grid, compared with one forward pass a cell.",
    "checks": "What the check at load and the receipts of a run cost, as shares of the load and of the run.",
    "rates": "Tokens and FLOP a second of capturing, grids and tuning, for planning larger models.",
    "commands": "Seconds and peak memory of a short run of every command, on models of your choice.",
    "calibration": "False positive rate of the tests and coverage of the confidence intervals, on simulated data.",
    "crowd": "A forward pass beside other work on the machine, with threads that spin or sleep while they wait.",
    "faults": "Every long command killed and resumed, compared with an undisturbed run.",
}


def main(arguments: list[str]) -> int:
    """Run the benchmark named by the first of `arguments` with the others; returns the exit code."""
    name, *options = arguments or ["--help"]
    if name not in BENCHMARKS:
        lines = "\n".join(f"  {benchmark:12} {question}" for benchmark, question in BENCHMARKS.items())
        print(f"python -m experiments.benchmarks NAME [--help]\n\n{lines}")
        return 0 if name in ("-h", "--help") else 2
    import_module(f"experiments.benchmarks.{name}").main(options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

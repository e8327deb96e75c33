"""`python -m experiments.benchmarks NAME`: only the module asked for is imported."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = {
    "capture": "Sentences a second and peak memory, against plain Hugging Face loops.",
    "geometry": "Every alignment measure, against a double loop over sentence pairs.",
    "transplant": "The whole source x target grid, against one forward pass a cell.",
    "checks": "What the check at load and the receipts of a run cost, as shares of the load and of the run.",
    "rates": "Tokens and FLOP a second of reading, grids and tuning, for planning larger models.",
    "calibration": "False alarms and coverage of tests and bands on planted data.",
    "faults": "Every long command killed and resumed, against one that nothing happened to.",
}


def main(arguments: list[str]) -> int:
    """Run one benchmark; returns the exit code."""
    name, *rest = arguments or ["--help"]
    if name not in BENCHMARKS:
        lines = "\n".join(f"  {each:12} {what}" for each, what in BENCHMARKS.items())
        print(f"python -m experiments.benchmarks NAME [--help]\n\n{lines}")
        return 0 if name in ("-h", "--help") else 2
    import_module(f"experiments.benchmarks.{name}").main(rest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

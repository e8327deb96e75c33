"""Make the gallery again: `python -m experiments.gallery --smollm2 PATH --qwen PATH --data PATH`.

Entries are run one at a time, in run folders below --work; a killed one goes on where it was. One that fails is told at the end and
loses no other. With no model given, only the page is written again from what is committed.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.gallery.entries import ENTRIES
from experiments.gallery.entry import QWEN, SMOLLM2, Entry, Inputs
from experiments.gallery.kept import keep
from experiments.gallery.page import write_page
from experiments.settings.flags import parse_flags

HERE = Path(__file__).parent


@dataclass(frozen=True)
class GallerySettings:
    """One committed run a question on two published models."""

    qwen: str = ""
    """Folder of Qwen2.5-Coder-0.5B-Instruct."""
    smollm2: str = ""
    """Folder of SmolLM2-135M-Instruct."""
    data: Path = Path("data")
    """Folder of the parallel text: flores200, xquad, flagged/latent_language and flagged/bmlama53 below it."""
    work: Path = Path("runs/gallery")
    """Folder for the run folders, which are not committed."""
    only: tuple[str, ...] = ()
    """Names of entries. Default: all."""


def main(args: Sequence[str]) -> int:
    """Run the entries that `args` name, keep their parts, and write the page. Returns 1 if an entry failed, else 0."""
    settings = parse_flags(GallerySettings, args, "gallery")
    if unknown := set(settings.only) - {entry.name for entry in ENTRIES}:
        known = ", ".join(entry.name for entry in ENTRIES)
        raise SystemExit(f"gallery: got --only {min(unknown)}, expected one of {known}.")
    failed: dict[str, str] = {}
    if settings.qwen or settings.smollm2:
        inputs = Inputs(settings.qwen, settings.smollm2, settings.data.absolute(), settings.work.absolute())
        for entry in ENTRIES:
            if not settings.only or entry.name in settings.only:
                failed |= _make(entry, inputs)
    write_page(HERE, ENTRIES)
    for name, error in failed.items():
        print(f"{name}: failed: {error}", file=sys.stderr)
    return 1 if failed else 0


def _make(entry: Entry, inputs: Inputs) -> dict[str, str]:
    """Run one entry and keep its parts; what failed, by name."""
    from experiments.ask import answer, show

    print(f"== {entry.name}", flush=True)
    try:
        if not {QWEN: inputs.qwen, SMOLLM2: inputs.smollm2}[entry.model]:
            raise ValueError(f"got no folder of {entry.model}, expected one. Give it with --qwen or --smollm2.")
        steps = [replace(step, resume=True) for step in entry.steps(inputs)]
        for step in steps:
            show(answer(step))
        keep(entry, inputs, steps[-1].resolved(), HERE / entry.name)
    except Exception as error:  # one entry that fails must not lose the others
        traceback.print_exc()
        return {entry.name: f"{type(error).__name__}: {error}"}
    return {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

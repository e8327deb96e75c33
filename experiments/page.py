"""`interp page`: finished runs as one self-contained HTML page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.pages.render import write_page
from experiments.settings.flags import parse_flags
from experiments.settings.values import check_values


@dataclass(frozen=True)
class PageSettings:
    """Finished runs as one self-contained HTML page, several side by side."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Finished run folders."""
    output: Path | None = None
    """The file to write; by default page.html in the run folder, or in the folder that holds all of them."""
    debug: bool = False
    """Show the traceback of an error."""


def main(args: Sequence[str]) -> None:
    """Write the page of the runs on the command line and print its path."""
    settings = parse_flags(PageSettings, args, "page")
    if not settings.runs:
        raise ValueError("got no run folder, expected at least one finished one: interp page runs/align.")
    check_values(settings)
    together = Path(os.path.commonpath([run.absolute() for run in settings.runs]))
    print(write_page(settings.runs, settings.output or Path(os.path.relpath(together)) / "page.html"))

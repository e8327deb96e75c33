"""Parse a command line into settings, with errors of one line."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import tyro

from experiments.runs.values import check_arguments

T = TypeVar("T")
_FRAME = re.compile(r"[\u2500-\u257f]+|-{5,}")


def parse_flags(kind: type[T], args: Sequence[str], command: str, *markers: object, **more: Any) -> T:
    """Parse command-line options into settings.

    Parameters
    ----------
    kind
        The settings class.
    args
        The arguments after the name of the command.
    command
        Name of the command, for the help text.
    markers
        Further configuration of tyro.
    more
        Further arguments of `tyro.cli`, such as `default`.

    Raises
    ------
    ValueError
        An option is unknown, or has a wrong or an empty value. The message is one line.
    SystemExit
        On `--help`.
    """
    check_arguments(kind, args)
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            return tyro.cli(
                kind, args=list(args), prog=f"interp {command}", config=(tyro.conf.FlagCreatePairsOff, *markers), **more
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ValueError(
            _one_line(output.getvalue()) or f"the options are not readable; `interp {command} --help` lists them"
        ) from None


def _one_line(box: str) -> str:
    """What tyro says in a frame, without the frame and without the pages of help that it may add."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", box).strip().splitlines()[1:]  # without its title
    text = " ".join(_FRAME.sub(" ", " ".join(lines)).split())
    text = re.split(r" Argument helptext:| For full helptext| Perhaps you meant| Similar arguments", text)[0]
    return text if len(text) <= 400 else f"{text[:397]}..."

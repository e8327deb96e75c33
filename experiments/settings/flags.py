"""Parse a command line into settings, with errors of one line."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import io
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from operator import getitem
from typing import Annotated, TypeVar, cast, get_type_hints

import tyro

from experiments.settings.values import check_arguments

T = TypeVar("T")
_FRAME = re.compile(r"[\u2500-\u257f]+|-{5,}")


def parse_flags(
    kind: type[T],
    args: Sequence[str],
    command: str,
    *markers: object,
    hidden: Collection[str] = (),
    common: type | None = None,
    default: T | None = None,
) -> T:
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
    hidden
        Names of settings that `--help` leaves out, as the command refuses them.
    common
        The class of the settings that all commands share: `--help` shows them as a second group.
    default
        Settings whose values are the defaults, such as those of a recipe.

    Raises
    ------
    ValueError
        An option is unknown, or has a wrong or an empty value. The message is one line.
    SystemExit
        On `--help`.
    """
    check_arguments(kind, args)
    kind = _explained(kind, hidden, common) if {"-h", "--help"} & set(args) else kind
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output):
            return tyro.cli(
                kind,
                args=list(args),
                prog=f"interp {command}",
                config=(tyro.conf.FlagCreatePairsOff, *markers),
                default=tyro.MISSING_NONPROP if default is None else default,
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


def _explained(kind: type[T], hidden: Collection[str], common: type | None) -> type[T]:
    """The same settings for `--help`: two groups, and every docstring without its line breaks, which tyro would keep.

    A class that repeats the fields with their help as `tyro.conf.arg`. Only `--help` sees it, so no settings are of this class.
    """
    if not dataclasses.is_dataclass(kind):
        return kind
    types = get_type_hints(kind, include_extras=True)
    texts = dict(_docstrings(kind))
    shared = [field.name for field in dataclasses.fields(common)] if common is not None and dataclasses.is_dataclass(common) else []
    repeated: dict[bool, list[tuple[str, object, object]]] = {False: [], True: []}
    for field in dataclasses.fields(kind):
        hint = "" if _has_no_values(field) else None
        marks = [tyro.conf.arg(help=texts.get(field.name), help_behavior_hint=hint)]
        mark: object = tyro.conf.Suppress if field.name in hidden else marks[0]
        copied = dataclasses.field(default=field.default, default_factory=field.default_factory)
        repeated[field.name in shared].append((field.name, getitem(Annotated, (types[field.name], mark)), copied))
    paragraphs = (" ".join(paragraph.split()) for paragraph in (kind.__doc__ or "").split("\n\n"))
    named = {"__doc__": "\n\n".join(paragraphs), "__module__": kind.__module__}
    if not repeated[True]:
        return cast("type[T]", dataclasses.make_dataclass(kind.__name__, repeated[False], frozen=True, namespace=named))
    own = kind.__module__.rpartition(".")[2]
    groups = []
    for name, said, fields in (
        (own, "What this question asks.", repeated[False]),
        ("common", "As in every question.", repeated[True]),
    ):
        made = dataclasses.make_dataclass(name, fields, frozen=True, namespace={"__doc__": said, "__module__": kind.__module__})
        groups.append((name, getitem(Annotated, (made, tyro.conf.OmitArgPrefixes)), dataclasses.field(default_factory=made)))
    return cast("type[T]", dataclasses.make_dataclass(kind.__name__, groups, frozen=True, namespace=named))


def _has_no_values(field: dataclasses.Field[object]) -> bool:
    """Whether nothing is given by default, of which tyro would say "(default: )" or "None": its help says what then holds."""
    default = field.default_factory() if callable(field.default_factory) else field.default
    return default is None or default is False or default in ((), [], {}, dataclasses.MISSING)


def _docstrings(kind: type) -> Iterator[tuple[str, str]]:
    """The text below each field, those of the base classes first."""
    for part in reversed(kind.__mro__[:-1]):
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        for field, text in pairwise(getattr(definition, "body", ())):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    yield name, " ".join(said.split())

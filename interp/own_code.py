"""A function of your own where a command or a function of this project takes a name: `my_scores:exclaims`.

Three spellings are understood: `module:function` (a module that is installed or in the working directory), `file.py:function`, and
the name of an entry point that an installed package declares in one of the groups of `GROUPS`. From Python the function itself is
taken too. Importing a module runs it, so a name of code counts only where you typed it: a recipe runs none.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Literal

from interp.languages import nearest
from interp.own_hash import code_hash

Group = Literal["interp.text_metrics", "interp.alignment_metrics", "interp.readers", "interp.tasks"]
GROUPS: dict[Group, str] = {
    "interp.text_metrics": "metric", "interp.alignment_metrics": "metric", "interp.readers": "reader", "interp.tasks": "task",
}  # fmt: skip
"""The entry-point groups, and what each holds in a word."""
_NAME = re.compile(r"(?P<module>[^:\s]+\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")
_TAKEN = frozenset({"cldr", "hub"})


@dataclass(frozen=True)
class OwnCode:
    """A function of your own (`call`), the `name` that tables have for it, and the hash of what it rests on (`sha`).

    The name is `module:function`, of an entry point too. The hash is that of its source file and of the values that it was made
    with (`interp.own_hash.code_hash`). What its module imports is not in the hash.
    """

    name: str
    call: Callable[..., object]
    sha: str

    def __str__(self) -> str:
        return f"{self.name}@{self.sha[:8]}"


def names_code(name: object) -> bool:
    """Whether `name` is written like `module:function` or `file.py:function`; "cldr:names" and a path are not."""
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    return found is not None and found["module"] not in _TAKEN


def own_code(given: str | Callable[..., object], group: Group) -> OwnCode | None:
    """The function of your own that is meant, or None where `given` is no such name.

    Parameters
    ----------
    given
        A function, or one of the spellings of this module.
    group
        The group in which an installed package may declare the name.

    Raises
    ------
    ValueError
        The module cannot be imported, has no such function, or what is there cannot be called.
    """
    what = GROUPS[group]
    if callable(given):
        return _checked(_name(given), given, what)
    if names_code(given):
        module, _, function = given.rpartition(":")
        return _checked(given, _member(_imported(module, what, given), function, what, given), what)
    for entry in metadata.entry_points(group=group, name=given):
        try:
            return _checked(entry.value, entry.load(), what)
        except Exception as error:  # whatever the package raises when it is imported
            raise ValueError(
                f"{what} {given!r}: entry point {entry.value} of {group} cannot be loaded ({_said(error)})."
            ) from error
    return None


def names_or_code(
    metrics: Sequence[str | OwnCode | Callable[..., object]], known: Sequence[str], group: Group, check: Callable[[OwnCode], None]
) -> list[str | OwnCode]:
    """Each of `metrics` as one of the names `known`, or as code of your own of a `group`, which `check` looks at.

    Raises `ValueError` for a name that is neither, and for one given twice.
    """
    found: list[str | OwnCode] = []
    for given in metrics:
        if isinstance(given, OwnCode):
            own: OwnCode | None = given
        else:
            own = None if isinstance(given, str) and given in known else own_code(given, group)
        if own is None and given not in known:
            raise ValueError(
                f"got metric {given!r}, expected some of {', '.join((*known, *declared(group)))}, or a function of your own as "
                f"module:function.{nearest(str(given), known)}"
            )
        if own is not None:
            check(own)
        found.append(own or str(given))
    names = [name_of(metric) for metric in found]
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise ValueError(f"got metric {twice[0]!r} twice, expected each once. Name functions differently.")
    return found


def name_of(metric: str | OwnCode) -> str:
    """What tables call a `metric`: its name, or `module:function`."""
    return metric if isinstance(metric, str) else metric.name


def declared(group: Group) -> tuple[str, ...]:
    """The names that installed packages declare in `group`."""
    return tuple(sorted({entry.name for entry in metadata.entry_points(group=group)}))


def _checked(name: str, call: object, what: str) -> OwnCode:
    if not callable(call):
        raise ValueError(f"{what} {name!r}: got a {type(call).__name__}, expected a function.")
    if inspect.isclass(call) and what == "metric":
        raise ValueError(
            f"metric {name!r}: got the class {call.__name__}, expected a function. Give an object of it that can be called: "
            f"metric = {call.__name__}(...) in your file, and the name metric."
        )
    return OwnCode(name, call, code_hash(call))


def _imported(module: str, what: str, name: str) -> object:
    try:
        return _from_file(Path(module)) if module.endswith(".py") else _from_path(module)
    except (Exception, SystemExit) as error:  # whatever the module raises when it is imported
        where = "a file" if module.endswith(".py") else "a module that is installed or in the working directory"
        raise ValueError(f"{what} {name!r}: {module} cannot be imported ({_said(error)}), expected {where}.") from error


def _from_path(module: str) -> object:
    with _working_directory():
        return importlib.import_module(module)


def _from_file(path: Path) -> object:
    path = path.resolve()
    name = f"_own_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if not path.is_file() or spec is None or spec.loader is None:
            raise FileNotFoundError("no such file")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _member(module: object, function: str, what: str, name: str) -> object:
    if not hasattr(module, function):
        found = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        hint = nearest(function, found) or f" It has {', '.join(found[:8]) or 'no function'}."
        raise ValueError(f"{what} {name!r}: the module has no {function}.{hint}")
    return getattr(module, function)


@contextmanager
def _working_directory() -> Iterator[None]:
    """The working directory, last among the places where a module is looked for."""
    here = str(Path.cwd())
    if {here, ""} & set(sys.path):
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _name(call: Callable[..., object]) -> str:
    """`module:function`; of what has no name of its own (a partial, a method, an object, a lambda) the variable that holds it."""
    of = call.func if isinstance(call, functools.partial) else call
    named = of if hasattr(of, "__qualname__") else type(of)
    module, name = getattr(named, "__module__", None) or "", named.__qualname__
    if (inspect.isfunction(call) or inspect.isclass(call)) and "<" not in name:
        return f"{module}:{name}"
    places = [sys.modules.get(module), *reversed(sys.modules.values())]  # a module is there before those that it imports
    held = ((place, each) for place in places if isinstance(place, ModuleType)
            for each, value in list(vars(place).items()) if value is call)  # fmt: skip
    place, variable = next(held, (None, ""))
    return f"{place.__name__}:{variable}" if place else f"{module}:{name}"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

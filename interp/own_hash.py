"""What a function of your own rests on, in one hash: its source file, and the values that it was made with."""

from __future__ import annotations

import functools
import hashlib
import inspect
import platform
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import CodeType, ModuleType

_PLAIN = (type(None), bool, int, float, complex, str, bytes)


def code_hash(call: Callable[..., object]) -> str:
    """The hash of `call`: another source, other bound arguments or another state of its object give another.

    A function is its source file (its code, where it was typed into a shell or notebook) and the values of its closure and its
    defaults; a `functools.partial` its function and arguments; a method its function and its object; an object its class and its
    attributes; a function written in C its name and the version of Python. An attribute that is no plain value, container, array
    or object with attributes counts by its class.

    >>> from functools import partial
    >>> code_hash(partial(max, 1)) == code_hash(partial(max, 1)), code_hash(partial(max, 1)) == code_hash(partial(max, 2))
    (True, False)
    """
    return _digest(call, {}).hex()


def _digest(value: object, seen: dict[int, tuple[object, bytes]]) -> bytes:
    """The hash of any `value`; `seen` are the values met before, by id: each is taken apart once, and what holds itself ends."""
    if id(value) in seen:
        return seen[id(value)][1]
    seen[id(value)] = value, b"itself"
    parts = [hashlib.sha256(part).digest() if isinstance(part, bytes) else _digest(part, seen) for part in _parts(value)]
    parts = sorted(parts) if isinstance(value, Mapping | AbstractSet) else parts
    found = hashlib.sha256(b"".join(parts)).digest()
    seen[id(value)] = value, found
    return found


def _parts(value: object) -> list[object]:
    """What a `value` is made of: bytes, and values to take apart in turn."""
    kind = type(value).__qualname__.encode()
    if isinstance(value, _PLAIN):
        return [kind, repr(value).encode()]
    if isinstance(value, functools.partial):
        return [b"partial", value.func, value.args, value.keywords]
    if isinstance(value, Mapping):
        return [kind, *value.items()]
    if isinstance(value, list | tuple | AbstractSet):
        return [kind, *value]
    if isinstance(value, ModuleType):
        return [kind, value.__name__.encode()]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_consts, value.co_names]
    if inspect.ismethod(value):
        return [b"method", value.__func__, value.__self__]
    if inspect.isfunction(value):
        return _of_function(inspect.unwrap(value))
    if inspect.isclass(value):
        return [_source(value) or f"{value.__module__}.{value.__qualname__}".encode()]
    if inspect.isbuiltin(value):
        return [f"{value.__qualname__} {platform.python_version()}".encode(), value.__self__]
    return _of_object(value)


def _of_function(function: Callable[..., object]) -> list[object]:
    code = getattr(function, "__code__", None)
    if code is None:
        return [function]
    cells = [_contents(cell) for cell in getattr(function, "__closure__", None) or ()]
    made = [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None), cells]
    return [_source(function) or code, function.__qualname__.encode(), *made]


def _of_object(value: object) -> list[object]:
    """Class and attributes of an object; of a wrapper such as `functools.cache` what it wraps, of an array its numbers."""
    if callable(value) and hasattr(value, "__wrapped__"):
        return [inspect.unwrap(value)]
    if hasattr(value, "__array__"):
        import numpy as np

        try:
            array = np.asarray(value)
        except (TypeError, RuntimeError):  # bfloat16, or an array of an accelerator
            return [type(value)]
        return [type(value), str((array.shape, array.dtype)).encode(), array.tolist() if array.dtype.hasobject else array.tobytes()]
    slots = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)}
    if attributes := getattr(value, "__dict__", {}) | slots:
        return [type(value), attributes]
    said = repr(value)
    return [type(value), b"" if " at 0x" in said else said.encode()]


def _contents(cell: object) -> object:
    try:
        return cell.cell_contents  # type: ignore[attr-defined]
    except ValueError:  # not filled yet
        return None


def _source(value: Callable[..., object]) -> bytes | None:
    try:
        return Path(inspect.getsourcefile(value) or "").read_bytes()
    except (TypeError, OSError):
        return None

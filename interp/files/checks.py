"""Checks of what was read from a file: its types, its file names, and how a bad value is shown in an error."""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import TypeVar

T = TypeVar("T")


def validate(kind: type[T], values: object, where: object) -> T:
    """Convert plain values into a dataclass or another type, without coercion.

    Parameters
    ----------
    kind
        The type.
    values
        Plain values, as read from JSON.
    where
        What the values were read from, for the error.

    Raises
    ------
    ValueError
        A field is missing or has another type. The message names it.

    Example
    -------
    >>> validate(dict[str, int], {"layers": 8}, "config.json")
    {'layers': 8}
    >>> validate(dict[str, int], {"layers": "8"}, "config.json")
    Traceback (most recent call last):
        ...
    ValueError: ...
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {key}: got {short_repr(first['input'])}. {first['msg']}.") from None


def safe_path(folder: Path, name: str, links: bool = False) -> Path:
    """The path of a file in a folder, if its name cannot lead out of the folder.

    Parameters
    ----------
    folder
        The folder.
    name
        The file name, which may come from an untrusted manifest.
    links
        Allow symbolic links that lead out of the folder: a model in the Hub's cache consists of them.

    Raises
    ------
    ValueError
        The name contains a path, the file is a link out of the folder, or is not a regular file.

    Example
    -------
    >>> from pathlib import Path
    >>> safe_path(Path("runs"), "../secret")
    Traceback (most recent call last):
        ...
    ValueError: ...
    """
    path = folder / name
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0") or PureWindowsPath(name).drive:
        raise ValueError(
            f"{folder}: got file name {short_repr(name)}, expected a name without a path: no file outside the folder is read."
        )
    if not links and path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is a link out of its folder, expected the file itself.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file, expected one: reading a pipe could block.")
    return path


def short_repr(value: object) -> str:
    """The representation of `value` for an error message, at most 60 characters.

    >>> len(short_repr("a" * 1000))
    60
    """
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}..."

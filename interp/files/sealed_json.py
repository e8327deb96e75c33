"""JSON files with a hash of their content, so that damage is detected.

The hash is not a signature: whoever can write the file can also write its hash. So the types of what is read are checked too
(`interp.files.checks`), and file names must stay in their folder.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interp.files.atomic import write_json
from interp.files.checks import short_repr

_SEAL = "seal"
Json = str | int | float | list[Any] | dict[str, Any] | None
"""A value as JSON has it; bool is an int. What a list or an object holds is for the reader to check."""


def parsed(text: str, where: str) -> Any:
    """Parse JSON strictly.

    Parameters
    ----------
    text
        The JSON text.
    where
        What the text was read from, for the error.

    Raises
    ------
    ValueError
        The text is not JSON, has a key twice, or escapes half of a surrogate pair.

    Example
    -------
    >>> parsed('{"layers": 8, "layers": 9}', "config.json")
    Traceback (most recent call last):
        ...
    ValueError: ...
    """
    try:
        value = json.loads(text, object_pairs_hook=_once)
        if "\\ud" in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{where}: got an escape for half of a surrogate pair, expected whole characters.") from None
    except (ValueError, RecursionError) as error:
        content = "nothing" if not text.strip() else f"text that is not JSON ({error})"
        raise ValueError(f"{where}: got {content}, expected one JSON value.") from None
    return value


def read_object(path: Path) -> dict[str, Json]:
    """Read the JSON object in the file `path`. Raises `ValueError` if it holds anything else.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.json").write_text('{"layers": 8}')
    ...     read_object(Path(folder, "a.json"))
    {'layers': 8}
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file, expected a JSON object.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}), expected a JSON object.") from None
    value = parsed(text, str(path))
    if not isinstance(value, dict):
        raise ValueError(f"{path}: got a {type(value).__name__}, expected a JSON object.")
    return value


def seal(values: Mapping[str, object]) -> dict[str, Json]:
    """Convert `values` to plain values and add their hash, which `unseal` checks.

    >>> sealed = seal({"layers": 8})
    >>> unseal(sealed, "manifest.json")
    {'layers': 8}
    """
    plain = json.loads(json.dumps(values, default=str))
    return {**plain, _SEAL: _hash(plain)}


def unseal(values: Mapping[str, Json], where: object) -> dict[str, Json]:
    """Check and remove the hash of `values`. Raises `ValueError`, naming `where` they were read from, if they were altered.

    >>> unseal(seal({"layers": 8}) | {"layers": 9}, "manifest.json")
    Traceback (most recent call last):
        ...
    ValueError: ...
    """
    plain = {key: value for key, value in values.items() if key != _SEAL}
    if values.get(_SEAL) != _hash(plain):
        raise ValueError(f"{where} was altered since it was written, or another program wrote it")
    return plain


def write_sealed(path: Path, values: Mapping[str, object]) -> None:
    """Write `values` and their hash to `path` atomically, as a JSON object.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_sealed(Path(folder, "a.json"), {"layers": 8})
    ...     read_sealed(Path(folder, "a.json"))
    {'layers': 8}
    """
    write_json(path, seal(values))


def read_sealed(path: Path) -> dict[str, Json]:
    """Read a file `path` written by `write_sealed`. Raises `ValueError` if it was altered.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_sealed(Path(folder, "a.json"), {"layers": 8})
    ...     _ = Path(folder, "a.json").write_text(Path(folder, "a.json").read_text().replace("8", "9", 1))
    ...     read_sealed(Path(folder, "a.json"))
    Traceback (most recent call last):
        ...
    ValueError: ...
    """
    return unseal(read_object(path), path)


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    values = dict(pairs)
    if len(values) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {short_repr(twice)} occurs twice in one object")
    return values


def _hash(plain: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

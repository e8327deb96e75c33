"""Results in a folder, each in a file named by a hash of what it depends on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from interp.files.checks import short_repr
from interp.files.sealed_json import Json
from interp.files.sealed_tensors import load_tensors, save_tensors

T = TypeVar("T")
Facts = Mapping[str, object]
"""Plain values by name. What JSON does not have, such as a path, is stored as its text."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cache(Generic[T]):
    """A folder of results, one file each, that are used again only if the same code would compute them again.

    In each method `of` is everything that a result depends on, as plain values: weights, text, settings. Its hash is the name of
    the file, and the file contains it in full.

    Attributes
    ----------
    folder
        The folder.
    by
        What computes the results: versions, device, precision (`interp.models.computation.computed_by`).
    save
        `save(path, result, facts)` writes a file. Default: tensors.
    load
        `load(path)` gives the result and its facts; raises `ValueError` if the file was altered. Default: tensors.
    suffix
        Suffix of the files.
    """

    folder: Path
    by: Facts
    save: Callable[..., Any] = save_tensors
    load: Callable[[Path], tuple[Any, dict[str, Json]]] = load_tensors
    suffix: str = ".safetensors"

    def path(self, of: Facts) -> Path:
        """The file of a result that depends on `of`."""
        return self.folder / f"{digest(of)[:32]}{self.suffix}"

    def find(self, of: Facts, path: Path | None = None) -> T | None:
        """Find a result.

        Parameters
        ----------
        of
            Everything that the result depends on.
        path
            The file. Default: `self.path(of)`.

        Returns
        -------
        The result, or None if there is none. A file that is damaged, or was computed by other versions, is logged as a warning and
        not used.
        """
        path = path or self.path(of)
        if not path.is_file():
            return None
        try:
            result, facts = self.load(path)
        except ValueError as error:
            _log.warning("%s It is computed again.", error)
            return None
        for section, expected in (("of", of), ("by", self.by)):
            saved = facts.get(section)
            if different := differences(saved if isinstance(saved, dict) else {}, expected):
                _log.warning("%s was computed with %s. It is computed again.", path, describe_differences(different))
                return None
        return result

    def keep(self, of: Facts, result: T, path: Path | None = None, **notes: object) -> None:
        """Save a result.

        Parameters
        ----------
        of
            Everything that the result depends on.
        result
            The result.
        path
            The file. Default: `self.path(of)`.
        notes
            Further plain values to store in the file. They do not decide whether it is used.
        """
        self.save(path or self.path(of), result, {"of": of, "by": self.by, **notes})

    def get(self, of: Facts, compute: Callable[[], T], path: Path | None = None) -> T:
        """Find the result that depends on `of`, in the file `path`, or else run `compute` and save what it returns."""
        if (cached := self.find(of, path)) is not None:
            return cached
        result = compute()
        self.keep(of, result, path)
        return result


def digest(facts: object) -> str:
    """SHA-256 of plain values `facts`, independent of the order of mappings.

    >>> digest({"layers": 8, "model": "bundled"}) == digest({"model": "bundled", "layers": 8})
    True
    """
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def differences(before: Facts, now: Facts) -> dict[str, tuple[Any, Any]]:
    """The facts that differ, each with its value in `before` and in `now`.

    >>> differences({"torch": "2.12", "seed": 0}, {"torch": "2.13", "seed": 0})
    {'torch': ('2.12', '2.13')}
    """
    old, new = (json.loads(json.dumps(dict(facts), default=str)) for facts in (before, now))
    return {key: (old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)}


def describe_differences(different: Mapping[str, tuple[object, object]]) -> str:
    """Describe the result `different` of `differences`: "another transformers ('5.23.0', now '5.24.0')".

    >>> describe_differences({"torch": ("2.12", "2.13")})
    "another torch ('2.12', now '2.13')"
    """
    words = (f"another {key} ({short_repr(before)}, now {short_repr(now)})" for key, (before, now) in different.items())
    return " and ".join(words)

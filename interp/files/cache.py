"""Results kept in a folder: each in a file named by what it is of, and believed only where the same would compute it again."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from interp.files.checks import short_repr
from interp.files.sealed_tensors import load_tensors, save_tensors

T = TypeVar("T")
Facts = Mapping[str, Any]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cache(Generic[T]):
    """A folder of results. `by` is what computes them: versions, device, precision (`interp.models.computation.computed_by`).

    `of`, in each method, is everything else that a result rests on, as plain values: weights, text, settings. A hash of it names
    the file, and both stand in the file in full. `save(path, result, facts)` and `load(path)` are the kind of file, tensors by
    default; `load` raises `ValueError` where the file is not as it was written.
    """

    folder: Path
    by: Facts
    save: Callable[..., Any] = save_tensors
    load: Callable[[Path], tuple[Any, dict[str, Any]]] = load_tensors
    suffix: str = ".safetensors"

    def path(self, of: Facts) -> Path:
        """The file of a result."""
        return self.folder / f"{digest(of)[:32]}{self.suffix}"

    def find(self, of: Facts, path: Path | None = None) -> T | None:
        """The result that was kept; None where there is none, and, with a warning that says why, where it is not to be used."""
        path = path or self.path(of)
        if not path.is_file():
            return None
        try:
            result, facts = self.load(path)
        except ValueError as error:
            _log.warning("%s It is computed again.", error)
            return None
        for part, now in (("of", of), ("by", self.by)):
            kept = facts.get(part)
            if different := differences(kept if isinstance(kept, dict) else {}, now):
                _log.warning("%s was computed with %s. It is computed again.", path, describe_differences(different))
                return None
        return result

    def keep(self, of: Facts, result: T, path: Path | None = None, **notes: Any) -> None:
        """Write a result, with notes beside it that decide nothing."""
        self.save(path or self.path(of), result, {"of": of, "by": self.by, **notes})

    def get(self, of: Facts, compute: Callable[[], T], path: Path | None = None) -> T:
        """The result that was kept, or else what `compute` gives, which is then kept."""
        if (kept := self.find(of, path)) is not None:
            return kept
        result = compute()
        self.keep(of, result, path)
        return result


def digest(facts: Any) -> str:
    """A hash of plain values: equal for equal ones, in whatever order a mapping has them."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def differences(before: Facts, now: Facts) -> dict[str, tuple[Any, Any]]:
    """The facts that are not the same, each with its value before and now."""
    old, new = (json.loads(json.dumps(dict(facts), default=str)) for facts in (before, now))
    return {key: (old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)}


def describe_differences(different: Mapping[str, tuple[Any, Any]]) -> str:
    """Differences in words: "another transformers ('5.23.0', now '5.24.0')"."""
    words = (f"another {key} ({short_repr(before)}, now {short_repr(now)})" for key, (before, now) in different.items())
    return " and ".join(words)

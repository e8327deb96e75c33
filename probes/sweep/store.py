"""Where the cells of a sweep lie: one file a cell, named by what it was made of, trusted by its checksum.

cells/<key>.parquet, .json    the items of a finished cell; the JSON, written last, says what it is and its checksum
models/<key>/                 a model being tuned, with its checkpoints; it stays only where it is kept
kept/<key>.safetensors, .json the embedding rows of a kept model, and what it is
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from interp.files.atomic import checksum, whole
from interp.files.lock import locked
from interp.files.sealed_json import read_sealed, write_sealed

_log = logging.getLogger(__name__)


def address(contents: Mapping[str, Any]) -> str:
    """The key of something: equal for equal contents, whatever its name."""
    return hashlib.sha256(json.dumps(contents, sort_keys=True, default=str).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Store:
    """The folder of one or of several sweeps; several processes may share it."""

    folder: Path

    def read(self, key: str) -> pd.DataFrame | None:
        """The items of a cell; None where it is not finished, or was altered since (a warning names the file)."""
        path = self.folder / "cells" / f"{key}.parquet"
        facts = _facts(path.with_suffix(".json"))
        if facts is None:
            return None
        if not path.is_file() or checksum(path) != facts.get("checksum"):
            _log.warning("%s is missing or was altered since it was written: it is computed again", path)
            return None
        return pd.read_parquet(path)

    def facts(self, key: str) -> Mapping[str, Any]:
        """What was written down beside a finished cell: what it was made of, the seconds it took, its training loss."""
        return _facts(self.folder / "cells" / f"{key}.json") or {}

    def write(self, key: str, table: pd.DataFrame, facts: Mapping[str, Any]) -> None:
        path = self.folder / "cells" / f"{key}.parquet"
        with whole(path) as temporary:
            table.to_parquet(temporary, index=False)
        write_sealed(path.with_suffix(".json"), {**facts, "checksum": checksum(path)})

    def workplace(self, key: str) -> Path:
        """Where the model of a cell is tuned; what is there already is gone on with."""
        return self.folder / "models" / key

    def clear(self, key: str) -> None:
        shutil.rmtree(self.workplace(key), ignore_errors=True)

    def rows(self, key: str) -> Path:
        return self.folder / "kept" / f"{key}.safetensors"

    def keep(self, key: str, facts: Mapping[str, Any]) -> None:
        """Say that a model is kept, and how: written when its rows or its folder are whole."""
        write_sealed(self.folder / "kept" / f"{key}.json", facts)

    def kept(self, key: str) -> Mapping[str, Any] | None:
        return _facts(self.folder / "kept" / f"{key}.json")

    def all_kept(self) -> dict[str, Mapping[str, Any]]:
        found = {path.stem: _facts(path) for path in sorted((self.folder / "kept").glob("*.json"))}
        return {key: facts for key, facts in found.items() if facts is not None}

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """One process at a time for what lies under a key; another waits. A killed one lets go."""
        with locked(self.folder / "locks" / key, patience=math.inf):
            yield


def _facts(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return read_sealed(path)
    except ValueError as error:
        _log.warning("%s: what it describes is computed again", error)
        return None

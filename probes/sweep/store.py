"""Where the cells of a sweep lie: one file per cell, named by what it was made of, trusted by its checksum.

cells/<key>.parquet, .json    the items of a finished cell; the JSON, written last, says what it is, what
                              computed it, and its checksum
models/<key>/                 a model being tuned, with its checkpoints; it stays only where it is kept
kept/<key>.safetensors, .json the embedding rows of a kept model, and what it is
"""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

import pandas as pd

from interp.files.atomic import checksum, whole
from interp.files.cache import Cache
from interp.files.lock import locked
from interp.files.sealed_json import Json, read_sealed, write_sealed

_log = logging.getLogger(__name__)


class Trained(TypedDict):
    """What a tuned model was made of, and facts of its training.

    `mixture` is the hash of its data and `recipe` how it was tuned; `steps`, `first_loss` and `final_loss` are its updates and its
    losses (nats per token), and `moved_rows` the number of embedding rows that moved.
    """

    mixture: str
    recipe: dict[str, Json]
    steps: int
    first_loss: float
    final_loss: float
    moved_rows: int


class Kept(Trained):
    """Facts of a model that is `kept`: as rows or as a folder.

    `name` is that of its cell, `parent` the model it was tuned from, `model_sha` the hash of its weights, and `by` what computed
    it.
    """

    kept: Literal["nothing", "rows", "model"]
    name: str
    parent: str
    model_sha: str
    by: NotRequired[Mapping[str, str]]


@dataclass(frozen=True)
class Store:
    """The folder of one or of several sweeps; several processes may share it. `by`: what computes, as in `Cache`."""

    folder: Path
    by: Mapping[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> Cache[pd.DataFrame]:
        """The items of finished cells, by what they are made of."""
        return Cache(self.folder / "cells", self.by, _save_table, _load_table, ".json")

    def workplace(self, key: str) -> Path:
        """Where the model of a cell is tuned, by its `key`; training continues from a checkpoint that is there."""
        return self.folder / "models" / key

    def clear(self, key: str) -> None:
        """Delete the folder in which the model of a `key` was tuned."""
        shutil.rmtree(self.workplace(key), ignore_errors=True)

    def rows(self, key: str) -> Path:
        """The file of the embedding rows that are kept of the model of a `key`."""
        return self.folder / "kept" / f"{key}.safetensors"

    def keep(self, key: str, facts: Kept) -> None:
        """Record the `facts` of the model of a `key` that is kept: written when its rows or its folder are complete."""
        write_sealed(self.folder / "kept" / f"{key}.json", {**facts, "by": self.by})

    def kept(self, key: str) -> Kept | None:
        """The facts of the model of a `key`; None where it is not kept, or its record was altered."""
        return _facts(self.folder / "kept" / f"{key}.json")

    def all_kept(self) -> dict[str, Kept]:
        """The facts of every model that is kept, by key."""
        facts_of = {path.stem: _facts(path) for path in sorted((self.folder / "kept").glob("*.json"))}
        return {key: facts for key, facts in facts_of.items() if facts is not None}

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """One process at a time for the model of a `key`; another waits. The lock of a killed process is released."""
        with locked(self.folder / "locks" / key, patience=math.inf):
            yield


def _save_table(note: Path, table: pd.DataFrame, facts: Mapping[str, object]) -> None:
    """A table, and then a sealed note beside it with its facts and its checksum."""
    path = note.with_suffix(".parquet")
    with whole(path) as temporary:
        table.to_parquet(temporary, index=False)
    write_sealed(note, {**facts, "checksum": checksum(path)})


def _load_table(note: Path) -> tuple[pd.DataFrame, dict[str, Json]]:
    """A table and its facts. Raises `ValueError` where it is not as it was written."""
    facts, path = read_sealed(note), note.with_suffix(".parquet")
    if not path.is_file() or checksum(path) != facts.get("checksum"):
        raise ValueError(f"{path} is missing or was altered since it was written.")
    return pd.read_parquet(path), facts


def _facts(path: Path) -> Kept | None:
    if not path.is_file():
        return None
    try:
        return cast(Kept, read_sealed(path))  # its seal says that `Store.keep` wrote it
    except ValueError as error:
        _log.warning("%s: what it describes is computed again", error)
        return None

"""Models made on demand and asked something, each cell once: the loop that all sweeps share, whatever is asked."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from interp.models.load import TransformerBridge
from probes.sweep.models import Cell, Keep, Models

_log = logging.getLogger(__name__)


class Asking(ABC):
    """How the models of a sweep are made from one `parent`, and asked; a frozen dataclass says what they are asked.

    `keep` is what is kept of each model, and `device` where models run.
    """

    parent: str | Path
    keep: Keep
    device: str | None

    @abstractmethod
    def _contents(self, models: Models, cell: Cell) -> dict[str, object]:
        """What the numbers of a `cell` are made of, as plain values."""

    @abstractmethod
    def _asked(self, model: TransformerBridge, cell: Cell) -> pd.DataFrame:
        """The items of a `cell` and their scores, by its `model`."""

    def _check(self, cells: Sequence[Cell]) -> None:
        """Raise `ValueError` for cells that cannot be measured: before a model is loaded."""
        check_cells(cells)

    def measure(self, cells: Sequence[Cell], folder: str | Path) -> pd.DataFrame:
        """The items of these `cells`, each row with the cell's name and tags; what `folder` holds is taken from there."""
        models = self._models(cells, folder)
        tables = [self._measured(models, cell) for cell in tqdm(cells, desc="sweep", unit="cell", disable=None)]
        return pd.concat([_labelled(cell, table) for cell, table in zip(cells, tables, strict=True)], ignore_index=True)

    def missing(self, cells: Sequence[Cell], folder: str | Path) -> list[Cell]:
        """Those of `cells` that `measure` would still have to compute, in order; all others are in `folder`."""
        models = self._models(cells, folder)
        return [cell for cell in cells if self._finished(models, cell) is None]

    def _models(self, cells: Sequence[Cell], folder: str | Path) -> Models:
        self._check(cells)
        return Models(str(self.parent), Path(folder), self.keep, self.device)

    def _finished(self, models: Models, cell: Cell) -> pd.DataFrame | None:
        """The items of a cell, where they are there and so is all that is to be kept."""
        return None if models.owed(cell) else models.store.cells.find(self._contents(models, cell))

    def _measured(self, models: Models, cell: Cell) -> pd.DataFrame:
        with models.store.alone(models.key(cell)):
            table = self._finished(models, cell)
            if table is not None:
                return table
            began = time.monotonic()
            model, facts = models.open(cell)
            opened = time.monotonic()
            table = self._asked(model, cell).assign(**facts)
            seconds = {"model": round(opened - began, 2), "score": round(time.monotonic() - opened, 2)}
            models.store.cells.keep(self._contents(models, cell), table, name=cell.name, seconds=seconds)
            _log.info("cell %s: model %.1f s, scores %.1f s", cell.name, seconds["model"], seconds["score"])
        return table


def check_cells(cells: Sequence[Cell]) -> None:
    """Raise `ValueError` where there is no cell, or two of `cells` have one name."""
    if not cells:
        raise ValueError("got no cell to measure, expected one or more.")
    if twice := [name for name, n in Counter(cell.name for cell in cells).items() if n > 1]:
        raise ValueError(f"got {len(twice)} cell names twice, such as {twice[0]!r}, expected one name for each cell. Rename one.")


def _labelled(cell: Cell, table: pd.DataFrame) -> pd.DataFrame:
    for column, (name, value) in enumerate({"cell": cell.name, **cell.tags}.items()):
        table.insert(column, name, value)
    return table

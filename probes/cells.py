"""A sweep: many tuned models of one parent, each scored in its directions, every item kept. A killed one goes on where it was.

A cell is known by what it is made of: the parent's weights, the mixture, the recipe, the directions, their sentences and the
way of scoring. So a sweep may grow, be renamed or be cut into shards, and nothing is computed twice.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from safetensors import SafetensorError
from torch import Tensor
from tqdm import tqdm

from interp.corpus import ParallelCorpus
from interp.models import TransformerBridge, identify, load
from interp.tuning import Mixture, Recipe, TunedModel, tune
from interp.tuning.between import input_table
from interp.tuning.rows import put_rows, save_moved_rows
from probes.cell_store import Store, address
from probes.translation import measure_translation
from probes.translation_report import CORPUS_SCORES, TranslationReport

Keep = Literal["nothing", "rows", "model"]
_FORMAT = 1  # part of every key: raise it when a cell's numbers would come out otherwise
_OWN = frozenset({"cell", "source", "target", "item", "text", "reference", "hypothesis", "document"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One tuned model of a sweep, and the directions it is scored in.

    `name` is unique in the sweep. Without a `mixture` it is the parent itself, in the precision of its `recipe` (float32
    without one): hold it against models tuned in the same. `tags` are columns put beside every row.
    """

    name: str
    mixture: Mixture | None
    recipe: Recipe | None
    directions: tuple[tuple[str, str], ...]
    tags: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mixture is not None and self.recipe is None:
            raise ValueError(f"cell {self.name!r} has a mixture and no recipe. Needed: both, or no mixture for the parent itself.")
        if wrong := _OWN & set(self.tags):
            raise ValueError(f"cell {self.name!r}: tag {sorted(wrong)[0]!r} is a column of every table. Choose another name.")


def measure_cells(
    parent: str | Path,
    cells: Sequence[Cell],
    corpus: ParallelCorpus,
    folder: str | Path,
    *,
    form: str = "quoted",
    metrics: Sequence[str] = ("exact", "chrf"),
    shots: int = 0,
    beams: int = 1,
    max_new_tokens: int | None = None,
    keep: Keep = "nothing",
    device: str | None = None,
) -> pd.DataFrame:
    """How does each tuned model translate, sentence by sentence? Whatever is finished in `folder` is taken from there.

    One row a cell, direction and item: `cell`, the tags, `source, target, item, text, reference, hypothesis`, and each metric
    with its `_baseline` (as `measure_translation`). Corpus scores also have the counts each item adds, `<metric>_counts`:
    `probes.cell_scores.direction_scores` makes S(f; a -> b) of them. `keep="rows"` stores the embedding rows that moved
    (scope "embeddings"), `"model"` the whole folder; `kept_model` opens either. Several processes may share the folder.

    When it misleads: the templates of tuning (in the recipe) and of asking (`form`) are two settings; unless they agree, a
    tuned model is asked in a format it never saw.
    """
    sweep = _Sweep(str(parent), corpus, Store(Path(folder)), _scoring(form, metrics, shots, beams, max_new_tokens), keep, device)
    _check(cells, keep)
    found = [sweep.measured(cell) for cell in tqdm(cells, desc="sweep", unit="cell", disable=None)]
    return pd.concat([_labelled(cell, table) for cell, table in zip(cells, found, strict=True)], ignore_index=True)


def missing(
    parent: str | Path,
    cells: Sequence[Cell],
    corpus: ParallelCorpus,
    folder: str | Path,
    *,
    form: str = "quoted",
    metrics: Sequence[str] = ("exact", "chrf"),
    shots: int = 0,
    beams: int = 1,
    max_new_tokens: int | None = None,
    keep: Keep = "nothing",
) -> list[Cell]:
    """The cells that `measure_cells` would still have to compute, in order. Their complement is a table that can be read now."""
    sweep = _Sweep(str(parent), corpus, Store(Path(folder)), _scoring(form, metrics, shots, beams, max_new_tokens), keep, None)
    _check(cells, keep)
    return [cell for cell in cells if sweep.finished(cell) is None]


def kept_model(folder: str | Path, cell: Cell, device: str | None = None) -> TransformerBridge:
    """The tuned model of a cell that was measured with `keep`, bit for bit. Raises `ValueError` where none was kept."""
    store = Store(Path(folder))
    if cell.mixture is None or cell.recipe is None:
        raise ValueError(f"cell {cell.name!r} was not tuned. Load its parent.")
    wanted = {"mixture": cell.mixture.identity.sha, "recipe": _plain(cell.recipe)}
    found = [(key, facts) for key, facts in store.all_kept().items() if all(facts.get(k) == v for k, v in wanted.items())]
    if len(found) != 1:
        raise ValueError(
            f"{folder} keeps {len(found)} models of cell {cell.name!r}. Needed: one, from measure_cells(keep='rows') of one parent."
        )
    model = _reopened(store, *found[0], device)
    if model is None:
        raise ValueError(f"the model of cell {cell.name!r} in {folder} was altered. Measure it again with the same keep.")
    return model


@dataclass(frozen=True)
class _Sweep:
    parent: str
    corpus: ParallelCorpus
    store: Store
    scoring: Mapping[str, Any]
    keep: Keep
    device: str | None

    @cached_property
    def known(self) -> tuple[str, Tensor]:
        """The parent's hash and its input table, read once."""
        parent = load(self.parent, device="cpu")
        return identify(parent).sha, input_table(parent).clone()

    def tuning(self, cell: Cell) -> dict[str, Any]:
        """What the model of a cell is made of."""
        data = cell.mixture and cell.mixture.identity.sha
        recipe = cell.recipe and (_plain(cell.recipe) if cell.mixture else {"dtype": cell.recipe.dtype})
        return {"format": _FORMAT, "parent": self.known[0], "mixture": data, "recipe": recipe}

    def contents(self, cell: Cell) -> dict[str, Any]:
        """What the numbers of a cell are made of."""
        codes = sorted({code for pair in cell.directions for code in pair})
        text = self.corpus.select(languages=codes).identity.sha
        return {
            **self.tuning(cell),
            "directions": [list(pair) for pair in cell.directions],
            "corpus": text,
            "scoring": self.scoring,
        }

    def finished(self, cell: Cell) -> pd.DataFrame | None:
        """The items of a cell, where they are there and so is all that is to be kept."""
        owed = self.keep != "nothing" and cell.mixture is not None and self.store.kept(address(self.tuning(cell))) is None
        return None if owed else self.store.read(address(self.contents(cell)))

    def measured(self, cell: Cell) -> pd.DataFrame:
        contents, made = self.contents(cell), address(self.tuning(cell))
        with self.store.alone(made):
            table = self.finished(cell)
            if table is not None:
                return table
            began = time.monotonic()
            model, facts = self.opened(cell, made)
            opened = time.monotonic()
            report = measure_translation(model, self.corpus, cell.directions, **self.scoring)
            seconds = {"model": round(opened - began, 2), "score": round(time.monotonic() - opened, 2)}
            table = _with_counts(report)
            self.store.write(address(contents), table, {"name": cell.name, "made_of": contents, "seconds": seconds, **facts})
            if (self.store.kept(made) or {}).get("kept") != "model":
                self.store.clear(made)
            _log.info("cell %s: model %.1f s, scores %.1f s", cell.name, seconds["model"], seconds["score"])
        return table

    def opened(self, cell: Cell, key: str) -> tuple[TransformerBridge, dict[str, Any]]:
        """The model of a cell: the parent, the one that is kept, or a newly tuned one; and what its training tells."""
        if cell.mixture is None or cell.recipe is None:
            return load(self.parent, dtype=cell.recipe.dtype if cell.recipe else "float32", device=self.device), {}
        facts = self.store.kept(key)
        model = facts and _reopened(self.store, key, facts, self.device)
        if not facts or not model:
            if facts:
                self.store.clear(key)
            with _undistributed():
                tuned = tune(self.parent, cell.mixture, cell.recipe, self.store.workplace(key), device=self.device, resume=True)
            model = load(tuned.folder, device=self.device)
            facts = _told(tuned) | {"kept": self.keep, "name": cell.name, "parent": self.parent, "model_sha": identify(model).sha}
            self.save(key, facts, model)
        return model, {name: facts[name] for name in ("steps", "loss", "moved_rows", "seen_rows")}

    def save(self, key: str, facts: Mapping[str, Any], model: TransformerBridge) -> None:
        """Keep a model that was tuned just now, as far as it is to be kept."""
        if self.keep == "rows":
            save_moved_rows(self.known[1], input_table(model).cpu(), self.store.rows(key))
        if self.keep != "nothing":
            self.store.keep(key, facts)


@contextmanager
def _undistributed() -> Iterator[None]:
    """A launcher's processes share a sweep by cells: none of them may take the others for helpers at its own training."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def _told(tuned: TunedModel) -> dict[str, Any]:
    rows = {name: tuned.details[name] for name in ("moved_rows", "seen_rows")}
    return {"parent_sha": tuned.parent.sha, "mixture": tuned.data.sha, "recipe": _plain(tuned.recipe), "steps": tuned.steps,
            "loss": tuned.final_loss, **rows}  # fmt: skip


def _reopened(store: Store, key: str, facts: Mapping[str, Any], device: str | None) -> TransformerBridge | None:
    """A kept model; None, with a warning, where it no longer has the weights that were measured."""
    try:
        if facts["kept"] == "rows":
            model = put_rows(load(facts["parent"], dtype=facts["recipe"]["dtype"], device=device), store.rows(key))
        else:
            model = load(store.workplace(key), device=device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        _log.warning("the kept model of cell %s, %s, cannot be read: %s", facts.get("name"), key, error)
        return None
    if identify(model).sha != facts["model_sha"]:
        _log.warning("the kept model of cell %s, %s, or its parent, was altered since", facts.get("name"), key)
        return None
    return model


def _with_counts(report: TranslationReport) -> pd.DataFrame:
    """The items with, for each corpus score, the counts that each adds to it and those of its source left as it is."""
    parts = []
    for (source, target), part in report.table.groupby(["source", "target"], sort=False):
        counts = {}
        for name in report.metrics:
            if name in CORPUS_SCORES:
                counts[f"{name}_counts"] = list(report.arrays[f"{name}:{source}>{target}"])
                counts[f"{name}_baseline_counts"] = list(report.arrays[f"{name}:{source}>{target}:copy"])
        parts.append(part.assign(**counts))
    return pd.concat(parts, ignore_index=True)


def _labelled(cell: Cell, table: pd.DataFrame) -> pd.DataFrame:
    columns = {"cell": cell.name, **cell.tags}
    clean = table.drop(columns=[name for name in columns if name in table])
    for place, (name, value) in enumerate(columns.items()):
        clean.insert(place, name, value)
    return clean


def _scoring(form: str, metrics: Sequence[str], shots: int, beams: int, max_new_tokens: int | None) -> dict[str, Any]:
    return {"form": form, "metrics": list(metrics), "shots": shots, "beams": beams, "max_new_tokens": max_new_tokens}


def _plain(recipe: Recipe) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(recipe)))


def _check(cells: Sequence[Cell], keep: Keep) -> None:
    if not cells:
        raise ValueError("an empty sweep: there is no cell to measure. Needed: at least one.")
    if twice := [name for name, n in Counter(cell.name for cell in cells).items() if n > 1]:
        raise ValueError(f"{len(twice)} cell names stand twice, {twice[0]!r} among them. Needed: one name a cell.")
    for cell in cells if keep == "rows" else ():
        if (
            cell.mixture is not None
            and cell.recipe is not None
            and (cell.recipe.scope, cell.recipe.tie == "both") != ("embeddings", False)
        ):
            what = f"scope {cell.recipe.scope!r}, tie {cell.recipe.tie!r}"
            raise ValueError(f"cell {cell.name!r} has {what}, so more than input rows move. Needed: keep 'model' or 'nothing'.")

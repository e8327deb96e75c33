"""The models of a sweep: the parent, those tuned from it, and those that were kept, each known by what it is made of."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from torch import Tensor

from interp.files.cache import digest
from interp.files.sealed_json import Json
from interp.models.computation import computed_by, model_facts
from interp.models.devices import choose_device
from interp.models.load import TransformerBridge, identify, load
from interp.tuning import Mixture, Recipe, TunedModel, tune
from interp.tuning.hybrids import input_table
from interp.tuning.moved_rows import put_rows, save_moved_rows
from probes.sweep.store import Kept, Store, Trained

Keep = Literal["nothing", "rows", "model"]
_FORMAT = 3  # part of every key: raise it when a cell's numbers would come out otherwise
_OWN = frozenset({"cell", "source", "target", "item", "text", "reference", "hypothesis", "document"})
Training = Mapping[str, int | float]
"""Facts of a training: its updates, its loss at the start and the end, the embedding rows it moved."""
UNTUNED: Training = {"steps": 0, "first_loss": float("nan"), "final_loss": float("nan"), "moved_rows": 0}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One tuned model of a sweep, and the directions it is scored in.

    `name` is unique in the sweep. Without a `mixture` it is the parent itself, in the precision of its `recipe` (float32
    without one): compare it with models tuned in the same. `tags` are columns added to every row. Cells of one model that
    follow each other share it in memory.

    Example
    -------
    >>> import probes
    >>> probes.Cell("untuned", None, None, (("eng_Latn", "deu_Latn"),), {"size": 0}).tags
    {'size': 0}
    """

    name: str
    mixture: Mixture | None
    recipe: Recipe | None
    directions: tuple[tuple[str, str], ...]
    tags: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mixture is not None and self.recipe is None:
            raise ValueError(
                f"cell {self.name!r} has a mixture and no recipe, expected both. Leave the mixture out for the parent itself."
            )
        if reserved := (_OWN | set(UNTUNED)) & set(self.tags):
            raise ValueError(f"cell {self.name!r}: tag {sorted(reserved)[0]!r} is a column of every table. Choose another name.")


@dataclass(frozen=True)
class Models:
    """The tuned models of a sweep, tuned on demand and cached.

    `parent` is the model to tune, `folder` the cache, `keep` what to keep of each tuned model in it, and `device` where models run;
    `loaded` holds the last model.
    """

    parent: str
    folder: Path
    keep: Keep
    device: str | None
    loaded: dict[str, tuple[TransformerBridge, Training]] = field(default_factory=dict)

    @cached_property
    def store(self) -> Store:
        """The folder, for what this device and these libraries compute."""
        return Store(self.folder, computed_by(choose_device(self.device)))

    @cached_property
    def known(self) -> tuple[str, Tensor]:
        """A hash of the parent's weights, configuration and tokenizer, and its input table; read once."""
        parent = load(self.parent, device="cpu")
        return digest(model_facts(parent)), input_table(parent).clone()

    def contents(self, cell: Cell) -> dict[str, object]:
        """What the model of a `cell` is made of."""
        recipe = recipe_json(cell.recipe) if cell.recipe and cell.mixture else None
        return {"format": _FORMAT, "parent": self.known[0], "mixture": cell.mixture and cell.mixture.identity.sha, "recipe": recipe}

    def key(self, cell: Cell) -> str:
        """The name of the model of a `cell` in the folder: other libraries or another kind of device make another model."""
        return digest({"of": self.contents(cell), "by": self.store.by})[:32]

    def owed(self, cell: Cell) -> bool:
        """Whether the model of a `cell` must be saved but is not yet."""
        return self.keep != "nothing" and cell.mixture is not None and self.store.kept(self.key(cell)) is None

    def open(self, cell: Cell) -> tuple[TransformerBridge, Training]:
        """The model of a `cell`, and facts of its training: updates, loss at the start and the end, embedding rows moved."""
        key = self.key(cell)
        if key not in self.loaded:
            self.loaded.clear()
            self.loaded[key] = self._opened(cell, key)
            kept = self.store.kept(key)
            if kept is None or kept.get("kept") != "model":
                self.store.clear(key)
        return self.loaded[key]

    def _opened(self, cell: Cell, key: str) -> tuple[TransformerBridge, Training]:
        if cell.mixture is None or cell.recipe is None:
            return load(self.parent, device=self.device), UNTUNED
        facts = self.store.kept(key)
        model = facts and reopened(self.store, key, facts, self.device)
        if not facts or not model:
            if facts:
                self.store.clear(key)
            with _undistributed():
                tuned = tune(self.parent, cell.mixture, cell.recipe, self.store.workplace(key), device=self.device, resume=True)
            model = load(tuned.folder, device=self.device)
            facts = {
                **_training_facts(tuned),
                "kept": self.keep,
                "name": cell.name,
                "parent": self.parent,
                "model_sha": identify(model).sha,
            }
            self._save(key, facts, model)
        return model, {"steps": facts["steps"], "first_loss": facts["first_loss"], "final_loss": facts["final_loss"],
                       "moved_rows": facts["moved_rows"]}  # fmt: skip

    def _save(self, key: str, facts: Kept, model: TransformerBridge) -> None:
        if self.keep == "rows":
            save_moved_rows(self.known[1], input_table(model).cpu(), self.store.rows(key))
        if self.keep != "nothing":
            self.store.keep(key, facts)


def reopened(store: Store, key: str, facts: Kept, device: str | None) -> TransformerBridge | None:
    """The model that `store` kept under `key` with these `facts`, on a `device`.

    None, with a warning, where it no longer has the weights that were measured.
    """
    try:
        if facts["kept"] == "rows":
            model = put_rows(load(facts["parent"], device=device), store.rows(key))
        else:
            model = load(store.workplace(key), device=device)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        _log.warning("the kept model of cell %s, %s, cannot be read: %s", facts.get("name"), key, error)
        return None
    if identify(model).sha != facts["model_sha"]:
        _log.warning("the kept model of cell %s, %s, or its parent, was altered since", facts.get("name"), key)
        return None
    return model


def recipe_json(recipe: Recipe) -> dict[str, Json]:
    """A `recipe` as plain JSON values.

    >>> from interp.tuning import Recipe
    >>> recipe_json(Recipe(steps=5))["steps"]
    5
    """
    return json.loads(json.dumps(asdict(recipe)))


def _training_facts(tuned: TunedModel) -> Trained:
    losses = [entry["loss"] for entry in tuned.details["history"] if "loss" in entry]
    return {"mixture": tuned.data.sha, "recipe": recipe_json(tuned.recipe), "steps": tuned.steps, "first_loss": losses[0],
            "final_loss": tuned.final_loss, "moved_rows": tuned.details["moved_rows"]}  # fmt: skip


@contextmanager
def _undistributed() -> Iterator[None]:
    """A launcher's processes share a sweep by cells: training in one of them must not use the others."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    variables = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(variables)

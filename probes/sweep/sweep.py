"""A sweep: many tuned models of one parent, each scored in its directions, every item kept. If interrupted, it is continued.

A cell is known by what it is made of: the parent's weights, configuration and tokenizer, the mixture, the recipe, the directions,
their sentences and the way of scoring; and by what computed it: the versions of the libraries and the kind of device. So a
sweep may grow, be renamed or be cut into shards, and nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd

from interp.models.computation import computed_by
from interp.models.devices import choose_device
from interp.models.load import TransformerBridge
from interp.text.corpus import ParallelCorpus
from probes.sweep.asking import Asking, check_cells
from probes.sweep.models import Cell, Keep, Models, recipe_json, reopened
from probes.sweep.store import Store
from probes.translation.measure import measure_translation
from probes.translation.metrics import Metric, metric_contents, metric_name
from probes.translation.report import TranslationReport
from probes.translation.scorers import CORPUS_SCORES

__all__ = ["Cell", "Keep", "Sweep", "kept_model", "measure_cells"]


def measure_cells(
    parent: str | Path,
    cells: Sequence[Cell],
    corpus: ParallelCorpus,
    folder: str | Path,
    *,
    form: str = "quoted",
    metrics: Sequence[Metric] = ("exact", "chrf"),
    shots: int = 0,
    beams: int = 1,
    max_new_tokens: int | None = None,
    keep: Keep = "nothing",
    device: str | None = None,
) -> pd.DataFrame:
    """How does each tuned model translate, sentence by sentence? Whatever is finished in `folder` is taken from there.

    Several processes may share the folder: each computes what it is given, and waits where another is at the same model.

    Parameters
    ----------
    parent
        Hub name or folder of the model that every cell is tuned from.
    cells
        The models to tune, and the directions to ask each for; names must differ.
    corpus
        Parallel text to translate, with every language of the directions.
    folder
        Where finished cells and kept models lie.
    form
        The prompt form of asking, one of `interp.tuning.TEMPLATES`.
    metrics
        Scores of every item: names of `probes.translation.metrics.STUDIED`, or functions of your own.
    shots
        Examples shown in the prompt, the first items of `corpus`; these are then not asked.
    beams
        Beam search with so many beams; 1 is greedy.
    max_new_tokens
        Maximum number of tokens of an output; None means twice the longest reference.
    keep
        What to keep of each tuned model for `kept_model`: "rows" (the embedding rows that moved, of scope "embeddings"),
        "model" (its folder) or "nothing".
    device
        cpu, cuda, cuda:1, mps or auto; None means auto.

    Returns
    -------
    pandas.DataFrame
        One row per cell, direction and item: `cell`, the tags, `source, target, item, text, reference, hypothesis`, each metric
        with its `_baseline` (as `measure_translation`), and facts of the training: `steps`, `first_loss` and `final_loss` (nats a
        token over the first and the last interval that training logged) and `moved_rows` of the embedding. Corpus scores also have
        the counts that each item adds, `<metric>_counts`: `probes.sweep.scores.direction_scores` makes S(f; a -> b) of them.

    Raises
    ------
    ValueError
        Where there is no cell, a name stands twice, or `keep="rows"` and more than embedding rows move.

    Notes
    -----
    When it misleads: the prompt forms of tuning (in the recipe) and of asking (`form`) are two settings; unless they agree, a
    tuned model is asked in a format it never saw.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from probes.sweep.sweep import Cell
    >>> text = interp.read("cldr:dates", languages=["eng_Latn", "deu_Latn"], split="heldout").select(limit=4)
    >>> cells = [Cell("untuned", None, None, (("eng_Latn", "deu_Latn"),))]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = probes.measure_cells("bundled", cells, text, folder, max_new_tokens=8)
    >>> table[["cell", "target", "steps"]].drop_duplicates().values.tolist()
    [['untuned', 'deu_Latn', 0]]
    """
    sweep = Sweep(
        parent, corpus, form=form, metrics=metrics, shots=shots, beams=beams, max_new_tokens=max_new_tokens, keep=keep,
        device=device,
    )  # fmt: skip
    return sweep.measure(cells, folder)


def kept_model(folder: str | Path, cell: Cell, device: str | None = None) -> TransformerBridge:
    """The tuned model of a `cell` that `measure_cells` kept in `folder`, bit for bit, on a `device` (None means auto).

    Raises `ValueError` where none was kept, or it was altered since.
    """
    store = Store(Path(folder))
    if cell.mixture is None or cell.recipe is None:
        raise ValueError(f"cell {cell.name!r} was not tuned. Load its parent.")
    wanted = {"mixture": cell.mixture.identity.sha, "recipe": recipe_json(cell.recipe)}
    kept = [(key, facts) for key, facts in store.all_kept().items() if all(facts.get(k) == v for k, v in wanted.items())]
    kept = [each for each in kept if each[1].get("by") == computed_by(choose_device(device))] if len(kept) > 1 else kept
    if len(kept) != 1:
        raise ValueError(
            f"{folder} keeps {len(kept)} models of cell {cell.name!r}, expected one. Measure it with keep='rows' or keep='model', "
            "of one parent."
        )
    model = reopened(store, *kept[0], device)
    if model is None:
        raise ValueError(f"the model of cell {cell.name!r} in {folder} was altered. Measure it again with the same keep.")
    return model


class _Scoring(TypedDict):
    """How translations are made and scored: arguments of `measure_translation`."""

    form: str
    metrics: list[Metric]
    shots: int
    beams: int
    max_new_tokens: int | None


@dataclass(frozen=True)
class Sweep(Asking):
    """How the models of a sweep are made from one parent, and asked to translate.

    The fields `parent, corpus, form, metrics, shots, beams, max_new_tokens, keep, device` are the arguments of `measure_cells`.
    """

    parent: str | Path
    corpus: ParallelCorpus
    form: str = "quoted"
    metrics: Sequence[Metric] = ("exact", "chrf")
    shots: int = 0
    beams: int = 1
    max_new_tokens: int | None = None
    keep: Keep = "nothing"
    device: str | None = None

    @property
    def _scoring(self) -> _Scoring:
        return {"form": self.form, "metrics": list(self.metrics), "shots": self.shots, "beams": self.beams,
                "max_new_tokens": self.max_new_tokens}  # fmt: skip

    def _contents(self, models: Models, cell: Cell) -> dict[str, object]:
        """What the numbers of a cell are made of."""
        codes = sorted({code for pair in cell.directions for code in pair})
        text = self.corpus.select(languages=codes).identity.sha
        directions = [list(pair) for pair in cell.directions]
        scoring = {**self._scoring, "metrics": [metric_name(metric) for metric in self.metrics]}
        scoring |= metric_contents(self.metrics, [target for _, target in cell.directions])
        return {**models.contents(cell), "directions": directions, "corpus": text, "scoring": scoring}

    def _asked(self, model: TransformerBridge, cell: Cell) -> pd.DataFrame:
        return _with_counts(measure_translation(model, self.corpus, cell.directions, **self._scoring))

    def _check(self, cells: Sequence[Cell]) -> None:
        _check(cells, self.keep)


def _with_counts(report: TranslationReport) -> pd.DataFrame:
    """The items with, for each corpus score, the counts that each adds to it and those of its source left as it is."""
    parts = []
    for (source, target), part in report.table.groupby(["source", "target"], sort=False):
        counts = {}
        for name in report.metrics:
            if name in CORPUS_SCORES:
                for column, ending in ((f"{name}_counts", ""), (f"{name}_baseline_counts", ":copy")):
                    counts[column] = list(report.arrays[f"{name}:{source}>{target}{ending}"].astype(np.int32))
        parts.append(part.assign(**counts))
    return pd.concat(parts, ignore_index=True)


def _check(cells: Sequence[Cell], keep: Keep) -> None:
    check_cells(cells)
    for cell in cells if keep == "rows" else ():
        recipe = cell.recipe
        if cell.mixture and recipe and (recipe.scope, recipe.tie == "both") != ("embeddings", False):
            what = f"scope {recipe.scope!r}, tie {recipe.tie!r}"
            raise ValueError(f"cell {cell.name!r} has {what}, so more than input rows move. Use keep 'model' or 'nothing'.")

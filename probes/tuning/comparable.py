"""Every report's values in one form, so that two of a kind can be paired: measure, language, series, layer, item, value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probes.report import Report, read_manifest

CELL = ["measure", "language", "series", "layer"]


@dataclass(frozen=True)
class Reading:
    """Where the table of a report keeps the item, the value and each part of a cell.

    `measures` are value columns of a wide table; without them `value` is the one column and `measure` a column or a name.
    """

    item: str
    language: tuple[str, ...]
    value: str = "value"
    measure: str = "measure"
    series: str | None = None
    layer: str | None = "layer"
    wide: bool = False
    keep: Mapping[str, str] = field(default_factory=dict)


_READINGS = {
    "AlignmentReport": Reading("sentence", ("language", "pivot"), measure="metric"),
    "LatentLanguageReport": Reading("item", ("target",), series="series", keep={"weights": "trained"}),
    "LabelLensReport": Reading("item", ("language",), keep={"weights": "trained"}),
    "ProbeReport": Reading("item", ("source", "target"), value="score", measure="score"),
    "TranslationReport": Reading("item", ("source", "target"), layer=None, wide=True),
    "AnswerReport": Reading("item", ("language",), layer=None, wide=True),
}


_ARRAYS = ("NeuronReport", "TransplantGrid")
"""Reports whose values stand in arrays."""


def comparable() -> tuple[str, ...]:
    """The reports that can be compared."""
    return (*_READINGS, *_ARRAYS)


def load_comparable(folder: str | Path) -> Report:
    """A finished run folder as the report it holds. Raises `ValueError` where it holds none that can be compared."""
    kind = read_manifest(folder)["report"]
    if kind not in comparable():
        raise ValueError(f"{folder} holds a {kind}, which cannot be paired item by item. Needed: one of {', '.join(comparable())}.")
    return Report.load(folder)


def read_values(report: Report) -> pd.DataFrame:
    """One row an item and cell: `measure, language, series, layer, item, value`, and `document` where the text has them."""
    name = type(report).__name__
    if name not in comparable():
        raise ValueError(f"a {name} cannot be paired item by item. Needed: one of {', '.join(comparable())}.")
    try:
        return _arrays(report, name) if name in _ARRAYS else _tables(report, _READINGS[name])
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"this {name} lacks what one has ({error!r}). Needed: a report as its command saves it.") from None


def _arrays(report: Report, name: str) -> pd.DataFrame:
    return _neurons(report) if name == "NeuronReport" else _grid(report)


def _tables(report: Report, how: Reading) -> pd.DataFrame:
    table = report.table
    for column, wanted in how.keep.items():
        table = table[table[column].astype(str) == wanted]
    frames = [_read(table, how, measure) for measure in (report.settings["metrics"] if how.wide else [None])]
    return pd.concat(frames, ignore_index=True)


def _read(table: pd.DataFrame, how: Reading, measure: str | None) -> pd.DataFrame:
    named_by = how.measure in table and how.measure != how.value and not how.wide
    given = table[how.measure].astype(str) if named_by else measure or how.measure
    named = [table[column].astype(str) for column in how.language]
    language = named[0] if len(named) == 1 else named[0] + ">" + named[1]
    found = pd.DataFrame({
        "measure": given, "language": language, "series": table[how.series].astype(str) if how.series else "",
        "layer": table[how.layer].astype(str) if how.layer else "", "item": table[how.item].astype(str),
        "value": table[measure or how.value].astype(float),
    })  # fmt: skip
    return found.assign(document=table["document"].astype(str)) if "document" in table else found


def _neurons(report: Report) -> pd.DataFrame:
    """How often every neuron fires, by language and block; the items are neurons, so intervals speak of neurons, not sentences."""
    rate = report.arrays["rate"]
    languages, layers, neurons = (np.arange(size) for size in rate.shape)
    language, layer, neuron = (axis.ravel() for axis in np.meshgrid(languages, layers, neurons, indexing="ij"))
    names = np.array(report.settings["languages"])
    return pd.DataFrame({"measure": "firing rate", "language": names[language], "series": "", "layer": layer.astype(str),
                         "item": [str(each) for each in neuron], "value": rate.ravel().astype(float)})  # fmt: skip


def _grid(report: Any) -> pd.DataFrame:
    """What a transplant changes in every item, by source layer (over all targets) and by target layer, and the run without one."""
    frames = []
    for pair in report.pairs:
        donor, _, language = pair.partition(">")
        rows = report.table[(report.table["donor"] == donor) & (report.table["language"] == language)]
        rows, change = rows[rows["run"] == "untouched"], report.effect(pair)
        sides = [("effect by source layer", change.mean(2), report.settings["sources"]),
                 ("effect by target layer", change.mean(1), report.settings["targets"]),
                 ("untouched", report.untouched(pair)[:, None], [""])]  # fmt: skip
        for measure, values, layers in sides:
            for place, layer in enumerate(layers):
                frames.append(pd.DataFrame({"measure": measure, "language": pair, "series": "", "layer": str(layer),
                                            "item": rows["item"].astype(str), "value": values[:, place]}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)

"""Values of single items, in one form for every report, so that two reports of a kind can be paired item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

CELL = ["measure", "language", "series", "layer"]
"""The columns that name a cell; with `item` they name a value."""


@dataclass(frozen=True)
class ItemColumns:
    """Which columns of a report's table hold the item, its value, and each part of a cell.

    Parameters
    ----------
    item
        Column with the id of the sentence, question or other item that both models were given.
    language
        Columns with language codes; two are joined as "source>target".
    value
        Column with the value.
    measure
        Column that names what was measured; None where that is the name of the `value` column.
    series
        Column that tells several curves of one measure and language apart; None where there is one.
    layer
        Column with the layer; None for a report without layers.
    one_column_a_metric
        The table has a column of values for each of `settings["metrics"]`, in place of `value` and `measure`.
    only
        Columns and the one value that rows must have there; other rows (controls) are left out.
    """

    item: str
    language: tuple[str, ...]
    value: str = "value"
    measure: str | None = "measure"
    series: str | None = None
    layer: str | None = "layer"
    one_column_a_metric: bool = False
    only: Mapping[str, str] = field(default_factory=dict)


def tidy_values(table: pd.DataFrame, columns: ItemColumns, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """A report's table with one row per item and cell.

    Parameters
    ----------
    table
        The report's own table.
    columns
        Where it holds what.
    metrics
        The value columns of a table with one column per metric.

    Returns
    -------
    pd.DataFrame
        `measure, language, series, layer, item, value`, and `document` where the table has it. All but the value are text,
        empty where a report has no such part.

    Raises
    ------
    KeyError
        Where the table lacks a column.

    Example
    -------
    Where each part of a report is, for a table with one value column:

    >>> import pandas as pd
    >>> columns = ItemColumns("item", ("language",), value="score", measure=None, layer=None)
    >>> table = pd.DataFrame({"language": ["deu_Latn"], "item": ["1"], "score": [0.5]})
    >>> tidy_values(table, columns)[["language", "item", "value"]].values.tolist()
    [['deu_Latn', '1', 0.5]]
    """
    for column, required in columns.only.items():
        table = table[table[column].astype(str) == required]

    def text(column: str | None) -> pd.Series:
        return table[column].astype(str) if column else pd.Series("", table.index)

    language = text(columns.language[0])
    for column in columns.language[1:]:
        language = language + ">" + text(column)
    shared = pd.DataFrame(
        {"language": language, "series": text(columns.series), "layer": text(columns.layer), "item": text(columns.item)}
    )
    if "document" in table:
        shared["document"] = text("document")
    if columns.one_column_a_metric:
        measures = {name: name for name in metrics}
    else:
        measures = {columns.value: text(columns.measure) if columns.measure else columns.value}
    frames = [shared.assign(measure=measure, value=table[column].astype(float)) for column, measure in measures.items()]
    return pd.concat(frames, ignore_index=True)[[*CELL, "item", "value", *(["document"] if "document" in table else [])]]

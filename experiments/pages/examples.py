"""A few items of a finished run, spread over languages: what the model read and wrote, and in which language each text is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

_WRITTEN = {"text": "source", "question": "source", "reference": "target", "hypothesis": "target", "chosen": "target"}
"""Columns of text, and the column with the language they are in; `language` where a table has no such column."""
_KEYS = ("source", "target", "language", "direction", "alpha")
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def examples(folder: Path, rows: int = 12) -> tuple[pd.DataFrame, str]:
    """Items of a finished run with their texts and first two scores.

    Parameters
    ----------
    folder
        The run folder.
    rows
        About how many items. They are spread over languages, another item in each, and not chosen by score.

    Returns
    -------
    tuple[pd.DataFrame, str]
        The items, none where the run kept no text; and a sentence on how they were chosen.
    """
    import pyarrow.parquet as parquet

    path = folder / "table.parquet"
    names = parquet.read_schema(path).names if path.is_file() else []
    texts = [name for name in _WRITTEN if name in names]
    if not texts:
        return pd.DataFrame(), ""
    scores = [name for name in names if f"{name}_baseline" in names]
    keys = [name for name in _KEYS if name in names]
    table = pd.read_parquet(path, columns=[*keys, "item", *texts, *scores[:2]])
    groups = table.groupby(keys, sort=False)
    turn = (groups.cumcount() - groups.ngroup()) % groups["item"].transform("size")
    candidates = table[turn < max(1, rows // groups.ngroups)]
    shown = candidates.iloc[:: max(1, -(-len(candidates) // rows))]
    return shown, f"{len(shown)} of {len(table)} rows, spread over languages and not chosen by score; all in table.parquet"


def written_in(name: str, row: Mapping[str, object]) -> str:
    """The BCP 47 tag of the text in column `name` of a `row`, "zh-Hans" for a hypothesis in Chinese; empty where unknown."""
    from interp.languages import language

    code = row.get(_WRITTEN[name], row.get("language")) if name in _WRITTEN else None
    return language(code).tag if isinstance(code, str) and language_name(code) else ""


def language_name(value: object) -> str:
    """The English name of a language where `value` is its FLORES code; else empty."""
    from interp.languages import language

    try:
        return language(value).name if isinstance(value, str) and _CODE.fullmatch(value) else ""
    except ValueError:
        return ""

"""What a model read and wrote in a finished run, a few items of each language, every text with the language it is in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

_WRITTEN = {"text": "source", "question": "source", "reference": "target", "hypothesis": "target", "chosen": "target"}
"""Columns of a table that hold text, and the column that says in which language; `language` where that is not there."""
_KEYS = ("source", "target", "language", "direction", "alpha")
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def examples(folder: Path, rows: int = 12) -> tuple[pd.DataFrame, str]:
    """Items with their texts and first scores, and what was left out; no rows where the run kept no text.

    They are spread over languages, another item in each, and not chosen by score.
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
    spread = table[turn < max(1, rows // groups.ngroups)]
    shown = spread.iloc[:: max(1, -(-len(spread) // rows))]
    return shown, f"{len(shown)} of {len(table)} rows, spread over languages and not chosen by score; all in table.parquet"


def written_in(name: str, row: Mapping[str, Any]) -> str:
    """The BCP 47 tag of the text in a column of a row, "zh-Hans" for a hypothesis into Chinese; empty where none is told."""
    from interp.languages import language

    code = row.get(_WRITTEN[name], row.get("language")) if name in _WRITTEN else None
    return language(code).tag if language_name(code) else ""


def language_name(value: Any) -> str:
    """The English name of a language where a value is its code; empty where it is anything else."""
    from interp.languages import language

    try:
        return language(value).name if isinstance(value, str) and _CODE.fullmatch(value) else ""
    except ValueError:
        return ""

"""Scores that a judge outside this project gave to the outputs of a sweep: COMET, BLEURT, people. One row per item and cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from interp.languages import nearest

_KEYS = ["cell", "source", "target", "item"]
_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False),
    ".tsv": lambda path: pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False),
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False, convert_dates=False),
    ".parquet": pd.read_parquet,
}


def with_outside_scores(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The items of a sweep with the scores of a file, in a column named as the file is.

    Parameters
    ----------
    table
        One row per cell, direction and item, as `FactorStudy.scores` gives it (`table.parquet` of a finished run has the outputs to
        judge).
    path
        A .csv, .tsv, .jsonl or .parquet file with the columns `item`, `cell`, `score`, and `direction` ("eng_Latn>deu_Latn") or
        `source` and `target`. The untuned model's outputs are to be scored as well: it is the baseline.

    Raises
    ------
    ValueError
        The file cannot be read, a column is missing, a score is no number, or an item of a cell has no score or two.

    Example
    -------
    >>> import pandas as pd, tempfile
    >>> table = pd.DataFrame({"cell": "a", "source": "eng_Latn", "target": "deu_Latn", "item": ["1", "2"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "comet.csv"
    ...     _ = path.write_text("cell,direction,item,score\\na,eng_Latn>deu_Latn,1,0.5\\na,eng_Latn>deu_Latn,2,0.75\\n")
    ...     scored = with_outside_scores(table, path)
    >>> scored["comet"].tolist()
    [0.5, 0.75]
    """
    given = _read(path)
    if twice := int(given.duplicated(_KEYS).sum()):
        raise ValueError(
            f"{path}: {twice} items are scored twice, such as {_said(given[given.duplicated(_KEYS)].iloc[0])}. Keep one."
        )
    keyed = given.set_index(_KEYS)["score"]
    wanted = pd.MultiIndex.from_frame(table[_KEYS].astype(str))
    missing = wanted.difference(keyed.index, sort=False)
    if len(missing):
        first = _said(dict(zip(_KEYS, missing[0], strict=True)))
        raise ValueError(
            f"{path}: {len(missing)} of {len(wanted)} items have no score, such as {first}. "
            f"Score every row of the table, those of the untuned model too.{_near(missing, given)}"
        )
    values = keyed.reindex(wanted).to_numpy(dtype=float)
    return table.assign(**{path.stem: values, f"{path.stem}_baseline": float("nan")})


def _read(path: Path) -> pd.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if reader is None or not path.is_file():
        raise ValueError(f"got score file {path}, expected a file that ends in one of {', '.join(_READERS)}.")
    try:
        given = reader(path)
    except Exception as error:  # pandas and pyarrow each have several of their own
        raise ValueError(f"{path} is not readable as a table ({' '.join(str(error).split())[:200]}).") from None
    if "direction" in given and not {"source", "target"} <= set(given):
        sides = given["direction"].astype(str).str.partition(">")
        given = given.assign(source=sides[0].str.strip(), target=sides[2].str.strip())
    if absent := [name for name in (*_KEYS, "score") if name not in given]:
        raise ValueError(
            f"{path}: got columns {', '.join(map(str, given.columns))}, expected item, cell, score, and direction or source and "
            f"target: {absent[0]} is missing."
        )
    scores = pd.to_numeric(given["score"], errors="coerce")
    if scores.isna().any():
        raise ValueError(f"{path}: got score {given.loc[scores.isna(), 'score'].iloc[0]!r} in {int(scores.isna().sum())} rows, "
                         "expected a number in each.")  # fmt: skip
    return given[_KEYS].astype(str).assign(score=scores)


def _said(row: pd.Series | dict[str, str]) -> str:
    return f"item {row['item']} of cell {row['cell']} ({row['source']}>{row['target']})"


def _near(missing: pd.MultiIndex, given: pd.DataFrame) -> str:
    """A hint where the cell of a missing row has no score at all, and one of nearly that name has."""
    cell = str(missing[0][0])
    return "" if cell in set(given["cell"]) else nearest(cell, given["cell"].unique(), n=1)

"""Read a finished run folder: its settings, its summary, and the rows to print."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from experiments.runs.command_line import rebuild_command_line
from experiments.settings.settings import CONFIG
from experiments.settings.strict_yaml import read_yaml
from interp.files.checks import safe_path
from interp.models.checks.receipts import Receipt, describe
from interp.text.notes import TextRead
from probes.report import Manifest, check_files, figure_file, read_manifest, receipts_of, texts_of
from probes.spreadsheet import read_spreadsheet
from probes.statistics.best import lower_is_better

_P = ("p", "p_holm", "p_max")
_NO_GROUP = ("layer", "claim")
"""Texts of a summary by which its rows are not grouped: a claim is what came out of a row."""
_MOST_CLAIMS, _SEVERAL = 24, 16
"""Rows of claims, and of several metrics of which none is tested, that are all shown."""
_NUMBERS = ("estimate", "lower", "upper", "n", "baseline")


@dataclass(frozen=True)
class Finished:
    """One run as its folder tells it; no model and no probe is loaded to read it.

    `config` is the text of its `config.yaml`, empty where the report was saved from Python and not by a command.
    """

    folder: Path
    manifest: Manifest
    config: str
    summary: pd.DataFrame

    @property
    def command(self) -> str:
        """The command that made it, "align"; empty where none did."""
        command = read_yaml(self.folder / CONFIG).get("command") if self.config else ""
        if not isinstance(command, str):
            raise ValueError(f"{self.folder / CONFIG} names no command. Run it again with --resume.")
        return command

    @property
    def command_line(self) -> str:
        """The command line that repeats the run; empty if none does."""
        return rebuild_command_line(self.folder)

    @property
    def signature(self) -> str:
        """The signature of the report, as one line."""
        return self.manifest["signature"]["line"]

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """What was computed again by plain forward passes, and how large the differences were."""
        return receipts_of(self.manifest)

    @property
    def texts(self) -> tuple[TextRead, ...]:
        """What was read, and how it was understood."""
        return texts_of(self.manifest)

    @property
    def checked(self) -> str:
        """The receipts as one line; empty if there are none."""
        return describe(self.receipts)

    @property
    def figures(self) -> dict[str, Path]:
        """The SVG of every figure by its name, the main one first."""
        return {name: safe_path(self.folder, figure_file(index, name)) for index, name in enumerate(self.manifest["figures"])}

    def brief(self, rows: int = 12) -> tuple[pd.DataFrame, str]:
        """Shorten the summary to about `rows` rows, and say which are shown.

        A long summary is reduced step by step: of a comparison, the largest difference of each measure; where layers make a claim,
        the first and the last of each run of them; of metrics that have a control, the rows compared with it; else the best layer
        of each group of rows (the lowest of a rank, an entropy or a loss); then the first metric that is tested; then the first
        rows. The layer is selected after seeing the data: its confidence interval is that of one layer, not of the selection.
        """
        table, shown = self.summary, []
        keys = _keys(table)
        if len(table) > rows and {"measure", "after"} <= set(table):
            table = table.loc[table["estimate"].abs().groupby(table["measure"], sort=False).idxmax().dropna()]
            shown.append("largest difference of each measure")
            rows = max(rows, len(table))
        if len(table) > rows and "claim" in table and len(ends := _ends_of_claims(table)):
            table = ends
            shown.append("first and last layer of each claim")
            rows = max(rows, len(table)) if len(table) <= _MOST_CLAIMS else rows
        if len(table) > rows and "layer" in keys and len(keys) > 1:
            table, chosen = _best_layers(table.dropna(subset=["estimate"]), [key for key in keys if key not in _NO_GROUP])
            shown.append(chosen)
        if len(table) > rows and {"metric", "excess"} <= set(table):
            tested = "p" if "p" in table and table["p"].notna().any() else "excess"
            table = table[table[tested].notna()]
            shown.append("what is compared with its control")
            rows = max(rows, len(table)) if len(table) <= _MOST_CLAIMS else rows
        if len(table) > rows and "metric" in keys and len(table) <= _SEVERAL and not ("p" in table and table["p"].notna().any()):
            rows = len(table)
        if len(table) > rows and "metric" in keys:
            first = table[table["p"].notna()] if "p" in table and table["p"].notna().any() else table
            table = table[table["metric"] == first["metric"].iloc[0]]
            shown.append(f"{table['metric'].iloc[0]} only")
        if len(table) > rows:
            table = table.head(rows)
            shown.append(f"first {rows} rows")
        same = [key for key in _keys(table) if key != "layer" and len(table) > 1 and table[key].nunique() == 1]
        note = f"Shown: {'; '.join(shown)}. All {len(self.summary)} rows: summary.csv" if shown else ""
        return table.drop(columns=same), note


def cell(value: object, name: str = "") -> str:
    """Format the `value` of column `name` for a table: three decimals, three digits from 1000 on, "<0.001" for a small p-value."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    if name in _P and 0 <= value < 0.0005:
        return "<0.001"
    return f"{value:z.3f}" if abs(value) < 1000 else f"{value:.3g}"


def read_finished(folder: str | Path) -> Finished:
    """Read a finished run `folder`. Raises `ValueError` where it is unfinished, altered or not one."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    try:
        config = (folder / CONFIG).read_text(encoding="utf-8") if CONFIG in manifest["files"] else ""
        summary = read_spreadsheet(folder / "summary.csv")
    except ValueError as error:
        raise ValueError(f"{folder}: config.yaml or summary.csv is not readable ({error}). Run it again with --resume.") from None
    numbers = [name for name in summary if pd.api.types.is_numeric_dtype(summary[name])]
    if missing := [name for name in _NUMBERS if name not in numbers]:
        raise ValueError(f"{folder / 'summary.csv'} has no numbers in a column {missing[0]!r}. Run it again with --resume.")
    return Finished(folder, manifest, config, summary)


def _ends_of_claims(table: pd.DataFrame) -> pd.DataFrame:
    """The rows at which a claim of neighbouring layers begins or ends, group by group, in the order of the table."""
    claims = table["claim"].astype(object).where(table["claim"].notna(), "").astype(str)
    by = [key for key in ("language", "direction", "anchor", "head") if key in table]
    same = [table[key] for key in by]
    groups = claims.groupby(same, sort=False, dropna=False) if same else claims.groupby(lambda _: 0)
    before, after = groups.shift(1, fill_value=""), groups.shift(-1, fill_value="")
    return table[(claims != "") & ((claims != before) | (claims != after))]


def _best_layers(table: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, str]:
    """The best layer of every combination of `keys`, and the words for this choice."""
    named = next((key for key in ("measure", "metric") if key in keys), None)
    names = table[named].astype(str) if named else pd.Series("", table.index)
    if "direction" in keys:
        names = names.where(table["direction"] != "noise", "noise")  # what patching takes away: 1 is untouched
    lower = (names.map(lower_is_better) | (names == "noise")).astype(bool)
    good = table.assign(good=table["estimate"].where(~lower, -table["estimate"])).groupby(keys, sort=False, dropna=False)["good"]
    best = good.idxmax()
    note = "best layer per row group"
    return table.loc[best], f"{note} (lowest {', '.join(pd.unique(names[lower]))})" if lower.any() else note


def _keys(table: pd.DataFrame) -> list[str]:
    return [key for key in table if not pd.api.types.is_numeric_dtype(table[key])]

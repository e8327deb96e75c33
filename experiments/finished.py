"""A finished run folder as a value: what was asked, what came out, and the few rows worth printing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from experiments.settings import CONFIG
from interp.report import read_manifest


@dataclass(frozen=True)
class Finished:
    """One run as its folder tells it; no model and no probe is loaded to read it.

    `config` is the text of its `config.yaml`, empty where the report was saved from Python and not by a command.
    """

    folder: Path
    manifest: dict[str, Any]
    config: str
    summary: pd.DataFrame

    @property
    def command(self) -> str:
        """The command that made it, "align"; empty where none did."""
        return yaml.safe_load(self.config)["command"] if self.config else ""

    @property
    def signature(self) -> str:
        return self.manifest["signature"]["line"]

    @property
    def figures(self) -> dict[str, Path]:
        """The SVG of every figure by its name, the main one first."""
        names = self.manifest["figures"]
        stems = ["figure" if place == 0 else f"figure-{name}" for place, name in enumerate(names)]
        return {name: self.folder / f"{stem}.svg" for name, stem in zip(names, stems, strict=True)}

    def brief(self, rows: int = 12) -> tuple[pd.DataFrame, str]:
        """A summary short enough to read, and what was left out: all rows, or the highest layer of every other combination.

        The highest of many layers is chosen after looking: its interval is that of one layer, not of the choice.
        """
        table = self.summary
        if len(table) <= rows:
            return table, ""
        keys = [key for key in table if key != "layer" and not pd.api.types.is_numeric_dtype(table[key])]
        if "layer" in table and keys:
            highest = table.dropna(subset=["estimate"]).groupby(keys, sort=False)["estimate"].idxmax()
            return table.loc[highest].head(rows), f"the highest layer of each; all {len(table)} rows in summary.csv"
        return table.head(rows), f"the first {rows} of {len(table)} rows in summary.csv"


def read_finished(folder: str | Path) -> Finished:
    """Read a finished run folder. Raises `ValueError` where it is unfinished or not one."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    config = folder / CONFIG
    return Finished(
        folder=folder,
        manifest=manifest,
        config=config.read_text(encoding="utf-8") if config.is_file() else "",
        summary=pd.read_csv(folder / "summary.csv", dtype={"layer": str}),
    )

"""A result that can be read, drawn, saved and trusted: a tidy table, how it was made, and a sentence that says what it shows."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from interp.provenance import Signature, environment
from interp.storage import checksum, whole, write_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANIFEST = "manifest.json"
_DRAWING = {"svg.fonttype": "none", "svg.hashsalt": "interp", "pdf.fonttype": 42}
"""Text stays text, so that a browser shapes every script; the same figure gives the same bytes."""


@dataclass(frozen=True)
class Report:
    """One measured answer. Subclasses add the vocabulary of their question and say how to sum up and draw it.

    `table` is tidy, one row per item and cell; `arrays` holds what does not fit a table, by name; `settings` what the
    summary needs to be computed again (resamples, seed); `notes` the caveats a reader must see. `manifest` is filled by
    `load`: versions, checksums, time.
    """

    table: pd.DataFrame
    signature: Signature
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)

    question: ClassVar[str] = ""

    def summary(self) -> pd.DataFrame:
        """One row per cell: `estimate, lower, upper, n, baseline`."""
        raise NotImplementedError

    def verdict(self) -> str:
        """What the numbers show, in one sentence, with the evidence and its uncertainty."""
        raise NotImplementedError

    def figures(self) -> dict[str, Figure]:
        """Every figure of the report by name; the first is the main one."""
        raise NotImplementedError

    def plot(self) -> Figure:
        """The main figure."""
        return next(iter(self.figures().values()))

    def save(self, folder: str | Path) -> Path:
        """Write table, summary, arrays, figures (SVG and PDF) and, last, the manifest: its presence means complete."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        written = [*self._save_numbers(folder), *self._save_figures(folder)]
        write_json(
            folder / MANIFEST,
            {
                "report": type(self).__name__,
                "question": self.question,
                "verdict": self.verdict(),
                "signature": self.signature.to_dict(),
                "settings": dict(self.settings),
                "notes": list(self.notes),
                "files": {path.name: checksum(path) for path in written},
                "figures": list(self.figures()),
                "environment": environment(),
                "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            },
        )
        return folder

    def _save_numbers(self, folder: Path) -> list[Path]:
        with whole(folder / "table.parquet") as path:
            self.table.to_parquet(path, index=False)
        with whole(folder / "summary.csv") as path:
            self.summary().to_csv(path, index=False)
        written = [folder / "table.parquet", folder / "summary.csv"]
        if self.arrays:
            with whole(folder / "arrays.safetensors") as path:
                save_file({name: np.ascontiguousarray(array) for name, array in self.arrays.items()}, path)
            written.append(folder / "arrays.safetensors")
        return written

    def _save_figures(self, folder: Path) -> list[Path]:
        import matplotlib

        written = []
        for place, (name, figure) in enumerate(self.figures().items()):
            stem = "figure" if place == 0 else f"figure-{name}"
            for suffix, date in (("svg", "Date"), ("pdf", "CreationDate")):
                with whole(folder / f"{stem}.{suffix}") as path, matplotlib.rc_context(_DRAWING):
                    figure.savefig(path, format=suffix, metadata={date: None})
                written.append(folder / f"{stem}.{suffix}")
        return written

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a finished run folder back as the report it was. Raises `ValueError` where it is unfinished or altered."""
        folder = Path(folder)
        manifest = read_manifest(folder)
        kinds = {kind.__name__: kind for kind in _subclasses(Report)}
        kind = kinds.get(manifest["report"])
        if kind is None or not issubclass(kind, cls):
            raise ValueError(f"{folder} holds a {manifest['report']}. Needed: a {cls.__name__}; import its module from probes.")
        for name in ("table.parquet", "arrays.safetensors"):
            recorded = manifest["files"].get(name)
            if recorded and (not (folder / name).is_file() or checksum(folder / name) != recorded):
                raise ValueError(f"{folder / name} is missing or was altered since the run finished. Run it again with --resume.")
        arrays = load_file(folder / "arrays.safetensors") if "arrays.safetensors" in manifest["files"] else {}
        return kind(
            table=pd.read_parquet(folder / "table.parquet"),
            signature=Signature.from_dict(manifest["signature"]),
            arrays=arrays,
            settings=manifest["settings"],
            notes=tuple(manifest["notes"]),
            manifest=manifest,
        )


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a finished run folder. Raises `ValueError` where there is none or it cannot be read."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no finished run: {MANIFEST} is missing. Finish it with --resume --output {folder}.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        needed = {"report", "signature", "settings", "notes", "files"}
        missing = needed - set(manifest)
    except (UnicodeDecodeError, json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{path} is not readable as a manifest ({error}). Run the command again.") from None
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}. Run the command again.")
    return manifest


def _subclasses(kind: type) -> list[type]:
    return [found for child in kind.__subclasses__() for found in [child, *_subclasses(child)]]

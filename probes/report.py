"""A result that can be read, drawn, saved and trusted: a tidy table, how it was made, and a sentence that says what it shows."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

import probes
from interp.files.atomic import checksum, whole
from interp.files.checks import safe_path, validate
from interp.files.sealed_json import read_sealed, write_sealed
from interp.provenance import Signature, environment
from probes.spreadsheet import write_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MANIFEST, CONFIG = "manifest.json", "config.yaml"
_DRAWING = {"svg.fonttype": "none", "svg.hashsalt": "interp", "pdf.fonttype": 42}
"""Text stays text, so that a browser shapes every script; the same figure gives the same bytes."""
_TABLE, _SUMMARY, _ARRAYS = "table.parquet", "summary.csv", "arrays.safetensors"


@dataclass(frozen=True)
class _Manifest:
    """What must stand in a manifest, and of which type."""

    report: str
    question: str
    verdict: str
    signature: Signature
    settings: dict[str, Any]
    notes: list[str]
    files: dict[str, str]
    figures: list[str]
    environment: dict[str, str]
    written: str


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
        written = self._save_numbers(folder)
        figures = _by_plain_names(self.figures())
        written += self._save_figures(folder, figures)
        if (folder / CONFIG).is_file():
            written.append(folder / CONFIG)
        write_sealed(
            folder / MANIFEST,
            {
                "report": type(self).__name__,
                "question": self.question,
                "verdict": self.verdict(),
                "signature": self.signature.to_dict(),
                "settings": dict(self.settings),
                "notes": list(self.notes),
                "files": {path.name: checksum(path) for path in written},
                "figures": list(figures),
                "environment": environment(),
                "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            },
        )
        return folder

    def _save_numbers(self, folder: Path) -> list[Path]:
        with whole(folder / _TABLE) as path:
            self.table.to_parquet(path, index=False)
        with whole(folder / _SUMMARY) as path:
            write_sheet(self.summary(), path)
        written = [folder / _TABLE, folder / _SUMMARY]
        if self.arrays:
            with whole(folder / _ARRAYS) as path:
                save_file({name: np.ascontiguousarray(array) for name, array in self.arrays.items()}, path)
            written.append(folder / _ARRAYS)
        return written

    def _save_figures(self, folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
        import matplotlib

        written = []
        for place, (name, figure) in enumerate(figures.items()):
            for suffix, date in (("svg", "Date"), ("pdf", "CreationDate")):
                with whole(folder / figure_file(place, name, suffix)) as path, matplotlib.rc_context(_DRAWING):
                    figure.savefig(path, format=suffix, metadata={date: None})
                written.append(folder / figure_file(place, name, suffix))
        return written

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a finished run folder back as the report it was. Raises `ValueError` where it is unfinished or altered."""
        folder = Path(folder)
        manifest = read_manifest(folder)
        kind = _kind(manifest["report"])
        if kind is None or not issubclass(kind, cls):
            raise ValueError(f"{folder}: got a {manifest['report']}, expected a {cls.__name__}. Read it with probes.Report.load.")
        check_files(folder, manifest, {_TABLE, _ARRAYS} & manifest["files"].keys())
        return kind(
            table=_read(pd.read_parquet, folder / _TABLE),
            signature=Signature.from_dict(manifest["signature"]),
            arrays=_read(load_file, folder / _ARRAYS) if _ARRAYS in manifest["files"] else {},
            settings=manifest["settings"],
            notes=tuple(manifest["notes"]),
            manifest=manifest,
        )


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a finished run folder. Raises `ValueError` where there is none, or it is not what a run wrote."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no finished run: {MANIFEST} is missing. Finish it with --resume --output {folder}.")
    try:
        manifest = read_sealed(safe_path(Path(folder), MANIFEST))
        validate(_Manifest, manifest, path)
        needed = {_TABLE, _SUMMARY, *(figure_file(place, name) for place, name in enumerate(manifest["figures"]))}
        if missing := needed - manifest["files"].keys():
            raise ValueError(f"{path} names no {min(missing)}")
    except ValueError as error:
        raise ValueError(f"{str(error).removesuffix('.')}. Not readable as a manifest; run the command again.") from None
    return manifest


def check_files(folder: Path, manifest: Mapping[str, Any], names: Iterable[str] | None = None) -> None:
    """Raises `ValueError` for the first file (of all, or of those named) that is not as the run wrote it."""
    for name in manifest["files"] if names is None else sorted(names):
        path = safe_path(folder, name)
        if not path.is_file() or checksum(path) != manifest["files"][name]:
            raise ValueError(f"{path} is missing or was altered since the run finished. Run it again with --resume.")


def figure_file(place: int, name: str, suffix: str = "svg") -> str:
    """The file of a report's figure: the main one, at place 0, goes without its name."""
    return f"figure.{suffix}" if place == 0 else f"figure-{name}.{suffix}"


def _by_plain_names(figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """Figures by names that are good for a file on every system, whatever label of the data they were made from."""
    found: dict[str, Figure] = {}
    for place, (name, figure) in enumerate(figures.items()):
        plain = re.sub(r"[^\w.+-]+", "-", name)[:80]
        found[f"{plain}-{place}" if plain in found else plain] = figure
    return found


def _read(reader: Callable[[Path], Any], path: Path) -> Any:
    try:
        return reader(path)
    except Exception as error:  # pandas, pyarrow and safetensors each have several of their own
        raise ValueError(f"{path} is not readable ({' '.join(str(error).split())[:200]}). Run it again with --resume.") from None


def _kind(name: str) -> type[Report] | None:
    """The report class of that name: one that is defined already, else one of those that `probes` names."""
    known = {kind.__name__: kind for kind in _subclasses(Report)}
    return known[name] if name in known else getattr(probes, name) if name in probes.__all__ else None


def _subclasses(kind: type) -> list[type]:
    return [found for child in kind.__subclasses__() for found in [child, *_subclasses(child)]]

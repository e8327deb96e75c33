"""What a stranger may send: pickles that act, reports that name files, folders sealed again after a change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from interp.files.atomic import checksum
from interp.files.sealed_json import write_sealed
from tests.experiments.pages.test_page import Curves


class Trap:
    """A pickle that leaves a file where it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


class Small(Curves):
    """The awkward report with figures that are drawn at once, one of them named after a label of the data."""

    def figures(self) -> dict[str, Figure]:
        return {"dot": Figure(figsize=(1, 1)), "../../evil": Figure(figsize=(1, 1))}


def resealed(folder: Path, **changes: Any) -> Path:
    """A run folder whose manifest says something else, and whose checksums fit what lies there now."""
    plain = json.loads((folder / "manifest.json").read_text()) | changes
    plain.pop("seal")
    plain["files"] |= {name: checksum(folder / name) for name in plain["files"] if (folder / name).is_file()}
    write_sealed(folder / "manifest.json", plain)
    return folder

"""What is committed of a run: its summary, main figure and manifest, with models and texts by their public names."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from experiments.gallery.entry import QWEN, SMOLLM2, Entry, Inputs
from experiments.settings.settings import Settings
from interp.files.atomic import checksum, write_text
from interp.files.sealed_json import write_sealed
from interp.provenance import Signature

_DIGITS = re.compile(r"(\d\.\d{3})\d+")
"""Coordinates of a figure to a thousandth of a point: more is not seen, and half of the file."""


def keep(entry: Entry, inputs: Inputs, settings: Settings, folder: Path) -> None:
    """Write the parts of a finished run that are committed.

    Parameters
    ----------
    entry
        The entry of the gallery.
    inputs
        Where things are on this machine: what no committed file may say.
    settings
        Settings of the finished run.
    folder
        Folder of the entry, which is replaced as a whole.
    """
    import probes

    report = probes.Report.load(settings.output)
    named = _named(report.signature, inputs)
    with tempfile.TemporaryDirectory() as temporary:
        saved = replace(report, signature=named).save(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(saved / "summary.csv", folder / "summary.csv")
        for name in entry.parts[1:-1]:
            write_text(folder / name, _DIGITS.sub(r"\1", (saved / name).read_text(encoding="utf-8")))
    done = report.manifest
    values = {
        "entry": entry.name, "model": entry.model, "data": entry.data, "report": done["report"], "question": done["question"],
        "verdict": report.verdict(), "notes": done["notes"], "signature": named.to_dict(), "settings": settings.asked(),
        "environment": done["environment"], "receipts": done["receipts"], "written": done["written"],
        "files": {name: checksum(folder / name) for name in entry.parts[:-1]},
    }  # fmt: skip
    places = _places(inputs)
    write_sealed(folder / "manifest.json", {key: _public(value, places) for key, value in values.items()})


def _named(signature: Signature, inputs: Inputs) -> Signature:
    """The signature with both models by their public names, also where another model was tuned from one or compared with it."""
    names = {Path(path).name: name for path, name in ((inputs.qwen, QWEN), (inputs.smollm2, SMOLLM2)) if path}
    settings = dict(signature.settings)
    for folder, name in names.items():
        for key, value in settings.items():
            settings[key] = re.sub(rf"^{re.escape(folder)}@", f"{name}@", value) if isinstance(value, str) else value
    model = replace(signature.model, name=names.get(signature.model.name, signature.model.name))
    return replace(signature, model=model, settings=settings)


def _places(inputs: Inputs) -> dict[str, str]:
    """Every place of this machine and the public name for it, longer paths first."""
    here = Path(__file__).parent
    places = {inputs.qwen: QWEN, inputs.smollm2: SMOLLM2, str(inputs.data): "data", str(inputs.work): "runs", str(here): "gallery"}
    return {place: places[place] for place in sorted(places, key=len, reverse=True) if place}


def _public(value: object, places: Mapping[str, str]) -> object:
    """The value with every place in every text named by its public name."""
    if isinstance(value, Mapping):
        return {key: _public(part, places) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_public(part, places) for part in value]
    if isinstance(value, str):
        for place, name in places.items():
            value = value.replace(place, name)
    return value

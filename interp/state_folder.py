"""A folder of captured states: a file a language, filled language by language, and a manifest when it is complete."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from interp.activations import MANIFEST, Activations, StoredStates, read_manifest, write_states
from interp.provenance import environment
from interp.storage import locked, write_json

PARTIAL = "partial.json"
_log = logging.getLogger(__name__)


def fill(folder: Path, planned: Activations, run: Callable[[str], Tensor], skip: Callable[[int], object]) -> Activations:
    """Run what is planned, language by language, and give it back as the folder holds it.

    What is there already, whole and of the same making, is kept; `skip` is told of its sentences. Another process in the
    folder, another model, text or setting, or too little space is an error before anything runs.
    """
    with locked(folder):
        kept = _resume(folder, planned)
        _check_space(folder, planned, len(planned.languages) - len(kept))
        for code in planned.languages:
            if code in kept:
                skip(len(planned))
                continue
            name = f"{code}.safetensors"
            sha = write_states(folder / name, run(code), planned.token_ids.get(code, ()))
            kept[code] = StoredStates(folder / name, sha)
            _write_manifest(folder / PARTIAL, planned, kept)
        _write_manifest(folder / MANIFEST, planned, {code: kept[code] for code in planned.languages})
        (folder / PARTIAL).unlink(missing_ok=True)
    return Activations.load(folder)


def _resume(folder: Path, planned: Activations) -> dict[str, StoredStates]:
    """The languages of an earlier capture that are whole; raises where it was made from something else."""
    found = next((folder / name for name in (MANIFEST, PARTIAL) if (folder / name).is_file()), None)
    if found is None:
        return {}
    earlier = read_manifest(found)
    for key, (theirs, mine) in earlier.signature.differences(planned.signature).items():
        raise ValueError(f"{folder} holds a capture with {key} {theirs!r}, and now {key} is {mine!r}. Choose another folder.")
    kept = {}
    for code, states in earlier.states.items():
        if fault := states.fault():
            _log.warning("capture: %s %s; %s is computed again", states.path, fault, code)
        else:
            kept[code] = states
    return kept


def _check_space(folder: Path, planned: Activations, languages: int) -> None:
    needed = 4 * languages * len(planned.layers) * len(planned) * planned.d_model
    free = shutil.disk_usage(folder).free
    _log.info("capture: %d languages to %s, %.1f MB; %.1f MB free", languages, folder, needed / 1e6, free / 1e6)
    if needed * 1.02 > free:
        lacks = f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        raise OSError(f"capture: {folder}: {lacks}. Choose another folder, or fewer layers.")


def _write_manifest(path: Path, acts: Activations, files: Mapping[str, StoredStates]) -> None:
    write_json(
        path,
        {
            "layers": acts.layers,
            "site": acts.site,
            "pooling": acts.pooling,
            "ids": acts.ids,
            "documents": acts.documents,
            "labels": dict(acts.labels),
            "files": {code: {"name": states.path.name, "sha256": states.sha} for code, states in files.items()},
            "signature": acts.signature.to_dict(),
            "environment": environment(),
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    )

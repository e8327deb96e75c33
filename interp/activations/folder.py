"""A folder of captured activations: one file for each language, and a manifest when it is complete."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from interp.activations.files import StoredStates, write_states
from interp.activations.pool import Pooled
from interp.activations.store import MANIFEST, Activations, read_manifest
from interp.files.cache import differences
from interp.files.lock import locked
from interp.files.sealed_json import write_sealed
from interp.provenance import environment

PARTIAL = "partial.json"
_PARTS = "partial*.json"
_log = logging.getLogger(__name__)


def fill_folder(
    folder: Path,
    planned: Activations,
    run: Callable[[str], Pooled],
    skip: Callable[[int], object],
    only: Sequence[str] | None = None,
) -> Activations:
    """Capture into a folder, language by language. Languages that are already there, undamaged, are kept.

    Parameters
    ----------
    folder
        The folder.
    planned
        The activations to be captured, without their states.
    run
        Computes the states of a language, and the attention sinks left out of them.
    skip
        Called with the number of sentences of each language that is kept.
    only
        Capture only these languages, so that several processes can share the folder. It is complete after a call without.

    Raises
    ------
    RuntimeError
        Another process uses the folder.
    ValueError
        The folder holds the capture of another model, corpus or setting.
    OSError
        There is too little disk space.
    """
    codes = planned.languages if only is None else tuple(only)
    partial = folder / (PARTIAL if only is None else f"partial-{_short_hash(codes)}.json")
    with locked(folder, shared=only is not None):
        kept = _resume(folder, planned, codes)
        _check_space(folder, planned, len(codes) - len(kept))
        for code in codes:
            if code in kept:
                skip(len(planned))
                continue
            name = f"{code}.safetensors"
            pooled = run(code)
            sha = write_states(folder / name, pooled.states, planned.token_ids.get(code, ()), pooled.left_out)
            kept[code] = StoredStates(folder / name, sha)
            _write_manifest(partial, planned, kept)
        if only is not None:
            return replace(planned, languages=codes, states=MappingProxyType({code: kept[code] for code in codes}))
        _write_manifest(folder / MANIFEST, planned, {code: kept[code] for code in codes})
        for part in folder.glob(_PARTS):
            part.unlink()
    return Activations.load(folder)


def _short_hash(codes: Sequence[str]) -> str:
    return hashlib.sha256(",".join(codes).encode()).hexdigest()[:12]


def _resume(folder: Path, planned: Activations, codes: Sequence[str]) -> dict[str, StoredStates]:
    """The languages that an earlier capture completed. Raises `ValueError` if it had another model, corpus or setting."""
    kept: dict[str, StoredStates] = {}
    faults: dict[str, str] = {}
    for manifest in [folder / MANIFEST, *sorted(folder.glob(_PARTS))]:
        if not manifest.is_file():
            continue
        try:
            earlier = read_manifest(manifest)
        except ValueError:
            if not _holds_a_capture_alone(folder, planned):
                raise
            _log.warning("capture: %s is cut short or was altered; what it lists is computed again", manifest)
            continue
        other = {**earlier.signature.differences(planned.signature), **differences(earlier.facts, planned.facts)}
        for key, (theirs, mine) in other.items():
            raise ValueError(f"{folder} holds a capture with {key} {theirs!r}, and now {key} is {mine!r}. Choose another folder.")
        for code, states in earlier.states.items():
            if code not in codes or code in kept:
                continue
            if fault := states.fault():
                faults[code] = f"{states.path} {fault}"
            else:
                kept[code] = states
    for code, fault in faults.items():
        if code not in kept:
            _log.warning("capture: %s; %s is computed again", fault, code)
    return kept


def _holds_a_capture_alone(folder: Path, planned: Activations) -> bool:
    """Whether nothing in the folder is lost when it is captured into anew."""
    ours = {MANIFEST, *(f"{code}.safetensors" for code in planned.languages), *(path.name for path in folder.glob(_PARTS))}
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")} <= ours


def _check_space(folder: Path, planned: Activations, languages: int) -> None:
    needed = 4 * languages * len(planned.layers) * len(planned) * planned.d_model
    free = shutil.disk_usage(folder).free
    _log.info("capture: %d languages to %s, %.1f MB; %.1f MB free", languages, folder, needed / 1e6, free / 1e6)
    if needed * 1.02 > free:
        lacks = f"{needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free"
        raise OSError(f"capture: {folder}: {lacks}. Free some space, or choose another folder or fewer layers.")


def _write_manifest(path: Path, acts: Activations, files: Mapping[str, StoredStates]) -> None:
    write_sealed(
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
            "facts": dict(acts.facts),
            "environment": environment(),
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        },
    )

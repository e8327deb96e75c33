"""Hashes of the files that a model or a corpus is read from, without loading either."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import interp.bundled
from interp.files.atomic import checksum

_MOST, _LARGE = 10_000, 1 << 30
_MODEL = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})
_RUN = frozenset({"arrays.safetensors", "manifest.json", "started.json", "tuned.json"})
"""What a run writes into the folder of a model that it tuned, and no model is read from."""


def fingerprint(name: str | Path, beside: Path | None = None) -> dict[str, str]:
    """SHA-256 of every file that is read of a model, a corpus or a finished run, by its path inside; empty where there is none.

    `name` is a file, a folder, "bundled" or the hub name of a model, which is known by its commit once it was downloaded. Of a
    run folder that holds no model it is the manifest, which has the hashes of the other files. What lies in the folder `beside`
    is not counted, nor what is hidden. Text of more than a gibibyte is known by sizes and times; a folder of more than 10 000
    files, which no corpus is, by nothing.
    """
    if not str(name):
        return {}
    path = Path(interp.bundled.__file__).parent if str(name) == "bundled" else Path(name).expanduser()
    if path.is_file():
        return {path.name: _known([path])[path]}
    if not path.is_dir():
        return _commit(str(name))
    if (path / "config.json").is_file():
        model = [entry for entry in path.iterdir() if entry.suffix in _MODEL and entry.name not in _RUN and entry.is_file()]
        return {entry.name: checksum(entry) for entry in sorted(model)}
    if (path / "manifest.json").is_file():
        return {"manifest.json": checksum(path / "manifest.json")}
    text = {file: file.relative_to(path) for file in islice(path.rglob("*"), _MOST + 1)}
    if len(text) > _MOST:
        return {}
    shown = [file for file, inside in text.items() if not any(part.startswith(".") for part in inside.parts)]
    shown = [file for file in shown if beside is None or not file.resolve().is_relative_to(beside.resolve())]
    return {text[file].as_posix(): sha for file, sha in _known(sorted(filter(Path.is_file, shown))).items()}


def _known(files: list[Path]) -> dict[Path, str]:
    """Each file by its hash, or by size and time where all are too large to be read for that."""
    states = {file: file.stat() for file in files}
    if sum(state.st_size for state in states.values()) > _LARGE:
        return {file: f"{state.st_size} bytes of {state.st_mtime_ns}" for file, state in states.items()}
    return {file: checksum(file) for file in files}


def _commit(name: str) -> dict[str, str]:
    """The commit of a hub model that lies in the cache; empty where it does not, or the name is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        file = try_to_load_from_cache(name, "config.json")
    except (HFValidationError, ValueError, OSError):
        return {}
    return {"commit": Path(file).parent.name} if isinstance(file, str) else {}

"""What lies at a path now: hashes of the files that a model or a corpus is read from, without reading either."""

from __future__ import annotations

from pathlib import Path

import interp.bundled
from interp.files.atomic import checksum

_MODEL = frozenset({".safetensors", ".json", ".txt", ".model", ".jinja"})
_RUN = frozenset({"arrays.safetensors", "manifest.json", "started.json", "tuned.json"})
"""What a run writes into the folder of a model that it tuned, and no model is read from."""


def fingerprint(name: str | Path, beside: Path | None = None) -> dict[str, str]:
    """SHA-256 of every file that is read of a model, a corpus or a finished run, by its path inside; empty where there is none.

    `name` is a file, a folder, "bundled" or the hub name of a model, which is known by its commit once it was downloaded. Of a
    run folder that holds no model it is the manifest, which has the hashes of the other files. What lies in the folder `beside`
    is not counted, nor what is hidden.
    """
    if not str(name):
        return {}
    path = Path(interp.bundled.__file__).parent if str(name) == "bundled" else Path(name).expanduser()
    if path.is_file():
        return {path.name: checksum(path)}
    if not path.is_dir():
        return _commit(str(name))
    if (path / "config.json").is_file():
        files = [each for each in path.iterdir() if each.suffix in _MODEL and each.name not in _RUN]
    elif (path / "manifest.json").is_file():
        files = [path / "manifest.json"]
    else:
        files = [each for each in path.rglob("*") if not any(part.startswith(".") for part in each.relative_to(path).parts)]
        files = [each for each in files if beside is None or not each.resolve().is_relative_to(beside.resolve())]
    return {each.relative_to(path).as_posix(): checksum(each) for each in sorted(files) if each.is_file()}


def _commit(name: str) -> dict[str, str]:
    """The commit of a hub model that lies in the cache; empty where it does not, or the name is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except (HFValidationError, ValueError, OSError):
        return {}
    return {"commit": Path(found).parent.name} if isinstance(found, str) else {}

"""What a run was started with: library versions, kind of device, and input files. It is resumed only with the same.

`started.json` is written after `config.yaml`, before anything is computed, and never again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape, glob
from importlib import metadata
from pathlib import Path

from experiments.settings.code import code_of
from experiments.settings.settings import Settings
from interp import provenance
from interp.files.checks import safe_path
from interp.files.sealed_json import read_sealed, write_sealed
from interp.models.fingerprint import fingerprint

STARTED = "started.json"
_READ = (
    "model",
    "corpus",
    "test_corpus",
    "lens_corpus",
    "survey",
    "general",
    "questions",
    "text",
    "lens",
    "before",
    "after",
    "scores",
)
"""The settings that may name a model, a text, a lens or a finished run."""


@contextmanager
def computing(settings: Settings, finished: bool) -> Iterator[None]:
    """Record library versions and the device for the manifests written in this block.

    Parameters
    ----------
    settings
        Settings of the command, for the device.
    finished
        The run is finished already: record only the versions, as nothing is computed.
    """
    if finished:
        with provenance.pinned():
            yield
        return
    import torch

    from interp.models.devices import choose_device

    device = choose_device(settings.device)
    model = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    with provenance.pinned(device=device.type, threads=str(torch.get_num_threads()), **model):
        yield


def write_started(settings: Settings) -> None:
    """Write `started.json` for the run of `settings`: library versions, device and hashes of the input files.

    Only inside `computing`.
    """
    write_sealed(settings.output / STARTED, {"environment": provenance.environment(), "inputs": _inputs(settings)})


def check_started(settings: Settings, finished: bool) -> None:
    """Check that library versions, device and input files are those with which a run was started.

    Parameters
    ----------
    settings
        Settings of the command.
    finished
        The run is finished. It may then be shown on another device; its manifest names the device that computed it.

    Raises
    ------
    ValueError
        Something has changed. The message names it and says what to do.
    """
    folder, now = settings.output, provenance.environment()
    if not (folder / STARTED).is_file():
        raise ValueError(f"{folder} does not record the versions that computed it: {STARTED} is missing. Choose another --output.")
    try:
        started = read_sealed(safe_path(folder, STARTED))
    except ValueError as error:
        raise ValueError(f"{str(error).removesuffix('.')}. Choose another --output.") from None
    before, inputs = started.get("environment"), started.get("inputs")
    if not isinstance(before, dict) or not isinstance(inputs, dict):
        raise ValueError(f"{folder / STARTED} was written by another program. Choose another --output.")
    compared = (*provenance.versions(), *(("device",) if "device" in now and not finished else ()))
    if other := [name for name in compared if before.get(name) != now.get(name)]:
        were = " and with ".join(f"{name} {before.get(name)}, and now it is {now.get(name)}" for name in other)
        todo = [f"Give --device {before.get(n)}" if n == "device" else f"Install {n} {before.get(n)} again" for n in other]
        hint = f" `interp page {folder}` shows what is there." if finished else ""
        raise ValueError(
            f"{folder} was started with {were}, which may change the numbers. {', '.join(todo)}, or choose another --output.{hint}"
        )
    changed = changed_inputs(settings, inputs)
    if were := " and with ".join(
        f"--{name.replace('_', '-')} {_given(getattr(settings, name))}, where {what} since"
        for name, what in changed.items()
        if what
    ):
        raise ValueError(f"{folder} was started with {were}. Put it back, or choose another --output.")


def changed_inputs(settings: Settings, inputs: Mapping[str, object]) -> dict[str, str]:
    """What has become of the files that `settings` name since a run recorded its `inputs`, by setting; empty text for nothing."""
    return {name: _changed(inputs.get(name), files) for name, files in _inputs(settings).items()}


def _inputs(settings: Settings) -> dict[str, dict[str, str]]:
    """The hash of every file, and of all code, that the settings name, by setting. A lens that the run trains itself is none."""
    fields, own = {field.name for field in dataclasses.fields(settings)}, getattr(settings, "lens_corpus", None)
    sources = {name: getattr(settings, name) for name in _READ if name in fields and not (name == "lens" and own)}
    code = code_of(settings)
    files = {
        name: _files(str(value), settings.output)
        for name, value in sources.items()
        if isinstance(value, str | Path) and str(value) and name not in code
    }
    return files | code


def _files(name: str, beside: Path) -> dict[str, str]:
    """The files of one setting; "{language}" in it stands for any. What makes the text of "cldr:" is a library."""
    if name.startswith("cldr:"):
        return {f"the version of {library}": metadata.version(library) for library in ("Babel", "langcodes", "num2words")}
    if "{language}" not in name:
        return fingerprint(name, beside)
    paths = sorted(glob("*".join(map(escape, name.split("{language}")))))
    return {f"{path}: {file}": sha for path in paths for file, sha in fingerprint(path, beside).items()}


def _given(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _changed(before: object, now: Mapping[str, str]) -> str:
    """The first file that is not as it was, and how; empty where all are. A hub model that was not there yet is not compared."""
    if not isinstance(before, dict) or (not before and "commit" in now):
        return ""
    for name in sorted({*before, *now}):
        if name not in now:
            return f"{name} is gone"
        if name not in before:
            return f"{name} has come"
        if before[name] != now[name]:
            return f"{name} has changed"
    return ""

"""Checkpoints that can be trusted after a kill: which run they belong to, and which of them are whole.

`transformers.Trainer` writes weights as safetensors but optimiser, schedule and random states with `torch.save`, which is
pickle. They never leave the machine's own run folder: they are read back with `weights_only=True`, which runs no code, and
deleted when the run is finished. A tuned model holds none.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from interp.files.atomic import checksum, write_json
from interp.files.cache import differences
from interp.files.checks import safe_path
from interp.files.sealed_json import read_object, read_sealed, write_sealed

FOLDER = "checkpoints"
_WHOLE = "whole.json"
_RUN = "run.json"
_log = logging.getLogger(__name__)


def start_run(folder: Path, run: Mapping[str, object], resume: bool) -> None:
    """Claim the checkpoint folder inside `folder` for one run.

    `run` names the parent, the data, the recipe and the versions of the libraries. Raises `ValueError` where the checkpoints there
    belong to another run, naming the field, or where there are some and `resume` is off.
    """
    checkpoints = folder / FOLDER
    if (checkpoints / _RUN).is_file():
        if not resume:
            raise ValueError(f"{checkpoints} holds an unfinished run. Go on with --resume, or choose another --output.")
        for key, (saved, expected) in differences(read_object(checkpoints / _RUN), run).items():
            raise ValueError(
                f"{checkpoints} belongs to another run: its {key} is {saved}, this one's is {expected}. "
                "Resuming needs the same model, data, recipe and versions. Choose another --output, or delete the folder."
            )
    write_json(checkpoints / _RUN, run)


def mark_whole(checkpoint: Path) -> None:
    """Say that the folder `checkpoint` is complete, with the checksum of every file in it."""
    files = [path for path in sorted(checkpoint.iterdir()) if path.is_file() and path.name != _WHOLE]
    write_sealed(checkpoint / _WHOLE, {path.name: checksum(path) for path in files})


def last_whole(folder: Path) -> Path | None:
    """The latest checkpoint in `folder` whose every file is as it was when it was marked; None where there is none."""
    checkpoints = [(int(path.name.rpartition("-")[2]), path) for path in (folder / FOLDER).glob("checkpoint-*[0-9]")]
    return next((path for _, path in sorted(checkpoints, reverse=True) if _is_whole(path)), None)


def clear(folder: Path) -> None:
    """Delete the checkpoints of a finished run, in `folder`."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _is_whole(checkpoint: Path) -> bool:
    """Whether every file is as it was; a warning names one that is not, and none that a kill left unmarked."""
    if not (checkpoint / _WHOLE).is_file():
        return False
    try:
        recorded = read_sealed(checkpoint / _WHOLE)
        fault = next((name for name, sha in recorded.items() if checksum(safe_path(checkpoint, name)) != sha), "")
        fault = fault if recorded else "no file is listed"
    except (OSError, ValueError) as error:
        fault = str(error)
    if fault:
        _log.warning("%s was altered since it was written (%s): training goes on from an earlier one.", checkpoint, fault)
    return not fault

"""One question by several processes: each does its share into one run folder, and the last to finish answers.

They meet in the folder alone, on one machine or on several that see the same files: no torch.distributed, no port and no
barrier. Shares may be started hours apart, and one that was killed is started again by itself with --resume. A question that
can be shared has, beside its `run(settings)`,

    def share(settings, shard): ...    # compute shard.mine(languages, items ...) into settings.output, where run finds it

and `run` computes what it does not find, so a lost share costs time and never changes the answer. A second stage that needs all
of the first begins where `meet(settings, shard, "first")` says so.

Two ways to start: `--shard 1/4` to `--shard 4/4` by hand, or `accelerate launch --multi_gpu --num_processes 4 -m experiments
align ...` (torchrun alike), which sets RANK and WORLD_SIZE. With --cpu, or without several GPUs, `accelerate launch` starts one
process whatever --num_processes says (accelerate 1.15), unless --multi_gpu is given: that starts several without a GPU, too.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from experiments.runs.folder import SHARDS, check_same, is_new, is_whole, logged, taken
from experiments.runs.started import write_started
from experiments.settings.settings import CONFIG, Settings
from interp.files.atomic import write_json, write_text
from interp.files.checks import short_repr
from interp.files.lock import locked
from interp.provenance import versions

Thing = TypeVar("Thing")
_log = logging.getLogger(__name__)
_DONE = "done.json"
_MOST = 10_000
"""Processes that may share one run."""
_PATIENCE = 60.0
"""Seconds to wait for another process at the door: it holds it for a few file operations."""
_GLANCE = 2.0
"""Seconds that a share waits for its own place: others look now and then whether somebody is at it."""
_RANKS = (("RANK", "WORLD_SIZE"), ("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))
"""How torchrun and accelerate, and then MPI, number the processes that they start."""
_LOCAL = (("LOCAL_RANK", "LOCAL_WORLD_SIZE"), ("MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
          ("OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"))  # fmt: skip
"""And those of one machine."""


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of the work. `index` counts from 0; in words, and on the command line, from 1: "1/4".

    `launched`: the processes of the other shares were started with this one.
    """

    index: int = 0
    count: int = 1
    launched: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str] = os.environ) -> Shard:
        """Determine which process of a run this is.

        Parameters
        ----------
        text
            The value of `--shard`, such as "1/4", or None.
        environment
            Environment variables, in which a launcher (accelerate, torchrun, MPI) sets the rank.

        Returns
        -------
        The shard of `text` or of the launcher; the whole run if neither is given.

        Raises
        ------
        ValueError
            The text is not of the form i/n, or contradicts the launcher.
        """
        launched = _launched(environment)
        if text is None:
            return launched or cls()
        parts = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not parts or not 1 <= int(parts[1]) <= int(parts[2]) <= _MOST:
            raise ValueError(
                f"got shard {short_repr(text)}, expected i/n with i from 1 to n and n at most {_MOST}, such as 1/4 or 4/4."
            )
        requested = cls(int(parts[1]) - 1, int(parts[2]))
        if launched not in (None, requested):
            raise ValueError(f"got --shard {text}, expected {launched}, as the launcher set it. Leave --shard out.")
        return requested

    def mine(self, things: Sequence[Thing]) -> list[Thing]:
        """The items of `things` for this process: every `count`-th, so that each item belongs to exactly one process."""
        return list(things[self.index :: self.count])

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"


def _launched(environment: Mapping[str, str]) -> Shard | None:
    for rank, size in _RANKS:
        if rank in environment and int(environment.get(size, "1")) > 1:
            return Shard(int(environment[rank]), int(environment[size]), launched=True)
    if "ACCELERATE_MIXED_PRECISION" in environment and "MASTER_ADDR" in environment and "RANK" not in environment:
        _log.warning(
            "accelerate launch started one process, whatever --num_processes says: it does the whole. For several processes "
            "where there are no several GPUs, give --multi_gpu (and not --cpu), or start each with --shard."
        )
    return None


def stand_alone(environment: MutableMapping[str, str] = os.environ) -> None:
    """Detach this process from its launcher: it sees only its own GPUs, and no library tries to reach the other processes.

    Processes that a launcher started on one machine divide its GPUs: with eight GPUs, each of four processes has two.

    Parameters
    ----------
    environment
        Environment variables to change: the rank is removed, and CUDA_VISIBLE_DEVICES is set.
    """
    for rank, size in _LOCAL:
        if (processes := int(environment.get(size, "1"))) > 1 and rank in environment:
            own_gpus = _own_gpus(environment.get("CUDA_VISIBLE_DEVICES"), int(environment[rank]), processes)
            if own_gpus:
                environment["CUDA_VISIBLE_DEVICES"] = ",".join(own_gpus)
            break
    for name in (name for pair in (*_RANKS, *_LOCAL) for name in pair):
        environment.pop(name, None)


def _own_gpus(visible: str | None, rank: int, processes: int) -> list[str]:
    import torch

    gpus = [str(gpu) for gpu in range(torch.cuda.device_count())] if visible is None else [gpu for gpu in visible.split(",") if gpu]
    per_process = max(1, len(gpus) // processes)
    return [gpus[(rank * per_process + index) % len(gpus)] for index in range(per_process)] if gpus else []


def take_share(settings: Settings, shard: Shard, locks: ExitStack) -> str:
    """Compute this process's part of a run, unless it is done.

    Processes that compute hold a shared lock on the run folder, so that none writes the report meanwhile.

    Parameters
    ----------
    settings
        Settings of the command.
    shard
        Which of the processes this is.
    locks
        Receives the exclusive lock on the run folder if all parts are done and this process must write the report.

    Returns
    -------
    "" if this process must write the report; else a message that says what is still to be done.
    """
    share, folder, own_folder = _share_of(settings), settings.output, _place(settings.output, shard)
    with ExitStack() as working:
        with _door(folder):
            todo = not _join(settings, own_folder) and not _is_marked(own_folder, _DONE, settings)
            if todo:
                for context in (locked(folder, shared=True), locked(own_folder, patience=_GLANCE), logged(own_folder)):
                    working.enter_context(context)
        if todo:
            share(settings, shard)
    with _door(folder):
        if todo:
            _mark(own_folder, _DONE, settings)
        return _claim(settings, shard, locks)


def meet(settings: Settings, shard: Shard, stage: str) -> bool:
    """Mark a stage of this process as done and wait for the other processes.

    Parameters
    ----------
    settings
        Settings of the command.
    shard
        Which of the processes this is.
    stage
        Name of the stage.

    Returns
    -------
    True if all processes have finished the stage. False if another process has not and is not running: then this process has
    nothing more to do, and the process that writes the report computes what is missing. Processes of one launcher wait a minute for
    each other to start.
    """
    name, shares = f"{stage}.json", _places(settings.output, shard)
    _mark(_place(settings.output, shard), name, settings)
    begun_by = time.monotonic() + (_PATIENCE if shard.launched else 0)
    while behind := [other for other in shares if not _is_marked(other, name, settings)]:
        idle = [other for other in behind if not other.is_dir() or _nobody_at(other, shared=True)]
        absent = [other.name for other in idle if not _is_marked(other, name, settings)]
        if absent and time.monotonic() >= begun_by:
            _log.info("shard %s does not wait: %s not at work", shard, ", ".join(absent))
            return False
        time.sleep(_GLANCE / 10)
    return True


def _claim(settings: Settings, shard: Shard, locks: ExitStack) -> str:
    folder = settings.output
    if is_whole(folder):
        if shard.index:
            return f"{folder} is finished."
    elif left := [other for other in _places(folder, shard) if not _is_marked(other, _DONE, settings)]:
        return f"shard {shard.index + 1} of {shard.count} is done; {len(left)} more to go"
    try:
        locks.enter_context(locked(folder))
    except RuntimeError:
        return f"shard {shard.index + 1} of {shard.count} is done; another process answers"
    return ""


def _join(settings: Settings, own_folder: Path) -> bool:
    """Whether the run is finished already; otherwise begins it, or joins those who began it."""
    folder = settings.output
    if is_new(folder) and _nobody_at(folder):
        for stale in (folder / SHARDS).glob("*-of-*"):
            shutil.rmtree(stale)
        write_text(folder / CONFIG, settings.to_yaml())
        write_started(settings)
    elif not (folder / CONFIG).is_file():
        raise RuntimeError(f"{folder} is in use by a process that is just starting. Try again.")
    check_same(folder, settings)
    if not settings.resume and (own_folder.is_dir() or is_whole(folder) or not _shared_alike(folder, own_folder)):
        raise taken(folder)
    own_folder.mkdir(exist_ok=True)
    return is_whole(folder)


def _shared_alike(folder: Path, own_folder: Path) -> bool:
    """Whether the run is shared by as many as `place` says, or not begun."""
    counts = {other.name.rpartition("-")[2] for other in (folder / SHARDS).glob("*-of-*")}
    return counts == {own_folder.name.rpartition("-")[2]} or (not counts and is_new(folder))


def _nobody_at(folder: Path, shared: bool = False) -> bool:
    try:
        with locked(folder, shared=shared):
            return True
    except RuntimeError:
        return False


def _mark(own_folder: Path, name: str, settings: Settings) -> None:
    write_json(own_folder / name, _what(settings))


def _is_marked(own_folder: Path, name: str, settings: Settings) -> bool:
    """Whether a share of this very question has come that far; the mark of another question, or version, is not believed."""
    try:
        return json.loads((own_folder / name).read_text(encoding="utf-8")) == _what(settings)
    except (OSError, ValueError):
        return False


def _what(settings: Settings) -> dict[str, object]:
    return {"asked": settings.asked(), "versions": versions()}


def _place(folder: Path, shard: Shard) -> Path:
    return folder / SHARDS / f"{shard.index + 1}-of-{shard.count}"


def _places(folder: Path, shard: Shard) -> list[Path]:
    return [_place(folder, Shard(index, shard.count)) for index in range(shard.count)]


def _door(folder: Path) -> AbstractContextManager[None]:
    """One process at a time joins or leaves."""
    return locked(folder / SHARDS, patience=_PATIENCE)


def _share_of(settings: Settings) -> Callable[[Settings, Shard], None]:
    module = sys.modules[type(settings).__module__]
    if not hasattr(module, "share"):
        from experiments.commands import COMMANDS

        able = [name for name, (module_name, _) in COMMANDS.items() if hasattr(import_module(module_name), "share")]
        others = f"Several can share {', '.join(able)}; tune takes several under accelerate launch."
        raise ValueError(f"{settings.command} is for one process. {others}")
    return module.share

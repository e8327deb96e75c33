"""Several processes for one run, started by an existing engine: submitit, on this machine or as a job array of SLURM.

Each is the same command line with `--shard i/n`; they meet in the run folder alone (`experiments.runs.shards`), so that a worker
that was killed is started again by repeating the command with --resume.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from experiments.runs.folder import check_ours

if TYPE_CHECKING:
    from submitit import AutoExecutor

JOBS = ".jobs"
"""The folder, inside that of the run, with what the workers printed."""
_log = logging.getLogger(__name__)


class Launched(Protocol):
    """The settings of a run that is started as several processes."""

    @property
    def command(self) -> str: ...
    @property
    def output(self) -> Path: ...
    @property
    def device(self) -> str | None: ...
    @property
    def workers(self) -> int: ...
    @property
    def launcher(self) -> str: ...
    @property
    def partition(self) -> str | None: ...
    @property
    def hours(self) -> int: ...


def launch(settings: Launched, args: Sequence[str]) -> None:
    """Start `settings.workers` processes of a command, and wait until all have ended and the last has written the answer.

    Parameters
    ----------
    settings
        Settings of the command, resolved: all that they say is checked before anything is started.
    args
        The arguments after the name of the command.

    Raises
    ------
    ValueError
        submitit, or SLURM, is not there, or the folder holds something else.
    RuntimeError
        A worker failed. The message has the end of what it said, and where its output is.
    """
    check_ours(settings.output)
    executor = _executor(settings)
    shares = [f"{index + 1}/{settings.workers}" for index in range(settings.workers)]
    jobs = executor.map_array(_work, [(settings.command, *args, "--workers", "1", "--shard", share) for share in shares])
    _log.info("started %s", ", ".join(str(job.job_id) for job in jobs))
    for job, share in zip(jobs, shares, strict=True):
        if error := job.exception():
            said = " ".join(str(error).split())
            raise RuntimeError(f"worker {share} failed: ...{said[-300:]} Its output: {job.paths.stderr}")


def _work(args: Sequence[str]) -> None:
    """What one worker does: the command, as if it had been typed."""
    found = subprocess.run([sys.executable, "-m", "experiments", *args], stderr=subprocess.PIPE, text=True)
    sys.stderr.write(found.stderr)
    if found.returncode:
        raise RuntimeError(found.stderr)


def _executor(settings: Launched) -> AutoExecutor:
    try:
        import submitit
    except ImportError:
        raise ValueError(
            f"got --workers {settings.workers}, which submitit starts, and it is not installed. Install it with "
            "pip install 'interp[cluster]', or start each process yourself with --shard."
        ) from None
    if settings.launcher == "slurm" and shutil.which("sbatch") is None:
        raise ValueError("got --launcher slurm, and there is no sbatch on this machine. Start it on a login node, or take local.")
    executor = submitit.AutoExecutor(folder=settings.output / JOBS, cluster=settings.launcher)
    asked: dict[str, object] = {"timeout_min": 60 * settings.hours, "name": f"interp-{settings.command}"}
    if settings.launcher == "slurm":
        asked |= {"slurm_array_parallelism": settings.workers, "tasks_per_node": 1}
        asked |= {"slurm_partition": settings.partition} if settings.partition else {}
        asked |= {"gpus_per_node": 1} if (settings.device or "").startswith("cuda") else {}
    executor.update_parameters(**asked)
    return executor

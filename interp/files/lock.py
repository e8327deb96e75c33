"""Lock a folder for one process; the lock of a killed process is released."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import portalocker

from interp.files.atomic import sweep, writing


@contextmanager
def locked(folder: str | Path, *, shared: bool = False, patience: float = 0) -> Iterator[None]:
    """Lock a folder for this process. The lock of a killed process is released by the system.

    Parameters
    ----------
    folder
        The folder, created if missing.
    shared
        Several processes may hold a shared lock; none may then hold an exclusive one.
    patience
        Seconds to wait for the lock.

    Raises
    ------
    RuntimeError
        Another process holds the folder.
    OSError
        The folder cannot be written, or its file system has no locks. Between machines the lock is as reliable as those of the file
        system (NFS 4, Lustre with flock).

    Example
    -------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder, locked(folder):
    ...     pass  # no other process can hold the folder here
    """
    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a+", opener=_no_link)  # noqa: SIM115
    with file:
        end = time.monotonic() + patience
        while not _taken(file, folder, shared):
            if time.monotonic() >= end:
                raise RuntimeError(f"{folder} is in use by process {_holder(file)}. Wait for it, or choose another --output.")
            time.sleep(0.05)
        try:
            with writing(folder):
                file.truncate(0)
                os.write(file.fileno(), str(os.getpid()).encode())
            if not shared:
                sweep(folder)
            yield
        finally:
            portalocker.unlock(file)


def _taken(file: IO[str], folder: Path, shared: bool) -> bool:
    """Whether the lock is ours now. Raises `OSError` where the file system has no locks."""
    how = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
    try:
        portalocker.lock(file, how | portalocker.LockFlags.NON_BLOCKING)
    except portalocker.AlreadyLocked:
        return False
    except portalocker.LockException as error:
        if getattr(error.args[0], "errno", None) in (errno.EACCES, errno.EAGAIN):
            return False
        raise OSError(f"cannot lock {folder}: {error}. Choose a folder on a file system that has locks (--output).") from error
    return True


def _holder(file: IO[str]) -> str:
    """The process that wrote itself into the lock; Windows lets nobody else read it meanwhile."""
    try:
        file.seek(0)
        return file.read().strip() or "unknown"
    except OSError:
        return "unknown"


def _no_link(path: str, flags: int) -> int:
    """Open a file itself: a link in a folder from elsewhere must not make us empty what it points to."""
    if os.path.islink(path):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)

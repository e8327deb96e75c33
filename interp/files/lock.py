"""One process to a folder: a lock that a killed process lets go of."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interp.files.atomic import sweep, writing


@contextmanager
def locked(folder: str | Path, *, shared: bool = False, patience: float = 0) -> Iterator[None]:
    """Hold a folder for this process. Raises `RuntimeError` where another process holds it; a killed one lets go.

    Several may hold it `shared`, and nobody else meanwhile. `patience`: seconds to wait for it. Over machines this is as good
    as the file system's own locks (NFS 4 and Lustre with flock have them).
    """
    import fcntl

    folder = Path(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a+", opener=_no_link)  # noqa: SIM115
    with file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < end:
                    time.sleep(0.05)
                    continue
                file.seek(0)
                raise RuntimeError(
                    f"{folder} is in use by process {file.read().strip() or 'unknown'}. Wait for it, or choose another --output."
                ) from None
        with writing(folder):
            os.truncate(file.fileno(), 0)
            os.write(file.fileno(), str(os.getpid()).encode())
        if not shared:
            sweep(folder)
        yield


def _no_link(path: str, flags: int) -> int:
    """Open a file itself: a link in a folder from elsewhere must not make us empty what it points to."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)

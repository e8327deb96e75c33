"""Files that are whole or not there: atomic writes, checksums, and one process to a folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name only when the block ends well.

    A reader sees the old file or the new one, never a part. Nothing is left behind when the block raises.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}. Choose a folder you may write to (--output)") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, values: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n")


def checksum(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(folder: str | Path, *, shared: bool = False, patience: float = 0) -> Iterator[None]:
    """Hold a folder for this process. Raises `RuntimeError` where another process holds it; a killed one lets go.

    Several may hold it `shared`, and nobody else meanwhile. `patience`: seconds to wait for it. Over machines this is as good
    as the file system's own locks (NFS 4 and Lustre with flock have them).
    """
    import fcntl

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", opener=_no_link) as file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() < end:
                    time.sleep(0.05)
                    continue
                file.seek(0)
                raise RuntimeError(
                    f"{folder} is in use by process {file.read().strip() or 'unknown'}. Wait for it, or choose another --output."
                ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _no_link(path: str, flags: int) -> int:
    """Open a file itself: a link in a folder from elsewhere must not make us empty what it points to."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)

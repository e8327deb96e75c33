"""Atomic writes and checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

_BEGUN = ".interp-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CODE = re.compile(r"os error (\d+)")  # how safetensors, which is Rust, tells the system's own number


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Write a file atomically: gives a temporary path that replaces `path` if the block succeeds.

    A reader sees the old file or the new one, never a part. If the block raises, nothing is left behind. What a killed process
    leaves is hidden, and is deleted when the folder is next locked (`interp.files.lock.locked`).

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with whole(Path(folder, "numbers.txt")) as temporary:
    ...         _ = temporary.write_text("1 2 3")
    ...     Path(folder, "numbers.txt").read_text()
    '1 2 3'
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{_BEGUN}{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o644)
            with open(temporary, "r+b") as written:  # Windows flushes only what may be written
                os.fsync(written.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn every error of writing `path` into an `OSError` that names the file, the reason and what to do.

    >>> with writing("runs/table.parquet"):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
        ...
    OSError: ...
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        code = getattr(error, "errno", None) or int((_CODE.search(str(error)) or [0, 0])[1])
        if not code:
            raise
        todo = "Free some space, then go on with --resume" if code in _FULL else "Choose a folder you may write to (--output)"
        raise OSError(f"cannot write {path}: {os.strerror(code)}. {todo}.") from error


def sweep(folder: str | Path) -> None:
    """Delete the temporary files of killed processes in `folder`. Only for the process that holds the folder alone.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "a.txt"), "kept")
    ...     sweep(folder)
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    for left in Path(folder).glob(f"{_BEGUN}*"):
        left.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "a.txt"), "日本")
    ...     Path(folder, "a.txt").read_text(encoding="utf-8")
    '日本'
    """
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, values: Mapping[str, object]) -> None:
    """Write `values` to `path` atomically, as a JSON object.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_json(Path(folder, "a.json"), {"layers": 8})
    ...     Path(folder, "a.json").read_text(encoding="utf-8").split()
    ['{', '"layers":', '8', '}']
    """
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n")


def checksum(path: str | Path) -> str:
    """SHA-256 of the file at `path`, in hexadecimal.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "empty"), "")
    ...     checksum(Path(folder, "empty"))[:8]
    'e3b0c442'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

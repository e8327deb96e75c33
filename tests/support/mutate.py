"""Damage to files, seeded: what transfers, editors, other programs and strangers do to them."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mutate_formats import HOSTILE, KNOWN, Bytes, flip

JUNK = (
    b"\0", b"\n", b"\r\n", b"\xff", b"\xef\xbb\xbf", b"{", b"}", b"[" * 50, b'"', b"'", b",", b":", b"&a *a ",
    b"!!python/name:os.system ", b"---\n", b"\t", b"NaN", b"-", b"0", b"9" * 400, b"9" * 5000, b"../",
    HOSTILE.encode(), b"\xc3", b"\\ud800", b"]]>", b"&#0;",
)  # fmt: skip


class Hang(BaseException):
    """Nothing catches it, as nothing ends a wait for a pipe."""


@contextmanager
def no_longer_than(seconds: int = 600) -> Iterator[None]:
    """Ends what would go on for hours; far above what a busy machine needs, so that it says nothing of speed."""

    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def spoil(folder: Path, chance: random.Random, only: str = "*") -> tuple[str, str]:
    """Damage one file of a folder (at most three times) and say which and how."""
    path = chance.choice(sorted(path for path in folder.glob(only) if path.is_file() and path.name != ".lock"))
    if chance.random() < 0.12:
        return path.name, _misplaced(path, chance)
    done = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        name, change = chance.choice([*PLAIN.items(), *2 * list(KNOWN.get(path.suffix, {}).items())])
        path.write_bytes(change(path.read_bytes(), chance))
        done.append(name)
    return path.name, ", ".join(done)


def _misplaced(path: Path, chance: random.Random) -> str:
    """Another thing in the place of a file."""
    others = [other for other in path.parent.iterdir() if other.is_file() and other != path]
    how = chance.choice(["gone", "folder", "pipe", "dangling", "elsewhere", "itself", *["swapped"] * 3 * bool(others)])
    if how == "swapped":
        other = chance.choice(sorted(others))
        mine, theirs = path.read_bytes(), other.read_bytes()
        path.write_bytes(theirs)
        other.write_bytes(mine)
        return f"swapped with {other.name}"
    content = path.read_bytes()
    path.unlink()
    outside = path.parent.parent / f"outside-{path.parent.name}-{path.name}"
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "elsewhere":
        outside.write_bytes(content)
        path.symlink_to(outside)
    elif how != "gone":
        path.symlink_to(path.name if how == "itself" else "nothing")
    return how


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _insert(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(JUNK) + data[place:]


def _drop(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start + chance.choice((1, 4, 64)) :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.choices(range(len(data) + 1), k=2))
    return data[:end] + data[start:end] + data[end:]


def _recode(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return chance.choice((b"\xef\xbb\xbf" + data, text.encode("utf-16"), text.encode("latin-1", "replace"), text.encode("utf-7")))


PLAIN: dict[str, Bytes] = {
    "cut": _cut,
    "flipped": flip,
    "junk": _insert,
    "dropped": _drop,
    "repeated": _repeat,
    "recoded": _recode,
    "zeros": lambda data, chance: b"\0" * len(data),
    "noise": lambda data, chance: chance.randbytes(min(len(data), 500)),
    "line ends": lambda data, chance: data.replace(b"\n", b"\r\n"),
}


def copied(pristine: Path, to: Path) -> Path:
    """A fresh copy of a folder to damage."""
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(pristine, to))

"""The lines of a text file exactly as they stand, or an error that names file and line and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from interp.files.checks import short_repr

LONGEST = 1 << 24
"""Bytes of a line beyond which it is no sentence: a file without line ends must not fill the memory."""

_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def lines(path: Path, crlf: bool = False) -> Iterator[tuple[int, str]]:
    """Line numbers from 1 and the text between "\\n" and "\\n", nothing altered.

    Only "\\n" ends a line: U+2028, U+0085 and "\\x0b", which `str.splitlines` splits at, stay inside. `crlf` lets "\\r"
    stand before "\\n", for formats whose own line end is CR LF. Raises `ValueError` for a byte order mark, CR LF, bytes
    that are not UTF-8, a NUL, or a line longer than `LONGEST`; `OSError` where the file cannot be read.
    """
    name = _plain(path)
    with path.open("rb") as file:
        for number in count(1):
            raw = file.readline(LONGEST + 1)
            if not raw:
                return
            where = f"{name}:{number}"
            if len(raw) > LONGEST:
                raise ValueError(f"{where}: longer than {LONGEST >> 20} MiB. Needed: one item a line, ended by a line feed.")
            if number == 1:
                _refuse_mark(raw, where)
            raw = raw.removesuffix(b"\n")
            if raw.endswith(b"\r") and not crlf:
                raise ValueError(f"{where}: the line ends with CR LF. Needed: LF alone; convert the file with dos2unix.")
            yield number, decoded(raw, where)


def decoded(raw: bytes, where: str) -> str:
    """Text from UTF-8 bytes, strictly."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8. "
            "Needed: UTF-8 text; convert the file with iconv -f <its encoding> -t utf-8."
        ) from None
    if "\0" in text:
        raise ValueError(f"{where}: a NUL character. Needed: a text file, in UTF-8 and not UTF-16.")
    return text


def whole_text(path: Path) -> str:
    """All of a file as text, under the same rules but for its line ends."""
    name = _plain(path)
    raw = path.read_bytes()
    _refuse_mark(raw, f"{name}:1")
    return decoded(raw, name)


def text_of(value: object, where: str) -> str:
    """A sentence, or an error: `value` must be a string with something in it."""
    if not isinstance(value, str):
        raise ValueError(f"{where}: {short_repr(value)} came. Needed: text.")
    if not value.strip():
        raise ValueError(f"{where} is empty. Fill it, or leave the item out in every language.")
    return value


def at(path: Path, line: int | None = None) -> str:
    """Where: "file:12", on one line whatever the file is called."""
    name = str(path) if str(path).isprintable() else repr(str(path))
    return name if line is None else f"{name}:{line}"


def _plain(path: Path) -> str:
    """The name of a plain file, for messages; a pipe or a device could be read for ever."""
    if path.exists() and not path.is_file():
        raise OSError(f"{at(path)} is not a plain file. Needed: one.")
    return at(path)


def _refuse_mark(raw: bytes, where: str) -> None:
    for mark, encoding in _MARKS.items():
        if raw.startswith(mark):
            raise ValueError(
                f"{where}: the file starts with a byte order mark ({encoding}). Needed: UTF-8 without one; save it again so."
            )

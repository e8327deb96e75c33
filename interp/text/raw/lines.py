"""Read text files strictly: the lines exactly as they are, or an error that names the file and line and says what to do.

A byte order mark, CR LF or CR as the end of lines, and gzip are how a text is stored and no part of it: they are read and noted.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.notes import note

LONGEST = 1 << 24
"""Maximum length of a line in bytes, so that a file without line ends does not fill the memory."""
_SMALL, _DENSEST = 1 << 30, 200
"""A compressed file may hold a GiB, or more if it is not compressed beyond what text can be."""
_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)  # fmt: skip


class Line(NamedTuple):
    """One line: its `number` from 1, its `text`, and the characters that `end` it."""

    number: int
    text: str
    end: str


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file, unaltered, with their numbers from 1. Blank lines at the end of the file are left out.

    LF, CR LF or, in a file without any LF, CR ends a line. U+2028, U+0085 and "\\x0b", at which `str.splitlines` splits, are kept
    as text.

    Parameters
    ----------
    path
        The file, in UTF-8, or in UTF-16 or UTF-32 with a byte order mark; ".gz" is decompressed.

    Raises
    ------
    ValueError
        There are bytes that are not UTF-8, a NUL character, or a line longer than `LONGEST`.
    OSError
        The file cannot be read.

    Example
    -------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_bytes(b"one\\r\\ntwo\\r\\n\\r\\n")
    ...     list(lines(Path(folder, "a.txt")))
    [(1, 'one'), (2, 'two')]
    """
    blank: list[tuple[int, str]] = []
    for number, text, _ in ended_lines(path):
        if not text.strip():
            blank.append((number, text))
            continue
        yield from blank
        blank.clear()
        yield number, text
    if blank:
        note("blank lines at the end were left out", printable_name(path))


def ended_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a file as `lines` does, blank ones too, with the characters that end each. `path` is the file."""
    name, old = _plain(path), False
    with _opened(path) as file:
        encoding = _skip_mark(file, path)
        raw_lines = _recoded(file, encoding, name) if encoding else iter(partial(file.readline, LONGEST + 1), b"")
        for number, raw in enumerate(raw_lines, 1):
            where = f"{name}:{number}"
            if len(raw) > LONGEST:
                raise ValueError(
                    f"{where}: got a line longer than {LONGEST >> 20} MiB, expected one item per line, ended by a line feed."
                )
            if number == 1 and b"\r" in raw and not raw.endswith(b"\n"):
                note("lines end with CR", printable_name(path))
                yield from _split_at_returns(raw, name)
                return
            body = raw.removesuffix(b"\n")
            if body.endswith(b"\r") and (raw.endswith(b"\n") or old):
                if not old:
                    note("lines end with CR LF", printable_name(path))
                body, old = body[:-1], True
            yield Line(number, decoded(body, where), raw[len(body) :].decode())


def ending(path: Path) -> str:
    """How the name of a file ends, in small letters, without the dot and without ".gz": "tsv" for `path` "A.TSV.gz"."""
    return _unzipped(path).suffix[1:].lower()


def stem(path: Path) -> str:
    """The name of the file `path` without its ending: "en-de" for "en-de.tsv.gz"."""
    return _unzipped(path).stem


def decoded(raw: bytes, where: str) -> str:
    """Decode UTF-8 bytes `raw`. Raises `ValueError`, which names the place `where`, for other bytes and for a NUL character.

    >>> decoded("日本".encode(), "a.txt:1")
    '日本'
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{where}: got byte {error.start + 1} (0x{raw[error.start]:02x}), expected UTF-8 text. "
            "Convert the file with iconv -f <its encoding> -t utf-8."
        ) from None
    if "\0" in text:
        raise ValueError(f"{where}: got a NUL character, expected a text file in UTF-8. Convert UTF-16 with iconv.")
    return text


def whole_text(path: Path) -> str:
    """The whole text of the file `path`, under the rules of `lines` except for line ends."""
    name = _plain(path)
    with _opened(path) as file:
        encoding = _skip_mark(file, path)
        return decoded(b"".join(_recoded(file, encoding, name)) if encoding else file.read(), name)


def byte_chunks(path: Path, size: int) -> Iterator[bytes]:
    """The bytes of the file `path`, decompressed, in pieces of `size`."""
    _plain(path)
    with _opened(path) as file:
        yield from iter(partial(file.read, size), b"")


def text_of(value: object, where: str) -> str:
    """Check that `value` is a string with text, and return it. Raises `ValueError`, with the place `where`, if it is not.

    >>> text_of("Hello", "a.txt:1")
    'Hello'
    """
    if not isinstance(value, str):
        raise ValueError(f"{where}: got {short_repr(value)}, expected text.")
    if not value.strip():
        raise ValueError(f"{where} is empty. Fill it, or remove the item from every language.")
    return value


def at(path: Path, line: int | None = None) -> str:
    """The file `path` and `line` of a message, "file:12", on one line whatever the name of the file.

    >>> from pathlib import Path
    >>> at(Path("corpora/eng_Latn.txt"), 12)
    'corpora/eng_Latn.txt:12'
    """
    name = _readable(str(path))
    return name if line is None else f"{name}:{line}"


def printable_name(path: Path) -> str:
    """The name of the file `path` without its folder, for notes."""
    return _readable(path.name)


def _readable(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _plain(path: Path) -> str:
    """The name of a regular file, for messages. Others are refused: reading a pipe or a device may never end."""
    if path.exists() and not path.is_file():
        raise OSError(f"{at(path)}: got a special file, expected a regular file.")
    return at(path)


def _unzipped(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def _opened(path: Path) -> io.BufferedReader:
    return io.BufferedReader(_Decompressed(path)) if path.suffix.lower() == ".gz" else path.open("rb")


class _Decompressed(io.RawIOBase):
    """The text in a .gz file. One that holds more than text can be compressed from is refused, as it would fill the memory."""

    def __init__(self, path: Path) -> None:
        self.where = at(path)
        self.left = max(_SMALL, _DENSEST * path.stat().st_size)
        self.file = gzip.GzipFile(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self.file.read(len(buffer))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.where}: not a whole gzip file: {error}. Get it again, or decompress it yourself.") from None
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"{self.where}: got far more text than such a file can hold. Decompress it yourself to read it.")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()


def _skip_mark(file: io.BufferedReader, path: Path) -> str | None:
    """Pass over a byte order mark. The encoding that it stands for; None for UTF-8."""
    start = file.peek(4)[:4]
    mark, encoding = next(((mark, encoding) for mark, encoding in _MARKS if start.startswith(mark)), (b"", None))
    if encoding is None:
        return None
    note(f"{encoding} with a byte order mark", printable_name(path))
    if encoding == "UTF-8":
        file.read(len(mark))
        return None
    return encoding


def _recoded(file: io.BufferedReader, encoding: str, name: str) -> Iterator[bytes]:
    """The lines of a file in another Unicode encoding, as UTF-8."""
    decoder, left = codecs.getincrementaldecoder(encoding)(), ""
    try:
        for chunk in chain(iter(partial(file.read, 1 << 16), b""), [b""]):
            *whole, left = (left + decoder.decode(chunk, not chunk)).split("\n")
            yield from (f"{line}\n".encode() for line in whole)
            if len(left) > LONGEST:
                break
        if left:
            yield left.encode()
    except UnicodeError as error:
        raise ValueError(
            f"{name}: got bytes that are not {encoding} as its byte order mark says: {error}. Save it as UTF-8."
        ) from None


def _split_at_returns(raw: bytes, name: str) -> Iterator[Line]:
    for number, part in enumerate(raw.removesuffix(b"\r").split(b"\r"), 1):
        yield Line(number, decoded(part, f"{name}:{number}"), "\r")

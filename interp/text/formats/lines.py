"""Read text files strictly: the lines exactly as they are, or an error that names the file and line and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from interp.files.checks import short_repr

LONGEST = 1 << 24
"""Maximum length of a line in bytes, so that a file without line ends does not fill the memory."""

_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def lines(path: Path, crlf: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file, unaltered, with their numbers from 1.

    Only "\\n" ends a line: U+2028, U+0085 and "\\x0b", at which `str.splitlines` splits, are kept as text.

    Parameters
    ----------
    path
        The file.
    crlf
        Allow "\\r" before "\\n", for formats whose line end is CR LF. The "\\r" is kept.

    Raises
    ------
    ValueError
        There is a byte order mark, CR LF, bytes that are not UTF-8, a NUL character, or a line longer than `LONGEST`.
    OSError
        The file cannot be read.

    Example
    -------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.txt").write_text("one\\ntwo\\n")
    ...     list(lines(Path(folder, "a.txt")))
    [(1, 'one'), (2, 'two')]
    """
    name = _plain(path)
    with path.open("rb") as file:
        for number in count(1):
            raw = file.readline(LONGEST + 1)
            if not raw:
                return
            where = f"{name}:{number}"
            if len(raw) > LONGEST:
                raise ValueError(
                    f"{where}: got a line longer than {LONGEST >> 20} MiB, expected one item per line, ended by a line feed."
                )
            if number == 1:
                _refuse_mark(raw, where)
            raw = raw.removesuffix(b"\n")
            if raw.endswith(b"\r") and not crlf:
                raise ValueError(f"{where}: got the line end CR LF, expected LF. Convert the file with dos2unix.")
            yield number, decoded(raw, where)


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
    raw = path.read_bytes()
    _refuse_mark(raw, f"{name}:1")
    return decoded(raw, name)


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
    name = str(path) if str(path).isprintable() else repr(str(path))
    return name if line is None else f"{name}:{line}"


def _plain(path: Path) -> str:
    """The name of a regular file, for messages. Others are refused: reading a pipe or a device may never end."""
    if path.exists() and not path.is_file():
        raise OSError(f"{at(path)}: got a special file, expected a regular file.")
    return at(path)


def _refuse_mark(raw: bytes, where: str) -> None:
    for mark, encoding in _MARKS.items():
        if raw.startswith(mark):
            raise ValueError(f"{where}: got a byte order mark ({encoding}), expected UTF-8 without one. Save the file without it.")

"""What a reader noted of a text: which column or file is which language, and what was passed over.

The readers say it where they find it, with `note` and `took`; whoever reads a text collects it with `noting`, and whoever makes a
run with `texts_read`. Without a collector it is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Notes:
    """What was noted so far: `origins`, the column or file of each language by its code, and `places`, where what was found."""

    origins: dict[str, str] = field(default_factory=dict)
    places: dict[str, dict[str, None]] = field(default_factory=dict)

    def lines(self) -> tuple[str, ...]:
        """Each thing once, with the files where it was found, the first three by name."""
        return tuple(f"{_some(list(places))}: {line}" if places else line for line, places in self.places.items())


@dataclass(frozen=True)
class TextRead:
    """One text that a run read: its `source` and `split`, the column or file of each language (`origins`), and `notes`."""

    source: str
    split: str | None
    origins: dict[str, str]
    notes: tuple[str, ...]


_NOTING: ContextVar[tuple[Notes, ...]] = ContextVar("noting", default=())
_READING: ContextVar[tuple[list[TextRead], ...]] = ContextVar("reading", default=())


@contextmanager
def noting() -> Iterator[Notes]:
    """Collect what is noted in this block.

    >>> with noting() as noted:
    ...     note("lines end with CR LF", "en.txt")
    ...     note("lines end with CR LF", "de.txt")
    >>> noted.lines()
    ('en.txt, de.txt: lines end with CR LF',)
    """
    noted = Notes()
    token = _NOTING.set((*_NOTING.get(), noted))
    try:
        yield noted
    finally:
        _NOTING.reset(token)


def note(line: str, place: str = "") -> None:
    """Say one `line` about the text that is being read, and in which file (`place`) that is so."""
    for noted in _NOTING.get():
        noted.places.setdefault(line, {}).update(dict.fromkeys([place] if place else []))


def took(code: str, origin: str) -> None:
    """Say that the language `code` was read from `origin`, the name of a column or file."""
    for noted in _NOTING.get():
        noted.origins[code] = origin


@contextmanager
def texts_read() -> Iterator[list[TextRead]]:
    """Collect the texts that are read in this block, each once."""
    texts: list[TextRead] = []
    token = _READING.set((*_READING.get(), texts))
    try:
        yield texts
    finally:
        _READING.reset(token)


def record(text: TextRead) -> None:
    """Say that a `text` was read."""
    for texts in _READING.get():
        if text not in texts:
            texts.append(text)


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"

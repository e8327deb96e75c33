"""Read translation memories (TMX 1.4) as a stream: no tree in memory, no entities, and nothing fetched.

The parser is expat: it is in the standard library, streams, and refuses what lxml would recover from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from interp.files.checks import short_repr
from interp.languages import resolve
from interp.text.asked import Asked
from interp.text.corpus import ParallelCorpus
from interp.text.formats.tables import corpus_of_rows
from interp.text.notes import note, took
from interp.text.raw.file_names import says_split
from interp.text.raw.lines import at, byte_chunks, stem
from interp.text.raw.rows import Row

_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
_ID = "id"
_CHUNK = 1 << 16
_DEEPEST = 50


class Unit(NamedTuple):
    """One translation unit: its line, its id, and its segments as (language tag, text)."""

    line: int
    id: str
    segments: list[tuple[str, str]]


def read_tmx(path: Path, name: str, asked: Asked) -> ParallelCorpus:
    """Read the segments of every translation unit, without the formatting codes inside them (`<ph>`, `<bpt>`, ...).

    Parameters
    ----------
    path
        The file.
    name
        Name of the corpus.
    asked
        The languages: one with a region ("en-GB") is that variant; default: those of the first unit. Every unit must have all of
        them. The limit: what follows is not read. And as columns the language tag of a language that has several variants, such as
        {"en": "en-GB"}.

    Raises
    ------
    ValueError
        The file is truncated, text stands outside the segments, a unit lacks a language or has two variants of it, or there is an
        entity: hostile files use them to expand without limit. A document type is passed over, and never fetched.
    """
    asked.refuse_others(at(path), (), None, "a translation memory, which has language tags and no columns")
    if not says_split(stem(path), asked.split):
        asked.refuse_split(at(path), "a translation memory")
    rows = list(islice(_rows(path, asked), asked.limit))
    codes = tuple(code for code in rows[0].values if code != _ID) if rows else None
    return corpus_of_rows(name, at(path), _numbered(rows), Asked(codes, asked.limit), told=False)


def _numbered(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows with their ids: those of the units, or the places of all units where several would have one id."""
    own = [str(row.values[_ID] or number) for number, row in enumerate(rows)]
    by_place = len(set(own)) < len(own)
    if by_place:
        note("units are named by their place: their tuids are not all different")
    for number, row in enumerate(rows):
        yield Row(row.where, {**row.values, _ID: str(number) if by_place else own[number]})


def _rows(path: Path, asked: Asked) -> Iterator[Row]:
    used: dict[str, dict[str, None]] = {}
    for unit in _units(path):
        where = at(path, unit.line)
        found = _by_language(unit, asked, where)
        missing = [code for code in asked.codes or asked.chosen if code not in found]
        if missing:
            raise ValueError(
                f"{where}: got a unit in {short_repr(sorted({tag for tag, _ in unit.segments}))}, expected "
                f"{asked.chosen.get(missing[0], missing[0])} too. Choose fewer languages, or remove it."
            )
        codes = asked.codes or tuple(found)
        for code in codes:
            used.setdefault(code, {})[found[code][0]] = None
            took(code, f"xml:lang {', '.join(used[code])}")
            if len(used[code]) > 1:
                note(f"{code} is {' or '.join(used[code])}, one of them in each unit")
        yield Row(where, {**{code: found[code][1] for code in codes}, _ID: unit.id})


def _by_language(unit: Unit, asked: Asked, where: str) -> dict[str, tuple[str, str]]:
    """The tag and text of each language of a unit, by code. Languages that are not asked for may be unknown, or there twice."""
    found: dict[str, dict[str, str]] = {}
    for tag, text in unit.segments:
        code = resolve(tag.strip())
        if code is None and asked.codes is None:
            raise ValueError(f"{where}: unknown language {tag!r}. Choose others with languages=[...].")
        if code is None or not asked.wants(code):
            continue
        if tag in found.setdefault(code, {}):
            raise ValueError(f"{where}: got {tag} twice in one unit, expected one segment per language.")
        found[code][tag] = text
    there = [code for code, texts in found.items() if asked.fitting(code, [*texts])]  # without the chosen tag a language is lacking
    chosen = {code: asked.variant(code, [*found[code]], where) for code in there}
    return {code: (tag, found[code][tag]) for code, tag in chosen.items()}


def _units(path: Path) -> Iterator[Unit]:
    reader = _Reader(path)
    for chunk in byte_chunks(path, _CHUNK):
        reader.feed(chunk)
        yield from reader.done
        reader.done.clear()
    reader.feed(b"")


class _Reader:
    """The handlers of expat. They collect complete units in `done`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.EntityDeclHandler = self.parser.SkippedEntityHandler = self.refuse
        self.parser.StartDoctypeDeclHandler = lambda *_: note("the document type is not looked at")
        self.done: list[Unit] = []
        self.stack: list[str] = []
        self.unit = Unit(0, "", [])
        self.tag = ""
        self.segment: list[str] | None = None

    def feed(self, chunk: bytes) -> None:
        """Parse a piece of the file, the last one if it is empty."""
        try:
            self.parser.Parse(chunk, not chunk)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if str(error).startswith(at(self.path)):
                raise
            raise ValueError(
                f"{self.here()}: not well-formed XML: {' '.join(str(error).split())}. "
                "The file is truncated or damaged. Download it again, or repair it there."
            ) from None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.stack and tag != "tmx":
            raise ValueError(f"{self.here()}: got root element <{tag[:40]}>, expected <tmx>.")
        if tag in ("tu", "tuv", "seg") and tag in self.stack:
            raise ValueError(
                f"{self.here()}: got <{tag}> inside <{tag}>, expected each to end before the next. Repair the file there."
            )
        self.stack.append(tag)
        if len(self.stack) > _DEEPEST:
            raise ValueError(f"{self.here()}: got elements nested deeper than {_DEEPEST}, expected TMX, which is shallow.")
        if tag == "tu":
            self.unit = Unit(self.parser.CurrentLineNumber, attributes.get("tuid", ""), [])
        elif tag == "tuv":
            self.tag = attributes.get("xml:lang") or attributes.get("lang") or ""
        elif tag == "seg":
            self.segment = []
        elif tag == "sub":
            note("text inside formatting codes (<sub>) was left out")

    def end(self, tag: str) -> None:
        self.stack.pop()
        if tag == "seg" and self.segment is not None:
            self.unit.segments.append((self.tag, "".join(self.segment)))
            self.segment = None
        elif tag == "tu":
            self.done.append(self.unit)

    def text(self, characters: str) -> None:
        if self.segment is not None:
            if not _CODES.intersection(self.stack):
                self.segment.append(characters)
        elif self.stack[-1] in ("tu", "tuv", "body") and characters.strip():
            raise ValueError(
                f"{self.here()}: got text {short_repr(characters.strip())} outside <seg>, expected all text in it. "
                "Repair the file there."
            )

    def refuse(self, *_: object) -> None:
        raise ValueError(f"{self.here()}: got a declaration or use of an entity, expected none. Write out what it stands for.")

    def here(self) -> str:
        return at(self.path, self.parser.CurrentLineNumber)

"""Translation memories (TMX 1.4), read as they stream by: no tree in memory, no entities, no document type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.parsers import expat

from interp.files.checks import short_repr
from interp.languages import language
from interp.languages import languages as several
from interp.text.corpus import ParallelCorpus
from interp.text.formats.lines import at
from interp.text.formats.rows import Row
from interp.text.formats.tables import corpus_of_rows

_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
_CHUNK = 1 << 16
_DEEPEST = 50


def read_tmx(path: Path, name: str, languages: Sequence[str] | None, limit: int | None) -> ParallelCorpus:
    """The segments of every translation unit, as they stand, without the formatting codes inside them (`<ph>`, `<bpt>`, ...).

    Every unit must have every language: those of `languages`, or of the first unit. Reads no further than `limit` units; a
    file cut short before that raises `ValueError`. So does a document type or an entity, which well-formed text needs
    none of and a hostile file grows by.
    """
    codes = None if languages is None else tuple(found.code for found in several(languages))
    return corpus_of_rows(name, at(path), _units(path, codes), codes, limit)


def _units(path: Path, codes: Sequence[str] | None) -> Iterator[Row]:
    reader = _Reader(path, strict=codes is None)
    parser = reader.parser
    with path.open("rb") as file:
        number = 0
        while True:
            chunk = file.read(_CHUNK)
            try:
                parser.Parse(chunk, not chunk)
            except (expat.ExpatError, LookupError, ValueError) as error:
                if str(error).startswith(at(path)):
                    raise
                raise ValueError(
                    f"{at(path, parser.CurrentLineNumber)}: not whole XML: {' '.join(str(error).split())}. "
                    "The file is cut short or damaged; fetch it again, or repair it there."
                ) from None
            for line, own, texts in reader.done:
                where = at(path, line)
                lacking = [code for code in codes or () if code not in texts]
                if lacking:
                    raise ValueError(
                        f"{where}: unit without {lacking[0]}; it has {short_repr(sorted(texts))}. Name fewer languages, or drop it."
                    )
                yield Row(where, {**{code: texts[code] for code in codes or texts}, "id": own or str(number)})
                number += 1
            reader.done.clear()
            if not chunk:
                return


class _Reader:
    """What expat calls: collects `done` units as (line, tuid, text by language)."""

    def __init__(self, path: Path, strict: bool) -> None:
        self.path = path
        self.strict = strict
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.StartDoctypeDeclHandler = self.parser.EntityDeclHandler = self.refuse
        self.done: list[tuple[int, str, dict[str, str]]] = []
        self.stack: list[str] = []
        self.unit: tuple[int, str, dict[str, str]] = (0, "", {})
        self.code = ""
        self.segment: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.stack and tag != "tmx":
            raise ValueError(f"{self.here()}: root element <{tag[:40]}>. Needed: <tmx>.")
        self.stack.append(tag)
        if len(self.stack) > _DEEPEST:
            raise ValueError(f"{self.here()}: elements nested more than {_DEEPEST} deep. Needed: TMX, which has no such text.")
        if tag == "tu":
            self.unit = (self.parser.CurrentLineNumber, attributes.get("tuid", ""), {})
        elif tag == "tuv":
            self.code = self.language(attributes.get("xml:lang") or attributes.get("lang") or "")
        elif tag == "seg":
            self.segment = []

    def end(self, tag: str) -> None:
        self.stack.pop()
        if tag == "seg" and self.segment is not None:
            if self.code in self.unit[2] and self.code:
                raise ValueError(f"{self.here()}: {self.code} twice in one unit. Needed: one segment a language.")
            self.unit[2][self.code] = "".join(self.segment)
            self.segment = None
        elif tag == "tu":
            self.done.append(self.unit)

    def text(self, characters: str) -> None:
        if self.segment is not None and not _CODES.intersection(self.stack):
            self.segment.append(characters)

    def refuse(self, *_: object) -> None:
        raise ValueError(f"{self.here()}: a document type or entity declaration. Take the <!DOCTYPE ...> out; TMX needs none.")

    def language(self, spelling: str) -> str:
        """The code of a segment's language; where languages were asked for, an unknown one is none of them."""
        try:
            return language(spelling).code
        except ValueError as error:
            if self.strict:
                raise ValueError(f"{self.here()}: {error}") from None
            return ""

    def here(self) -> str:
        return at(self.path, self.parser.CurrentLineNumber)

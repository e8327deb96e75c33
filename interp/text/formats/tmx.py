"""Read translation memories (TMX 1.4) as a stream: no tree in memory, no entities, no document type.

The parser is expat: it is in the standard library, streams, and refuses what lxml would recover from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.parsers import expat

from interp.files.checks import short_repr
from interp.languages import language
from interp.languages import languages as resolve_all
from interp.text.corpus import ParallelCorpus
from interp.text.formats.lines import at
from interp.text.formats.rows import Row
from interp.text.formats.tables import corpus_of_rows

_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
_CHUNK = 1 << 16
_DEEPEST = 50


def read_tmx(path: Path, name: str, languages: Sequence[str] | None, limit: int | None) -> ParallelCorpus:
    """Read the segments of every translation unit, without the formatting codes inside them (`<ph>`, `<bpt>`, ...).

    Parameters
    ----------
    path
        The file.
    name
        Name of the corpus.
    languages
        Languages in any spelling. Default: those of the first unit. Every unit must have all of them.
    limit
        Read at most so many units. What follows is not read.

    Raises
    ------
    ValueError
        The file is truncated, a unit lacks a language, or there is a document type or an entity. TMX needs neither, and hostile
        files use them to expand without limit.
    """
    codes = None if languages is None else tuple(lang.code for lang in resolve_all(languages))
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
                    f"{at(path, parser.CurrentLineNumber)}: not well-formed XML: {' '.join(str(error).split())}. "
                    "The file is truncated or damaged. Download it again, or repair it there."
                ) from None
            for line, own, texts in reader.done:
                where = at(path, line)
                missing = [code for code in codes or () if code not in texts]
                if missing:
                    raise ValueError(
                        f"{where}: got a unit in {short_repr(sorted(texts))}, expected {missing[0]} too. "
                        "Choose fewer languages, or remove it."
                    )
                yield Row(where, {**{code: texts[code] for code in codes or texts}, "id": own or str(number)})
                number += 1
            reader.done.clear()
            if not chunk:
                return


class _Reader:
    """The handlers of expat. They collect complete units in `done`, as (line, tuid, text by language)."""

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
            raise ValueError(f"{self.here()}: got root element <{tag[:40]}>, expected <tmx>.")
        self.stack.append(tag)
        if len(self.stack) > _DEEPEST:
            raise ValueError(f"{self.here()}: got elements nested deeper than {_DEEPEST}, expected TMX, which is shallow.")
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
                raise ValueError(f"{self.here()}: got {self.code} twice in one unit, expected one segment per language.")
            self.unit[2][self.code] = "".join(self.segment)
            self.segment = None
        elif tag == "tu":
            self.done.append(self.unit)

    def text(self, characters: str) -> None:
        if self.segment is not None and not _CODES.intersection(self.stack):
            self.segment.append(characters)

    def refuse(self, *_: object) -> None:
        raise ValueError(
            f"{self.here()}: got a document type or entity declaration, expected none. "
            "Remove the <!DOCTYPE ...>; TMX does not need it."
        )

    def language(self, spelling: str) -> str:
        """The code of a segment's language. If languages were chosen, an unknown one is none of them, so its code is empty."""
        try:
            return language(spelling).code
        except ValueError as error:
            if self.strict:
                raise ValueError(f"{self.here()}: {error}") from None
            return ""

    def here(self) -> str:
        return at(self.path, self.parser.CurrentLineNumber)

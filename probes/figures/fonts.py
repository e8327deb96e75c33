"""Fonts that hold every script: Noto behind matplotlib's own, and which characters no font here has.

Matplotlib's font has Latin, Greek, Cyrillic, Arabic, Hebrew and some more. Behind it stand the Noto fonts of `manimgx-fonts` and,
for Chinese, Japanese and Korean, of `manimgx-fonts-cjk`; then what the system has. A browser that shows an SVG finds its own.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
_OWN = "DejaVu Sans"
_REGULAR = 400
logger = logging.getLogger(__name__)


def with_fonts(figure: Figure) -> str:
    """Give every text of a `figure` the fonts that its characters need, and return those that no font has.

    Only texts with a character that matplotlib's font lacks are changed. It is told once, as a warning of the log, which
    characters are missing and what to install.
    """
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    missing: set[str] = set()
    for text in texts:
        missing |= _dress(text, "".join(sorted({c for other in texts for c in other.get_text()})))
    if missing:
        _tell("".join(sorted(missing)))
    return "".join(sorted(missing))


@contextmanager
def quiet() -> Iterator[None]:
    """Draw without matplotlib's own warnings of missing glyphs and weights: `with_fonts` tells what is missing, once."""
    manager = logging.getLogger("matplotlib.font_manager")
    before = manager.level
    manager.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            yield
    finally:
        manager.setLevel(before)


def _dress(text: Text, every: str) -> set[str]:
    """Set the families of one `text`; `every` is what all texts of its figure hold, so that one subset serves them all."""
    wanted = {c for c in text.get_text() if not _drawn_as_nothing(c)} - _covered(_OWN)
    families = []
    for family in (*_noto(), *_system()) if wanted else ():
        if held := wanted & _covered(family):
            families.append(_regular(family, every))
            wanted -= held
    if families:
        text.set_fontfamily([*text.get_fontfamily(), _OWN, *families])
    return wanted


def _drawn_as_nothing(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cf", "Cc")


@lru_cache(maxsize=1)
def _noto() -> tuple[str, ...]:
    """The families of the installed font packages, added to matplotlib's list."""
    found = []
    for package in _PACKAGES:
        spec = find_spec(package)
        folder = Path(spec.origin).parent if spec and spec.origin else None
        for path in sorted(folder.glob("*.tt[fc]")) if folder else ():
            if "Italic" not in path.name and "Emoji" not in path.name:
                found.append(_added(path))
    return tuple(found)


def _added(path: Path) -> str:
    """The family of a font file, which matplotlib knows from then on; of a collection, that of its first face."""
    from matplotlib import font_manager

    before = len(font_manager.fontManager.ttflist)
    with quiet():
        font_manager.fontManager.addfont(path)
    return font_manager.fontManager.ttflist[before].name


@lru_cache(maxsize=1)
def _system() -> tuple[str, ...]:
    """The other families that matplotlib found on this system, upright ones."""
    from matplotlib import font_manager

    upright = {entry.name for entry in font_manager.fontManager.ttflist if entry.style == "normal"}
    own = ("Last Resort", "DejaVu Sans", "STIX", "cm")  # matplotlib's: boxes, and letters that are not where Unicode has them
    return tuple(sorted(name for name in upright - set(_noto()) if not name.startswith(own)))


@lru_cache(maxsize=256)
def _covered(family: str) -> frozenset[str]:
    """The characters that a font family has."""
    from matplotlib import font_manager, ft2font

    with quiet():
        path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
    return frozenset(map(chr, ft2font.FT2Font(str(path)).get_charmap()))


def _regular(family: str, characters: str) -> str:
    """A family to draw with: `family` itself, or of a variable font that is thin by default its regular weight.

    That is written once to the temporary folder, with the `characters` of the figure only, as TrueType outlines, which a PDF
    embeds whole; publishers refuse the other kind.
    """
    from matplotlib import font_manager

    entry = next(entry for entry in font_manager.fontManager.ttflist if entry.name == family)
    if entry.weight == _REGULAR or not isinstance(entry.weight, int) or Path(entry.fname).suffix != ".ttc":
        return family
    drawn = "".join(sorted(set(characters) & _covered(family)))
    name = f"{family} {hashlib.sha256(drawn.encode()).hexdigest()[:12]}"
    if not any(entry.name == name for entry in font_manager.fontManager.ttflist):
        _write_regular(Path(entry.fname), drawn, name)
    return name


def _write_regular(path: Path, characters: str, name: str) -> None:
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.cu2quPen import Cu2QuPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen
    from fontTools.ttLib import TTFont

    with TTFont(path, fontNumber=0, lazy=True) as font:
        outlines, upem, line = font.getGlyphSet(location={"wght": _REGULAR}), font["head"].unitsPerEm, font["hhea"]
        mapping = {code: glyph for code, glyph in font.getBestCmap().items() if chr(code) in characters}
        order = list(dict.fromkeys([".notdef", *mapping.values()]))
        glyphs, widths = {}, {}
        for glyph in order:
            pen = TTGlyphPen(None)
            outlines[glyph].draw(Cu2QuPen(pen, upem / 1000, reverse_direction=True))
            glyphs[glyph], widths[glyph] = pen.glyph(), round(outlines[glyph].width)
    built = FontBuilder(upem, isTTF=True)
    built.setupGlyphOrder(order)
    built.setupCharacterMap(mapping)
    built.setupGlyf(glyphs)
    built.setupHorizontalMetrics({glyph: (width, getattr(glyphs[glyph], "xMin", 0)) for glyph, width in widths.items()})
    built.setupHorizontalHeader(ascent=line.ascent, descent=line.descent)
    built.setupNameTable({"familyName": name, "styleName": "Regular", "psName": name.replace(" ", "")})
    built.setupOS2(usWeightClass=_REGULAR)
    built.setupPost()
    target = Path(tempfile.mkdtemp(prefix="interp-fonts-")) / "regular.ttf"
    built.save(target)
    _added(target)


@lru_cache(maxsize=64)
def _tell(missing: str) -> None:
    named = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, '')}".strip() for c in missing[:5])
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    known = " and ".join(package.replace("_", "-") for package in _PACKAGES)
    logger.warning("no font here has %s%s: a PDF shows boxes for them. Install %s, or a font of the system.", named, more, known)

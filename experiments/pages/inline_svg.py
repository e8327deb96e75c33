"""An SVG file as part of an HTML page: without scripts, without anything to fetch, with ids that no other figure has."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_SHAPES = ("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "image", "text", "tspan")
_GROUPS = ("svg", "g", "defs", "use", "symbol", "marker", "title", "desc")
_PAINT = ("clipPath", "mask", "pattern", "linearGradient", "radialGradient", "stop")
_WORDS = ("title", "desc")
_DRAWN = frozenset((*_SHAPES, *_GROUPS, *_PAINT))
_REFERENCE = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")
_STYLE = re.compile(r"\s*(fill|stroke|opacity|font|text|clip|stop|marker|image|color|shape|paint|mix|letter|white)[a-z-]*\s*:")
"""Style properties that are kept; a position would put the figure over the page."""
_DEEPEST = 100


def inline_svg(path: Path, prefix: str, label: str) -> str:
    """The markup of an SVG figure for HTML, scaled by its `viewBox`.

    Only elements that draw are kept. `script`, `style`, `foreignObject`, links and animations are removed, with event handlers,
    references that leave the figure, and references inside what is itself referred to: nested ones multiply until they fill
    the memory ("billion laughs").

    Parameters
    ----------
    path
        The SVG file.
    prefix
        Put before every id, so that the ids of several figures on one page differ.
    label
        Description for screen readers.

    Raises
    ------
    ValueError
        Where the file is no SVG, has no `viewBox`, or nests elements too deeply.
    """
    try:
        root = ET.parse(path).getroot()
    except ET.ParseError as error:
        raise ValueError(f"{path} is not readable as SVG ({error}). Run the command again with --resume.") from None
    if root.tag != f"{_SVG}svg":
        raise ValueError(f"{path}: got <{root.tag}>, expected an SVG figure. Run the command again with --resume.")
    _clean(root, prefix, {name for element in root.iter() for item in element.items() for name in _references(*item)}, path)
    for measure in ("width", "height"):
        root.attrib.pop(measure, None)
    root.attrib |= {"role": "img", "aria-label": label, "style": f"--points: {_width(root, path):.0f}"}
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _width(root: ET.Element, path: Path) -> float:
    """The width of a figure in points, by which the page shows the letters of all figures in one size."""
    try:
        return float(root.attrib["viewBox"].split()[2])
    except (KeyError, IndexError, ValueError):
        raise ValueError(f"{path} has no viewBox that can be read. Run the command again with --resume.") from None


def _clean(element: ET.Element, prefix: str, referred: set[str], path: Path, inside: bool = False, depth: int = 0) -> None:
    """Clean an element and those in it; `inside` one whose id is in `referred` references are removed."""
    if depth > _DEEPEST:
        raise ValueError(f"{path}: got elements nested more than {_DEEPEST} deep, expected a figure. Run the command again.")
    inside = inside or element.get("id") in referred
    drawn = [child for child in element if isinstance(child.tag, str) and child.tag.removeprefix(_SVG) in _DRAWN]
    element.tag = element.tag.removeprefix(_SVG)
    element[:] = [] if element.tag in _WORDS else drawn
    for child in element:
        _clean(child, prefix, referred, path, inside, depth + 1)
    element.attrib = _safe({name: value for name, value in element.items() if not (inside and _references(name, value))}, prefix)


def _references(name: str, value: str) -> list[str]:
    """The ids that an attribute refers to."""
    return [value.removeprefix("#")] if name in ("href", _HREF) else _REFERENCE.findall(value)


def _safe(attributes: dict[str, str], prefix: str) -> dict[str, str]:
    safe = {}
    for name, value in attributes.items():
        name = "href" if name == _HREF else name
        if name == "id":
            value = prefix + value
        elif name == "href":
            if value.startswith("#"):
                value = f"#{prefix}{value[1:]}"
            elif not value.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")):
                continue
        elif name == "class" or name.startswith(("on", "src", "{")) or "url(" in _REFERENCE.sub("", value).lower() or "\\" in value:
            continue
        elif name == "style":
            value = "; ".join(part.strip() for part in value.split(";") if _STYLE.match(part))
            value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
        else:
            value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
        safe[name] = value
    return safe

"""Draw docs/architecture.svg from the imports: `python docs/draw_architecture.py`; with `--check`, say whether it is up to date.

A box is a room: a folder of a package, or a module that lies beside the folders. It stands above every room of its package that
it imports. What more than half of a package's rooms import is a bar along the floor, without arrows, and so is what only bars
import. An arrow that a longer way of arrows implies is left out. The questions of `experiments` are one box. The small print
names the rooms of other packages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import grimp  # noqa: E402

from experiments.commands import COMMANDS  # noqa: E402

PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGES = {
    "experiments": "ask a question end to end",
    "probes": "turn what was observed into a measured answer",
    "interp": "observes and changes a model",
}
COLOURS = {"experiments": "#9c5a00", "probes": "#00638f", "interp": "#2f6b2f"}
WIDTH, MARGIN, GAP, LINE, LETTER = 1240, 24, 16, 14, 5.6
QUESTIONS = "one file a question"

GAP_OF = "gap of "

Imports = dict[str, set[str]]
Arrow = tuple[str, str]
Box = tuple[float, float, float, float]
"""Left, top, width, height."""


def room_of(module: str) -> str | None:
    """The room a module is in, as `package.room`; None for the package's own `__init__`."""
    if module in {home for home, _ in COMMANDS.values()}:
        return f"experiments.{QUESTIONS}"
    return ".".join(module.split(".")[:2]) if "." in module else None


def read_imports() -> Imports:
    """Which rooms each room imports, in this checkout; lazy imports too, but not those for type checkers."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    found: Imports = {room: set() for module in sorted(graph.modules) if (room := room_of(module))}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            source, target = room_of(module), room_of(imported)
            if source and target and source != target:
                found[source].add(target)
    return found


def within(imports: Imports, package: str) -> Imports:
    """The imports between the rooms of one package."""
    ours = {room for room in imports if room.startswith(f"{package}.")}
    return {room: imports[room] & ours for room in sorted(ours)}


def floors(imports: Imports) -> list[list[str]]:
    """The rooms floor by floor, the lowest first: each stands above all that it imports."""
    level = dict.fromkeys(imports, 0)
    for _ in imports:
        level = {room: max((level[below] + 1 for below in imports[room]), default=0) for room in imports}
    if max(level.values(), default=0) >= len(imports):
        raise ValueError(f"rooms import one another in a circle: {', '.join(sorted(imports))}. Open the circle first.")
    return [[room for room in imports if level[room] == floor] for floor in range(max(level.values()) + 1)]


def reachable(imports: Imports, start: Iterable[str]) -> set[str]:
    """Every room that some rooms import, directly or through others."""
    seen: set[str] = set()
    rest = list(start)
    while rest:
        if (room := rest.pop()) not in seen:
            seen.add(room)
            rest += imports[room]
    return seen


def arrows(imports: Imports) -> list[Arrow]:
    """The imports that no longer way implies."""
    implied = {room: reachable(imports, set().union(*(imports[below] for below in imports[room]))) for room in imports}
    return [(room, below) for room in sorted(imports) for below in sorted(imports[room] - implied[room])]


def routed(rows: list[list[str]], drawn: list[Arrow]) -> tuple[list[list[str]], dict[Arrow, list[str]]]:
    """The floors with a gap in each floor that an arrow crosses, and the gaps of each arrow from its start to its end."""
    floor = {room: i for i, row in enumerate(rows) for room in row}
    ways = {(a, b): [f"{GAP_OF}{a}>{b}@{i}" for i in range(floor[a] - 1, floor[b], -1)] for a, b in drawn}
    gaps = [way for ways_of in ways.values() for way in ways_of]
    return [row + [gap for gap in gaps if int(gap.rpartition("@")[2]) == i] for i, row in enumerate(rows)], ways


def ordered(rows: list[list[str]], ways: dict[Arrow, list[str]]) -> list[list[str]]:
    """Each floor from left to right, near what it has arrows with: Sugiyama's barycentres, a few sweeps."""
    place = {one: (i + 0.5) / len(row) for row in rows for i, one in enumerate(row)}
    linked: dict[str, list[str]] = {one: [] for one in place}
    for (start, end), way in ways.items():
        for above, below in pairwise([start, *way, end]):
            linked[above].append(below)
            linked[below].append(above)
    for sweep in range(12):
        for row in rows if sweep % 2 else rows[::-1]:
            pull = {one: sum(place[other] for other in linked[one]) / len(linked[one]) if linked[one] else 0.5 for one in row}
            row.sort(key=lambda one: (pull[one], one))
            place |= {one: (i + 0.5) / len(row) for i, one in enumerate(row)}
    return rows


def small_print(imports: Imports, room: str) -> list[str]:
    """One line a package below: the rooms of it that a room imports."""
    own = room.partition(".")[0]
    lines = []
    for package in PACKAGES:
        names = sorted(other.partition(".")[2] for other in imports[room] if other.startswith(f"{package}.") and package != own)
        lines += [f"{package}: {', '.join(names)}"] if names else []
    return lines


def text(x: float, y: float, said: str, size: float, colour: str = "#222", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{extra}>{escape(said)}</text>'


def draw_box(box: Box, room: str, lines: list[str], colour: str) -> list[str]:
    """A room: its name, and the small print under it."""
    left, top, width, height = box
    return [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" fill="#fff" stroke="{colour}"/>',
        text(left + 8, top + 17, room.partition(".")[2], 13, colour, ' font-weight="bold"'),
        *(text(left + 8, top + 33 + i * LINE, line, 10.5, "#555") for i, line in enumerate(lines)),
    ]


def draw_arrow(stops: list[Box], enters: float, colour: str) -> str:
    """A curve from the bottom of the first box, through gaps, to the top of the last, where `enters` says how far along it."""
    x, y = stops[0][0] + stops[0][2] / 2, stops[0][1] + stops[0][3]
    path = f"M{x:.1f},{y:.1f}"
    for stop in stops[1:]:
        last = stop is stops[-1]
        to, below = stop[0] + stop[2] * (enters if last else 0.5), stop[1] - (5 if last else 0)
        bend = (below - y) / 2
        path += f" C{x:.1f},{y + bend:.1f} {to:.1f},{below - bend:.1f} {to:.1f},{below:.1f}"
        x, y = to, stop[1] + stop[3]
        path += "" if last else f" V{y:.1f}"
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.3" stroke-opacity="0.75" marker-end="url(#{colour[1:]})"/>'
    )


def draw_head(name: str, size: int, colour: str) -> str:
    """The head of an arrow, for `marker-end`."""
    shape = f'<path d="M0,0L8,4L0,8z" fill="{colour}"/>'
    sizes = f'markerWidth="{size}" markerHeight="{size}"'
    return f'<marker id="{name}" viewBox="0 0 8 8" refX="4" refY="4" {sizes} orient="auto">{shape}</marker>'


def kit_of(inside: Imports) -> list[str]:
    """The rooms that more than half of a package imports, and those that only they import."""
    users = {room: {other for other in inside if room in inside[other]} for room in inside}
    kit = {room for room in inside if len(users[room]) > len(inside) / 2}
    return sorted(kit | {room for room in inside if users[room] and users[room] <= kit})


def draw_package(imports: Imports, package: str, top: float) -> tuple[list[str], float]:
    """One package's frame with its rooms, and where it ends."""
    inside, colour = within(imports, package), COLOURS[package]
    kit = kit_of(inside)
    boxed = {room: below - set(kit) for room, below in inside.items() if room not in kit}
    rows, ways = routed(floors(boxed), arrows(boxed))
    boxes: dict[str, Box] = {}
    shapes: list[str] = []
    y = top + 44
    for row in reversed(ordered(rows, ways)):
        found, drawn = draw_row(imports, row, y, colour)
        boxes |= found
        shapes += drawn
        y += max(box[3] for box in found.values()) + 42
    for room in kit:
        bar = (2.0 * MARGIN, y - 20, WIDTH - 4.0 * MARGIN, 30.0)
        users = sorted(other.partition(".")[2] for other in inside if room in inside[other])
        used = f"imported by {', '.join(users) if len(users) < 4 else f'{len(users)} of the {len(inside) - 1} others'}"
        shapes += draw_box(bar, room, [], colour)
        shapes.append(text(bar[0] + 110, bar[1] + 18, "; ".join([used, *small_print(imports, room)]), 10.5, "#555"))
        y += 38
    curves = []
    for (start, end), way in ways.items():
        into = {source: boxes[ways[source, below][-1] if ways[source, below] else source] for source, below in ways if below == end}
        turn = sorted(into, key=lambda source: into[source][0] + into[source][2] / 2).index(start)
        curves.append(draw_arrow([boxes[stop] for stop in (start, *way, end)], (turn + 1) / (len(into) + 1), colour))
    bottom = y - 8
    frame = (
        f'<rect x="{MARGIN}" y="{top:.1f}" width="{WIDTH - 2 * MARGIN}" height="{bottom - top:.1f}" rx="8" fill="{colour}" '
        f'fill-opacity="0.06" stroke="{colour}" stroke-opacity="0.4"/>'
    )
    title = text(2 * MARGIN, top + 28, package, 18, colour, ' font-weight="bold"')
    said = text(2 * MARGIN + 12 * len(package) + 6, top + 28, PACKAGES[package], 13, "#444")
    return [frame, *curves, *shapes, title, said], bottom


def draw_row(imports: Imports, row: list[str], y: float, colour: str) -> tuple[dict[str, Box], list[str]]:
    """One floor: the box of each room and of each gap, and what is drawn of them."""
    rooms = [one for one in row if not one.startswith(GAP_OF)]
    widest = (WIDTH - 4 * MARGIN - GAP * len(row)) / len(rooms)
    width = {room: 620.0 if room.endswith(QUESTIONS) else min(230.0, widest) for room in rooms}
    said: dict[str, list[str]] = {}
    for room in rooms:
        lines = [*([", ".join(sorted(COMMANDS))] if room.endswith(QUESTIONS) else []), *small_print(imports, room)]
        said[room] = [piece for line in lines for piece in wrap(line, int((width[room] - 14) / LETTER))]
    height = {room: 27.0 + LINE * len(lines) for room, lines in said.items()}
    left = (WIDTH - sum(width.values()) - GAP * (len(row) - 1)) / 2
    boxes: dict[str, Box] = {}
    shapes: list[str] = []
    for one in row:
        boxes[one] = (left, y, width.get(one, 0.0), height.get(one, max(height.values())))
        shapes += draw_box(boxes[one], one, said[one], colour) if one in said else []
        left += width.get(one, 0.0) + GAP
    return boxes, shapes


def draw() -> str:
    """The whole picture as SVG; the same code gives the same bytes."""
    imports = read_imports()
    parts: list[str] = []
    ends: list[tuple[float, float]] = []
    y = 16.0
    for package in PACKAGES:
        shapes, bottom = draw_package(imports, package, y)
        parts += shapes
        ends.append((y, bottom))
        y = bottom + 40
    for (_, bottom), (top, _) in pairwise(ends):
        parts.append(
            f'<path d="M{WIDTH / 2},{bottom + 3:.1f} V{top - 10:.1f}" stroke="#444" stroke-width="5" marker-end="url(#big)"/>'
        )
    heads = [draw_head(colour[1:], 7, colour) for colour in COLOURS.values()] + [draw_head("big", 3, "#444")]
    height = y - 40 + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" font-family="Arial, DejaVu Sans, sans-serif">'
    )
    ground = f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>'
    return "\n".join([head, f"<defs>{''.join(heads)}</defs>", ground, *parts, "</svg>", ""])


def main(args: list[str]) -> int:
    """Write the picture, or with `--check` say whether the one there is what would be written."""
    found = draw()
    if args == ["--check"]:
        if PICTURE.is_file() and PICTURE.read_text(encoding="utf-8") == found:
            return 0
        print(f"{PICTURE.name} does not show the imports as they are. Run `python docs/draw_architecture.py`.", file=sys.stderr)
        return 1
    PICTURE.write_text(found, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

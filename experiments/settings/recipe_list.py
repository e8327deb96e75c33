"""`interp recipes`: the published settings by name, with their question and paper; `interp recipes NAME` prints one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import tyro

from experiments.settings.flags import parse_flags
from experiments.settings.settings import RECIPES, find_recipe
from experiments.settings.strict_yaml import read_yaml

_DESCRIBED = RECIPES.parent / "README.md"
_ROW = re.compile(r"^\| (?P<names>`[^|]+) \|\s*(?P<question>[^|]*?)\s*\|\s*(?P<paper>[^|]*?)\s*\|", re.MULTILINE)


@dataclass(frozen=True)
class RecipesSettings:
    """The recipes: published settings by name.

    Without a name, a table of all; with one, its text, ready to be copied and changed.

    Example: interp recipes mexa > mine.yaml
    """

    name: Annotated[str | None, tyro.conf.Positional] = None
    """A recipe, such as mexa. Default: list all."""
    debug: bool = False
    """On an error, show the full traceback."""


class Recipe(NamedTuple):
    """A shipped recipe: its `name`, the `command` that takes it, and the question and the paper it is of."""

    name: str
    command: str
    question: str
    paper: str


def main(args: Sequence[str]) -> None:
    """Print all recipes as a table, or the text of the one named in `args`."""
    settings = parse_flags(RecipesSettings, args, "recipes")
    if settings.name is None:
        _show(recipes())
    else:
        script = RECIPES / settings.name
        path = script if script.suffix == ".py" and script.is_file() else find_recipe(settings.name)
        print(path.read_text(encoding="utf-8"), end="")


def recipes() -> list[Recipe]:
    """Every shipped recipe, in the order of `experiments/README.md`, which says its question and its paper."""
    return list(_described(_DESCRIBED.read_text(encoding="utf-8")))


def _described(text: str) -> Iterator[Recipe]:
    for row in _ROW.finditer(text):
        for name in re.findall(r"`([^`]+)`", row["names"]):
            path = RECIPES / (name if name.endswith(".py") else f"{name}.yaml")
            if path.is_file():
                yield Recipe(name, _command(path), row["question"].replace("`", ""), row["paper"].replace("`", ""))


def _command(path: Path) -> str:
    return "python" if path.suffix == ".py" else str(read_yaml(path)["command"])


def _show(found: Sequence[Recipe]) -> None:
    """Two lines a recipe, so that no name is cut: it is what one types."""
    from shutil import get_terminal_size
    from textwrap import wrap

    width = min(get_terminal_size().columns, 120)
    name, command = (max(len(row[column]) for row in found) + 2 for column in (0, 1))
    print(f"{'recipe':<{name}}{'command':<{command}}paper, and the question below")
    for row in found:
        first, *more = wrap(row.paper, max(width - name - command, 20)) or [""]
        print(f"{row.name:<{name}}{row.command:<{command}}{first}".rstrip())
        for line in [*(f"{'':<{name + command}}{line}" for line in more), *wrap(row.question, width - 4)]:
            print(line if line.startswith(" ") else f"    {line}")
    print(f"\nUse one: interp {found[0].command} --config {found[0].name}. Print one: interp recipes {found[0].name}")
    print(f"Scripts (python): {RECIPES}")

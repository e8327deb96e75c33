"""What mkdocs adds to the pages under docs/: the reference, the commands' help, the gallery, and formulas as MathML.

`mkdocs build --strict` calls the functions named `on_...`. Nothing generated is committed, so nothing can be out of date.
"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

GALLERY = ROOT / "experiments" / "gallery"
TAKEN = {
    "gallery/README.md": GALLERY / "README.md",
    "experiments.md": ROOT / "experiments" / "README.md",
    "contributing.md": ROOT / "CONTRIBUTING.md",
    "changelog.md": ROOT / "CHANGELOG.md",
}
"""Pages of the site that stand elsewhere in the repository."""
PUBLIC = {"interp": "reference/interp.md", "interp.tuning": "reference/tuning.md", "probes": "reference/probes.md"}
"""The packages whose `__all__` is the public interface, and the page of each."""
_FENCE = re.compile(r"^(```.*?^```|~~~.*?^~~~)", re.MULTILINE | re.DOTALL)
_FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\w$])\$(?P<line>[^$\n]+?)\$(?![\w$])", re.DOTALL)
_LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<to>[^)#\s:]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are taken from elsewhere, with the pictures of the gallery, and those of the reference."""
    for name, path in TAKEN.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    for path in sorted(GALLERY.glob("*/*.svg")):
        files.append(File.generated(config, f"gallery/{path.parent.name}/{path.name}", abs_src_path=str(path)))
    for package, name in PUBLIC.items():
        files.append(File.generated(config, name, content=reference(package)))
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links that lead out of docs/ become links of the site, or plain text; formulas become MathML."""
    here = TAKEN.get(page.file.src_uri, ROOT / "docs" / page.file.src_uri).parent
    depth = "../" * page.file.src_uri.count("/")

    def link(found: re.Match[str]) -> str:
        uri = _uri(here / found["to"])
        if uri is None or files.get_file_from_path(uri) is None:
            return found["text"].lstrip("!")[1:-1]
        return f"{found['text']}({depth}{uri}{found['anchor'] or ''})"

    def formula(found: re.Match[str]) -> str:
        said = convert(found["block"] or found["line"], display="block" if found["block"] else "inline")
        return f"<span>{said}</span>"  # a line that begins with <math> would be a paragraph of its own

    parts = _FENCE.split(markdown)
    return "".join(part if number % 2 else _FORMULA.sub(formula, _LINK.sub(link, part)) for number, part in enumerate(parts))


def public(package: str) -> Iterator[tuple[str, str]]:
    """Each public name of a package, and the module it is defined in: what the package, or its stub, imports it from."""
    folder = ROOT.joinpath(*package.split("."))
    stub = folder / "__init__.pyi"
    source = (stub if stub.exists() else folder / "__init__.py").read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    homes = {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}
    for name in import_module(package).__all__:
        yield name, homes.get(name, package)


def reference(package: str) -> str:
    """The page of a package: every public name under the room it lives in, its docstring rendered by mkdocstrings."""
    rooms = defaultdict(list)
    for name, module in public(package):
        rooms[".".join(module.split(".")[:2])].append(f"::: {module}.{name}")
    sections = [f"## {room}\n\n" + "\n\n".join(entries) for room, entries in sorted(rooms.items())]
    first = (import_module(package).__doc__ or "").strip()
    return f"# {package}\n\n{first}\n\n" + "\n\n".join(sections) + "\n"


def commands() -> str:
    """What `interp COMMAND --help` prints, of every command."""
    from experiments.commands import COMMANDS

    lines = ["# Commands", "", "`interp COMMAND --help`, for every command. Options of one name mean the same everywhere.", ""]
    for name, (_, question, *_) in COMMANDS.items():
        lines += [f"## interp {name}", "", question, "", "```text", _help(name), "```", ""]
    return "\n".join(lines)


def _help(command: str) -> str:
    from experiments.__main__ import main

    said = io.StringIO()
    with patch.dict(os.environ, {"COLUMNS": "80", "NO_COLOR": "1"}), redirect_stdout(said), suppress(SystemExit):
        main([command, "--help"])
    return said.getvalue().strip()


def _uri(path: Path) -> str | None:
    """The name in the site of a file of the repository, if it has one."""
    path = path.resolve()
    for name, taken in TAKEN.items():
        if path == taken:
            return name
    for folder, name in ((ROOT / "docs", ""), (GALLERY, "gallery/")):
        if path.is_relative_to(folder):
            return name + path.relative_to(folder).as_posix()
    return None

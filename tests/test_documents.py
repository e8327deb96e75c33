"""What the documents name is there: links, paths, modules, commands and recipes; and the picture shows the imports as they are."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from experiments.commands import COMMANDS
from experiments.settings.settings import RECIPES

ROOT = Path(__file__).parents[1]
PACKAGES = ("interp", "probes", "experiments")
ROOMS = ("experiments", "experiments/gallery", "interp/bundled")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / room / "README.md" for room in ROOMS)])
NOW = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]  # which names what is no more
EXAMPLES = re.compile(r"norms|NAME|interp/models/adapters|interp\.models\.adapters")
"""What CONTRIBUTING tells its reader to write."""


def named(path: Path, pattern: str) -> set[str]:
    return {found for found in re.findall(pattern, path.read_text(encoding="utf-8")) if not EXAMPLES.search(found)}


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(ROOT)))


@each(DOCUMENTS)
def test_a_link_leads_somewhere(path):
    links = named(path, r"\]\(([^)#]+)[^)]*\)")
    elsewhere = re.compile(r"https?:|reference/")  # docs/pages.py makes the reference, and a build of the site follows its links
    assert not [link for link in links if not elsewhere.match(link) and not (path.parent / link).exists()]


@each(NOW)
def test_a_path_is_there(path):
    found = named(path, r"`((?:interp|probes|experiments|tests|docs|\.ci)/[\w./-]*)`")
    assert not [name for name in found if not (ROOT / name).exists()]


@each(NOW)
def test_a_module_or_name_is_there(path):
    for dotted in named(path, r"`((?:interp|probes|experiments)(?:\.\w+)+)(?:\(.*?\))?`"):
        if (path.parent / dotted).exists() or (ROOT / dotted).exists():
            continue  # a file name
        package, *parts = dotted.split(".")
        found = import_module(package)
        for part in parts:
            found = getattr(found, part) if hasattr(found, part) else import_module(f"{found.__name__}.{part}")


@each(DOCUMENTS)
def test_a_command_is_there(path):
    assert named(path, r"(?:`|^|bin/)interp ([a-z]+)") <= {*COMMANDS, "help"}
    assert not [module for module in named(path, r"python -m ([\w.]+)") if find_spec(module) is None]


def test_the_recipes_described_are_those_there_are():
    text = (ROOT / "experiments" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    found = {name for row in rows for name in re.findall(r"`([^`]+)`", row)} - COMMANDS.keys()
    shipped = {path.stem if path.suffix == ".yaml" else path.name for path in RECIPES.iterdir() if path.suffix in (".yaml", ".py")}
    assert found == shipped


def test_the_tree_in_the_readme_has_a_line_for_each_folder_and_no_other():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("\ninterp/  ") : text.index("Imports run one way")]
    inside, told = "", set()
    for line in tree.splitlines():
        if found := re.match(r"( *)([a-z]+)/ ", line):
            inside = inside if found[1] else found[2]
            told.add(f"{inside}/{found[2]}" if found[1] else inside)
    folders = {
        f"{package}/{path.name}"
        for package in PACKAGES
        for path in (ROOT / package).iterdir()
        if path.is_dir() and path.name[0] not in "._"
    }
    assert told == {*PACKAGES, "docs", "tests", *folders}


def test_the_citation_is_that_of_this_version_and_licence():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["cff-version"] == "1.2.0"
    assert (cited["version"], cited["license"]) == (project["version"], project["license"])
    assert {"message", "title", "authors"} <= cited.keys()
    holder = re.search(r"Copyright \(c\) \d+ (.*)", (ROOT / "LICENSE").read_text(encoding="utf-8"))[1]
    assert [author["name"] for author in cited["authors"]] == [holder]


def test_the_picture_of_the_imports_is_up_to_date():
    found = subprocess.run(
        [sys.executable, "docs/draw_architecture.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert found.returncode == 0, found.stderr


def test_a_picture_of_other_imports_is_noticed(tmp_path):
    """The same command where one import more was written."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    (tmp_path / "docs").mkdir()
    for name in ("draw_architecture.py", "architecture.svg"):
        (tmp_path / "docs" / name).write_bytes((ROOT / "docs" / name).read_bytes())
    command = [sys.executable, "docs/draw_architecture.py", "--check"]
    assert subprocess.run(command, cwd=tmp_path, env={}, timeout=600).returncode == 0
    with (tmp_path / "probes/atlas/measure.py").open("a") as file:
        file.write("\nimport probes.transplant.report\n")
    assert subprocess.run(command, cwd=tmp_path, env={}, timeout=600).returncode == 1


def public(body: list[ast.stmt], owner: str = ""):
    """The public functions, and the public methods of public classes, with the name of the class before theirs."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and "overload" not in decorators(node):
            yield f"{owner}{node.name}", node


def decorators(function: ast.FunctionDef) -> list[str]:
    return [ast.unparse(decorator) for decorator in function.decorator_list]


def unnamed(function: ast.FunctionDef) -> list[str]:
    """The parameters that the docstring names neither in backticks nor on a line of their own, as under "Parameters"."""
    doc, given = ast.get_docstring(function) or "", function.args
    names = [given_name.arg for given_name in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    lines = re.findall(r"^ *(\w+(?:, \w+)*)$", doc, re.MULTILINE)
    written = set(re.findall(r"\w+", " ".join([*re.findall(r"`([^`]+)`", doc), *lines])))
    return [name for name in names if name not in written | {"self", "cls"}]


@each(sorted(path for package in ("interp", "probes") for path in (ROOT / package).rglob("*.py")))
def test_the_docstring_of_a_public_function_names_every_parameter(path):
    functions = dict(public(ast.parse(path.read_text(encoding="utf-8")).body))
    assert {name: unnamed(node) for name, node in functions.items() if unnamed(node) or not ast.get_docstring(node)} == {}


def test_a_parameter_that_is_only_a_word_of_the_text_is_not_named():
    source = 'def f(model, layer, row):\n    """The state of the model at `layer`.\n\n    row\n        Which one.\n    """'
    assert unnamed(ast.parse(source).body[0]) == ["model"]

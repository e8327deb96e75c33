"""Who may import whom, what may be imported early, and the look of the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

import interp
import probes
from experiments.commands import COMMANDS

ROOT = Path(__file__).parents[1]
HEAVY = ("matplotlib.pyplot", "umap", "sklearn", "peft", "datasets")


def tool(*command: str) -> None:
    found = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_packages_import_one_way():
    tool("-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))")


def test_the_code_passes_ruff():
    tool("-m", "ruff", "check", "--no-cache", ".")


def test_the_code_is_formatted_by_ruff():
    tool("-m", "ruff", "format", "--check", "--no-cache", ".")


SOURCES = sorted(path for package in ("interp", "probes", "experiments") for path in (ROOT / package).rglob("*.py"))


def test_the_types_pass_mypy():
    tool("-m", "mypy", "--no-incremental")


def test_few_lines_switch_the_type_checker_off():
    """`Any` is for what untyped libraries give and for arguments passed on to them; elsewhere a type says what a value is.

    The bound goes down with the number of lines. A line that mypy is told to pass over counts too, or `Any` would move there.
    """
    untyped = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        said = {node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name) and node.id == "Any"}
        passed = {number for number, line in enumerate(text.splitlines(), start=1) if "# type: ignore" in line}
        untyped += [f"{path.relative_to(ROOT)}:{number}" for number in sorted(said | passed)]
    assert len(untyped) <= 94, untyped


def test_ruff_sees_every_source_file():
    """A folder that .gitignore names (`runs/`) is skipped by ruff without a word."""
    command = [sys.executable, "-m", "ruff", "check", "--show-files", "--no-cache", "."]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    assert {str(path) for path in SOURCES} <= set(found.stdout.split("\n"))


def test_every_folder_of_modules_is_a_package():
    """Without its `__init__.py` a folder is left out of a wheel. `experiments/recipes` holds scripts, shipped as data."""
    folders = {path.parent for path in SOURCES} - {ROOT / "experiments" / "recipes"}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


def modules_in(folder: Path) -> bool:
    return any(path.stem != "__init__" for path in folder.glob("*.py"))


def test_the_tests_mirror_the_packages():
    """A folder of modules has a folder of tests by the same path, and no test stands in a folder that names none.

    `experiments/recipes` are run by the tests of their commands.
    """
    rooms = {path.parent for path in SOURCES if modules_in(path.parent)} - {ROOT / "experiments" / "recipes"}
    tested = {
        path.parent for package in ("interp", "probes", "experiments") for path in (ROOT / "tests" / package).rglob("test_*.py")
    }
    mirrored = {ROOT / folder.relative_to(ROOT / "tests") for folder in tested}
    assert mirrored == rooms


ROOMS = sorted({".".join(path.parent.relative_to(ROOT).parts) for path in SOURCES} - {"experiments", "experiments.recipes"})


@cache
def imports(type_checking: bool = True) -> grimp.ImportGraph:
    """Who imports whom, the libraries too, imports inside functions included."""
    packages = ("interp", "probes", "experiments")
    return grimp.build_graph(
        *packages, include_external_packages=True, exclude_type_checking_imports=not type_checking, cache_dir=None
    )


def circles(links: set[tuple[str, str]]) -> list[list[str]]:
    """What imports one another, given who imports whom."""
    names = sorted({name for link in links for name in link})
    number = {name: i for i, name in enumerate(names)}
    rows, columns = np.array([(number[a], number[b]) for a, b in links]).T
    matrix = csr_array((np.ones(len(links)), (rows, columns)), shape=(len(names), len(names)))
    count, circle = connected_components(matrix, connection="strong")
    together = [[name for name in names if circle[number[name]] == i] for i in range(count)]
    return [found for found in together if len(found) > 1]


def test_no_modules_import_one_another_in_a_circle():
    graph = imports()
    assert not circles({(a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)})


@pytest.mark.parametrize("folder", ROOMS)
def test_no_folder_is_imported_by_what_it_imports(folder):
    """Taken as one, the modules of a folder stand in no circle: `text/formats` imports `text/corpus`, which imports no format."""
    graph = imports(type_checking=False)

    def whole(module: str) -> str:
        return folder if f"{module}.".startswith(f"{folder}.") else module

    links = {(whole(a), whole(b)) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)}
    assert not circles({(a, b) for a, b in links if a != b})


FOLDERS = sorted({path.parent for path in SOURCES} - {ROOT / "experiments" / "recipes"})


def flat(folder: Path) -> list[str]:
    """The modules beside one another in a folder; of `experiments` those that are no question."""
    questions = {module.rpartition(".")[2] for module, _ in COMMANDS.values()} if folder.name == "experiments" else set()
    return sorted({path.stem for path in folder.glob("*.py")} - {"__init__", *questions})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_stays_small_and_has_no_family_by_prefix(folder):
    """What grows past it, or has five names that begin alike, is a folder of its own."""
    names = flat(folder)
    assert len(names) <= (12 if folder.parent == ROOT else 14)
    assert max(Counter(name.partition("_")[0] for name in names).values(), default=0) < 5


FIGURES = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("probes/*/*figures.py"))
DRAWING = ("interp.languages", "interp.files.atomic", "matplotlib", "numpy", "pandas", "scipy", "langcodes")


@pytest.mark.parametrize("module", FIGURES)
def test_figures_are_drawn_from_tables_alone(module):
    """A figure of a question imports the kit, its own room, names of languages and what draws; nothing that runs a model."""
    graph, room = imports(type_checking=False), module.rpartition(".")[0]
    allowed = tuple(f"{name}." for name in (room, "probes.figures", *DRAWING, *sys.stdlib_module_names))
    found = graph.find_modules_directly_imported_by(module)
    assert not [imported for imported in found if not f"{imported}.".startswith(allowed)]
    for library in ("torch", "transformers", "transformer_lens"):
        chain = graph.find_shortest_chain(importer=module, imported=library)
        assert chain is None, f"{module} loads {library}: {chain}"


def early(tree: ast.Module) -> Iterator[str]:
    """What a module imports as soon as it is imported itself."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted([*ROOT.glob("interp/**/*.py"), *ROOT.glob("probes/**/*.py")])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_where_they_are_used(path):
    for name in early(ast.parse(path.read_text(encoding="utf-8"))):
        assert not any(f"{name}.".startswith(f"{heavy}.") for heavy in HEAVY), f"{path} imports {name} at its top"


@pytest.mark.parametrize("package", [interp, probes], ids=lambda package: package.__name__)
def test_the_stub_of_a_package_names_what_it_fetches_when_first_used(package):
    """A type checker and an editor read `__init__.pyi`; at run time the names come from `_HOMES`."""
    stub = ast.parse((ROOT / package.__name__ / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert {alias.asname: node.module for node in imported for alias in node.names} == package._HOMES


def loaded_by(code: str) -> set[str]:
    """Which modules a fresh interpreter holds after running some code."""
    tail = "\nimport sys; print('|', *sys.modules)"
    found = subprocess.run([sys.executable, "-c", code + tail], cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    return set(found.stdout.rpartition("|")[2].split())


def test_no_command_imports_torch_before_it_runs():
    """Importing a question must be as cheap as its --help, and so must `import interp, probes`."""
    modules = ["interp", "probes", *(module for module, _ in COMMANDS.values())]
    loaded = loaded_by(f"import {', '.join(modules)}")
    assert {"tyro", *modules} <= loaded
    assert not {"torch", "transformers", "matplotlib", "pandas", "sklearn"} & loaded


def test_the_list_of_commands_imports_no_question():
    loaded = loaded_by("from experiments.__main__ import main; main(['--help'])")
    assert "experiments.__main__" in loaded
    assert not {"torch", "numpy", "tyro", "pydantic", "experiments.align", "experiments.settings.settings"} & loaded


def test_every_question_has_a_command():
    asking = {f"experiments.{path.stem}" for path in (ROOT / "experiments").glob("*.py") if "(Settings):" in path.read_text()}
    assert asking <= {module for module, _ in COMMANDS.values()}


def test_python_m_experiments_is_the_same_command():
    found = subprocess.run([sys.executable, "-m", "experiments", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0
    assert "interp COMMAND" in found.stdout

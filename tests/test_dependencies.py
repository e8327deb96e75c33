"""Every library that is imported is declared, and every declared one has a tested version."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from interp.provenance import TESTED

ROOT = Path(__file__).parents[1]
OWN = {"interp", "probes", "experiments", "tests"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {name: list(map(Requirement, lines)) for name, lines in PROJECT["optional-dependencies"].items()}
NEEDED = list(map(Requirement, PROJECT["dependencies"]))
DISTRIBUTIONS = packages_distributions()


def names(requirements: list[Requirement]) -> set[str]:
    return {canonicalize_name(each.name) for each in requirements}


def imported(folder: str) -> dict[str, str]:
    """Every foreign top-level module that the code of a package imports anywhere, and one file that does."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
            for module in modules:
                found.setdefault(module.partition(".")[0], str(path.relative_to(ROOT)))
    return {module: path for module, path in found.items() if module not in OWN | sys.stdlib_module_names}


@pytest.mark.parametrize("folder", sorted(OWN))
def test_every_imported_library_is_declared(folder):
    declared = names(NEEDED + EXTRAS["tune"] + EXTRAS["cluster"] + (EXTRAS["test"] if folder == "tests" else []))
    modules = imported(folder)
    assert len(modules) > 5
    for module, path in modules.items():
        homes = {canonicalize_name(name) for name in DISTRIBUTIONS.get(module, [module])}
        assert homes & declared, f"{path} imports {module}, of {' or '.join(homes)}: not in pyproject.toml"


def constraints() -> dict[str, list[tuple[Version, str]]]:
    """Every pinned version by name; several where it hangs on the Python."""
    found: dict[str, list[tuple[Version, str]]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        pin, _, marker = line.partition("#")[0].partition(";")
        if match := re.fullmatch(r"(\S+)==(\S+)", pin.strip()):
            found.setdefault(canonicalize_name(match[1]), []).append((Version(match[2]), marker.strip()))
    return found


@pytest.mark.parametrize("requirement", [*NEEDED, *EXTRAS["tune"], *EXTRAS["test"]], ids=str)
def test_every_declared_library_has_a_tested_version_in_its_range(requirement):
    pins = constraints().get(canonicalize_name(requirement.name), [])
    assert pins, f"constraints.txt has no {requirement.name}"
    assert all(requirement.specifier.contains(version, prereleases=True) for version, _ in pins)


def test_what_is_said_to_be_tested_is_what_is_installed():
    assert {name: [(Version(number), "")] for name, number in TESTED.items()} == {name: constraints()[name] for name in TESTED}


@pytest.mark.parametrize("folder", ["interp", "probes", "experiments"])
def test_nothing_is_imported_that_one_system_has_alone(folder):
    only = {"fcntl", "grp", "msvcrt", "pwd", "resource", "termios", "winreg"}
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "benchmarks" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not only & set(modules), f"{path} imports {modules}"

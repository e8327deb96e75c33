"""What is installed: every file, the command beside folders of the same names, and what the distributions hold."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("interp", "probes", "experiments")


def files(folder: str) -> list[Path]:
    """The files of a folder that are kept, by their path inside it."""
    every = (path.relative_to(ROOT / folder) for path in sorted((ROOT / folder).rglob("*")) if path.is_file())
    return [path for path in every if "__pycache__" not in path.parts and path.suffix not in (".pyc", ".pyo")]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_has_every_file_of_a_package(package):
    """Modules go with their packages (`test_every_folder_of_modules_is_a_package`); all else must be named as data."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"][package]
    named = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
    left = [path for path in files(package) if path.suffix != ".py" and ROOT / package / path not in named]
    assert not left
    assert (ROOT / package / "py.typed").is_file()


def test_a_source_distribution_has_every_folder():
    lines = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").splitlines()
    grafted = {line.split()[1] for line in lines if line.startswith("graft ")}
    assert grafted == {*PACKAGES, "tests", "docs", ".ci"}
    included = " ".join(line for line in lines if line.startswith("include ")).split()
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE", "constraints.txt"):
        assert any(Path(name).match(pattern) for pattern in included), name


def test_the_classifiers_are_the_versions_that_may_be_installed():
    named = {each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"] if "Python :: 3." in each}
    assert named == {"3.11", "3.12", "3.13"}
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert "Typing :: Typed" in PROJECT["project"]["classifiers"]


@pytest.fixture
def theirs(tmp_path) -> Path:
    """The folder of a researcher whose own packages have our names."""
    for name in ("experiments", "probes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise SystemExit('their {name} was imported')\n")
    return tmp_path


def ask(folder: Path, *args: str, first: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a folder. `first` comes before this project in PYTHONPATH."""
    path = os.pathsep.join([first, str(ROOT)] if first else [str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": ""}
    return subprocess.run([sys.executable, *args], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


SCRIPT = "import sys; from interp.__main__ import main; sys.exit(main())"
"""What the installed script `interp` does, by the entry point of pyproject.toml."""


@pytest.mark.parametrize("on_the_path", [False, True], ids=["in the working directory", "in PYTHONPATH"])
@pytest.mark.parametrize("start", [("-c", SCRIPT), ("-m", "interp")], ids=["interp", "python -m interp"])
def test_the_command_never_imports_a_researchers_own_folder_of_the_same_name(start, on_the_path, theirs):
    assert PROJECT["project"]["scripts"] == {"interp": "interp.__main__:main"}
    first = str(theirs) if on_the_path else ""
    run = ["vocabulary", "--languages", "de", "--limit", "9", "--resamples", "9", "--page"]
    for args, told in (
        (["--version"], f"interp {version('interp')}"),
        (["help", "align"], "align options"),
        (run, "tokenization|"),
    ):
        found = ask(theirs, *start, *args, first=first)
        assert found.returncode == 0, found.stderr
        assert told in found.stdout
        assert "was imported" not in found.stdout + found.stderr


def test_python_m_experiments_is_the_folder_of_whoever_is_there(theirs):
    """So the documents say `interp` or `python -m interp` where a folder of that name may be."""
    found = ask(theirs, "-m", "experiments", "--version")
    assert "their experiments was imported" in found.stderr

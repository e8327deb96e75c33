"""The documentation: its blocks of code run as they stand, and the site builds with every public name and every link."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import experiments.__main__ as cli
import interp
import interp.tuning
import probes

ROOT = Path(__file__).parents[1]
PAGES = ["docs/tutorial.md", "docs/looking_inside.md", "docs/many_machines.md", "README.md"]
ELSEWHERE = re.compile(r"your-org|path/to|-m venv")
"""Lines about a model, a text or an installation that a test does not have."""


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """The language and the code of each fenced block that says Python or shell."""
    yield from re.findall(r"^```(python|bash)\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: None)
    names = {"__name__": "page"}
    ran = 0
    for kind, code in blocks(page):
        if kind == "python":
            exec(compile(code, page, "exec"), names)
            ran += 1
            continue
        for line in code.splitlines():
            if line.startswith("interp ") and not ELSEWHERE.search(line):
                device = [] if line.startswith("interp read") else ["--device", "cpu"]
                assert cli.main([*shlex.split(line)[1:], *device]) == 0, line
                ran += 1
    assert ran


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


@pytest.mark.parametrize("package", [interp, interp.tuning, probes], ids=lambda package: package.__name__)
def test_the_reference_has_every_public_name(package, site):
    page = (site / "reference" / f"{package.__name__.rpartition('.')[2]}.html").read_text(encoding="utf-8")
    found = {name.rpartition(".")[2] for name in re.findall(r'<h3 id="([\w.]+)"', page)}
    assert set(package.__all__) <= found


def test_a_page_loads_nothing_from_elsewhere(site):
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="(https?:[^"]+)"', path.read_text(encoding="utf-8"))
        assert not loaded, path.name


def test_formulas_are_drawn_without_a_script(site):
    page = (site / "methods.html").read_text(encoding="utf-8")
    assert page.count("<math ") > 20
    assert "$" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)

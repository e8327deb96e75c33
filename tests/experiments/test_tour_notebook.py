"""The tour in Python runs from top to bottom as it stands in the repository, and is kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).parents[2] / "experiments" / "tour.ipynb"
VERDICTS = 6
"""Questions whose report says its verdict; the others show values."""


def code(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_ten_short_cells_between_prose_and_no_outputs():
    book = nbformat.read(TOUR, 4)
    nbformat.validate(book)
    assert len(code(book)) == 10
    for before, cell in zip(book.cells, book.cells[1:], strict=False):
        assert (before.cell_type, cell.cell_type) != ("code", "code")
    for cell in code(book):
        assert len(cell.source.splitlines()) <= 8
        assert cell.outputs == []
        assert cell.execution_count is None


def test_every_cell_runs_and_shows_something(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    book = nbformat.read(TOUR, 4)
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [{kind for each in cell.outputs for kind in each.get("data", {})} for cell in code(book)]
    assert all("text/plain" in kinds for kinds in shown)
    assert sum("image/png" in kinds for kinds in shown) == VERDICTS
    said = [each.text for cell in code(book) for each in cell.outputs if each.get("name") == "stdout"]
    assert len(said) == VERDICTS
    assert all(text.strip().endswith(".") for text in said)
    euro = code(book)[8].outputs[0].data["text/plain"]
    assert "'carried': ['Yuro" in euro, "the transplanted cell makes the model write the euro"
    assert "'untouched': ['Yuro" not in euro
    assert list(tmp_path.iterdir()) == [], "a reader's folder is left as it was"


@pytest.mark.parametrize("secret", ["/work/", "/home/", "http://", "https://"])
def test_the_notebook_names_no_machine(secret):
    assert secret not in TOUR.read_text(encoding="utf-8")

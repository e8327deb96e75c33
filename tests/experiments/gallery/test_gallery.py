"""The committed entries: every part is there, no file names a place of a machine, and the page says what they say."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import experiments.gallery
from experiments.align import AlignSettings
from experiments.ask import answer
from experiments.gallery.__main__ import main
from experiments.gallery.entries import ENTRIES
from experiments.gallery.entry import QWEN, Inputs
from experiments.gallery.kept import keep
from experiments.gallery.page import page
from interp.files.atomic import checksum
from interp.files.sealed_json import read_sealed
from probes.spreadsheet import read_spreadsheet
from tests.support.tiny import tiny_folder

GALLERY = Path(experiments.gallery.__file__).parent
COMMITTED = sorted(path.parent for path in GALLERY.glob("*/manifest.json"))
TEXTS = [path for path in GALLERY.rglob("*") if path.suffix in (".json", ".csv", ".svg", ".md")]


def each(folders):
    return pytest.mark.parametrize("folder", folders, ids=lambda folder: folder.name)


def test_what_is_committed_are_entries_and_the_page_names_those_not_run():
    names = {entry.name for entry in ENTRIES}
    committed = {folder.name for folder in COMMITTED}
    assert {"align", "lens", "patch"} <= committed <= names
    waiting = re.search(r"^Written down and not run yet: (.*)$", (GALLERY / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert bool(waiting) == (committed < names)
    assert all(f"{name} (" in waiting[1] for name in names - committed)


def test_the_first_numbers_of_the_readme_are_those_of_the_align_run():
    rows = read_spreadsheet(GALLERY / "align" / "summary.csv").query("layer == '11'").set_index("language")
    readme = (GALLERY.parents[1] / "README.md").read_text(encoding="utf-8")
    first = " ".join(readme[: readme.index("```bash")].split())
    assert "experiments/gallery/align/figure.svg" in first
    for code in ("spa_Latn", "zho_Hans", "arb_Arab"):
        row = rows.loc[code]
        assert f"{row['estimate']:.2f} of cases [{row['lower']:.2f}, {row['upper']:.2f}]" in first or (
            f"in {row['estimate']:.2f} [{row['lower']:.2f}, {row['upper']:.2f}]" in first
        )
    assert all(f"{rows.loc[code]['estimate']:.2f}" == "0.02" for code in ("hin_Deva", "swh_Latn"))


@each(COMMITTED)
def test_an_entry_has_all_its_parts_as_they_were_written(folder):
    parts = next(entry.parts for entry in ENTRIES if entry.name == folder.name)
    assert {path.name for path in folder.iterdir()} == set(parts)
    manifest = read_sealed(folder / "manifest.json")
    assert manifest["files"] == {name: checksum(folder / name) for name in parts if name != "manifest.json"}
    summary = read_spreadsheet(folder / "summary.csv")
    assert {"estimate", "lower", "upper", "n", "baseline"} <= set(summary)
    assert len(summary)
    for name in parts[1:-1]:
        assert ElementTree.parse(folder / name).getroot().tag.endswith("svg")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(GALLERY)))
def test_no_file_names_a_place_of_a_machine(path):
    assert not re.findall(
        r"(?<![\w.:/-])(?:/(?:tmp|work|home|root|mnt|Users|data)/[\w.-]+|[A-Z]:\\)", path.read_text(encoding="utf-8")
    )


def test_the_page_is_that_of_the_committed_numbers():
    assert (GALLERY / "README.md").read_text(encoding="utf-8") == page(GALLERY, ENTRIES)


def test_the_gallery_is_small():
    assert sum(path.stat().st_size for path in GALLERY.rglob("*") if path.is_file() and "__pycache__" not in path.parts) < 5e6


def test_every_entry_says_what_it_stands_beside_and_when_it_counts():
    for entry in ENTRIES:
        assert all(getattr(entry, field.name) for field in dataclasses.fields(entry) if field.name not in ("figures", "changed"))


def test_a_kept_run_names_its_model_by_its_public_name_and_no_folder(tmp_path):
    """From a finished run to the committed parts: the name of the folder gives way to the model's."""
    model = tiny_folder("qwen2", tmp_path / "a-model")
    settings = AlignSettings(
        model=str(model), languages=("deu_Latn",), limit=12, metrics=("mexa",), output=tmp_path / "work" / "align"
    )
    answer(settings)
    inputs = Inputs(str(model), "", tmp_path / "text", tmp_path / "work")
    keep(ENTRIES[0], inputs, settings.resolved(), tmp_path / "kept")
    manifest = read_sealed(tmp_path / "kept" / "manifest.json")
    assert manifest["signature"]["model"]["name"] == manifest["settings"]["model"] == QWEN
    assert QWEN in (tmp_path / "kept" / "figure.svg").read_text(encoding="utf-8")
    for name in ENTRIES[0].parts:
        assert str(tmp_path) not in (tmp_path / "kept" / name).read_text(encoding="utf-8")
        assert "a-model" not in (tmp_path / "kept" / name).read_text(encoding="utf-8")


def test_an_entry_that_is_not_there_is_refused():
    with pytest.raises(SystemExit, match="got --only colours, expected one of align"):
        main(["--only", "colours"])

"""File names that every system takes, whatever text they are made of, and every file that a run writes has one."""

from __future__ import annotations

import re
from pathlib import Path, PureWindowsPath

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

import experiments.__main__ as cli
from interp.files.names import file_name
from probes.report import Report
from tests.experiments.pages.test_page import Curves, curves
from tests.support.tiny import tiny_folder

DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10))}


def is_safe(name: str) -> bool:
    """By what Microsoft documents of names: no reserved sign, no point or space at the end, no device."""
    stem = name.split(".")[0].casefold()
    return not re.search(r'[<>:"/\\|?*\x00-\x1f]', name) and name[-1] not in ". " and stem not in DEVICES


@given(st.text(max_size=200))
def test_any_text_becomes_a_name_that_every_system_takes(text):
    name = file_name(text)
    assert 0 < len(name) <= 80
    assert is_safe(name), name
    assert file_name(name) == name, "a safe name stays"
    assert PureWindowsPath(name).name == name


@pytest.mark.parametrize(
    "text", ["con", "NUL", "Aux.svg", "com1", "lpt9.txt", "a>b", "a:b", "why?", "end.", "end. ", "", "...", "/", "日本 語"]
)
def test_what_windows_would_refuse_or_alter(text):
    assert is_safe(file_name(text))


class Awkward(Curves):
    """A report whose figures are named by labels of the data."""

    def figures(self) -> dict[str, Figure]:
        return {
            name: Figure(figsize=(1, 1)) for name in ("main", "eng>deu", "eng:deu", "who?", "con", "end.", "Case", "case", "日本")
        }


def test_every_figure_is_in_a_file_of_its_own(tmp_path):
    report = curves("m", Awkward)
    report.save(tmp_path)
    names = {path.name for path in tmp_path.glob("figure*.svg")}
    assert len({name.casefold() for name in names}) == 9
    assert all(map(is_safe, names))
    assert len(Report.load(tmp_path).manifest["figures"]) == 9


TEXT = "cat sleeps,dog runs,bird sings,wide river,red house,warm bread,two fish,snow falls,I see you,a tree,a cup,the end"
COMMANDS = {
    "align": (),
    "vocabulary": ("--resamples", "9"),
    "neurons": ("--shards", "2", "--share", "0.1"),
    "compare": ("--with", "align", "weights"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_file_of_a_run_has_such_a_name(command, tmp_path):
    (tmp_path / "corpus").mkdir()
    for number, code in enumerate(("eng_Latn", "deu_Latn", "con_Latn")):  # Cofán, whose code is the name of a device
        lines = [f"{line} {number}" if number else line for line in TEXT.split(",")]
        (tmp_path / "corpus" / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = str(tiny_folder("llama", tmp_path / "model"))
    sides = ["--after", str(tiny_folder("llama", tmp_path / "other", seed=1))] if command == "compare" else []
    args = [command, "--model", model, *sides, "--corpus", str(tmp_path / "corpus"), "--device", "cpu", *COMMANDS[command]]
    assert cli.main([*args, "--output", str(tmp_path / "run"), "--page"]) == 0
    written = [path for path in (tmp_path / "run").rglob("*") if not path.name.startswith(".")]
    assert len(written) > 6
    assert not [path for path in written if not is_safe(path.name)]
    assert pd.read_csv(tmp_path / "run" / "summary.csv").shape[0] > 0
    assert not Path(tmp_path / "run" / "failed.txt").exists()

"""A reviewer sees what of a run was checked: files, versions, inputs, and a sample that comes out again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import experiments.__main__ as cli
from interp import provenance
from interp.files.atomic import checksum
from interp.files.sealed_json import read_sealed, write_sealed
from probes.alignment.report import AlignmentReport
from tests.support.tiny import tiny_folder

TEXT = "cat sleeps,dog runs,bird sings,wide river,red house,warm bread,two fish,snow falls,I see you,a tree"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A finished run of three languages, with its model and text."""
    root = tmp_path_factory.mktemp("finished")
    (root / "corpus").mkdir()
    for number, code in enumerate(("eng_Latn", "deu_Latn", "fra_Latn")):
        lines = [f"{line} {number}" if number else line for line in TEXT.split(",")]
        (root / "corpus" / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tiny_folder("llama", root / "model")
    given = {"model": root / "model", "corpus": root / "corpus", "output": root / "run", "device": "cpu", "metrics": "mexa"}
    assert cli.main(["align", *(str(part) for name, value in given.items() for part in (f"--{name}", value))]) == 0
    return root


@pytest.fixture
def run(finished, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(AlignmentReport, "figures", lambda self: {})
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run"


def verify(capsys: pytest.CaptureFixture, *args: object) -> tuple[int, str]:
    capsys.readouterr()
    code = cli.main(["verify", *map(str, args)])
    return code, capsys.readouterr().out


def test_a_sound_run_is_whole_and_a_sample_of_it_comes_out_again(run, capsys):
    code, said = verify(capsys, run)
    assert code == 0
    assert "files are as the manifest has them" in said
    assert "of 2 languages, computed again: " in said
    assert "largest difference 0 (0.001 allowed)" in said
    assert "ok           torch: " in said
    assert "not checked  other files: run.log, started.json" in said
    assert "0 DIFFERS" in said


def test_the_whole_run_comes_out_again(run, capsys):
    code, said = verify(capsys, run, "--all")
    rows = len(pd.read_parquet(run / "table.parquet"))
    assert code == 0
    assert f"the whole run, computed again: {rows} rows, largest difference 0 " in said


def test_an_altered_file_is_named(run, capsys):
    with (run / "summary.csv").open("a") as file:
        file.write("\n")
    (run / "figure.pdf").unlink()
    code, said = verify(capsys, run, "--no-rerun")
    assert code == 1
    assert "DIFFERS      summary.csv: altered since the run finished" in said
    assert "DIFFERS      figure.pdf: missing" in said
    assert "not checked  computed again: --no-rerun" in said


@pytest.mark.parametrize("whole", [False, True])
def test_a_number_that_does_not_come_out_again_is_found_though_its_hash_was_made_anew(run, capsys, whole):
    """Whoever alters a table may write its hash as well: only computing it again shows that."""
    table = pd.read_parquet(run / "table.parquet")
    table.loc[table["language"].isin(["deu_Latn", "fra_Latn"]), "value"] -= 0.01
    table.to_parquet(run / "table.parquet", index=False)
    manifest = {name: value for name, value in read_sealed(run / "manifest.json").items() if name != "seal"}
    manifest["files"] = {**manifest["files"], "table.parquet": checksum(run / "table.parquet")}
    write_sealed(run / "manifest.json", manifest)
    code, said = verify(capsys, run, *(["--all"] if whole else []))
    assert code == 1
    assert "largest difference 0.01 (0.001 allowed)" in said
    assert verify(capsys, run, "--tolerance", "0.1")[0] == 0


def test_another_library_and_another_text_are_said(finished, run, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "_installed", lambda real=provenance._installed: {**real(), "torch": "0.0.7"})
    corpus = run.parent / "corpus"
    shutil.copytree(finished / "corpus", corpus)
    (corpus / "deu_Latn.txt").write_text("x\n" * 10, encoding="utf-8")
    code, said = verify(capsys, run, "--no-rerun", "--corpus", corpus)
    assert code == 0
    assert "0.0.7 now" in said
    assert "other        --corpus: deu_Latn.txt has changed" in said


def test_what_cannot_be_sampled_is_said(run, capsys):
    config = (run / "config.yaml").read_text().replace("erase: none", "erase: centre")
    (run / "config.yaml").write_text(config)
    _, said = verify(capsys, run)
    assert "not checked  a sample, computed again: with these settings what is measured of one language rests on the others" in said


def test_the_manifest_says_what_else_the_numbers_may_rest_on(run):
    environment = read_sealed(run / "manifest.json")["environment"]
    assert {"pandas", "matplotlib", "threads", "device", "python", "torch"} <= set(environment)
    root = Path(provenance.__file__).parents[1]
    assert ("commit" in environment) == (root / ".git").exists()
    assert len(environment.get("commit", "0" * 40).rstrip("+")) == 40


def test_a_folder_without_a_finished_run_is_one_line(tmp_path, capsys):
    assert cli.main(["verify", str(tmp_path)]) == 2
    assert "holds no finished run" in capsys.readouterr().err

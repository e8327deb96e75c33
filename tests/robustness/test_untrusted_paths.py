"""What a file says, or is called, leads nowhere out of its folder: neither reading nor writing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from safetensors.torch import load_file

import experiments.__main__ as cli
import interp
import interp.tuning.train
from experiments import align
from experiments.runs.finished import read_finished
from experiments.settings.settings import read_recipe
from interp.activations.store import Activations
from interp.files.atomic import checksum
from interp.files.checks import safe_path
from interp.files.sealed_json import read_sealed, write_sealed
from interp.text.corpus import ParallelCorpus
from interp.tuning.checkpoints import FOLDER, last_whole
from tests.experiments.pages.test_page import curves
from tests.support.hostile import Small, resealed
from tests.support.mutate import copied, no_longer_than
from tests.support.mutate_formats import HOSTILE
from tests.support.tiny import tiny, tiny_folder

CORPUS = ParallelCorpus("c", {"eng_Latn": (HOSTILE, "the dog"), "deu_Latn": ("Katze", "=1+1")}, ids=("../../x", "/etc/y"))

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"{}>{}</svg>'


@pytest.fixture
def run(tmp_path) -> Path:
    return curves("m", Small).save(tmp_path / "run")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_folder("llama", tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".", "", "a\0b", "a\\b"])
def test_a_name_that_is_a_path_is_no_file_of_a_folder(name, tmp_path):
    with pytest.raises(ValueError, match="no file outside the folder is read"):
        safe_path(tmp_path, name)


def test_a_run_reads_nothing_outside_its_folder(run, tmp_path, capsys):
    secret = tmp_path / "secret.svg"
    secret.write_text(SVG.format("", "<text>secret</text>"))
    manifest = json.loads((run / "manifest.json").read_text())
    for name in ("../secret.svg", str(secret)):
        resealed(run, files={**manifest["files"], name: checksum(secret)})
        assert cli.main(["page", str(run)]) == 2
        assert "outside the folder" in capsys.readouterr().err
    files = {**manifest["files"], "figure-../../secret.svg": checksum(secret)}
    resealed(run, files=files, figures=["dot", "../../secret"])
    assert cli.main(["page", str(run)]) == 2
    resealed(run, files=manifest["files"], figures=manifest["figures"])
    (run / "figure.svg").unlink()
    (run / "figure.svg").symlink_to(secret)
    assert cli.main(["page", str(resealed(run))]) == 2
    assert "is a link out of its folder" in capsys.readouterr().err
    assert not (run / "page.html").exists()


def test_a_figure_named_after_a_label_stays_in_its_folder(run, tmp_path):
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert {"figure.svg", "figure-..-..-evil.svg"} <= {path.name for path in run.iterdir()}
    assert list(read_finished(run).figures) == ["dot", "..-..-evil"]


@pytest.mark.parametrize("name", ["run.log", ".lock"])
def test_a_link_in_a_run_folder_makes_us_write_nowhere_else(name, run, tmp_path, monkeypatch, capsys):
    mine = tmp_path / "thesis.tex"
    mine.write_text("x")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(mine)
    (run / "config.yaml").write_text("command: align\n")
    monkeypatch.setattr(align, "run", lambda settings: curves("m", Small))
    assert cli.main(["align", "--output", str(run), "--resume"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert mine.read_text() == "x"


@pytest.mark.parametrize("name", ["config.yaml", "run.log", "manifest.json", "summary.csv", "table.parquet"])
def test_a_pipe_in_a_run_folder_is_not_waited_for(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(align, "run", lambda settings: curves("m", Small))
    args = ["align", "--output", str(tmp_path / "run")]
    assert cli.main(args) == 0
    (tmp_path / "run" / name).unlink()
    os.mkfifo(tmp_path / "run" / name)
    with no_longer_than():
        assert cli.main([*args, "--resume"]) == (2 if name in ("config.yaml", "run.log") else 0)
        assert cli.main(["page", str(tmp_path / "run")]) == (2 if name == "config.yaml" else 0)


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd"])
def test_a_capture_reads_and_writes_nothing_outside_its_folder(name, tmp_path):
    folder = tmp_path / "in" / "acts"
    interp.capture(tiny("llama"), CORPUS, folder=folder, progress=False)
    assert [path.name for path in tmp_path.rglob("*") if path.parent != folder] == ["in", "acts"]
    plain = read_sealed(folder / "manifest.json")
    plain["files"]["deu_Latn"]["name"] = name
    write_sealed(folder / "manifest.json", plain)
    with pytest.raises(ValueError, match="outside the folder"):
        Activations.load(folder)


def test_a_model_reads_no_weights_outside_its_folder(model, tmp_path):
    folder = copied(model, tmp_path / "m")
    (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    weights = dict.fromkeys(load_file(tmp_path / "model.safetensors"), "../model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))
    with pytest.raises(ValueError, match="outside the folder"):
        interp.load(folder)


def test_an_adapters_settings_do_not_choose_other_weights(model, tmp_path):
    folder = copied(model, tmp_path / "m")
    adapter = {"peft_type": "LORA", "base_model_name_or_path": str(tiny_folder("gpt2", tmp_path / "other")), "r": 1}
    (folder / "adapter_config.json").write_text(json.dumps(adapter))
    with pytest.raises(ValueError, match="which may belong to other weights"):
        interp.load(folder)


def test_a_checkpoint_vouches_for_its_own_files_alone(tmp_path):
    checkpoint = tmp_path / FOLDER / "checkpoint-1"
    checkpoint.mkdir(parents=True)
    (tmp_path / "other").write_text("x")
    write_sealed(checkpoint / "whole.json", {"../../other": checksum(tmp_path / "other")})
    assert last_whole(tmp_path) is None
    write_sealed(checkpoint / "whole.json", {})
    assert last_whole(tmp_path) is None


@pytest.mark.parametrize("output", ["/etc/cron.d", "../elsewhere", "a/../../b"])
def test_a_recipe_chooses_no_folder_elsewhere(output, tmp_path):
    (tmp_path / "r.yaml").write_text(f"output: {output}\n")
    with pytest.raises(ValueError, match="expected a folder inside the working directory"):
        read_recipe(align.AlignSettings, tmp_path / "r.yaml")


@pytest.mark.parametrize("language", ["../../etc/passwd", "eng_Latn/../x", "/root", "..", "en\0"])
def test_no_language_is_a_path(language, tmp_path):
    with pytest.raises(ValueError, match="unknown language"):
        interp.capture(tiny("llama"), ParallelCorpus("c", {language: ("a",)}), folder=tmp_path / "a")
    assert not (tmp_path / "a").exists()

"""`interp check`: 0 where every fact holds, 1 where one does not; and receipts in manifest, page and terminal."""

from __future__ import annotations

import json

from transformers import DynamicCache

from experiments.__main__ import main
from interp.files.sealed_json import read_sealed
from interp.generation import generate as generating
from interp.models.cache_argument import NEW, OLD
from interp.models.checks.receipts import Receipt
from probes.report import Report
from probes.spreadsheet import read_spreadsheet
from tests.support.tiny import tiny_folder


def broken(module, args, kwargs):
    name = next((name for name in (OLD, NEW) if kwargs.get(name) is not None), None)
    return None if name is None else (args, {**kwargs, name: DynamicCache()})


def test_an_empty_cache_fails_the_command_with_1_and_is_in_the_folder(tmp_path, monkeypatch, capsys):
    import interp.models.bridge as loading

    real = loading.rename_cache_argument

    def lose(model):
        real(model)
        for block in model.blocks:
            block.attn.register_forward_pre_hook(broken, with_kwargs=True)

    monkeypatch.setattr(loading, "rename_cache_argument", lose)
    folder = tiny_folder("llama", tmp_path / "model")
    assert main(["check", str(folder), "--device", "cpu", "--output", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    kept = read_sealed(tmp_path / "out" / "check.json")
    assert "two cached steps equal one forward" in kept["failed"]
    assert "greedy generation equals Hugging Face's generate" in kept["failed"]
    assert kept["environment"]["transformers"]
    table = read_spreadsheet(tmp_path / "out" / "checks.csv")
    assert set(table["fact"][table["result"] == "FAILED"]) == set(kept["failed"])


def test_a_sound_model_gives_0_and_a_folder_in_use_is_refused(tmp_path, capsys):
    folder = tiny_folder("qwen3", tmp_path / "model")
    assert main(["check", "--model", str(folder), "--dtype", "float32", "--output", str(tmp_path / "out")]) == 0
    assert "0 FAILED" in capsys.readouterr().out
    assert main(["check", str(folder), "--output", str(tmp_path / "out")]) == 2
    assert "holds files already" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nothing")]) == 2


ASK = ["--corpus", "cldr:facts", "--languages", "deu_Latn", "--limit", "4", "--controls", "shuffled", "--device", "cpu"]


def test_a_run_tells_its_receipts_on_the_terminal_in_the_manifest_and_on_the_page(tmp_path, capsys):
    assert main(["transplant", *ASK, "--sources", "2", "--targets", "1", "3", "--page", "--output", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "checked against plain forwards: " in said
    assert "transplant cells, largest difference" in said
    (kept,) = json.loads((tmp_path / "run" / "manifest.json").read_text())["receipts"]
    assert kept["what"] == "transplant cells"
    assert 3 <= kept["n"] <= 6
    assert kept["difference"] <= kept["tolerance"] == 6e-2  # the bundled model is in bfloat16
    assert Report.load(tmp_path / "run").receipts == (Receipt(**kept),)
    assert "Checked against plain forwards: " in (tmp_path / "run" / "page.html").read_text()
    assert "receipts" not in Report.load(tmp_path / "run").signature.fields()


def test_a_run_that_plain_forwards_contradict_is_not_finished(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generating, "greedy", lambda model, starts, prompts, most, stops: [[5] * most for _ in starts])
    run = ["translate", "--corpus", "cldr:names", "--languages", "deu_Latn", "--limit", "4", "--output", str(tmp_path / "run")]
    assert main(run) == 2
    assert "generated texts computed again by a plain forward differ by" in capsys.readouterr().err
    assert not (tmp_path / "run" / "manifest.json").exists()

"""Recipes, run folders, captures, lenses, tuned folders, models and instruction files that were damaged, or made to do harm.

Each is read as what was written, or refused by `interp` in one line with exit code 2: never a traceback, a wait without end,
or a part taken for the whole. A third of the cases are sealed again after the damage, as a stranger would: then what is inside
must be refused or shown, and nothing else can be told. Corpora and tasks are in test_fuzz_reading.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import experiments.__main__ as cli
import interp
from experiments import align
from interp.lens.tuned_lens import TunedLens
from interp.tuning import Recipe, copies, tune
from probes.tuning.comparison import ChangeReport
from tests.probes.tuning.test_comparison import _aligned
from tests.support import fuzz_kinds
from tests.support.fuzz_kinds import CORPUS, Small, Tags, alike, answered, command, is_as_said, opened, outcome, says, sealed_again
from tests.support.mutate import copied, no_longer_than, spoil
from tests.support.tiny import tiny, tiny_folder

CASES = {"recipe": 300, "page": 200, "resume": 100, "compare": 120, "capture": 120, "recapture": 60, "lens": 120, "tuned": 120,
         "model": 60, "instructions": 250}  # fmt: skip
ONLY = {"compare": "[mt]*"}
"""The files that are damaged, where others are not read."""
RECIPE = {"command": "align", "languages": ["deu_Latn", "zh"], "metrics": ["mexa"], "limit": 9, "seed": 0, "template": "{sentence}",
          "output": "runs/x", "controls": ["length"], "dtype": "float32", "page": False}  # fmt: skip
LENS = {"languages": ["deu_Latn", "eng_Latn"], "corpus": "c", "steps": 9, "sentences": 1, "held_out": 0.1, "seed": 0}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """One whole thing of every kind."""
    root = tmp_path_factory.mktemp("world")
    (root / "recipe").mkdir()
    (root / "recipe" / "r.yaml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    (root / "instructions").mkdir()
    lines = [{"id": f"é{n}", "instruction": f"Say {n}", "input": "", "output": f"ä{n}", "language": "de"} for n in range(4)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (root / "instructions" / "some.jsonl").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align, "run", answered)
        cli.main(["align", "--output", str(root / "resume"), "--languages", "de"])
    copied(root / "resume", root / "page")
    _aligned(0).save(root / "compare")
    _aligned(1, gain=0.2, seed=1).save(root / "after")
    interp.capture(tiny("llama"), CORPUS, folder=root / "capture", progress=False)
    copied(root / "capture", root / "recapture")
    model = tiny("llama")
    rows, d = model.cfg.n_layers, model.cfg.d_model
    facts = TunedLens(torch.randn(rows, d, d), torch.randn(rows, d), ("embed", "0", "1", "2"), interp.identify(model),
                      torch.ones(2, rows), torch.zeros(2, rows), LENS)  # fmt: skip
    facts.save(root / "lens" / "lens.safetensors")
    tiny_folder("llama", root / "model")
    recipe = Recipe(batch=1, device_batch=1, steps=2, checkpoints=0, held_out=0.5, form="quoted")
    tuned = tune(root / "model", copies(CORPUS), recipe, root / "whole", device="cpu")
    (root / "tuned").mkdir()
    (root / "tuned" / "tuned.json").write_bytes((tuned.folder / "tuned.json").read_bytes())
    return root


@pytest.mark.parametrize("kind", CASES)
def test_a_damaged_file_is_read_rightly_or_refused_in_one_line(kind, world, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(cli.COMMANDS, "open", (fuzz_kinds.__name__, "What is in it?"))
    monkeypatch.setattr(align, "run", answered)
    monkeypatch.setattr(ChangeReport, "figures", Small.figures)
    monkeypatch.chdir(tmp_path)
    copied(world / "after", tmp_path / "after")
    chance, place = random.Random(kind), tmp_path / "case" / "run"

    def run() -> tuple[int, str, str]:
        opened.clear()
        capsys.readouterr()
        with no_longer_than():
            code = cli.main(command(kind, place))
        return code, *capsys.readouterr()

    copied(world / kind, place)
    assert run()[0] == 0
    whole, counts = outcome(kind, place), {0: 0, 2: 0}
    for number in range(CASES[kind]):
        shutil.rmtree(place.parent)
        copied(world / kind, place)
        how = spoil(place, chance, ONLY.get(kind, "*"))
        if again := number % 3 == 0:
            sealed_again(kind, place, chance)
        try:
            code, out, err = run()
        except BaseException as error:
            raise AssertionError(f"{kind} {number}: {how}") from error
        counts[code] += 1
        if code == 2:
            last = err.rstrip("\n").split("\n")[-1]
            assert last.startswith(f"interp {command(kind, place)[0]}: error: "), (how, err)
            assert (err.count(": error: "), "Traceback" in err) == (1, False), (how, err)
            assert not (place.parent / "out").exists() or not list((place.parent / "out").glob("manifest.json")), how
        elif kind in ("recipe", "instructions"):
            assert is_as_said(kind, opened[-1], says(kind, place)), how
        elif kind != "model" and not again:
            assert alike(outcome(kind, place), whole), how
        assert "\x1b" not in out + err, how
        if kind == "page" and code == 0:
            tags = Tags(outcome(kind, place))
            assert (tags.scripts, tags.acts) == (1, []), how
    assert min(counts.values()) >= 3, f"mutants too mild or too wild to tell: {counts}"


def test_more_than_a_thousand_damaged_files_are_tried():
    assert sum(CASES.values()) > 1000

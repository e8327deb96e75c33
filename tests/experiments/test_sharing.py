"""Each question that can be shared gives the table of a single process, whoever did which part and in which order."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import experiments.__main__ as cli
from tests.support.tiny import tiny_folder

TEXT = {
    "eng_Latn": "cat sleeps,dog runs,bird sings,wide river,red house,warm bread,two fish,snow falls",
    "deu_Latn": "Katze schläft,Hund läuft,Vogel singt,breiter Fluss,rotes Haus,warmes Brot,zwei Fische,Schnee fällt",
    "zho_Hans": "猫睡觉,狗在跑,鸟唱歌,宽河,红房子,热面包,两条鱼,下雪了",
}
QUESTIONS = {
    "align": ("--metrics", "mexa", "--random-init"),
    "probe": ("--folds", "2"),
    "transplant": ("--corpus", "cldr:facts", "--languages", "de", "--limit", "40", "--controls", "shuffled", "random"),
    "lens": ("--languages", "de", "zh", "--shots", "2"),
    "neurons": ("--shards", "2", "--modes", "zero", "--share", "0.1"),
}
UNITS = {
    "transplant": [("interp.interventions.grid.items", "measure_grids")],
    "lens": [("probes.lens.words", "read_prompts")],
    "neurons": [("interp.neurons", "_count"), ("probes.neurons.ablation", "ablated")],
}
"""What does the work of a question, one call a language, a batch of items or a mask."""
_CAPTURE = [("interp.activations.capture", "pool_language")]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> list[str]:
    """A tiny model and a tiny parallel corpus, as flags of every command."""
    root = tmp_path_factory.mktemp("world")
    (root / "corpus").mkdir()
    for code, text in TEXT.items():
        (root / "corpus" / f"{code}.txt").write_text(text.replace(",", "\n") + "\n", encoding="utf-8")
    return ["--model", str(tiny_folder("llama", root / "model")), "--corpus", str(root / "corpus"), "--device", "cpu"]


@pytest.mark.parametrize("command", QUESTIONS)
def test_two_processes_give_the_table_of_one(command, world, tmp_path, monkeypatch):
    args = [command, *world, *QUESTIONS[command], "--output"]
    for module, name in UNITS.get(command, _CAPTURE):
        _note_work(monkeypatch, import_module(module), name, tmp_path / "work")
    assert cli.main([*args, str(tmp_path / "one")]) == 0
    alone = _who_worked(tmp_path / "work")
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_exit, args=([*args, str(tmp_path / "two"), "--shard", f"{n}/2"],)) for n in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert_same(tmp_path / "one", tmp_path / "two")
    together = _who_worked(tmp_path / "work")
    assert len(together) == len(alone) > 1, "nothing is done twice"
    assert set(together) == {process.pid for process in processes}, "both work"


def _note_work(monkeypatch, module: ModuleType, name: str, path: Path) -> None:
    work = getattr(module, name)

    def noted(*args, **kwargs):
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
        return work(*args, **kwargs)

    monkeypatch.setattr(module, name, noted)


def _who_worked(path: Path) -> list[int]:
    """The process of each piece of work, and forgets it."""
    found = [int(line) for line in path.read_text().split()]
    path.unlink()
    return found


def _exit(args: list[str]) -> None:
    raise SystemExit(cli.main(args))


def assert_same(one: Path, other: Path) -> None:
    """Bit for bit: the table, and what the manifest says of every number. A drawing's layout may differ in its last digits."""
    pd.testing.assert_frame_equal(*(pd.read_parquet(run / "table.parquet") for run in (one, other)), check_exact=True)
    files, others = (json.loads((run / "manifest.json").read_text())["files"] for run in (one, other))
    assert set(files) == set(others)
    assert all(files[name] == others[name] for name in files if not name.startswith("figure"))


def test_accelerate_launch_shares_by_rank(world, tmp_path):
    """Two real processes, without a GPU: `--multi_gpu` is what makes accelerate start several."""
    command = ["align", *world, *QUESTIONS["align"], "--output"]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
              "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0", "-m", "experiments"]  # fmt: skip
    setting = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run([*launch, *command, str(tmp_path / "two")], env=setting, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr
    assert "of 2 is done; 1 more to go" in found.stdout
    assert cli.main([*command, str(tmp_path / "one")]) == 0
    assert_same(tmp_path / "one", tmp_path / "two")

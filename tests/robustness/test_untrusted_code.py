"""No pickle is opened and no code that came with a model is run. Each test lays the trap and looks whether it went off."""

from __future__ import annotations

import ast
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import interp
import interp.tuning.train
from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe, copies, tune
from interp.tuning.checkpoints import FOLDER, mark_whole
from probes.report import Report
from tests.experiments.pages.test_page import curves
from tests.support.hostile import Small, Trap, resealed
from tests.support.mutate import copied
from tests.support.tiny import tiny_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path) -> Path:
    return curves("m", Small).save(tmp_path / "run")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_folder("llama", tmp_path_factory.mktemp("model"))


def test_a_pickle_of_weights_is_refused_and_never_opened(model, tmp_path):
    folder = copied(model, tmp_path / "m")
    (folder / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "model.pt", "training_args.bin"):
        (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "pwned")))
    with pytest.raises(ValueError, match="a pickle can run code"):
        interp.load(folder)
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_in_a_checkpoint_is_refused_and_never_run(model, tmp_path, monkeypatch):
    recipe = Recipe(batch=1, device_batch=1, steps=2, checkpoints=2, held_out=0.0, form="quoted")
    text = ParallelCorpus("c", {"eng_Latn": ("a cat", "the dog")})
    with monkeypatch.context() as patch:
        patch.setattr(interp.tuning.train, "clear", lambda folder: None)
        tune(model, copies(text), recipe, tmp_path / "t", device="cpu")
    (tmp_path / "t" / "tuned.json").unlink()
    for checkpoint in (tmp_path / "t" / FOLDER).glob("checkpoint-*"):
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            torch.save(Trap(tmp_path / "pwned"), checkpoint / name)
        mark_whole(checkpoint)
    with pytest.raises(ValueError, match="holds Python objects, which could run code"):
        tune(model, copies(text), recipe, tmp_path / "t", device="cpu", resume=True)
    assert not (tmp_path / "pwned").exists()


def test_a_pickle_in_a_table_is_not_opened(run, tmp_path):
    storage = pa.array([b"x"] * 3)
    hidden = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Trap(tmp_path / "pwned")),
    }
    table = pa.table([storage], schema=pa.schema([pa.field("estimate", storage.type, metadata=hidden)]))
    pq.write_table(table, run / "table.parquet")
    Report.load(resealed(run))
    assert not (tmp_path / "pwned").exists()


RUNS_CODE = {
    "pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle", "code", "runpy", "zipfile", "tarfile", "gzip",
}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "np.load", "pd.read_pickle", "pd.eval", "os.system", "os.popen",
    "yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive",
}  # fmt: skip


@pytest.mark.parametrize("part", ["interp", "probes", "experiments"])
def test_no_module_opens_pickles_or_archives_or_runs_text(part):
    paths = sorted((ROOT / part).rglob("*.py"))
    assert len(paths) > 10
    for path, node in [(one, node) for one in paths for node in ast.walk(ast.parse(one.read_text(encoding="utf-8")))]:
        if isinstance(node, ast.Import):
            allowed = {"gzip"} if path.name == "lines.py" else set()  # a stream of one text, bounded, no archive of paths
            assert not {name.name.split(".")[0] for name in node.names} & RUNS_CODE - allowed, path
        if isinstance(node, ast.ImportFrom) and node.module in RUNS_CODE:
            assert [name.name for name in node.names] == ["UnpicklingError"], path
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in CALLS, path
            given = {one.arg: ast.unparse(one.value) for one in node.keywords}
            assert {given.get(name, "False") for name in ("trust_remote_code", "allow_pickle", "shell")} == {"False"}, path


# No remote code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "told"), [("llama", "no readable tokenizer"), ("mine", "code from its own repository|not supported")]
)
def test_code_in_a_models_folder_is_never_run(kind, told, model, tmp_path):
    folder = copied(model, tmp_path / "m")
    (folder / "mine.py").write_text(f"import pathlib\npathlib.Path({str(tmp_path / 'pwned')!r}).touch()\nclass Mine: pass\n")
    maps = {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Mine", "AutoTokenizer": ["mine.Mine", "mine.Mine"]}
    for name, changes in {"config.json": {"model_type": kind}, "tokenizer_config.json": {"tokenizer_class": "Mine"}}.items():
        plain = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**plain, **changes, "auto_map": maps}))
    with pytest.raises(ValueError, match=told):
        interp.load(folder)
    assert not (tmp_path / "pwned").exists()

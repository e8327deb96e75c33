"""A sweep ends in one table whatever happened on the way: killed, altered, continued, grown, or kept as a few rows."""

import json
import logging
import multiprocessing
import os
import shutil
import signal
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
import torch
from sacrebleu.metrics import CHRF

import interp
import probes.sweep.models
import probes.sweep.store
from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe, copies, translations
from interp.tuning.hybrids import input_table
from interp.tuning.scopes import moved_rows
from probes.statistics.resampling import draws
from probes.sweep.scores import direction_scores
from probes.sweep.sweep import Cell, Sweep, kept_model, measure_cells
from tests.support.tiny import tiny_folder

WORDS = {"eng_Latn": "the cat {}", "deu_Latn": "die Katze {}", "rus_Cyrl": "кошка {}"}
TRAIN, TEST = (
    ParallelCorpus(name, {code: tuple(form.format(n) for n in numbers) for code, form in WORDS.items()})
    for name, numbers in (("train", range(12)), ("test", range(20, 26)))
)
OUT = (("eng_Latn", "deu_Latn"), ("eng_Latn", "rus_Cyrl"))
HOW = {"form": "bare", "max_new_tokens": 4}


def _recipe(**changes) -> Recipe:
    plain: dict = {"form": "bare", "learning_rate": 1e-2, "held_out": 0.0}
    plain |= {"scope": "embeddings", "steps": 4, "batch": 4, "checkpoints": 4}
    return Recipe(**plain | changes)


def _cells(**changes) -> list[Cell]:
    mixtures = {"deu_Latn": translations(TRAIN, [("en", "de")]), "copy": copies(TRAIN)}
    tuned = [Cell(f"{what}/0", mixture, _recipe(**changes), OUT, {"language": what}) for what, mixture in mixtures.items()]
    return [Cell("base", None, None, OUT, {"language": "none"}), *tuned]


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    torch.set_num_threads(1)
    return tiny_folder("llama", tmp_path_factory.mktemp("parent"))


@pytest.fixture(scope="module")
def done(parent, tmp_path_factory):
    """A finished sweep that kept its rows, and its table. Nothing may alter it."""
    folder = tmp_path_factory.mktemp("sweep")
    return folder, measure_cells(parent, _cells(), TEST, folder, keep="rows", **HOW)


def _counting(monkeypatch) -> list:
    """The names of what is tuned from now on."""
    tuned, inner = [], probes.sweep.models.tune
    monkeypatch.setattr(probes.sweep.models, "tune", lambda *args, **how: tuned.append(args[1].name) or inner(*args, **how))
    return tuned


def test_the_table_has_every_item_of_every_cell_and_direction_and_nothing_is_left_behind(done, parent):
    folder, table = done
    assert len(table) == 3 * 2 * 6
    assert list(table.columns[:3]) == ["cell", "language", "source"]
    assert table.groupby(["cell", "source", "target"]).size().eq(6).all()
    assert not any((folder / "models").iterdir())
    assert Sweep(parent, TEST, **HOW).missing(_cells(), folder) == []


def test_a_finished_sweep_is_read_and_a_grown_or_renamed_one_computes_only_what_is_new(done, parent, monkeypatch):
    folder, table = done
    tuned = _counting(monkeypatch)
    pd.testing.assert_frame_equal(measure_cells(parent, _cells(), TEST, folder, **HOW), table)
    renamed = [Cell(f"new/{cell.name}", cell.mixture, cell.recipe, cell.directions) for cell in _cells()]
    again = measure_cells(parent, renamed, TEST, folder, **HOW)
    assert list(again["hypothesis"]) == list(table["hypothesis"])
    assert tuned == []
    other = Cell("other", _cells()[1].mixture, _recipe(seed=7), OUT)
    assert Sweep(parent, TEST, **HOW).missing([*_cells(), other], folder) == [other]


def test_kept_rows_give_the_tuned_model_again_and_other_scores_need_no_tuning(done, parent, monkeypatch):
    folder, table = done
    base, model = interp.load(parent, dtype="float32"), kept_model(folder, _cells()[1])
    moved = moved_rows(input_table(base), input_table(model)).nonzero().flatten().tolist()
    assert 10 < len(moved) < 400
    before, after = base.original_model.state_dict(), model.original_model.state_dict()
    assert sum(not torch.equal(before[name], after[name]) for name in before) == 1
    tuned = _counting(monkeypatch)
    shorter = measure_cells(parent, _cells()[1:2], TEST, folder, form="bare", max_new_tokens=2)
    assert tuned == []
    longer = table[table["cell"] == _cells()[1].name]["hypothesis"]
    assert all(long.startswith(short) for long, short in zip(longer, shorter["hypothesis"], strict=True))


def test_a_kept_folder_is_the_same_model_also_where_embeddings_were_tied(tmp_path):
    parent = tiny_folder("gpt2", tmp_path / "parent")
    cell = Cell("de", translations(TRAIN, [("en", "de")]), _recipe(tie="untie"), OUT[:1])
    for keep in ("rows", "model"):
        measure_cells(parent, [cell], TEST, tmp_path / keep, keep=keep, **HOW)
    rows, whole = (kept_model(tmp_path / keep, cell) for keep in ("rows", "model"))
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        said = [model(ids, attention_mask=torch.ones_like(ids), use_cache=False) for model in (rows, whole)]
    assert torch.equal(*said)
    assert interp.identify(rows).sha == interp.identify(whole).sha


def test_one_model_is_tuned_once_for_its_cells_and_another_tokenizer_is_another_parent(parent, tmp_path, monkeypatch):
    tuned = _counting(monkeypatch)
    cell = _cells()[1]
    halves = [Cell(f"half/{target}", cell.mixture, _recipe(), ((source, target),)) for source, target in OUT]
    table = measure_cells(parent, halves, TEST, tmp_path / "sweep", **HOW)
    assert len(tuned) == 1
    assert table["first_loss"].gt(table["final_loss"]).all()
    assert table["moved_rows"].between(10, 400).all()
    other = tmp_path / "other"
    shutil.copytree(parent, other)
    text = json.loads((other / "tokenizer.json").read_text())
    text["model"]["merges"].pop()
    (other / "tokenizer.json").write_text(json.dumps(text))
    assert Sweep(other, TEST, **HOW).missing(halves, tmp_path / "sweep") == halves
    assert Sweep(parent, TEST, **HOW).missing(halves, tmp_path / "sweep") == []


@pytest.mark.parametrize("harm", ["bytes", "gone", "facts"])
def test_an_altered_cell_is_named_and_computed_again(harm, done, parent, tmp_path, caplog):
    folder = tmp_path / "copy"
    cells = _cells()[:1]
    table = measure_cells(parent, cells, TEST, folder, **HOW)
    (path,) = (folder / "cells").glob("*.parquet")
    with caplog.at_level(logging.WARNING):
        if harm == "bytes":
            path.write_bytes(path.read_bytes().replace(b"cat", b"cow"))
        elif harm == "gone":
            path.unlink()
        else:
            path.with_suffix(".json").write_text("{")
        assert Sweep(parent, TEST, **HOW).missing(cells, folder) == cells
    assert path.stem in caplog.text
    pd.testing.assert_frame_equal(measure_cells(parent, cells, TEST, folder, **HOW), table)


def test_what_another_version_computed_is_named_and_computed_again(parent, tmp_path, caplog, monkeypatch):
    cells, real = _cells()[:2], metadata.version
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda name: "0.0.7" if name == "transformers" else real(name))
        measure_cells(parent, cells, TEST, tmp_path, keep="rows", **HOW)
        assert Sweep(parent, TEST, keep="rows", **HOW).missing(cells, tmp_path) == []
    tuned = _counting(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert Sweep(parent, TEST, **HOW).missing(cells, tmp_path) == cells
    assert caplog.text.count("another transformers ('0.0.7', now") == 2
    measure_cells(parent, cells, TEST, tmp_path, keep="rows", **HOW)
    assert len(tuned) == 1
    assert kept_model(tmp_path, cells[1])
    assert Sweep(parent, TEST, keep="rows", **HOW).missing(cells, tmp_path) == []


def test_an_altered_kept_model_is_tuned_again(parent, tmp_path, caplog):
    cells = _cells()[1:2]
    table = measure_cells(parent, cells, TEST, tmp_path, keep="rows", **HOW)
    (rows,) = (tmp_path / "kept").glob("*.safetensors")
    data = bytearray(rows.read_bytes())
    data[-1] ^= 64
    rows.write_bytes(data)
    with pytest.raises(ValueError, match="was altered"):
        kept_model(tmp_path, cells[0])
    longer = measure_cells(parent, cells, TEST, tmp_path, keep="rows", form="bare", max_new_tokens=6)
    assert "was altered since" in caplog.text
    assert all(long.startswith(short) for long, short in zip(longer["hypothesis"], table["hypothesis"], strict=True))
    assert kept_model(tmp_path, cells[0])


def _sweep_and_die(parent, folder, where):
    """Measure until the second tuned cell, and die in the middle of its tuning or while its scores are written."""
    torch.set_num_threads(1)
    if where == "tuning":
        steps, inner = [], interp.tuning.fit._Trainer.training_step

        def dying(self, *args, **kwargs):
            steps.append(1)
            if len(steps) == 4 + 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return inner(self, *args, **kwargs)

        interp.tuning.fit._Trainer.training_step = dying
    else:
        written, inner = [], probes.sweep.store.write_sealed

        def write_sealed(path, values):
            written.append(path.parent.name)
            if written.count("cells") == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            inner(path, values)

        probes.sweep.store.write_sealed = write_sealed
    measure_cells(parent, _cells(), TEST, folder, keep="rows", **HOW)


@pytest.mark.parametrize("where", ["tuning", "writing"])
def test_a_killed_sweep_goes_on_to_the_same_table(where, done, parent, tmp_path, monkeypatch):
    _, straight = done
    folder = tmp_path / "killed"
    process = multiprocessing.get_context("fork").Process(target=_sweep_and_die, args=(parent, folder, where))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    cells = _cells()
    assert [cell.name for cell in Sweep(parent, TEST, keep="rows", **HOW).missing(cells, folder)] == [
        cell.name for cell in cells[2:]
    ]
    going_on = list((folder / "models").glob("*/checkpoints/checkpoint-2"))
    assert len(going_on) == (where == "tuning")
    tuned = _counting(monkeypatch)
    table = measure_cells(parent, cells, TEST, folder, keep="rows", **HOW)
    assert len(tuned) == (where == "tuning")  # where only the writing was cut, the rows were kept
    pd.testing.assert_frame_equal(table, straight)


def test_scores_of_directions_are_corpus_scores_and_their_draws_are_paired(done):
    _, table = done
    scores = direction_scores(table, "chrf")
    part = table[(table["cell"] == "base") & (table["target"] == "rus_Cyrl")]
    theirs = CHRF(word_order=2).corpus_score(list(part["hypothesis"]), [list(part["reference"])]).score
    assert scores.loc[("base", "eng_Latn", "rus_Cyrl"), 0] == pytest.approx(theirs)
    weights = draws(6, 50, 0)
    exact = direction_scores(table, "exact", weights, baseline=True)
    assert exact.shape == (6, 50)
    assert direction_scores(table, "chrf", weights, baseline=True).groupby("target").nunique().eq(1).all(axis=None)
    with pytest.raises(ValueError, match="other items"):
        direction_scores(table.drop(index=table.index[-1]), "exact")
    with pytest.raises(ValueError, match="was measured: exact, chrf"):
        direction_scores(table, "bleu")
    assert np.isfinite(direction_scores(table, "chrf", weights)).all(axis=None)


def test_what_cannot_be_swept_is_named(parent, tmp_path):
    cell = _cells()[1]
    with pytest.raises(ValueError, match="cell names twice"):
        measure_cells(parent, [cell, cell], TEST, tmp_path, **HOW)
    with pytest.raises(ValueError, match="no cell"):
        measure_cells(parent, [], TEST, tmp_path, **HOW)
    with pytest.raises(ValueError, match="more than input rows"):
        measure_cells(parent, _cells(scope="full"), TEST, tmp_path, keep="rows", **HOW)
    with pytest.raises(ValueError, match="no recipe"):
        Cell("x", cell.mixture, None, OUT)
    with pytest.raises(ValueError, match="'target'"):
        Cell("x", None, None, OUT, {"target": "deu_Latn"})
    with pytest.raises(ValueError, match="keeps 0 models"):
        kept_model(tmp_path, cell)

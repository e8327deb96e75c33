"""Shortened and extended parents: ordinary folders that load, tune, translate, and are made once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

import interp
from interp.generation.generate import generate
from interp.generation.score import score
from interp.models.checkpoints.parts import read_tokenizer
from interp.tuning import Recipe, TunedModel, translations, tune
from interp.tuning.parents import PARENT, extended_parent, shortened_parent
from interp.vocabulary.shortened_tokenizer import SHORTENING
from probes.translation.measure import measure_translation
from tests.support.spelled import byte_level
from tests.support.tiny import tiny_hf

CORPUS = interp.read("cldr:names", languages=["eng_Latn", "tha_Thai"]).select(limit=4, seed=1)
THAI = CORPUS.sentences["tha_Thai"]
PAIR = [("eng_Latn", "tha_Thai")]
QUICK = Recipe(form="quoted", steps=60, batch=4, device_batch=4, learning_rate=1e-2, held_out=0.0, checkpoints=0)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parent") / "plain"
    tiny_hf("llama", max_position_embeddings=512).save_pretrained(folder)
    byte_level().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def short(parent):
    return shortened_parent(parent, THAI, parent.parent / "short")


def test_the_shortened_parent_has_the_same_weights_and_reads_less(parent, short):
    before, after = (AutoModelForCausalLM.from_pretrained(path) for path in (parent, short))
    assert all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), after.state_dict().values(), strict=True))
    long, ids = (read_tokenizer(str(path), None)(list(THAI))["input_ids"] for path in (parent, short))
    assert sum(map(len, ids)) == pytest.approx(sum(map(len, long)) * 2 / 3, abs=4)
    assert interp.identify(interp.load(parent)).sha != interp.identify(interp.load(short)).sha
    assert json.loads((short / PARENT).read_text())["prefix"] == "E0"


def test_tuning_learns_shortened_answers_and_generation_restores_them(short, tmp_path):
    tuned = tune(short, translations(CORPUS, PAIR, seed=0), QUICK, tmp_path / "tuned", device="cpu")
    assert (tuned.folder / SHORTENING).is_file()
    assert TunedModel.load(tuned.folder).parent.sha == interp.identify(interp.load(short)).sha
    model = interp.load(tuned.folder, device="cpu")
    report = measure_translation(model, CORPUS, PAIR, metrics=("exact", "script"))
    assert report.table["exact"].mean() == 1, report.table[["reference", "hypothesis"]]
    prompt = f'English: "{CORPUS.sentences["eng_Latn"][0]}" - ไทย: "'
    assert generate(model, [prompt], max_new_tokens=80, stop='"', beams=2) == [THAI[0]]
    found = score(model, [prompt] * 2, [THAI[0] + '"', THAI[1] + '"'])
    assert found[0] > -1 > found[1]
    dropped = set(model.tokenizer.shortening.dropped)
    assert not dropped & set(model.tokenizer(list(THAI))["input_ids"][0])
    assert found.tokens[0] == 2 * len(THAI[0]) + 1


def test_a_parent_is_made_once_and_another_one_is_not_overwritten(parent, short):
    stamp = (short / "model.safetensors").stat().st_mtime_ns
    assert shortened_parent(parent, THAI, short) == short
    assert (short / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="drop 1, expected 2"):
        shortened_parent(parent, THAI, short, drop=2)
    with pytest.raises(ValueError, match="holds a model already"):
        shortened_parent(parent, THAI, parent)
    with pytest.raises(ValueError, match="Extend the parent first"):
        extended_parent(short, THAI, short.parent / "both")


def test_a_parent_whose_making_was_killed_is_made_again(parent, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("interp.tuning.parents.read_weights", killed)
        with pytest.raises(KeyboardInterrupt):
            shortened_parent(parent, THAI, tmp_path)
    assert interp.load(shortened_parent(parent, THAI, tmp_path)).tokenizer.shortening.prefix == b"\xe0"


@pytest.mark.parametrize("init", ["subword", "mean", "random"])
def test_the_extended_parent_loads_and_has_rows_of_the_asked_kind(parent, tmp_path, init):
    old = AutoModelForCausalLM.from_pretrained(parent)
    folder = extended_parent(parent, THAI * 2, tmp_path, size=30, init=init, keep=CORPUS.sentences["eng_Latn"])
    model, first = interp.load(folder), len(byte_level())
    pieces = json.loads((folder / PARENT).read_text())["pieces"]
    new = model.original_model
    assert len(pieces) == 30
    assert len(model.tokenizer) == first + 30
    assert new.config.vocab_size == len(new.get_input_embeddings().weight) == 400  # unused rows are taken over
    for table, before in (
        (new.get_input_embeddings().weight, old.get_input_embeddings().weight),
        (new.get_output_embeddings().weight, old.get_output_embeddings().weight),
    ):
        assert torch.equal(table[:first], before[:first])
        rows = table[first : first + 30]
        if init == "subword":
            for row, ids in zip(rows, pieces.values(), strict=True):
                torch.testing.assert_close(row, before[ids].mean(0))
        elif init == "mean":
            torch.testing.assert_close(rows, before[:first].mean(0).expand(30, -1))
        else:
            assert rows.std().item() == pytest.approx(0.2, rel=0.1)
            assert not torch.equal(rows[0], rows[1])
    assert len(model.tokenizer(THAI[0])["input_ids"]) < len(byte_level()(THAI[0])["input_ids"]) / 3


def test_an_extended_parent_grows_ties_and_can_be_tuned(tmp_path):
    tiny_hf("gemma2").save_pretrained(tmp_path / "tied")
    byte_level().save_pretrained(tmp_path / "tied")
    words = interp.read("cldr:names", languages=["tha_Thai"]).sentences["tha_Thai"]
    folder = extended_parent(tmp_path / "tied", words, tmp_path / "more", size=200)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), read_tokenizer(str(folder), None)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert len(model.get_input_embeddings().weight) == len(tokenizer) == model.config.vocab_size == 458
    recipe = replace(QUICK, scope="embeddings", tie="both", steps=2)
    tuned = tune(folder, translations(CORPUS, PAIR, seed=0), recipe, tmp_path / "tuned", device="cpu")
    assert interp.load(tuned.folder).tokenizer(THAI[0])["input_ids"] == tokenizer(THAI[0])["input_ids"]
    assert max(tokenizer(THAI[0])["input_ids"]) >= 258

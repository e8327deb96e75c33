"""The lens: the last row is the model's own prediction, and what is said of a distribution is what the formulas say."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import interp
from interp.files.sealed_tensors import load_tensors, save_tensors
from interp.lens import distributions
from interp.lens import logit_lens as readout
from interp.lens import train as lens_training
from interp.lens.train import train_lens
from interp.lens.tuned_lens import load_lens
from interp.models.batches import encode, pad
from interp.models.plain.runner import runner
from interp.text.corpus import ParallelCorpus
from interp.vocabulary.spelling import read_vocabulary
from tests.support.tiny import FAMILIES, VOCAB, tiny, tiny_hf, tiny_tokenizer

PROMPTS = ["The cat sleeps on the", "Die Katze", "猫在温暖的石头上"]
CORPUS = ParallelCorpus(
    "sentences",
    {
        "eng_Latn": ("The cat sleeps.", "The dog looks.", "A warm stone.", "The river.", "The stone is warm."),
        "rus_Cyrl": ("Кошка спит.", "Собака смотрит.", "Тёплый камень.", "Река.", "Камень тёплый."),
    },
)


def classes(model) -> tuple[torch.Tensor, int]:
    names, rows = read_vocabulary(model.tokenizer, model.cfg.d_vocab).script_classes()
    return rows, len(names)


def sets(model, words=("cat", "猫")) -> torch.Tensor:
    vocabulary = read_vocabulary(model.tokenizer, model.cfg.d_vocab)
    return distributions.pad_sets([[vocabulary.tokens(word, "prefix") for word in words]] * len(PROMPTS))


@torch.no_grad()
def own_logits(model, batch) -> torch.Tensor:
    return runner(model, ()).run_with_hooks(batch.ids, fwd_hooks=[], attention_mask=batch.mask, use_cache=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_row_gives_the_models_logits(family):
    model = tiny(family, final_logit_softcapping=1.0) if family == "gemma2" else tiny(family)
    batch = pad(model, encode(model, PROMPTS))
    hidden = readout.stream(model, batch, last_only=False)
    assert hidden.shape == (len(readout.rows_of(model)), *batch.ids.shape, model.cfg.d_model)
    real = batch.mask.bool()
    logits = own_logits(model, batch)[real]
    assert torch.allclose(readout.unembed(model, hidden[-1])[real], logits, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(readout.unembed(model, hidden[-2])[real], logits, atol=0.01)
    reading = readout.read_prompts(model, PROMPTS, sets(model), classes(model))
    probabilities = own_logits(model, batch)[:, -1].softmax(-1)
    assert torch.allclose(reading.mass[-1], distributions.set_mass(probabilities, sets(model)), atol=1e-6)
    assert reading.divergence[-1].max() == 0 < reading.divergence[0].min()


def test_prompts_are_read_alike_alone_together_and_in_pieces(monkeypatch):
    model = tiny("llama")
    together = readout.read_prompts(model, PROMPTS, sets(model), classes(model))
    alone = [readout.read_prompts(model, [one], sets(model)[:1], classes(model)) for one in PROMPTS]
    monkeypatch.setattr(readout, "_CELLS", VOCAB)
    pieces = readout.read_prompts(model, PROMPTS, sets(model), classes(model), max_tokens=1)
    for name in ("mass", "entropy", "energy", "scripts", "top_tokens"):
        whole = getattr(together, name)
        assert torch.allclose(whole, torch.cat([getattr(one, name) for one in alone], 1), atol=1e-5), name
        assert torch.allclose(whole, getattr(pieces, name), atol=1e-5), name


def test_no_more_than_a_piece_of_the_vocabulary_is_held_at_once(monkeypatch):
    model = tiny("llama")
    monkeypatch.setattr(readout, "_CELLS", 4 * VOCAB)
    seen = []
    real = readout.logit_readout
    monkeypatch.setattr(readout, "logit_readout", lambda *args, **kw: seen.append(len(args[1])) or real(*args, **kw))
    readout.read_positions(model, "The cat sleeps on the warm stone", classes(model))
    assert max(seen) == 4 < sum(seen)


def test_every_position_of_a_prompt_is_read():
    model = tiny("gemma2")
    ids, reading = readout.read_positions(model, PROMPTS[0], classes(model), top=3)
    batch = pad(model, [ids])
    best = own_logits(model, batch)[0].softmax(-1).topk(3)
    assert torch.equal(reading.top_tokens[-1], best.indices)
    assert torch.allclose(reading.top_mass[-1], best.values, atol=1e-6)
    assert torch.allclose(reading.scripts.sum(-1), torch.ones(reading.scripts.shape[:2]), atol=1e-5)


def test_a_prompt_longer_than_the_model_reads_is_refused():
    with pytest.raises(ValueError, match="got a prompt of 600 tokens, expected at most 128"):
        readout.read_positions(tiny("gpt2"), "cat " * 300, classes(tiny("gpt2")))


def test_mass_and_rank_of_a_word_are_over_its_tokens():
    probabilities = torch.tensor([[0.5, 0.1, 0.3, 0.1]])
    words = distributions.pad_sets([[frozenset({1, 2}), frozenset({0}), frozenset({3}), frozenset()]])
    assert torch.allclose(distributions.set_mass(probabilities, words), torch.tensor([[0.4, 0.5, 0.1, 0.0]]))
    assert distributions.set_rank(probabilities, words).tolist() == [[1, 0, 2, 4]]
    with pytest.raises(ValueError, match="same number"):
        distributions.pad_sets([[frozenset({1})], []])


def test_entropy_is_in_bits_and_finite_at_zero():
    assert distributions.entropy(torch.full((1, 8), 1 / 8)).item() == pytest.approx(3)
    assert distributions.entropy(torch.tensor([[1.0, 0.0, 0.0]])).item() == 0


def test_divergence_is_in_bits_and_finite_at_zero():
    final = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).log()
    uniform = torch.full((1, 4), 0.25).log()
    assert distributions.divergence(final, uniform).item() == pytest.approx(2)
    assert distributions.divergence(final, final).item() == 0
    assert distributions.divergence(uniform, torch.tensor([[0.5, 0.5, 1e-9, 1e-9]]).log()).item() > 10


def test_energy_is_that_of_the_formula():
    unembedding, scale, hidden = torch.randn(50, 6), torch.rand(6) + 0.5, torch.randn(3, 6)
    u = torch.nn.functional.normalize(unembedding * scale, dim=-1)
    h = torch.nn.functional.normalize(hidden, dim=-1)
    oracle = (((h @ u.T) ** 2).mean(-1) / ((u @ u.T) ** 2).mean()).sqrt()
    gram = distributions.token_gram(unembedding, scale, rows=7)
    assert torch.allclose(distributions.token_energy(hidden, gram), oracle, atol=1e-5)


def test_energy_of_known_cases():
    everywhere = distributions.token_gram(torch.eye(8), torch.ones(8))
    assert torch.allclose(distributions.token_energy(torch.randn(4, 8), everywhere), torch.ones(4), atol=1e-5)
    one_line = distributions.token_gram(torch.eye(8)[:1].repeat(5, 1), torch.ones(8))
    assert torch.allclose(distributions.token_energy(torch.eye(8)[:2] * 3, one_line), torch.tensor([1.0, 0.0]), atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_the_gain_of_the_final_norm_is_found_whatever_norm_it_is(family):
    model = interp.load(tiny_hf(family), tokenizer=tiny_tokenizer(family))  # its own: the weight is replaced
    gain = torch.rand(model.cfg.d_model)
    model.ln_final.original_component.weight.data = gain.clone()
    expected = distributions.token_gram(model.W_U.T, 1 + gain if family == "gemma2" else gain)
    assert torch.allclose(readout._gram(model), expected.detach(), rtol=1e-3, atol=1e-3)


def test_a_lens_translates_every_row_but_the_last():
    model = tiny("llama")
    asked = set()

    def zero(hidden, layer):
        asked.add(layer)
        return torch.zeros_like(hidden)

    plain = readout.read_prompts(model, PROMPTS, sets(model), classes(model))
    lensed = readout.read_prompts(model, PROMPTS, sets(model), classes(model), lens=zero)
    assert asked == set(readout.rows_of(model)[:-1])
    assert torch.allclose(lensed.entropy[:-1], torch.tensor(math.log2(VOCAB)), atol=1e-3)
    assert torch.equal(lensed.mass[-1], plain.mass[-1])


@pytest.mark.parametrize("family", ["llama", "bloom"])
def test_training_brings_every_language_nearer_on_sentences_it_never_saw(family, tmp_path):
    model = tiny(family)
    lens = train_lens(model, CORPUS, tmp_path / "lens.safetensors", steps=12, sentences=2, held_out=0.2, learning_rate=1.0)
    table = lens.table()
    assert list(table.columns) == ["language", "layer", "before", "after"]
    assert len(table) == 2 * (len(readout.rows_of(model)) - 1)
    means = table.groupby("language")[["before", "after"]].mean()
    assert (means["after"] < 0.9 * means["before"]).all()
    hidden = torch.randn(3, model.cfg.d_model)
    assert not torch.allclose(lens(hidden, "0"), hidden, atol=0.01)


def test_killed_training_goes_on_to_the_same_lens(tmp_path, monkeypatch):
    model, how = tiny("llama"), {"steps": 6, "sentences": 1, "held_out": 0.2, "save_every": 2}
    whole = train_lens(model, CORPUS, tmp_path / "whole.safetensors", **how)
    real, count = lens_training._descend, []

    def killed(*args):
        count.append(1)
        if len(count) == 5:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(lens_training, "_descend", killed)
    with pytest.raises(KeyboardInterrupt):
        train_lens(model, CORPUS, tmp_path / "killed.safetensors", **how)
    with pytest.raises(ValueError, match="no tuned lens"):
        load_lens(tmp_path / "killed.safetensors", model)
    steps = []
    monkeypatch.setattr(lens_training, "_descend", lambda *args: steps.append(1) or real(*args))
    again = train_lens(model, CORPUS, tmp_path / "killed.safetensors", **how)
    assert len(steps) == 2
    assert torch.equal(again.weight, whole.weight)
    assert torch.equal(again.after, whole.after)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["killed.safetensors", "whole.safetensors"]


def test_a_save_that_is_cut_short_or_of_other_settings_starts_over(tmp_path):
    model, how = tiny("llama"), {"steps": 2, "sentences": 1, "held_out": 0.2}
    partial = tmp_path / "lens.partial.safetensors"
    partial.write_bytes(b"cut short")
    fresh = train_lens(model, CORPUS, tmp_path / "lens.safetensors", **how)
    other = {"model": {"sha": "?"}, "settings": {"steps": 9}, "step": 1}
    save_tensors(tmp_path / "again.partial.safetensors", {"weight": torch.ones(1)}, other)
    assert torch.equal(train_lens(model, CORPUS, tmp_path / "again.safetensors", **how).weight, fresh.weight)
    with pytest.raises(ValueError, match="another steps"):
        train_lens(model, CORPUS, tmp_path / "lens.safetensors", **{**how, "steps": 3})


def test_a_lens_refuses_another_models_weights_and_files_that_are_none(tmp_path):
    path = tmp_path / "lens.safetensors"
    train_lens(tiny("llama"), CORPUS, path, steps=1, sentences=1, held_out=0.2)
    with pytest.raises(ValueError, match="got a lens of tiny-llama"):
        load_lens(path, tiny("llama", seed=1))
    tensors, facts = load_tensors(path)
    save_tensors(path, {"weight": tensors["weight"]}, facts)
    with pytest.raises(ValueError, match="not a finished tuned lens: after, before, bias missing"):
        load_lens(path, tiny("llama"))
    Path(path).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is not as it was written"):
        load_lens(path, tiny("llama"))


def test_languages_count_alike_however_many_tokens_they_need():
    weights = lens_training._weights(torch.tensor([0, 0, 0, 1]), 2)
    assert torch.allclose(weights, torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2]))

"""The grid of one prompt: every method gives the numbers of plain hooked forwards, and the scores are what they say."""

from __future__ import annotations

import logging
import re
from itertools import product

import pytest
import torch

import interp
from interp.interventions.edits import SITE_PAIRS, Transplant, record, tokens_of
from interp.interventions.grid.cells import Cells, Greedy, read_prefix
from interp.interventions.grid.grid import shortest_window
from interp.interventions.grid.items import transplant_items
from interp.interventions.grid.naive import naive
from interp.interventions.grid.packed import packed
from interp.interventions.grid.scores import ask
from interp.interventions.grid.wave import wave
from interp.interventions.transplant import record_donor, transplant_grid
from interp.models.sites import hook_name
from tests.support.tiny import FAMILIES, LAYERS, tiny, tiny_hf, tiny_tokenizer

SOURCE, TARGET = "Le chat dort sur la pierre.", "The dog looks at the warm river"
PACKING = [family for family in FAMILIES if family != "bloom"]


def forward(model, text, **kwargs):
    """The oracle: last-token logits of an ordinary forward, tokenized by hand."""
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return model(ids, attention_mask=torch.ones_like(ids), use_cache=False, **kwargs)[0, -1]


def by_hand(model, source, target, i, j, source_site="mlp", target_site="mlp"):
    """One cell by two hooks on alias names, from the definition."""
    kept = {}

    def keep(activation, hook):
        kept["vector"] = activation[:, -1].clone()

    def put(activation, hook):
        activation = activation.clone()
        activation[:, -1] = kept["vector"]
        return activation

    ids = torch.tensor([model.tokenizer(source)["input_ids"]])
    with torch.no_grad():
        model.run_with_hooks(ids, fwd_hooks=[(hook_name(source_site, i), keep)], use_cache=False)
        ids = torch.tensor([model.tokenizer(target)["input_ids"]])
        return model.run_with_hooks(ids, fwd_hooks=[(hook_name(target_site, j), put)], use_cache=False)[0, -1]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_grid_is_that_of_hand_made_hooks_in_every_family(family):
    model = tiny(family)
    grid = transplant_grid(model, SOURCE, TARGET, "logits")
    assert grid.shape == (LAYERS, LAYERS, model.cfg.d_vocab)
    for i, j in ((3, 1), (1, 3)):
        torch.testing.assert_close(grid[i, j], by_hand(model, SOURCE, TARGET, i, j), atol=1e-4, rtol=0)
    assert (grid - forward(model, TARGET)).abs().amax(-1).min() > 1e-2, "an edit that changes nothing proves nothing"


SITES = {**SITE_PAIRS, "head": (("head", 1), ("head", 2))}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_methods_agree_at_every_site(family):
    model = tiny(family)
    source, target = (tokens_of(model, text) for text in (SOURCE, TARGET))
    prefix, plain = (read_prefix(model, [target], windows=windows) for windows in (False, True))
    last = prefix.last[:, None]
    for pair, sites in SITES.items():
        transplant = Transplant(*sites, norm_match=pair == "residual_post", alpha=0.5 if pair == "residual_pre" else 1.0)
        donors = record(model, [source], sites[0], [3])
        cells = Cells(donors, torch.tensor([0, 0]), torch.tensor([0, 2]), transplant)
        truth = naive(model, [target], cells, [[]]).logits
        found = [packed(model, plain, cells, [[]], batched=True).logits]
        if family in PACKING:
            found += [packed(model, prefix, cells, [[]]).logits, wave(model, prefix, (last, torch.ones_like(last)), cells)]
        for other in found:
            torch.testing.assert_close(other, truth, atol=1e-4, rtol=0, msg=lambda text, pair=pair: f"{pair}: {text}")


def test_chunks_and_the_order_of_layers_change_nothing():
    model = tiny("llama")
    whole = transplant_grid(model, SOURCE, TARGET)
    for method in ("batched", "packed", "wave"):
        part = transplant_grid(model, SOURCE, TARGET, sources=[3, 1], targets=[2, 0], max_cells=2, method=method)
        torch.testing.assert_close(part, whole[[3, 1]][:, [2, 0]], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_long_answers_and_generation_agree(family):
    model = tiny(family)
    cells = {"sources": [3], "targets": [1]}
    scores = {"logprob": {"options": [" the warm river", " the cat"]}, "generate": {"max_new_tokens": 4}}
    for score, arguments in scores.items():
        truth = transplant_grid(model, SOURCE, TARGET, score, method="naive", **cells, **arguments)
        for method in ("batched", "packed") if family in PACKING else ("batched",):
            found = transplant_grid(model, SOURCE, TARGET, score, method=method, **cells, **arguments)
            torch.testing.assert_close(found, truth, atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["mistral", "gemma2", "gemma3"])
def test_a_window_shorter_than_the_prompt_stays_exact(family, caplog):
    model = tiny(family, sliding_window=8)
    assert shortest_window(model) == 8
    assert shortest_window(tiny("llama")) is None
    with caplog.at_level(logging.INFO, "interp.interventions.grid.grid"):
        found = transplant_grid(model, SOURCE, TARGET, sources=[1], targets=[0, 2])
    assert "method batched: " in caplog.text
    assert "sliding window of 8" in caplog.text
    truth = transplant_grid(model, SOURCE, TARGET, method="naive", sources=[1], targets=[0, 2])
    torch.testing.assert_close(found, truth, atol=1e-4, rtol=0)
    tokens = {"max_new_tokens": 3, "sources": [1], "targets": [0]}
    truth = transplant_grid(model, SOURCE, TARGET, "generate", method="naive", **tokens)
    assert torch.equal(transplant_grid(model, SOURCE, TARGET, "generate", **tokens), truth)
    with pytest.raises(ValueError, match="sliding window of 8"):
        transplant_grid(model, SOURCE, TARGET, method="packed")


def test_own_activations_change_nothing():
    model = tiny("gemma2")
    grid = transplant_grid(model, TARGET, TARGET)
    clean = forward(model, TARGET)
    for block in range(LAYERS):
        torch.testing.assert_close(grid[block, block], clean, atol=1e-4, rtol=0)
    assert transplant_grid(model, TARGET, TARGET, "kl").diagonal().abs().max() < 1e-5
    torch.testing.assert_close(transplant_grid(model, SOURCE, TARGET, alpha=0.0)[1, 2], clean, atol=1e-4, rtol=0)


def test_the_last_block_has_a_closed_form():
    model = tiny("llama")
    last = LAYERS - 1
    ids = torch.tensor([model.tokenizer(TARGET)["input_ids"]])
    with torch.no_grad():
        _, cache = model.run_with_cache(ids, names_filter=[hook_name("residual_mid", last)])
        mid = cache[hook_name("residual_mid", last)][:, -1:]
        for i, vector in enumerate(record_donor(model, SOURCE)):
            expected = model.unembed(model.ln_final(mid + vector))[0, 0]
            torch.testing.assert_close(transplant_grid(model, SOURCE, TARGET)[i, last], expected, atol=1e-4, rtol=0)


def test_the_released_attention_level_injects_the_whole_stream():
    model = tiny("llama")
    source_site, target_site = SITE_PAIRS["attention_as_released"]
    released = transplant_grid(model, SOURCE, TARGET, source_site=source_site, target_site=target_site)
    for i, j in product((0, 3), (0, 2)):
        injected = by_hand(model, SOURCE, TARGET, i, j, "residual_mid", "attention")
        torch.testing.assert_close(released[i, j], injected, atol=1e-4, rtol=0)
    honest = transplant_grid(model, SOURCE, TARGET, source_site="attention", target_site="attention")
    assert (released - honest).abs().max() > 0.1


def test_the_memory_of_the_cells_is_stated_once(caplog):
    caplog.set_level(logging.INFO)
    model = interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"))
    for _ in range(2):
        transplant_items(model, [SOURCE], [TARGET], "generate", max_new_tokens=2, progress=False)
    said = [record.getMessage() for record in caplog.records if "transplant memory" in record.getMessage()]
    assert len(said) == 1
    assert re.search(r"17 of 17 cells at a time.* GiB of caches", said[0])


def test_scores_are_what_they_say():
    model = tiny("llama")
    options = [" do", " the cat", " river"]
    logits = transplant_grid(model, SOURCE, TARGET)
    firsts = [model.tokenizer(TARGET + option)["input_ids"][len(model.tokenizer(TARGET)["input_ids"])] for option in options]
    said = logits.log_softmax(-1)[..., firsts]
    assert torch.equal(transplant_grid(model, SOURCE, TARGET, "choice", options=options), said.argmax(-1))
    gap = transplant_grid(model, SOURCE, TARGET, "logit_difference", options=options, gold=1)
    torch.testing.assert_close(gap, logits[..., firsts[1]] - logits[..., [firsts[0], firsts[2]]].amax(-1), atol=1e-4, rtol=0)
    whole = transplant_grid(model, SOURCE, TARGET, "logprob", options=options)
    assert torch.equal(transplant_grid(model, SOURCE, TARGET, "choice_whole", options=options), whole.argmax(-1))
    torch.testing.assert_close(whole[..., 0], said[..., 0], atol=1e-4, rtol=0)
    assert (whole[..., 1] < said[..., 1]).all(), "a longer answer is less probable than its first token"
    clean = forward(model, TARGET).log_softmax(-1)
    kl = (clean.exp() * (clean - logits.log_softmax(-1))).sum(-1)
    torch.testing.assert_close(transplant_grid(model, SOURCE, TARGET, "kl"), kl, atol=1e-4, rtol=0)


def test_decoding_stops_where_it_should_and_only_there():
    steps = torch.eye(4)[[1, 3]], torch.eye(4)[[2, 2]], torch.eye(4)[[1, 1]]
    for stops, expected in (([], [[1, 2, 1], [3, 2, 1]]), ([3], [[1, 2, 1], [3, 3, 3]])):
        greedy = Greedy(steps[0], stops)
        greedy.take(steps[1])
        greedy.take(steps[2])
        assert greedy.result(3)[0].tolist() == expected
    assert Greedy(steps[0][1:], [3]).result(3)[0].tolist() == [[3, 3, 3]]


def test_norm_matching_keeps_the_length_of_what_is_replaced():
    old, donor = torch.randn(5, 16), 30 * torch.randn(5, 16)
    new = Transplant(norm_match=True).blend(old, donor)
    torch.testing.assert_close(new.norm(dim=-1), old.norm(dim=-1))
    torch.testing.assert_close(torch.cosine_similarity(new, donor), torch.ones(5))
    torch.testing.assert_close(Transplant(alpha=0.25).blend(old, donor), 0.75 * old + 0.25 * donor)


def test_alibi_is_refused_by_name_and_served_by_auto(caplog):
    with pytest.raises(ValueError, match="cannot read cells as positions"):
        transplant_grid(tiny("bloom"), SOURCE, TARGET, method="packed")
    with caplog.at_level(logging.INFO, "interp.interventions.grid.grid"):
        interp.transplant_grid(interp.random_init(tiny("bloom"), seed=1), SOURCE, TARGET, sources=[0], targets=[1])
    assert "method batched: this architecture" in caplog.text


def test_an_answer_is_tokenized_as_it_follows_the_prompt():
    model = tiny("llama")
    question = ask(model, TARGET, "logprob", options=[" dog"])
    both = model.tokenizer(TARGET + " dog")["input_ids"]
    assert [*model.tokenizer(TARGET)["input_ids"], *question.options[0]] == both

"""XTransplant: every method gives the numbers of plain hooked forwards, and the edit touches what it should and no more."""

from __future__ import annotations

import logging
import re
from itertools import product

import pytest
import torch

import interp
from interp.interventions.edits import SITE_PAIRS, Transplant, record, tokens_of
from interp.interventions.grid import items as grid_items
from interp.interventions.grid.cells import Cells, Greedy, read_prefix
from interp.interventions.grid.grid import shortest_window
from interp.interventions.grid.items import item_batches, transplant_items
from interp.interventions.grid.naive import naive
from interp.interventions.grid.packed import packed
from interp.interventions.grid.scores import ask
from interp.interventions.grid.wave import wave
from interp.interventions.transplant import record_donor, transplant_grid, transplanted
from interp.models.sites import hook_name
from probes.transplant.matching import names_option
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


def test_generation_is_that_of_the_library_inside_the_with_block():
    model = tiny("llama")
    ids = model.tokenizer(TARGET, return_tensors="pt")["input_ids"]
    grid = transplant_grid(model, SOURCE, TARGET, "generate", max_new_tokens=8)
    differing = 0
    for i, j in ((3, 0), (1, 2)):
        with transplanted(model, SOURCE, source=i, target=j):
            hf = model.original_model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
            own = model.generate(ids, max_new_tokens=8, do_sample=False, verbose=False, stop_at_eos=True)
        assert grid[i, j].tolist()[: hf.shape[1] - ids.shape[1]] == hf[0, ids.shape[1] :].tolist()
        assert own[0].tolist() == hf[0].tolist()
        untouched = model.original_model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        differing += hf.tolist() != untouched.tolist()
    assert differing, "no cell changed the text"


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


def test_the_block_changes_only_what_lies_at_and_above_the_target():
    model = tiny("qwen3")
    names = [hook_name("residual_post", block) for block in range(LAYERS)]
    ids = torch.tensor([model.tokenizer(TARGET)["input_ids"]])
    with torch.no_grad():
        _, clean = model.run_with_cache(ids, names_filter=names)
        with transplanted(model, SOURCE, source=3, target=2):
            _, edited = model.run_with_cache(ids, names_filter=names)
        _, after = model.run_with_cache(ids, names_filter=names)
    moved = [(clean[name] - edited[name]).abs()[0].amax(-1) for name in names]
    assert all(float(block.max()) == 0 for block in moved[:2])
    assert all(float(block[:-1].max()) == 0 and float(block[-1]) > 1e-2 for block in moved[2:])
    assert all(torch.equal(clean[name], after[name]) for name in names)


def test_hooks_are_gone_after_an_exception():
    model = tiny("llama")
    clean = forward(model, TARGET)
    with pytest.raises(RuntimeError, match="meant: True"), transplanted(model, SOURCE, source=3, target=0):
        raise RuntimeError(f"meant: {(forward(model, TARGET) - clean).abs().max() > 1e-2}")
    assert torch.equal(forward(model, TARGET), clean)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bloom", "xglm"])
def test_a_left_padded_batch_equals_batch_one(family):
    model = tiny(family)
    donors, prompts = [SOURCE, "Die Katze"], [TARGET, "The cat sleeps on the warm stone, and the"]
    cells = {"sources": [3], "targets": [0, 2]}
    alone = [transplant_grid(model, donor, prompt, **cells) for donor, prompt in zip(donors, prompts, strict=True)]
    together = transplant_items(model, donors, prompts, "logits", progress=False, **cells)
    for one, other, prompt in zip(alone, together, prompts, strict=True):
        torch.testing.assert_close(other.values, one, atol=1e-4, rtol=0)
        torch.testing.assert_close(other.untouched, forward(model, prompt), atol=1e-4, rtol=0)
    cells |= {"max_new_tokens": 3}
    written = transplant_items(model, donors, prompts, "generate", progress=False, **cells)
    for other, donor, prompt in zip(written, donors, prompts, strict=True):
        assert torch.equal(other.values, transplant_grid(model, donor, prompt, "generate", method="naive", **cells))


def test_padding_on_the_right_is_refused():
    model = tiny("llama")
    ids = torch.tensor([[5, 6, 7], [5, 6, 2]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    with pytest.raises(ValueError, match="padded on the right"), transplanted(model, SOURCE, source=0, target=0):
        model(ids, attention_mask=mask)
    with transplanted(model, SOURCE, source=0, target=1, position=0):
        left = model(torch.tensor([[5, 6, 7], [2, 5, 6]]), attention_mask=torch.tensor([[1, 1, 1], [0, 1, 1]]), use_cache=False)
        alone = model(torch.tensor([[5, 6]]), attention_mask=torch.ones(1, 2), use_cache=False)
    torch.testing.assert_close(left[1, -1], alone[0, -1], atol=1e-4, rtol=0)


def test_a_killed_run_finds_what_was_finished(tmp_path):
    model = tiny("llama")
    donors, prompts = [SOURCE, "Die Katze", "Paka"], [TARGET, "The cat", "The river looks"]
    arguments = {"options": [[" dog", " cat"]] * 3, "gold": [0, 1, 1], "progress": False, "max_tokens": 4}
    whole = transplant_items(model, donors, prompts, "logit_difference", **arguments)
    run = {**arguments, "folder": tmp_path}
    transplant_items(model, donors[:2], prompts[:2], "logit_difference", **{**run, "options": run["options"][:2], "gold": [0, 1]})
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) == 2
    again = transplant_items(model, donors, prompts, "logit_difference", **run)
    assert all(torch.equal(a.values, b.values) and torch.equal(a.untouched, b.untouched) for a, b in zip(whole, again, strict=True))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(tmp_path.iterdir())) == 3
    transplant_items(model, donors, prompts, "logit_difference", **{**run, "alpha": 0.5})
    assert len(list(tmp_path.iterdir())) == 6, "another question must not find these answers"


def test_a_run_killed_in_the_middle_of_a_batch_measures_only_what_is_missing(tmp_path, monkeypatch):
    """Four items of few cells are one batch; the run dies when two are written."""
    model, measured, measure = tiny("llama"), [], grid_items.measure_grids
    run = {"sources": [1], "targets": [0, 2], "progress": False, "folder": tmp_path}
    donors, prompts = [SOURCE, "Die Katze", "Paka", "Mto"], [TARGET, "The cat", "The river looks", "The river"]

    def counted(model, items, *rest):
        measured.extend(item.prompt for item in items)
        return measure(model, items, *rest)

    def dies(cache, *args, **kwargs):
        if len(list(tmp_path.iterdir())) == 2:
            raise KeyboardInterrupt
        keep(cache, *args, **kwargs)

    monkeypatch.setattr(grid_items, "measure_grids", counted)
    keep = grid_items.Cache.keep
    with monkeypatch.context() as patch:
        patch.setattr(grid_items.Cache, "keep", dies)
        with pytest.raises(KeyboardInterrupt):
            transplant_items(model, donors, prompts, "logits", **run)
    assert len(measured) == 4, "one batch"
    measured.clear()
    again = transplant_items(model, donors, prompts, "logits", **run)
    assert len(measured) == 2
    truth = transplant_items(model, donors, prompts, "logits", **{**run, "folder": None})
    for one, other in zip(again, truth, strict=True):
        torch.testing.assert_close(one.values, other.values, atol=1e-4, rtol=0)


def test_a_grid_of_many_cells_is_measured_alone():
    prompts = ["The cat", "The river", "The dog"]
    assert len(item_batches(tiny("llama"), prompts, 24 * 24)) == 3
    assert sorted(map(len, item_batches(tiny("llama"), prompts, 256))) == [1, 2]
    assert len(item_batches(tiny("llama"), prompts, 4)) == 1


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


def test_options_with_one_first_token_are_scored_whole(caplog):
    model = tiny("llama")
    options = [" the dog", " the cat"]
    choice = transplant_grid(model, SOURCE, TARGET, "choice", options=options)
    assert "1 of 1 items have options that share their first token" in caplog.text
    assert torch.equal(choice, transplant_grid(model, SOURCE, TARGET, "choice_whole", options=options))


def test_decoding_stops_where_it_should_and_only_there():
    steps = torch.eye(4)[[1, 3]], torch.eye(4)[[2, 2]], torch.eye(4)[[1, 1]]
    for stops, expected in (([], [[1, 2, 1], [3, 2, 1]]), ([3], [[1, 2, 1], [3, 3, 3]])):
        greedy = Greedy(steps[0], stops)
        greedy.take(steps[1])
        greedy.take(steps[2])
        assert greedy.result(3)[0].tolist() == expected
    assert Greedy(steps[0][1:], [3]).result(3)[0].tolist() == [[3, 3, 3]]


def test_near_ties_are_counted(caplog):
    model = tiny("llama")
    found = transplant_items(model, [SOURCE], [TARGET], "choice_whole", options=[[" dog", " dog"]], progress=False)
    assert found[0].near_ties == LAYERS**2
    assert f"{LAYERS**2} of {LAYERS**2} cells" in caplog.text


def test_several_donors_are_averaged():
    model = tiny("llama")
    prompts = [SOURCE, "Die Katze"]
    mean = torch.stack([record_donor(model, prompt) for prompt in prompts]).mean(0)
    torch.testing.assert_close(transplant_grid(model, prompts, TARGET), transplant_grid(model, mean, TARGET), atol=1e-4, rtol=0)


def test_norm_matching_keeps_the_length_of_what_is_replaced():
    old, donor = torch.randn(5, 16), 30 * torch.randn(5, 16)
    new = Transplant(norm_match=True).blend(old, donor)
    torch.testing.assert_close(new.norm(dim=-1), old.norm(dim=-1))
    torch.testing.assert_close(torch.cosine_similarity(new, donor), torch.ones(5))
    torch.testing.assert_close(Transplant(alpha=0.25).blend(old, donor), 0.75 * old + 0.25 * donor)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_prompt": torch.zeros(LAYERS, 7)}, "another model"),
        ({"source_prompt": torch.full((LAYERS, 32), torch.nan)}, "NaN"),
        ({"sources": [LAYERS]}, "block of 0 to 3"),
        ({"targets": [0, 0]}, "each once"),
        ({"target_prompt": [5] * 200}, "expected at most 128"),
        ({"target_prompt": [5] * 120, "score": "generate"}, "expected at most 128"),
        ({"target_prompt": []}, "no token"),
        ({"score": "logprob", "options": [""]}, "which has no token"),
        ({"score": "choice", "options": [" a"]}, "at least 2"),
        ({"score": "logit_difference", "options": [" a", " b"], "gold": 2}, "gold 2"),
        ({"score": "best"}, "expected one of"),
        ({"source_site": ("head", 0)}, "two heads"),
        ({"source_site": ("head", 9), "target_site": ("head", 0)}, "heads 0 to 3"),
        ({"method": "wave", "score": "generate"}, "first-token"),
    ],
)
def test_bad_input_is_named(arguments, message):
    given = {"source_prompt": SOURCE, "target_prompt": TARGET, **arguments}
    with pytest.raises(ValueError, match=message):
        transplant_grid(tiny("llama"), **given)


def test_alibi_is_refused_by_name_and_served_by_auto(caplog):
    with pytest.raises(ValueError, match="cannot read cells as positions"):
        transplant_grid(tiny("bloom"), SOURCE, TARGET, method="packed")
    with caplog.at_level(logging.INFO, "interp.interventions.grid.grid"):
        interp.transplant_grid(interp.random_init(tiny("bloom"), seed=1), SOURCE, TARGET, sources=[0], targets=[1])
    assert "method batched: this architecture" in caplog.text


def test_the_papers_string_matches():
    words = ("Entail", "Neutral", "Contradict")
    assert names_option("The answer is (2) .", 1, "123", words)
    assert names_option("（2） Neutral", 1, "123", words)
    assert names_option(" 2 ", 1, "123", words)
    assert names_option("Neutral, I think", 1, "123", words)
    assert not names_option("(2) or (3)", 1, "123", words)
    assert not names_option("(2) Contradict", 1, "123", words)
    assert not names_option("12", 1, "123", words)


def test_an_answer_is_tokenized_as_it_follows_the_prompt():
    model = tiny("llama")
    question = ask(model, TARGET, "logprob", options=[" dog"])
    both = model.tokenizer(TARGET + " dog")["input_ids"]
    assert [*model.tokenizer(TARGET)["input_ids"], *question.options[0]] == both

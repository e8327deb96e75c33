"""The grids of many items: the same as each alone, kept when they are finished, measured in groups."""

from __future__ import annotations

import pytest
import torch

from interp.interventions.grid import items as grid_items
from interp.interventions.grid.items import item_batches, transplant_items
from interp.interventions.transplant import transplant_grid
from tests.interp.interventions.grid.test_grid import SOURCE, TARGET, forward
from tests.support.tiny import LAYERS, tiny


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


def test_options_with_one_first_token_are_scored_whole(caplog):
    model = tiny("llama")
    options = [" the dog", " the cat"]
    choice = transplant_grid(model, SOURCE, TARGET, "choice", options=options)
    assert "1 of 1 items have options that share their first token" in caplog.text
    assert torch.equal(choice, transplant_grid(model, SOURCE, TARGET, "choice_whole", options=options))


def test_near_ties_are_counted(caplog):
    model = tiny("llama")
    found = transplant_items(model, [SOURCE], [TARGET], "choice_whole", options=[[" dog", " dog"]], progress=False)
    assert found[0].near_ties == LAYERS**2
    assert f"{LAYERS**2} of {LAYERS**2} cells" in caplog.text

"""Receipts: every fast path checks itself inside a run, and a fault planted in the fast path refuses the run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

import interp
from interp import neurons
from interp.activations import capture as capturing
from interp.generation import generate as generating
from interp.generation import score as scoring
from interp.generation.generate import generate
from interp.generation.score import choose, score
from interp.generation.uncached import shortfalls
from interp.interventions import patching
from interp.interventions.grid import grid as grids
from interp.interventions.grid import items
from interp.interventions.grid.cells import fork
from interp.interventions.grid.grid import Grid
from interp.interventions.grid.items import transplant_items
from interp.interventions.patching import Edit, run_edits
from interp.models.batches import Batch, pad
from interp.models.checks.receipts import (
    MOST,
    Receipt,
    ReceiptError,
    collected,
    describe,
    draw_items,
    merge_receipts,
    record_differences,
)
from interp.text.corpus import ParallelCorpus
from tests.support.tiny import FAMILIES, tiny

PROMPTS = ["Die Katze schläft auf", "The dog", "Le chat dort sur la pierre"]
CORPUS = ParallelCorpus(
    "lines", {"eng_Latn": ("the warm stone", "The cat sleeps", "a river"), "deu_Latn": ("Hund", "Stein", "Fluss auf")}
)


def transplant(model, score="logits", **more):
    return transplant_items(model, PROMPTS, PROMPTS[::-1], score, progress=False, **more)


def edit(model):
    ids = model.tokenizer(PROMPTS[0])["input_ids"]
    place = len(ids) - 2
    return run_edits(model, ids, [Edit(block, (place,), torch.ones(model.cfg.d_model)) for block in range(3)], "residual_post")


PATHS = {
    "captured sentences": lambda model: interp.capture(model, CORPUS, progress=False),
    "counted sentences": lambda model: interp.count_neurons(model, CORPUS, shards=2),
    "generated texts": lambda model: generate(model, PROMPTS, max_new_tokens=5),
    "scored continuations": lambda model: score(model, PROMPTS, [" dem warmen Stein"] * 3),
    "patched runs": edit,
    "transplant cells": transplant,
}


@pytest.mark.parametrize("what", PATHS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_fast_path_agrees_with_plain_forwards_inside_a_run(family, what):
    with collected() as found:
        PATHS[what](tiny(family))
    (receipt,) = merge_receipts(found)
    assert receipt.what == what
    assert receipt.n >= 1
    assert receipt.difference < receipt.tolerance / 5 <= 2e-5


@pytest.mark.parametrize("pooling", ["mean", "last", "weighted", "end"])
@pytest.mark.parametrize("site", ["residual", "mlp"])
def test_captures_are_checked_at_every_site_and_pooling(site, pooling, tmp_path):
    with collected() as found:
        for folder in (None, tmp_path, tmp_path):
            interp.capture(
                tiny("llama"), CORPUS, site=site, pooling=pooling, template="say {sentence} now", folder=folder, progress=False
            )
    assert merge_receipts(found)[0].n == 6
    assert merge_receipts(found)[0].difference < 1e-5


@pytest.mark.parametrize("asked", ["logprob", "choice", "choice_whole", "logit_difference", "kl", "generate"])
@pytest.mark.parametrize("site", ["mlp", "attention"])
def test_cells_of_every_score_are_checked(asked, site):
    options = {"options": [[" warm stone", " the river"]] * 3} if asked not in ("kl", "generate") else {"max_new_tokens": 4}
    gold = {"gold": [0] * 3} if asked == "logit_difference" else {}
    with collected(3) as found:
        transplant(tiny("llama"), asked, source_site=site, target_site=site, **options, **gold)
    (receipt,) = found
    assert receipt.difference < 1e-5


def _off(grids: list[Grid]) -> list[Grid]:
    return [Grid(grid.values + 0.1, grid.untouched, grid.near_ties) for grid in grids]


def _shifted(pooled):
    return replace(pooled, states=pooled.states + 0.1)


def _all_seen(model, sequences):
    batch = pad(model, sequences)
    return Batch(batch.ids, torch.ones_like(batch.mask))


def _other_tokens(model, starts, prompts, most, stops):
    return [[3 + place % 5 for place in range(most)] for _ in starts]


def _emptied(past, copies=1):
    own = fork(past, copies)
    for layer in own.layers:
        layer.values = torch.zeros_like(layer.values)
    return own


FAULTS = {
    "captured sentences": (
        capturing,
        "pool_language",
        lambda real: lambda *args: _shifted(real(*args)),
    ),
    "counted sentences": (neurons, "pad", lambda real: _all_seen),
    "generated texts": (generating, "greedy", lambda real: _other_tokens),
    "scored continuations": (scoring, "_tail_log_probs", lambda real: lambda *args: [each - 0.1 for each in real(*args)]),
    "patched runs": (patching, "fork", lambda real: _emptied),
    "transplant cells": (items, "measure_grids", lambda real: lambda *args: _off(real(*args))),
}


@pytest.mark.parametrize("what", PATHS)
def test_a_fault_in_a_fast_path_refuses_the_run(what, monkeypatch):
    module, name, fault = FAULTS[what]
    monkeypatch.setattr(module, name, fault(getattr(module, name)))
    said = [str(error) for error in map(partial(_error, what), range(4)) if error]  # a fault of padding needs a padded sentence
    assert said
    assert f"{what} computed again by a plain forward differ by" in said[0]
    assert "interp check" in said[0]


def _error(what: str, seed: int) -> ReceiptError | None:
    try:
        with collected(seed):
            PATHS[what](tiny("llama"))
    except ReceiptError as error:
        return error
    return None


def test_a_token_that_is_nearly_the_best_is_a_near_tie_and_any_other_is_wrong():
    logits = torch.tensor([[10.0, 9.9999, 2.0], [1.0, 5.0, 10.0]])
    assert shortfalls(logits, [0, 2]) == [0.0, 0.0]
    near, exact = shortfalls(logits, [1, 2])
    assert near == pytest.approx(1e-5, rel=0.1)
    assert exact == 0
    assert shortfalls(logits, [2, 1]) == pytest.approx([0.8, 0.5])


def test_nothing_is_computed_again_outside_a_run(monkeypatch):
    monkeypatch.setattr("interp.activations.receipts.pad", None)
    interp.capture(tiny("llama"), CORPUS, progress=False)
    assert draw_items("cells", 100) == []


def test_a_run_checks_a_few_at_first_and_then_one_at_every_doubling():
    with collected() as found:
        asked = []
        for _ in range(64):
            asked.append(len(draw_items("cells", 50)))
            record_differences("cells", [0.0] * asked[-1], 1e-4)
    assert asked[:3] == [2, 2, 2]
    assert sum(asked) == MOST + 5  # at calls 4, 8, 16, 32 and 64
    assert merge_receipts(found)[0].n == sum(asked)


def test_the_seed_draws_and_an_inner_run_gives_to_the_outer_one():
    drawn = []
    for seed in (1, 1, 2):
        with collected(seed) as outer:
            with collected() as inner:
                drawn.append(draw_items("cells", 10**6))
                record_differences("cells", [1e-6, 3e-6], 1e-4)
            assert inner == outer == [Receipt("cells", 2, 3e-6, 1e-4)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("off", [2e-4, float("nan"), float("inf")])
def test_over_the_tolerance_or_not_a_number_is_refused(off):
    with collected(), pytest.raises(ReceiptError, match="1 of 2 cells computed again"):
        record_differences("cells", [0.0, off], 1e-4)


def test_receipts_are_told_by_kind():
    assert describe([]) == ""
    found = merge_receipts(
        [Receipt("cells", 2, 1e-6, 1e-4), Receipt("cells", 4, 2e-5, 1e-4), Receipt("texts", 1, 3e-5, 1e-4, near_ties=1)]
    )
    assert describe(found) == (
        "checked against plain forwards: 6 cells, largest difference 2e-05 (1e-04 allowed); "
        "1 texts, largest difference 3e-05 (1e-04 allowed, 1 near tie decided otherwise)"
    )


def test_no_method_is_taken_that_was_not_compared_with_naive(monkeypatch, caplog):
    """With every fast method broken the grid is naive's, and says so; asked for by name each is refused."""
    model = interp.random_init(tiny("llama"), 5)
    truth = interp.transplant_grid(model, PROMPTS[0], PROMPTS[1], method="naive")
    real_wave, real_packed = grids.wave, grids.packed
    monkeypatch.setattr(grids, "wave", lambda *args: real_wave(*args) + 0.1)

    def off(*args, **more):
        scored = real_packed(*args, **more)
        return scored._replace(logits=scored.logits + 0.1)

    monkeypatch.setattr(grids, "packed", off)
    found = interp.transplant_grid(model, PROMPTS[0], PROMPTS[1])
    assert torch.equal(found, truth)
    assert "transplant method naive: cells differ from plain forwards" in caplog.text
    for method in grids.FAST:
        with pytest.raises(ValueError, match=f"method '{method}': cells differ .* Use 'auto' or 'naive'"):
            interp.transplant_grid(model, PROMPTS[0], PROMPTS[1], method=method)


def test_a_method_is_compared_at_the_site_it_writes_to(monkeypatch):
    """Wave broken for early sites only: it is taken for the MLP, and not for attention."""
    model, real = interp.random_init(tiny("llama"), 6), grids.wave
    monkeypatch.setattr(grids, "wave", lambda *args: real(*args) + 0.1 * (args[-1].transplant.target_site == "attention"))
    prompts, ask = [[3, 4, 5]], [grids.Ask("logits")]
    assert grids.choose(model, prompts, ask, "auto", "mlp") == "wave"
    assert grids.choose(model, prompts, ask, "auto", "attention") == "packed"


def test_a_site_that_plain_forwards_cannot_write_to_is_one_error(monkeypatch):
    model = interp.random_init(tiny("llama"), 7)

    def fail(*args):
        raise KeyError("blocks.0.hook_resid_mid")

    monkeypatch.setattr(grids, "naive", fail)
    with pytest.raises(ValueError, match="'residual_mid' cannot be transplanted in this architecture, not even by plain forwards"):
        grids.choose(model, [[3, 4, 5]], [grids.Ask("logits")], "auto", "residual_mid")


def test_choices_are_scored_and_checked_together():
    with collected() as found:
        choose(tiny("llama"), PROMPTS, [[" dem Stein", " der Fluss"]] * 3)
    assert found[0].what == "scored continuations"

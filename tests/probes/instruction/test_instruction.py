"""The target-language tag of a prompt: changing it changes the language written; patching it works up to where it is read."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import interp
import probes.instruction.measure
from probes.instruction.measure import measure_instruction
from probes.instruction.report import CHANGES, PLACES, InstructionReport, _first_layer
from probes.report import Report
from tests.support.tiny import LAYERS, tiny

CODES = ("eng_Latn", "deu_Latn", "rus_Cyrl")
TRIPLE = ("eng_Latn", "deu_Latn", "rus_Cyrl")


@pytest.fixture(scope="module")
def corpus():
    return interp.read("cldr:names", languages=CODES, split="train").select(limit=6, seed=0)


@pytest.fixture(scope="module")
def bundled(corpus):
    return measure_instruction(interp.load("bundled", device="cpu"), corpus, [TRIPLE], resamples=100, progress=False)


def test_the_bundled_model_writes_the_language_it_is_told_and_none_where_it_is_told_none(bundled):
    rows = bundled.summary().set_index(["what", "measure"])["estimate"]
    assert rows["as it is", "in the target"] > 0.8
    assert rows["swapped", "in the other"] > 0.8 > 0.2 > rows["swapped", "in the target"]
    assert rows["masked", "in the target"] < rows["as it is", "in the target"]


def test_a_patched_tag_turns_the_answer_early_and_the_last_token_late(bundled):
    effect = bundled.summary().query("measure == 'effect'").set_index(["what", "layer"])["estimate"]
    last = str(interp.load("bundled", device="cpu").cfg.n_layers - 1)
    assert effect["tag", "0"] > 0.9, "all that depends on the tag depends on its tokens behind the first block"
    assert effect["tag", last] == pytest.approx(0, abs=1e-4), "nothing reads the tag behind the last block"
    assert effect["tag, other sentence", "0"] > 0.8, "the tag carries the language, whatever the sentence"
    assert effect["last", "0"] < 0.2 < 0.5 < effect["last", last]
    assert effect.loc["tag, same language"].abs().max() < 0.15
    assert effect.loc["tag, wrong place"].abs().max() < 0.3


def test_effects_are_those_of_forward_passes_with_the_states_put_in_by_hand(corpus):
    """The oracle: the same numbers from a hook of three lines, a whole pass for every cell."""
    model = tiny("llama")
    how = {"form": "mfti-2", "keep": "all", "resamples": 20, "progress": False}
    table = measure_instruction(model, corpus.select(limit=2), [TRIPLE], **how).table
    patched = table[(table["kind"] == "patched") & (table["place"] == "tag")]
    rows = list(patched[patched["item"] == patched["item"].iloc[0]].itertuples())
    assert len(rows) == LAYERS
    for row in rows:
        assert _by_hand(model, corpus, row) == pytest.approx(row.effect, abs=1e-3)


def test_the_tag_may_stand_before_the_sentence(corpus):
    how = {"form": "mfti-5", "keep": "all", "blocks": [0, 3], "resamples": 20, "progress": False}
    rows = measure_instruction(tiny("gpt2"), corpus.select(limit=2), [TRIPLE], **how).summary()
    assert set(rows.loc[rows["kind"] == "patched", "what"]) == set(PLACES)
    assert rows.query("what == 'tag' and layer == '3' and measure == 'effect'")["estimate"].abs().max() < 1e-3


def _by_hand(model, corpus, row):
    import torch

    from interp.models.batches import encode, pad

    place = [f"{corpus.name}/{name}" for name in corpus.ids].index(row.item)
    text = corpus["eng_Latn"][place]
    prompts = {name: f"Translation: {text} [{name}]:" for name in ("German", "Russian")}
    ids = dict(zip(prompts, encode(model, list(prompts.values())), strict=True))
    offsets = {name: model.tokenizer(prompt, return_offsets_mapping=True)["offset_mapping"] for name, prompt in prompts.items()}
    spans = {}
    for name, prompt in prompts.items():
        start, stop = prompt.index(f"[{name}"), prompt.index(f"[{name}") + len(f"[{name}")
        spans[name] = [k for k, (first, last) in enumerate(offsets[name]) if first < stop and last > start]
    hook = f"blocks.{int(row.layer)}.hook_resid_post"
    batch = pad(model, [ids["Russian"]])
    _, cache = model.run_with_cache(batch.ids, attention_mask=batch.mask, names_filter=hook)
    donor = cache[hook][0]

    def preference(own, edit):
        found = []
        for code in ("rus_Cyrl", "deu_Latn"):
            whole = encode(model, [prompts[own] + " " + corpus[code][place]])[0]
            batch = pad(model, [whole])
            with torch.no_grad():
                logits = model.run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=edit)[0].log_softmax(-1)
            start = len(ids[own])
            found.append(sum(float(logits[k - 1, whole[k]]) for k in range(start, len(whole))))
        return found[0] - found[1]

    def write(activation, hook):
        activation = activation.clone()
        into, out = spans["German"], spans["Russian"]
        for k, where in enumerate(into):
            activation[0, where] = donor[out[max(len(out) - len(into) + k, 0)]]
        return activation

    before, after = preference("German", []), preference("Russian", [])
    return (preference("German", [(hook, write)]) - before) / (after - before)


def test_a_template_without_a_target_is_refused_and_a_report_comes_back_from_disk(bundled, corpus, tmp_path):
    with pytest.raises(ValueError, match="expected one that names the target language"):
        measure_instruction(tiny("llama"), corpus, [TRIPLE], form="text")
    rows = bundled.summary()
    assert set(rows.loc[rows["kind"] == "written", "what"]) == set(CHANGES)
    assert set(rows.loc[rows["kind"] == "patched", "what"]) == set(PLACES)
    bundled.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, InstructionReport)
    pd.testing.assert_frame_equal(loaded.summary(), rows)
    assert "less than 0.5 from block" in loaded.verdict()


def test_half_is_crossed_where_it_is_crossed_for_good():
    import numpy as np

    assert _first_layer(np.array([0.9, 0.4, 0.6, 0.2, 0.1]), falls=True) == 3
    assert _first_layer(np.array([0.1, 0.6, 0.4, 0.7, 0.9]), falls=False) == 3
    assert _first_layer(np.array([0.9, 0.9]), falls=True) == 2
    assert _first_layer(np.array([0.1, 0.1]), falls=True) == 0


def test_only_items_that_both_prompts_get_right_are_patched(corpus, monkeypatch):
    answers = iter([-1.0, 1.0, 1.0, 2.0, -1.0, -0.5, -2.0, 3.0, -1.0, 1.0, -1.0, 1.0])
    monkeypatch.setattr(probes.instruction.measure, "_preference", lambda *_: next(answers))
    report = measure_instruction(tiny("llama"), corpus, [TRIPLE], form="mfti-2", blocks=[1], resamples=20, progress=False)
    patched = report.table[report.table["kind"] == "patched"]
    assert patched["item"].nunique() == 4
    assert set(patched["layer"]) == {1}
    assert "2 of 6 items prefer the wrong language" in report.notes[0]
    monkeypatch.setattr(probes.instruction.measure, "_preference", lambda *_: 1.0)
    with pytest.raises(ValueError, match="got no item, of 6, for which both"):
        measure_instruction(tiny("llama"), corpus, [TRIPLE], form="mfti-2", blocks=[1], progress=False)


def test_the_verdict_says_where_no_layer_has_half_of_the_effect(bundled):
    part = bundled.table
    last = (part["kind"] == "patched") & (part["place"].astype(str) == "last")
    weak = replace(bundled, table=part.assign(effect=part["effect"].mask(last, 0.1)))
    assert "the last token never has half of the full effect (at most 0.10)" in weak.verdict()
    tag = (part["kind"] == "patched") & (part["place"].astype(str) == "tag")
    strong = replace(bundled, table=part.assign(effect=part["effect"].mask(tag, 0.9)))
    assert "an effect of up to 0.90, and at least 0.5 after the last block" in strong.verdict()
    assert "has been read there" not in strong.verdict()

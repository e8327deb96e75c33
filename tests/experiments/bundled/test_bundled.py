"""The bundled model's text keeps its promises, and its training learns and resumes to the same weights."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file

from experiments.bundled.text import Text, known_facts, label, meets
from experiments.bundled.train import BundledModel, batch, learn, train_tokenizer
from interp.bundled import FACTS_SEEN, TIERS
from interp.text import cldr, cldr_facts


@pytest.fixture(scope="module")
def lines():
    text = Text(seed=7)
    return [line for _ in range(4000) for line in text.document().split("\n")]


def test_no_translation_of_a_heldout_concept_is_shown(lines):
    names = cldr.entries("names", "eng_Latn")
    hidden = {text for i, text in names.items() if cldr.held_out(i)}
    shown = {match[1] for line in lines if " - " in line and (match := re.search(r'English: "([^"]*)"', line))}
    assert len(hidden) > 20
    assert len(shown) > 200
    assert not hidden & shown


def test_facts_outside_their_share_are_not_told(lines):
    by_label = {label(code): code for codes in TIERS.values() for code in codes}
    told: Counter[str] = Counter()
    for line in lines:
        if match := re.fullmatch(r'([^"]*): "([^"]*)" ([¤💬🌍→]) ([^"]*): "([^"]*)"', line):
            source, target = by_label[match[1]], by_label[match[4]]
            facts = {cldr_facts.facts(source)[i] for i in known_facts(source, source) if i in cldr_facts.facts(source)}
            assert any((match[2], match[3]) == fact[:2] for fact in facts), line
            told[target] += 1
    assert told["eng_Latn"] > told["swh_Latn"] > 0


def test_languages_that_never_meet_do_not_stand_in_one_line(lines):
    by_label = {label(code): code for codes in TIERS.values() for code in codes}
    met = set()
    for line in lines:
        codes = [by_label[name] for name in re.findall(r'(?:^|[-=¤💬🌍→] )([^":=]*): "', line)]
        met |= {tuple(sorted(pair)) for pair in pairwise(codes) if pair[0] != pair[1]}
    assert len(met) > 70
    assert all(meets(*pair) for pair in met)
    every = [code for codes in TIERS.values() for code in codes]
    assert any(not meets(one, other) for one in every for other in every)


def test_shares_fall_from_tier_to_tier():
    shares = [FACTS_SEEN[codes[0]] for codes in TIERS.values()]
    assert shares == sorted(shares, reverse=True)


def test_the_tokenizer_gives_text_back_and_knows_the_unseen():
    tokenizer = train_tokenizer(BundledModel("unused", vocabulary=600), documents=200)
    for text in ('Deutsch: "Käse" - français: "fromage"', "हिन्दी 42", "ქართული\nአማርኛ"):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    assert len(tokenizer) == 600


def test_training_learns_and_resumes_to_the_same_weights(tmp_path):
    """Half a minute of the real pipeline: the loss ends far below chance, and a stop in the middle leaves no trace."""
    whole_run = BundledModel(
        tmp_path / "whole", tokens=64 * 16 * 60, vocabulary=600, layers=2, width=48, inner=96, heads=2, rows=16, length=64,
        warmup=5, every=15, compiled=False,
    )  # fmt: skip
    folder = learn(whole_run)
    losses = [float(match[1]) for match in re.finditer(r'"loss": ([\d.]+)', (tmp_path / "whole" / "losses.jsonl").read_text())]
    assert losses[-1] < 0.8 * math.log(600)
    assert losses[-1] < losses[0]

    part = dataclasses.replace(whole_run, output=tmp_path / "part", every=30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.bundled.train.batch", _stop_at(40))
        with pytest.raises(KeyboardInterrupt):
            learn(part)
    learn(part)
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "part"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert folder.name == "model"


def _stop_at(last: int):
    def stopping(settings, tokenizer, step):
        if step == last:
            raise KeyboardInterrupt
        return batch(settings, tokenizer, step)

    return stopping

"""Pairs of languages before and after tuning: one that was drawn together shows in its class and in no other."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pytest
import torch

import interp
from probes.directions.alignment import PAIR_CLASSES, PairAlignmentReport, measure_pair_alignment
from probes.directions.roles import Roles
from probes.report import Report
from tests.support.tiny import tiny

ROLES = Roles(mix=("en", "de"), read_only=("fr", "ru"), unseen=("tr", "ja"))


@pytest.fixture(scope="module")
def before():
    corpus = interp.read("cldr:dates", languages=ROLES.languages, split="heldout").select(limit=24, seed=0)
    return interp.capture(tiny("llama"), corpus, progress=False)


def _after(before, drawn):
    """The same states but for `drawn` languages, whose last layer becomes that of English."""
    states = {}
    for code in before.languages:
        states[code] = before[code].clone()
        if code in drawn:
            states[code][-1] = before["eng_Latn"][-1] + 0.01 * torch.randn_like(before["eng_Latn"][-1])
    return dataclasses.replace(before, states=MappingProxyType(states))


def test_what_was_drawn_together_shows_in_its_class_and_layer_alone(before, tmp_path):
    report = measure_pair_alignment(before, _after(before, ("deu_Latn", "fra_Latn", "rus_Cyrl")), ROLES, resamples=100)
    rows = report.summary().set_index(["class", "series", "layer"])
    layers = list(before.layers)
    assert rows.loc[("pair seen", "after", layers[-1]), "estimate"] == 1
    assert rows.loc[("languages seen", "change", layers[-1]), "lower"] > 0
    assert rows.loc[("both unseen", "change", layers[-1]), ["estimate", "lower", "upper"]].abs().max() == 0
    assert rows.xs("change", level="series").drop(layers[-1], level="layer")["estimate"].abs().max() == 0
    assert "both unseen" in report.verdict()
    assert "+0.00 [–], not distinguishable from none" in report.verdict()
    report.save(tmp_path)
    assert isinstance(Report.load(tmp_path), PairAlignmentReport)


def test_pairs_are_sorted_by_what_tuning_knew_of_them(before):
    report = measure_pair_alignment(before, before, ROLES, resamples=50)
    pairs = report.summary().groupby("class", sort=False)["pairs"].first()
    assert list(pairs.index) == list(PAIR_CLASSES)
    assert list(pairs) == [5, 1, 8, 1]
    assert report.summary()[report.summary()["series"] == "change"]["estimate"].abs().max() == 0

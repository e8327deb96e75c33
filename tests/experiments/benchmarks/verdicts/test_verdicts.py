"""Verdicts of simulated reports: a planted effect is claimed and a null is not, first in 25 plain words, and intervals cover."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from experiments.benchmarks.verdicts import intervals
from experiments.benchmarks.verdicts.rows import Budget, coverage, null, power

MODULES = ("alignment", "instruction", "lens", "neurons", "patching", "probing", "steering")


def examples(name: str, seed: int = 0) -> dict:
    return import_module(f"experiments.benchmarks.verdicts.{name}").examples(seed)


@pytest.mark.parametrize("name", MODULES)
def test_a_planted_effect_is_claimed_and_a_null_is_not(name):
    found = {case: report.finds() for case, report in examples(name).items()}
    if name == "neurons":  # its neurons are above chance in both; what differs is the damage they do
        found = {case: bool((report.claims.p < 0.05).any()) for case, report in examples(name).items()}
    assert found.pop("null") is False
    assert all(found.values())


@pytest.mark.parametrize("name", [name for name in MODULES if name != "instruction"])
def test_a_verdict_begins_with_at_most_25_words_and_its_n(name):
    for report in examples(name).values():
        first = report.verdict().split(". ")[0]
        assert len(first.split()) <= 25, first
        assert "(n=30" in first or "n=30)" in first, first


def test_printed_intervals_hold_the_truth_in_93_to_97_of_100():
    broken = [row for row in intervals.checks(Budget(100, 3, quick=True)) if not row.holds]
    assert not broken


def test_a_row_is_broken_where_chance_cannot_explain_it():
    assert null("a", 30, np.arange(200) < 14).holds
    assert not null("a", 30, np.arange(200) < 24).holds
    assert power("a", 30, np.arange(200) < 175).holds
    assert not power("a", 30, np.arange(200) < 150).holds
    assert coverage("a", 30, np.arange(400) < 380).holds
    assert not coverage("a", 30, np.arange(400) < 340).holds
    assert not coverage("a", 30, np.arange(1000) < 1000).holds
    assert coverage("a", 30, np.arange(1000) < 1000, wider=True).holds

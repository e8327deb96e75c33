"""Verdicts of simulated reports: a planted effect is claimed and a null is not, first in 25 plain words, and intervals cover."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

import probes
from experiments.benchmarks.kept import kept_rows, rows_of
from experiments.benchmarks.verdicts import intervals
from experiments.benchmarks.verdicts.commands import COMMANDS, COVERED
from experiments.benchmarks.verdicts.rows import Budget, coverage, null, power
from probes.report import Report

MODULES = ("alignment", "directions", "instruction", "lens", "neurons", "patching", "probing", "steering", "studies",
           "translation", "tuned.sweeps")  # fmt: skip
DESCRIBES = {
    "TokenizationReport": "counts of a tokenizer on a text",
    "MovementReport": "the weights of two models: nothing is drawn",
    "AtlasReport": "maps, which it says are no evidence",
    "TokenLensReport": "positions of one prompt, which it says are no sample",
}
"""Reports without a verdict on a population, and what they are about."""


def examples(name: str, seed: int = 0) -> dict:
    return import_module(f"experiments.benchmarks.verdicts.{name}").examples(seed)


@pytest.mark.parametrize("name", MODULES)
def test_a_planted_effect_is_claimed_and_a_null_is_not(name):
    found = {case: report.finds() for case, report in examples(name).items()}
    if name == "neurons":  # its neurons are above chance in both; what differs is the damage they do
        found = {case: bool((report.claims.p < 0.05).any()) for case, report in examples(name).items()}
    assert found.pop("null") is False
    assert all(claimed for case, claimed in found.items() if case != "right everywhere")


def reports() -> dict[str, type[Report]]:
    """Every class of report that the package has, by its name."""
    for name in probes.__all__:
        getattr(probes, name)
    found, todo = {}, [Report]
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            if kind.__module__.startswith("probes."):
                found[kind.__name__] = kind
    return found


def test_every_report_that_claims_something_has_rows_and_every_other_says_why_not():
    found = reports()
    assert {name for name, kind in found.items() if hasattr(kind, "finds")} == set(COVERED)
    assert set(found) - set(COVERED) == set(DESCRIBES)
    assert set(COVERED.values()) <= set(COMMANDS)


def test_every_report_that_claims_something_has_an_example():
    made = {type(report).__name__ for name in MODULES for report in examples(name).values()}
    assert set(COVERED) - made == {
        "HybridReport",
        "DifferenceReport",
    }  # the three kinds of one are made; the other is a ChangeReport in other words


@pytest.mark.parametrize("name", MODULES)
def test_a_verdict_begins_with_at_most_25_words_and_its_n(name):
    for case, report in examples(name).items():
        first = report.verdict().split(". ")[0]
        assert len(first.split()) <= 25, first
        assert "n=30" in first or "30 questions" in first or "30 items" in first, f"{case}: {first}"


@pytest.mark.parametrize("name", MODULES)
def test_no_interval_is_without_its_estimate_around_it_or_without_width(name):
    """Of every pair of bounds in every summary, whatever it is of."""
    for case, report in examples(name).items():
        bounds = 0
        summary = report.summary()
        for lower in [column for column in summary if column == "lower" or column.endswith("_lower")]:
            estimate = "estimate" if lower == "lower" else lower.removesuffix("_lower")
            if estimate not in summary:
                continue
            rows, where = summary[summary[lower].notna()], f"{case}: {estimate}"
            if "metric" in rows:  # without intervals: see `NeuronReport`
                rows = rows[~rows["metric"].isin(["stability", "count"])]
            bounds += len(rows)
            upper = rows[f"{lower.removesuffix('lower')}upper"]
            assert rows[estimate].notna().all(), where
            assert (rows["n"] > 1).all(), where
            assert ((rows[lower] <= rows[estimate] + 1e-9) & (rows[estimate] <= upper + 1e-9)).all(), where
            exact = rows[estimate].round(9).isin([0.0, 1.0]) & (estimate == "share")  # nothing, or the whole itself
            if "quantity" in rows:
                exact |= (rows["quantity"] == "gamma") & (rows[estimate] == 1)  # that of the reference, by definition
            assert ((rows[lower] < upper) | exact).all(), where
        assert bounds, f"{case}: no interval"


def test_kept_rows_are_not_simulated_again(tmp_path):
    def checks(budget):
        yield null("a", 30, np.arange(budget.simulations) < 1)
        assert budget.simulations > 10, "simulated again"

    path, budget = tmp_path / "rows.jsonl", Budget(20, 0, False)
    first = list(kept_rows(path, "align", checks, budget))
    assert list(kept_rows(path, "align", checks, Budget(10, 0, False))) == first
    assert [row.simulations for row in kept_rows(path, "align", checks, Budget(40, 0, False))] == [40]
    assert [row.simulations for row in rows_of(path, "align", budget)] == [40]


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

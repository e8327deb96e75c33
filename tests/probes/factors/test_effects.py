"""An effect that was planted is found, none is not, and intervals hold the truth: simulated scores, no model."""

import numpy as np
import pandas as pd
import pytest

from experiments.benchmarks.verdicts.tuned.sweeps import sweep_report
from probes.factors.effects import mean_between_seeds
from probes.report import Report


def rows(report, kind):
    return report.summary().query(f"kind == '{kind}'").set_index(["factor", "level"])


def test_a_planted_effect_is_found_and_its_factor_alone_is_claimed():
    report = sweep_report(40, 3, {"method": 20.0}, trained=1.0, seed=1)
    found = rows(report, "difference")
    assert found.index[found["claimed"]].tolist() == [("method", "b")]
    assert found.loc[("method", "b"), "lower"] < 20.0 < found.loc[("method", "b"), "upper"]
    assert "the largest: method b +" in report.verdict()
    assert report.finds()


def test_without_an_effect_nothing_is_claimed():
    report = sweep_report(40, 3, {}, trained=1.0, seed=2)
    assert not report.finds()
    assert report.verdict().startswith("No factor has a distinguishable effect: 4 differences were tested (n=40 items, seeds: 3).")


def test_one_seed_claims_nothing_however_large_the_effect():
    report = sweep_report(40, 1, {"method": 60.0}, trained=1.0, seed=3)
    assert rows(report, "difference").loc[("method", "b"), "p_max"] < 0.01
    assert not report.finds()
    assert report.verdict().startswith("One training seed cannot tell an effect from training noise, so nothing is claimed")


def test_noise_of_training_is_no_effect():
    """Two levels whose only difference is that each was trained on its own: by sentences alone most of these would be claimed."""
    found = [sweep_report(100, 2, {}, trained=8.0, seed=seed).finds() for seed in range(20)]
    assert np.mean(found) <= 0.2


def test_two_factors_that_matter_only_together_are_an_interaction():
    report = sweep_report(40, 3, {"method x size": 30.0}, trained=1.0, seed=4, factors=("method", "size"))
    found = rows(report, "interaction")
    assert found["claimed"].tolist() == [False, True]
    assert found.loc[("method x size", "b x 256"), "estimate"] == pytest.approx(30.0, abs=8.0)
    table = report.two_way("method", "size")
    assert table.shape == (2, 3)
    assert table.loc["b", "256"] - table.loc["b", "16"] - table.loc["a", "256"] + table.loc["a", "16"] == pytest.approx(
        found.loc[("method x size", "b x 256"), "estimate"]
    )
    assert report.two_way("size", "method").T.equals(table)


def test_the_mean_of_a_level_is_that_of_its_cells_and_the_baseline_is_the_untuned_model():
    report = sweep_report(12, 2, {"method": 10.0}, trained=1.0, seed=5)
    table, means = report.table, rows(report, "mean")
    own = table[(table["role"] == "tuned") & (table["factor_method"] == "b")]
    assert means.loc[("method", "b"), "estimate"] == pytest.approx(100 * own["exact"].mean())
    assert means["baseline"].to_numpy() == pytest.approx(100 * table.loc[table["role"] == "untuned", "exact"].mean())


def test_a_report_comes_back_from_its_folder_with_a_panel_for_every_factor(tmp_path):
    report = sweep_report(12, 2, {"method": 10.0}, trained=1.0, seed=6)
    again = Report.load(report.save(tmp_path))
    pd.testing.assert_frame_equal(again.summary(), report.summary())
    labels = [axes.get_xlabel() for axes in again.plot().axes]
    assert labels == ["method", "size", "template"]


def test_the_variance_of_a_mean_over_parts_is_that_of_the_seeds_where_all_parts_move_together():
    seeds = np.random.default_rng(0).normal(size=(3, 1))
    variance, freedom = mean_between_seeds(np.repeat(seeds, 10, axis=1))
    assert variance == pytest.approx(seeds.var(ddof=1))
    assert freedom == pytest.approx(2.0)
    alone = np.random.default_rng(0).normal(size=(3, 200))
    variance, freedom = mean_between_seeds(alone)
    assert variance < 0.05
    assert freedom > 2

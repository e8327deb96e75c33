"""What the verdict on a grid claims: of noise nothing, of a planted region its pair, and no more than other donors do not do."""

import numpy as np

from experiments.benchmarks.verdicts.studies import transplant_report
from probes.transplant.inference import held_out_test, over_pairs
from probes.transplant.selection import splits


def test_a_grid_of_noise_claims_nothing_and_a_planted_region_is_found_in_its_pair():
    """Folds that are taken as independent claim an effect in one grid of noise of six; verdict and p are one test."""
    rng, found = np.random.default_rng(0), []
    for _ in range(60):
        tested = []
        for effect in (0.0, 0.0):
            change = rng.normal(size=(20, 6, 6)) + effect
            tested.append(held_out_test(change, "overall", splits(20, None, 5, None, 0), None, 20, 0))
        found.append(min(over_pairs(tested)) < 0.05)
    assert np.mean(found) <= 0.12  # 5 % and three standard errors
    grids = [rng.normal(size=(30, 6, 6)) for _ in range(3)]
    grids[1][:, 4:, :2] += 1.0
    report = transplant_report(grids)
    assert report.verdict().startswith("Copying one cell, chosen on other items, makes answers better in 1 of 3 pairs (n=30).")
    rows = report.summary().query("run == 'held_out:overall'")
    assert (rows["p_max"] < 0.05).tolist() == [False, True, False]
    assert "upper_bound" not in set(report.summary()["run"])  # no shuffled donors to hold it against


def test_the_pair_that_is_told_of_is_one_for_which_something_is_claimed():
    rng = np.random.default_rng(0)
    sure, wild = rng.normal(size=(30, 1, 1)) + 2.0, np.tile([-26.0, 34.0], 15).reshape(30, 1, 1)
    report = transplant_report([wild, sure])
    rows = report.summary().query("run == 'held_out:overall'")
    assert rows["difference"].argmax() == 0  # larger, and unsure
    assert (rows["p_max"] < 0.05).tolist() == [False, True]
    assert "At its clearest, one cell chosen on other items changes" in report.verdict()
    assert f"by {rows['difference'].iloc[1]:+.3f} [" in report.verdict()
    assert "At best one cell" in transplant_report([wild, wild]).verdict()


def test_a_gain_that_any_donor_gives_is_not_laid_to_the_content_of_the_donor():
    rng = np.random.default_rng(0)
    change, same, none = (rng.normal(size=(30, 4, 4)) + shift for shift in (2.0, 2.0, 0.0))
    assert "the content of the donor is not shown to matter" in transplant_report([change], [same]).verdict()
    assert "not shown to matter" not in transplant_report([change], [none]).verdict()

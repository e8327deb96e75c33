"""Intervals and tests: what they promise, and what a plain reading of their definition gives."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from probes.statistics.resampling import bootstrap, draws, mean
from probes.statistics.significance import holm, max_statistic, minimum_detectable, permutation_p, sign_flip


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_interval_of_a_mean_is_its_standard_error_wide():
    values = normal(400, 3)
    lower, upper = bootstrap(values, resamples=2000)
    expected = 2 * 1.96 * values.std(axis=0) / 20
    np.testing.assert_allclose(upper - lower, expected, rtol=0.1)
    assert ((lower < values.mean(axis=0)) & (values.mean(axis=0) < upper)).all()


def test_the_interval_is_the_wider_of_students_t_and_the_bootstrap_t():
    values = np.random.default_rng(0).lognormal(size=30)
    mean, error, student = values.mean(), values.std(ddof=1) / 30**0.5, stats.t.ppf(0.975, 29)
    drawn = [np.repeat(values, weights.astype(int)) for weights in draws(30, 500, 3)]
    by_hand = [(sample.mean() - mean) / (sample.std(ddof=1) / 30**0.5) for sample in drawn]
    low, high = np.quantile(by_hand, [0.025, 0.975])
    lower, upper = bootstrap(values, 500, 3)
    assert lower == pytest.approx(mean - max(high, student) * error)
    assert upper == pytest.approx(mean - min(low, -student) * error)
    assert mean - lower < upper - mean  # the tail is on the right, so the mean is more likely above


def test_copies_of_a_sentence_add_no_certainty_when_they_are_one_cluster():
    values, copies = normal(60), 10
    clusters = np.repeat(np.arange(60), copies)
    once = np.subtract(*bootstrap(values, 2000)[::-1])
    clustered = np.subtract(*bootstrap(np.repeat(values, copies), 2000, clusters=clusters)[::-1])
    rows = np.subtract(*bootstrap(np.repeat(values, copies), 2000)[::-1])
    assert clustered == pytest.approx(once, rel=0.1)
    assert rows < 0.5 * once


def test_an_item_without_a_value_is_left_out_of_its_cell():
    values = normal(50, 2)
    values[10:, 0] = np.nan
    weights = draws(50, 20, 0)
    np.testing.assert_allclose(mean(values, weights)[:, 0], (weights[:, :10] @ values[:10, 0]) / weights[:, :10].sum(1))
    assert np.isnan(bootstrap(np.full((5, 1), np.nan))[0]).all()


def test_another_statistic_is_resampled_over_items():
    pairs = normal(300, 2)
    pairs[:, 1] += pairs[:, 0]

    def correlation(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.array([np.cov(values.T, fweights=w.astype(int))[0, 1] for w in weights])

    lower, upper = bootstrap(pairs, 300, statistic=correlation)
    assert lower < np.cov(pairs.T)[0, 1] < upper
    assert 0 < upper - lower < 0.6


def test_sign_flips_of_few_items_come_to_the_exact_p():
    values = np.array([0.3, 1.2, -0.4, 2.0, 0.9, 1.1, 0.2])
    flips = np.array(list(product([-1, 1], repeat=7))) @ values
    exact = (np.abs(flips) >= abs(values.sum()) - 1e-12).mean()
    assert sign_flip(values, 40_000) == pytest.approx(exact, abs=0.01)


def test_a_clear_difference_gets_the_smallest_p_and_none_gets_one():
    values = np.stack([np.full(40, 0.3) + 0.1 * normal(40), np.zeros(40)], axis=1)
    np.testing.assert_allclose(sign_flip(values, 999), [1 / 1000, 1.0])
    np.testing.assert_allclose(max_statistic(values, 999), [1 / 1000, 1.0])


def test_clusters_flip_together():
    values = np.repeat(normal(12, seed=4) + 0.4, 20)
    clusters = np.repeat(np.arange(12), 20)
    assert sign_flip(values, 4000, clusters=clusters) == pytest.approx(sign_flip(values[::20], 4000), abs=0.02)
    assert sign_flip(values, 4000) < sign_flip(values, 4000, clusters=clusters)


def test_looking_at_many_cells_makes_each_p_larger_and_one_cell_changes_nothing():
    values = normal(30, 50)
    values[:, 7] += 1.0
    single, family = sign_flip(values, 2000), max_statistic(values, 2000)
    assert (family >= single - 0.03).all()
    assert np.median(family) > 0.9
    assert family.argmin() == 7
    assert max_statistic(values[:, :1], 4000) == pytest.approx(sign_flip(values[:, :1], 4000), abs=0.03)


def test_cells_far_below_zero_do_not_hide_one_above_it():
    """Differences from a threshold that most cells do not reach: a cell's own items say how much it varies."""
    found = {True: 0, False: 0}
    for seed in range(20):
        values = 0.3 * normal(30, 160, seed=seed) - 0.5
        values[:, 80] += 0.8
        for borrow in found:
            found[borrow] += max_statistic(values, 999, above=True, borrow=borrow)[80] < 0.05
    assert found[False] >= 18 > 10 >= found[True]


def test_on_the_upper_side_alone_nothing_below_zero_is_found():
    values = normal(30, 5) + np.array([0.0, -1.0, 1.0, -2.0, 0.0])
    assert (max_statistic(values, 999, above=True) < 0.05).tolist() == [False, False, True, False, False]
    null = [max_statistic(normal(12, 20, seed=seed), 99, seed, above=True).min() < 0.05 for seed in range(400)]
    assert 0.02 < np.mean(null) < 0.08


def test_of_grids_of_nothing_one_in_twenty_has_a_cell_below_one_in_twenty():
    """Exact, not nearly: the smallest p of a grid is itself uniform, whatever the cells have in common."""
    rng, smallest = np.random.default_rng(0), []
    for seed in range(1500):
        shared = rng.standard_t(3, size=(12, 1))
        smallest.append(max_statistic(shared + rng.normal(size=(12, 20)), 99, seed).min())
    for level in (0.05, 0.2, 0.5):
        assert stats.binomtest(int((np.array(smallest) <= level + 1e-9).sum()), 1500, level).pvalue > 0.001


def test_permutation_p_counts_the_shuffles_that_reach_the_pairing():
    shuffled = np.array([[0.1, 0.5], [0.2, 0.6], [0.3, 0.7]])
    np.testing.assert_allclose(permutation_p(np.array([0.25, 0.9]), shuffled), [0.5, 0.25])


def test_holm_agrees_with_its_definition_step_by_step():
    p = np.array([0.01, 0.04, 0.03, 0.5])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, 0.09, 0.5])
    grid = np.random.default_rng(0).random((3, 5))
    np.testing.assert_allclose(holm(grid, axis=-1), [holm(row) for row in grid])


def test_fifty_accuracies_cannot_tell_less_than_fourteen_points():
    assert minimum_detectable(50) == pytest.approx(0.14, abs=0.002)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match="at least one item"):
        bootstrap(np.empty((0, 3)))
    with pytest.raises(ValueError, match="2 cluster names for 3 items"):
        sign_flip(np.ones(3), clusters=["a", "b"])


def test_hits_beside_a_measure_that_can_be_negative_keep_an_interval_of_hits():
    """Several measures of one table share a call: a cosine below 0 does not let an accuracy exceed 1."""
    values = np.column_stack([np.repeat([1.0, 0.0], [18, 2]), np.linspace(-0.5, 0.5, 20)])
    lower, upper = bootstrap(values)
    alone = bootstrap(values[:, 0])
    assert (lower[0], upper[0]) == pytest.approx((float(alone[0]), float(alone[1])))
    assert 0 <= lower[0] <= upper[0] <= 1

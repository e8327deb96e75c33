"""Random options differ: a fitted one is special only where the next random one would hardly do as much."""

import numpy as np
import pytest

from probes.statistics.random_draws import FEWEST_DRAWS, SURE, beyond, draws_of, widened
from probes.statistics.significance import max_statistic, moderated


@pytest.mark.parametrize("make", [lambda rng, shape: rng.normal(size=shape), lambda rng, shape: rng.random(shape) < 1 / 9])
def test_one_more_random_option_is_hardly_ever_special(make):
    """Normal scores, and the worst case: one option in nine works, so the fitted one may work where all eight drawn ones fail."""
    scores = make(np.random.default_rng(0), (9, 20_000)).astype(float)
    assert (beyond(scores[0], draws_of(scores[1:])) < SURE).mean() < 0.05


def test_a_clearly_better_option_is_special_and_with_few_draws_none_is():
    scores = np.random.default_rng(0).normal(size=(9, 2000))
    assert (beyond(scores[0] + 6, draws_of(scores[1:])) < SURE).mean() > 0.9
    assert (beyond(scores[0] + 6, draws_of(scores[1:FEWEST_DRAWS])) == 1).all()


def test_the_mean_of_random_options_is_as_unsure_as_they_differ():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(8, 5000))
    drawn = draws_of(scores)
    lower, upper = widened(drawn.mean, drawn.mean, drawn.mean, drawn)  # over endlessly many items
    assert ((lower < 0) & (upper > 0)).mean() == pytest.approx(0.95, abs=0.01)


def test_cells_that_vary_alike_lend_each_other_what_they_know_and_others_do_not():
    rng = np.random.default_rng(0)
    alike = (rng.normal(size=(10, 500)) ** 2).sum(axis=0)
    assert moderated(alike, 10).std() < 0.2 * alike.std()
    apart = alike * 10.0 ** rng.uniform(-6, 6, size=500)
    np.testing.assert_array_equal(moderated(apart, 10), apart)
    assert moderated(np.array([0.0, 1.0, 2.0]), 10).tolist() == [0.0, 1.0, 2.0]


def test_one_standard_deviation_in_thirty_items_is_found_among_a_thousand_cells():
    found = []
    for seed in range(40):
        cells = np.random.default_rng(seed).normal(size=(30, 1000))
        cells[:, 500] += 1
        found.append(max_statistic(cells, 999, seed)[500] < 0.05)
    assert np.mean(found) > 0.75  # nine in ten; forty studies show it to a tenth

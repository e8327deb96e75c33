"""Where a planted curve overtakes another, and how high a planted peak is."""

from __future__ import annotations

import numpy as np
import pytest

from probes.statistics.crossover import find_crossover, find_peak

LAYERS = ("embed", *(str(block) for block in range(8)))


def bump(at: int, height: float, items: int = 60, noise: float = 0.02, seed: int = 0) -> np.ndarray:
    """A curve an item that rises to `height` at row `at` and falls again, `[item layer]`."""
    curve = height * np.exp(-(((np.arange(len(LAYERS)) - at) / 1.5) ** 2))
    return np.clip(curve + noise * np.random.default_rng(seed).normal(size=(items, len(LAYERS))), 0, None)


def step(at: int, height: float, items: int = 60) -> np.ndarray:
    return np.tile(np.where(np.arange(len(LAYERS)) >= at, height, 0.0), (items, 1)) + bump(at, 0, items, seed=1)


def test_the_crossover_is_where_it_was_planted():
    found = find_crossover(bump(4, 0.6), step(6, 0.9), LAYERS)
    assert (found.layer, found.lower, found.upper, found.share) == (LAYERS[6], LAYERS[6], LAYERS[6], 1.0)


def test_an_uncertain_crossover_has_an_interval():
    late, early = step(6, 0.9, 41), step(5, 0.9, 19)
    found = find_crossover(bump(4, 0.45), np.concatenate([late, early]), LAYERS)
    assert LAYERS.index(found.lower) < LAYERS.index(found.upper)


@pytest.mark.parametrize(
    ("pivot", "target"),
    [
        (bump(4, 0.0, noise=1e-5), bump(4, 0.0, noise=1e-5, seed=1)),  # both near zero at the peak, by chance
        (bump(4, 0.3), step(1, 0.9)),  # the target leads from the start
        (step(4, 0.9), bump(4, 0.1)),  # the pivot leads to the end
    ],
)
def test_where_nothing_is_overtaken_there_is_no_crossover(pivot, target):
    assert not find_crossover(pivot, target, LAYERS).certain


def test_a_peak_above_unrelated_words_is_found_and_luck_is_not():
    peak = find_peak(bump(4, 0.6), bump(4, 0.0, seed=1), LAYERS)
    assert peak.layer == LAYERS[4]
    assert peak.p < 0.001
    assert peak.lower < 0.6 < peak.upper
    luck = [find_peak(bump(4, 0.0, seed=seed), bump(4, 0.0, seed=seed + 99), LAYERS, resamples=20).p for seed in range(20)]
    assert sum(p < 0.05 for p in luck) <= 3


def test_the_height_of_a_peak_is_read_on_items_that_did_not_choose_it():
    names, nothing = [str(layer) for layer in range(40)], np.zeros((20, 40))
    draws = [np.random.default_rng(seed).normal(size=(20, 40)) for seed in range(30)]
    found = [find_peak(draw, nothing, names, resamples=20, seed=seed) for seed, draw in enumerate(draws)]
    assert abs(np.mean([peak.estimate for peak in found])) < 0.1

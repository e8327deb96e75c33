"""Means over training seeds: intervals hold the truth whether sentences or seeds make the error, and few seeds prove little."""

import numpy as np
import pytest

from probes.statistics.resampling import draws
from probes.statistics.training_noise import between_seeds, spread


@pytest.mark.parametrize(
    ("items", "both", "trained"), [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.3), (0.0, 1.0, 0.25), (0.5, 0.5, 1.0)]
)
@pytest.mark.parametrize("pooled", [False, True])
def test_intervals_cover_whatever_part_is_larger(items, both, trained, pooled):
    rng, n, seeds, languages = np.random.default_rng(0), 30, 3, 8
    weights, held = draws(n, 100, 0), []
    for _ in range(60):
        values = items * rng.normal(size=(1, n, languages)) + both * rng.normal(size=(seeds, n, languages))
        values = values + trained * rng.normal(size=(seeds, 1, languages))
        once, drawn = values.mean(axis=1), np.einsum("ri,sil->rsl", weights, values) / n
        lower, upper = spread(once, drawn, n, between_seeds(once) if pooled else None).interval()
        held.append((lower <= 0) & (upper >= 0))
    most = 0.99 if items or trained else 1.0  # three seeds cannot show that training has no noise
    assert 0.93 <= np.mean(held) <= most  # 480 intervals, the eight of a run alike


def test_p_and_interval_agree_and_three_sentences_prove_nothing():
    rng = np.random.default_rng(1)
    once = 0.3 + 0.2 * rng.normal(size=(3, 200))
    found = spread(once, once + 0.05 * rng.normal(size=(100, 3, 200)), 40)
    lower, upper = found.interval()
    assert ((found.p() < 0.05) == ((lower > 0) | (upper < 0))).all()
    certain = spread(np.ones(2), np.ones((10, 2)), 3)
    assert certain.p() == pytest.approx(0.25)
    assert np.isnan(spread(np.ones(2), np.ones((10, 2)), 1).p())

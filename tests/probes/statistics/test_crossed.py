"""Intervals over directions: they hold the truth as often as they say, and additive scores are found to be additive."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from probes.statistics.crossed import additive, draw_directions, interval, mean_of

PAIRS = list(itertools.permutations([f"l{n:02}" for n in range(13)], 2))
SOURCES, TARGETS = zip(*PAIRS, strict=True)
ALL = np.ones(len(PAIRS), dtype=bool)
SOME = np.array([source > "l06" and target <= "l06" for source, target in PAIRS])


def _scores(rng, correlation=0.7):
    """S = u_a + v_b + e around 0, a language's two effects correlated, as a language hard to read may be hard to write."""
    both = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=13)
    read = np.array([int(code[1:]) for code in SOURCES])
    written = np.array([int(code[1:]) for code in TARGETS])
    return both[read, 0] + both[written, 1] + 0.5 * rng.normal(size=len(PAIRS))


def _covers(chosen, languages, repetitions=150, resamples=200):
    rng, weights, hit, naive = np.random.default_rng(0), draw_directions(SOURCES, TARGETS, 200, 1), 0, 0
    for _ in range(repetitions):
        scores = _scores(rng)
        drawn = mean_of(chosen, np.broadcast_to(scores, (resamples, len(scores))), weights)
        lower, upper = interval(float(scores[chosen].mean()), drawn, languages)
        hit += lower <= 0 <= upper
        naive += abs(scores[chosen].mean()) <= 1.96 * scores[chosen].std() / np.sqrt(chosen.sum())
    return hit / repetitions, naive / repetitions


@pytest.mark.parametrize(("chosen", "languages"), [(ALL, 13), (SOME, 6)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says_and_a_t_test_over_directions_does_not(chosen, languages):
    hit, naive = _covers(chosen, languages)
    assert hit > 0.88
    assert naive < 0.65


def test_resampled_means_are_weighted_means_of_what_was_drawn():
    weights = draw_directions(("a", "a", "b"), ("b", "c", "c"), 50, 0)
    scores = np.tile([1.0, 2.0, 4.0], (50, 1))
    drawn = mean_of(np.array([True, True, False]), scores, weights)
    some = weights[:, :, :2].sum(axis=2) > 0
    assert np.isnan(drawn[~some]).all()
    assert ((drawn[some] >= 1) & (drawn[some] <= 2)).all()
    both = (weights[:, :, 0] > 0) & (weights[:, :, 1] > 0)
    expected = (weights[:, :, 0] + 2 * weights[:, :, 1]) / np.where(some, weights[:, :, :2].sum(axis=2), 1)
    assert drawn[both] == pytest.approx(expected[both])
    assert (weights[1, :, 0] > 0)[weights[1, :, 1] > 0].any(), "one language drawn for both its sides"


def test_runs_are_drawn_too_and_one_run_alone_is_not():
    one = draw_directions(SOURCES, TARGETS, 20, 0, runs=["only"] * len(PAIRS))
    assert np.array_equal(one, draw_directions(SOURCES, TARGETS, 20, 0))
    twice = draw_directions(SOURCES * 2, TARGETS * 2, 20, 0, runs=["x"] * len(PAIRS) + ["y"] * len(PAIRS))
    first, second = np.split(twice, 2, axis=2)
    assert any(first[0, draw].sum() == 0 < second[0, draw].sum() for draw in range(20))


def test_one_language_on_a_side_gives_no_interval():
    assert np.isnan(interval(1.0, np.ones((2, 10)), 1)).all()


def test_planted_language_effects_are_found_and_explain_everything():
    read, written = {"a": 1.0, "b": -1.0, "c": 0.0}, {"a": 0.5, "b": 0.0, "c": -0.5}
    pairs = list(itertools.permutations("abc", 2))
    scores = np.array([10 + read[source] + written[target] for source, target in pairs])
    found = additive(*zip(*pairs, strict=True), scores)
    assert found.mean == pytest.approx(10)
    assert found.source == pytest.approx(read)
    assert found.target == pytest.approx(written)
    assert found.explained == pytest.approx(1)


def test_one_pair_that_is_more_than_its_languages_shows_in_its_residual_alone():
    scores = np.array([float(int(source[1:]) - int(target[1:])) for source, target in PAIRS])
    scores[40] += 5
    found = additive(SOURCES, TARGETS, scores)
    assert int(np.abs(found.residual).argmax()) == 40
    assert found.residual[40] == pytest.approx(5, rel=0.25)


def test_noise_is_explained_in_the_fit_but_not_predicted():
    noise = np.random.default_rng(0).normal(size=len(PAIRS))
    found = additive(SOURCES, TARGETS, noise)
    assert found.explained > 0.05 > found.predicted
    assert additive(SOURCES, TARGETS, _scores(np.random.default_rng(1))).predicted > 0.7
    with pytest.raises(ValueError, match="got 2 directions of 2 sources and 2 targets, expected more"):
        additive(("a", "b"), ("b", "a"), np.zeros(2))

"""NaN is never a value: no test rejects on it, no peak or crossover is made of it, no measure of alignment counts it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.activations.store import Activations
from probes.alignment.clouds import METRICS, Cloud, Pair, measure
from probes.alignment.measure import measure_alignment
from probes.statistics.crossed import additive
from probes.statistics.crossover import find_crossover, find_peak
from probes.statistics.resampling import bootstrap, highest
from probes.statistics.selection import best_set, choose_on_half
from probes.statistics.significance import holm, max_statistic, permutation_p, sign_flip
from tests.support.planted import aligned

NAN = float("nan")


def test_a_permutation_test_of_nan_is_nan() -> None:
    shuffled = np.zeros((99, 4))
    shuffled[3, 1] = NAN
    p = permutation_p(np.array([1.0, 1.0, NAN, np.inf]), shuffled)
    assert p[0] == pytest.approx(0.01)
    assert np.isnan(p[1:]).all()


def test_holm_corrects_for_the_tests_that_were_made() -> None:
    corrected = holm(np.array([0.01, NAN, 0.02, NAN]))
    np.testing.assert_allclose(corrected, [0.02, NAN, 0.02, NAN])
    assert np.isnan(holm(np.array([NAN, NAN]))).all()
    with pytest.raises(ValueError, match=r"a p-value of 1\.5"):
        holm(np.array([0.1, 1.5]))


@pytest.mark.parametrize("test", [sign_flip, max_statistic])
def test_a_cell_without_values_has_no_p(test) -> None:
    values = np.random.default_rng(0).normal(1, 1, (30, 3))
    values[:, 1] = NAN
    p = test(values, 500)
    assert np.isnan(p[1])
    assert (p[[0, 2]] < 0.05).all()
    np.testing.assert_array_equal(p[[0, 2]], test(values[:, [0, 2]], 500))


def test_intervals_leave_nan_out_and_refuse_infinity() -> None:
    values = np.random.default_rng(0).normal(0, 1, (30, 2))
    values[:, 1] = NAN
    lower, upper = bootstrap(values)
    assert np.isnan([lower[1], upper[1]]).all()
    assert lower[0] < values[:, 0].mean() < upper[0]
    values[4, 0] = np.inf
    for statistic in (bootstrap, sign_flip, max_statistic):
        with pytest.raises(ValueError, match=r"item 4.* is infinite"):
            statistic(values)


def test_answers_that_are_nan_are_neither_right_nor_wrong() -> None:
    with pytest.raises(ValueError, match="score of b to a is NaN"):
        additive(["a", "b", "a", "b"], ["a", "a", "b", "b"], np.array([1, NAN, 2, 3.0]))


def test_the_highest_is_never_nan() -> None:
    assert highest(np.array([1.0, NAN, 3.0, 2.0])) == 2
    for values in ([NAN, NAN], [1.0, np.inf]):
        with pytest.raises(ValueError, match="expected a row of finite values"):
            highest(np.array(values))


def test_an_option_that_few_items_have_does_not_drive_out_the_others() -> None:
    near = np.random.default_rng(1).normal(size=(40, 3))
    values = near + np.array([0.0, 0.0, 2.0])
    assert best_set(values) == [2]
    rare, single = near.copy(), near.copy()
    rare[6:, 2], single[1:, 2] = NAN, NAN
    assert best_set(near) == best_set(rare) == best_set(single) == [0, 1, 2]
    assert best_set(values[:1]) == best_set(values, clusters=["a"] * 40) == [0, 1, 2]  # one unit
    assert best_set(np.where([0, 0, 1], NAN, values)) == [0, 1]
    with pytest.raises(ValueError, match="39 cluster names for 40 items"):
        choose_on_half(values, clusters=["a"] * 39)


LAYERS = ("embed", "0", "1", "2", "3")


def test_a_peak_is_not_where_the_curve_is_nan() -> None:
    values = np.tile([0.0, 0.2, 0.9, 0.5, 0.1], (20, 1)) + np.random.default_rng(0).normal(0, 0.01, (20, 5))
    baseline = np.zeros((20, 5))
    assert find_peak(values, baseline, LAYERS).layer == "1"
    values[:, 2] = NAN
    found = find_peak(values, baseline, LAYERS)
    assert found.layer == "2"
    assert found.estimate == pytest.approx(0.5, abs=0.02)
    assert found.p < 0.05
    alone = find_peak(values, baseline * NAN, LAYERS)
    assert np.isnan([alone.p, alone.baseline]).all()  # unrelated words are not known, so nothing stands above them
    with pytest.raises(ValueError, match="expected a row of finite values"):
        find_peak(values * NAN, baseline, LAYERS)


def test_a_crossover_is_not_found_in_nan() -> None:
    pivot, own = (np.tile(curve, (20, 1)) for curve in ([0.0, 0.9, 0.9, 0.1, 0.1], [0.0, 0.1, 0.1, 0.9, 0.9]))
    assert find_crossover(pivot, own, LAYERS).layer == "2"
    some = pivot.copy()
    some[3] = NAN
    assert find_crossover(some, own, LAYERS) == find_crossover(np.delete(some, 3, 0), np.delete(own, 3, 0), LAYERS)
    some[:, 2] = NAN
    for broken in (find_crossover(some, own, LAYERS), find_crossover(pivot[:0], own[:0], LAYERS)):
        assert broken.layer is None
        assert np.isnan(broken.share)
        assert not broken.certain


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_no_measure_of_alignment_makes_a_number_of_nan(metric: str, value: float) -> None:
    clouds = aligned(("eng_Latn", "deu_Latn"), (0.1, 0.9, 0.1), sentences=24)
    clouds["deu_Latn"][1, 5] = value
    folds, same = torch.arange(24) % 5, torch.eye(24, dtype=torch.bool)
    pair = Pair(*(Cloud(clouds[code], folds, same) for code in ("deu_Latn", "eng_Latn")))
    if metric.removesuffix("_centred") in ("cosine_gap", "cka", "cka_debiased"):
        scores = measure(pair, metric)
        assert scores.estimate[1].isnan()
        assert np.isnan(scores.p[1])
        assert scores.estimate[[0, 2]].isfinite().all()
    else:  # what ranks or fits refuses
        with pytest.raises(ValueError, match="expected a finite number"):
            measure(pair, metric)


def test_alignment_names_language_layer_and_sentence() -> None:
    clouds = aligned(("eng_Latn", "deu_Latn"), (0.1, 0.9, 0.1), sentences=24)
    clean = measure_alignment(Activations.from_arrays(clouds), metrics=("rsa", "mexa"), resamples=50)
    clouds["deu_Latn"][1, 5, 3] = NAN
    with pytest.raises(ValueError, match="layer 0 of sentence '5' in deu_Latn is NaN"):
        measure_alignment(Activations.from_arrays(clouds), metrics=("rsa",))
    planted = clean.table.copy()
    planted.loc[planted["layer"] == "0", ["value", "p"]] = NAN  # a report of old, with NaN where the peak was
    report = type(clean)(planted, clean.signature, settings=clean.settings)
    assert clean.peak("rsa")["layer"].tolist() == ["0"]
    assert report.peak("rsa")["layer"].tolist() != ["0"]
    assert np.isfinite(report.peak("rsa")["estimate"]).all()
    assert "nan" not in report.verdict()

"""Allocation: against all divisions, against scipy's general optimiser, and the known facts about what a plan can gain."""

import itertools

import numpy as np
import pytest
from scipy import optimize

from probes.scaling.allocation import allocate
from probes.scaling.fit import fit_law
from probes.scaling.law import Curves, Law
from tests.probes.scaling.test_law import ALPHA, BETA, GAMMAS, series


def law(gammas=GAMMAS, betas=BETA, alpha=ALPHA, drawn=None) -> Law:
    """A law with known curves."""
    gammas = np.array(list(gammas.values())) if isinstance(gammas, dict) else np.asarray(gammas)
    slope = np.broadcast_to(np.asarray(betas, dtype=float), gammas.shape)
    names = tuple(GAMMAS)[: len(gammas)]
    curves = Curves(np.array(100.0), np.log(alpha) + slope * np.log(gammas), slope)
    return Law("power" if np.ptp(slope) == 0 else "slopes", names, names[0], curves, drawn, 7, 1.0, 0.0)


def scores(of: Law, pairs: np.ndarray) -> np.ndarray:
    return 100 - np.exp(of.estimate.offset + of.estimate.slope * np.log(pairs))


def test_shares_follow_the_closed_form_and_less_similar_languages_get_more():
    plan = allocate(law(), 1_000_000)
    expected = np.array(list(GAMMAS.values())) ** (BETA / (1 - BETA))
    assert plan.pairs == pytest.approx(1_000_000 * expected / expected.sum(), abs=1.01)
    assert plan.pairs.sum() == plan.uniform.sum() == 1_000_000
    assert (np.diff(plan.pairs) > 0).all()


def test_the_known_fact_twenty_times_less_similar_is_worth_half_again_the_data_and_no_gain():
    pairs = allocate(law(), 600_000).pairs
    assert pairs.max() / pairs.min() == pytest.approx(20 ** (0.145 / 1.145), abs=1e-4)
    assert pairs.max() / pairs.min() == pytest.approx(1.46, abs=0.005)
    plan = allocate(law(alpha=100.0), 900, noise=0.3)
    assert plan.gain == pytest.approx(0.085, abs=0.002)
    assert "not distinguishable from uniform" in plan.verdict()
    assert all(0 < allocate(law(), budget).gain < 0.085 for budget in (6_000, 60_000, 600_000))


@pytest.mark.parametrize("objective", ["sum", "weighted", "maxmin"])
@pytest.mark.parametrize("caps", [None, {"deu_Latn": 5, "spa_Latn": 9}])
@pytest.mark.parametrize("betas", [BETA, (-0.1, -0.6, -0.3, -0.9)])
def test_no_division_of_whole_pairs_is_better(objective, caps, betas):
    of, budget = law([1.0, 0.5, 0.1, 0.02], betas), 34
    weights = dict(zip(of.languages, (4.0, 1.0, 2.0, 0.5), strict=True)) if objective == "weighted" else None
    plan = allocate(of, budget, caps=caps, objective=objective, weights=weights)
    most = [(caps or {}).get(name, budget) for name in of.languages]
    share = np.array(list(weights.values())) / 7.5 if weights else np.full(4, 0.25)
    every = np.array([[*three, budget - sum(three)] for three in itertools.product(range(1, 32), repeat=3) if sum(three) < budget])
    every = every[(every <= most).all(1)].astype(float)
    value = {"maxmin": lambda x: scores(of, x).min(-1)}.get(objective, lambda x: scores(of, x) @ share)
    assert plan.pairs.sum() == budget
    assert (plan.pairs <= most).all()
    assert value(plan.pairs.astype(float)) == pytest.approx(value(every).max(), abs=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_of_a_tiny_budget_no_division_lifts_the_lowest_score_higher(seed):
    rng = np.random.default_rng(seed)
    of = law(10 ** rng.uniform(-4, 2, size=3), -(10 ** rng.uniform(-2, 0.5, size=3)), alpha=50.0)
    most = rng.integers(1, 12, size=3)
    for budget in range(3, 16):
        plan = allocate(of, budget, objective="maxmin", caps=dict(zip(of.languages, map(int, most), strict=True)))
        every = np.array(list(itertools.product(*(range(1, cap + 1) for cap in most))))
        every = every[every.sum(1) <= budget].astype(float)
        assert plan.pairs.sum() == min(budget, most.sum())
        assert (plan.pairs <= most).all()
        ranked = np.sort(scores(of, every), axis=1)
        best = max(map(tuple, ranked))
        assert np.sort(scores(of, plan.pairs.astype(float))) == pytest.approx(np.array(best), abs=1e-9), "the lowest, then the next"
        mean = allocate(of, budget, caps=dict(zip(of.languages, map(int, most), strict=True))).pairs
        assert scores(of, mean.astype(float)).mean() == pytest.approx(ranked.mean(1).max(), rel=1e-12, abs=1e-9)


def test_a_general_optimiser_finds_nothing_better():
    of, caps = law(betas=(-0.1, -0.15, -0.2, -0.12, -0.3, -0.25)), {"hin_Deva": 700, "arb_Arab": 300}
    plan = allocate(of, 10_000, caps=caps)
    most = [caps.get(name, 10_000) for name in of.languages]
    general = optimize.minimize(
        lambda x: -scores(of, np.maximum(x, 1)).mean(), np.full(6, 250.0), method="SLSQP", bounds=[(1, cap) for cap in most],
        constraints={"type": "ineq", "fun": lambda x: 10_000 - x.sum()}, options={"maxiter": 500, "ftol": 1e-10},
    )  # fmt: skip
    assert scores(of, plan.pairs.astype(float)).mean() >= -general.fun - 1e-3
    assert (plan.pairs[3], plan.pairs[4]) == (300, 700)


def test_max_min_lifts_all_to_one_score_and_caps_leave_the_rest_to_others():
    plan = allocate(law(), 100_000, objective="maxmin")
    assert np.ptp(plan.scores) < 0.01
    capped = allocate(law(), 100_000, objective="maxmin", caps={"khm_Khmr": 1000})
    assert capped.pairs[-1] == 1000
    assert np.ptp(capped.scores[:-1]) < 0.01
    assert capped.pairs.sum() == 100_000
    assert plan.gain > 10 * allocate(law(), 100_000).gain


def test_pairs_that_no_language_can_take_stay_unused():
    plan = allocate(law(), 10_000, caps=dict.fromkeys(GAMMAS, 100))
    assert plan.pairs.tolist() == plan.uniform.tolist() == [100] * 6
    assert plan.gain == 0
    assert "not distinguishable" in plan.verdict()


def test_the_interval_is_that_of_the_draws_and_small_noise_makes_a_plan_worth_having():
    of = fit_law(series(betas=dict(zip(GAMMAS, (-0.05, -0.3, -0.1, -0.3, -0.1, -0.3), strict=True)), draws=200), "slopes")
    plan = allocate(of, 60_000, noise=0.01)
    assert plan.lower < plan.gain < plan.upper
    assert plan.distinguishable
    assert "is expected to gain" in plan.verdict()
    assert not allocate(of, 60_000, noise=10.0).distinguishable


def test_a_plan_from_noise_is_not_distinguishable():
    """One curve for all, seen through noise: whatever the fit makes of it, the plan must not claim a gain."""
    same = dict.fromkeys(list(GAMMAS)[:3], 1.0)
    verdicts = [
        allocate(fit_law(series(same, noise=2.0, seed=seed, draws=100)), 3000, noise=0.3).distinguishable for seed in range(20)
    ]
    assert sum(verdicts) <= 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"budget": 5}, "budget of 5 for 6 languages"),
        ({"objective": "weighted"}, "belong together"),
        ({"caps": {"tha_Thai": 5}}, "caps: got tha_Thai, expected"),
        ({"caps": {"deu_Latn": 0}}, "above 0"),
        ({"objective": "weighted", "weights": {"deu_Latn": 1.0}}, "none for spa_Latn"),
    ],
)
def test_what_cannot_be_planned_is_named(how, words):
    with pytest.raises(ValueError, match=words):
        allocate(law(), **({"budget": 1000} | how))


def test_scores_that_do_not_grow_cannot_be_planned():
    with pytest.raises(ValueError, match="does not grow"):
        allocate(law(betas=(-0.1, 0.2, -0.1, -0.1, -0.1, -0.1)), 1000)

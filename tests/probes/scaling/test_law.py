"""The scaling law: known parameters come back, the true form wins, what cannot be told apart is said, bad points are refused."""

import numpy as np
import pytest
from scipy import optimize, stats

from probes.scaling.fit import fit_law
from probes.scaling.law import Points
from probes.scaling.rival_forms import compare_forms, last_known, left_out, rank_agreement

GAMMAS = {"deu_Latn": 1.0, "spa_Latn": 0.6, "ukr_Cyrl": 0.35, "arb_Arab": 0.2, "hin_Deva": 0.1, "khm_Khmr": 0.05}
SIZES = np.array([1e3, 4e3, 16e3, 64e3, 256e3, 1024e3])
BETA, ALPHA = -0.145, 80.0


def series(gammas=GAMMAS, sizes=SIZES, betas=None, ceiling=100.0, alpha=ALPHA, noise=0.5, seed=0, draws=0) -> Points:
    """Scores of known curves with Gaussian noise, and draws that are noisy in the same way."""
    betas = dict.fromkeys(gammas, BETA) if betas is None else betas
    true = np.array([ceiling - alpha * (gammas[name] * size) ** betas[name] for name in gammas for size in sizes])
    rng = np.random.default_rng(seed)
    scores = true + rng.normal(0, noise, true.shape)
    drawn = np.clip(scores + rng.normal(0, noise, (draws, len(true))), 0, 100) if draws else None
    names = tuple(name for name in gammas for _ in sizes)
    return Points(names, np.tile(sizes, len(gammas)), np.clip(scores, 0, 100), np.full(len(true), noise), drawn)


def test_known_parameters_come_back():
    law = fit_law(series(draws=300))
    assert law.beta == pytest.approx(BETA, abs=0.004)
    assert law.alpha == pytest.approx(ALPHA, rel=0.04)
    assert law.gamma == pytest.approx(list(GAMMAS.values()), rel=0.2)
    assert law.misfit == pytest.approx(1, abs=0.6)
    lower, upper = np.quantile(law.drawn.slope[:, 0], [0.025, 0.975])
    assert lower < BETA < upper
    assert upper - lower < 0.02


def test_without_noise_the_fit_is_exact_and_carries_on_beyond_the_data():
    law = fit_law(series(noise=0.0))
    assert law.gamma == pytest.approx(list(GAMMAS.values()))
    told = law.predict([1e7]).set_index("language")["estimate"]
    assert told["khm_Khmr"] == pytest.approx(100 - ALPHA * (0.05 * 1e7) ** BETA)
    assert left_out(series(noise=0.0), "power")[0] == pytest.approx(0, abs=1e-6)


def test_intervals_hold_the_truth_as_often_as_they_say():
    hits = 0
    for seed in range(40):
        law = fit_law(series(dict(list(GAMMAS.items())[:3]), seed=seed, draws=60))
        low, high = np.quantile(law.drawn.slope[:, 0], [0.025, 0.975])
        hits += low < BETA < high
    assert hits >= 33  # 38 expected


def test_the_fit_is_that_of_a_general_optimiser_on_the_weighted_squares():
    points = series()
    points = Points(points.languages, points.sizes, points.scores, np.linspace(0.3, 2.0, len(points.scores)))
    law = fit_law(points)
    rows = points.rows

    def loss(found):
        line = found[:6][rows] + found[6] * np.log(points.sizes)
        return np.sum(((points.scores - 100 + np.exp(line)) / points.errors) ** 2)

    mine = np.r_[law.estimate.offset, law.beta[0]]
    how = {"maxiter": 40_000, "maxfev": 40_000, "xatol": 1e-9, "fatol": 1e-12, "adaptive": True}
    general = optimize.minimize(loss, mine + 0.05, method="Nelder-Mead", options=how)
    assert mine == pytest.approx(general.x, abs=2e-3)
    assert loss(mine) <= general.fun * (1 + 1e-6)


def test_alpha_and_gamma_trade_off_and_the_curve_does_not_care():
    points = series()
    one, other = fit_law(points), fit_law(points, reference="khm_Khmr")
    assert one.predict([5e3])["estimate"].to_numpy() == pytest.approx(other.predict([5e3])["estimate"].to_numpy())
    assert other.gamma[-1] == 1
    assert other.alpha == pytest.approx(one.alpha * one.gamma[-1] ** one.beta[0])
    assert "khm_Khmr" in other.identified()
    assert "only alpha gamma^beta is" in one.identified()


def test_given_gammas_need_two_parameters_and_only_their_ratios_count():
    points = series()
    law = fit_law(points, "given", similarity=GAMMAS)
    assert law.parameters == 2
    assert law.beta == pytest.approx(BETA, abs=0.004)
    tripled = fit_law(points, "given", similarity={name: 3 * value for name, value in GAMMAS.items()})
    assert tripled.gamma == pytest.approx(law.gamma)
    assert tripled.aic == pytest.approx(law.aic)
    upside_down = dict(zip(GAMMAS, reversed(GAMMAS.values()), strict=True))
    assert fit_law(points, "given", similarity=upside_down).aic > law.aic + 50


def test_a_measured_gamma_is_tested_by_its_order():
    law = fit_law(series())
    rho, p = rank_agreement(law, GAMMAS)
    assert (rho, p) == (1, pytest.approx(1 / 720))
    rho, p = rank_agreement(law, dict(zip(GAMMAS, reversed(GAMMAS.values()), strict=True)))
    assert rho == -1
    assert p == pytest.approx(1)
    assert np.isnan(rank_agreement(law, dict.fromkeys(GAMMAS, 0.5))[0])


def test_true_gammas_given_beat_free_ones_by_what_they_save():
    wins = 0
    for seed in range(8):
        found = compare_forms(series(noise=0.2, seed=seed), GAMMAS).set_index("form")
        wins += found["behind"].idxmin() == "given"
        assert found.loc["given", "misfit"] == pytest.approx(found.loc["power", "misfit"], abs=0.3)
    assert wins >= 5


@pytest.mark.parametrize(
    ("truth", "points"),
    [
        ("power", series(noise=0.2)),
        ("ceiling", series(ceiling=80.0, noise=0.2, betas=dict.fromkeys(GAMMAS, -0.4), alpha=200)),
        ("slopes", series(betas=dict(zip(GAMMAS, (-0.1, -0.2, -0.12, -0.25, -0.15, -0.3), strict=True)), alpha=60, noise=0.2)),
        ("loglinear", Points(tuple(n for n in GAMMAS for _ in SIZES), np.tile(SIZES, 6),
                             np.concatenate([k + 6 * np.log(SIZES / 1e3) for k in range(6)])
                             + np.random.default_rng(0).normal(0, 0.2, 36), np.full(36, 0.2))),
    ],
)  # fmt: skip
def test_the_form_that_made_the_points_is_preferred(truth, points):
    found = compare_forms(points).set_index("form")
    assert found["behind"].idxmin() == truth
    assert found.loc[truth, "left_out"] <= found["left_out"].min() + 0.5


def test_the_left_out_error_is_held_against_no_growth():
    points = series(noise=0.0)
    step = ALPHA * ((0.05 * SIZES[-2]) ** BETA - (0.05 * SIZES[-1]) ** BETA)
    assert last_known(points)[-1] == pytest.approx(step)


def test_a_free_ceiling_is_found_below_the_top():
    points = series(ceiling=80.0, noise=0.1, betas=dict.fromkeys(GAMMAS, -0.4), alpha=200)
    assert fit_law(points, "ceiling").estimate.ceiling == pytest.approx(80, abs=1.5)


def test_scores_at_the_ceiling_neither_break_the_fit_nor_pass_for_a_curve():
    easy = series({"deu_Latn": 1.0, "khm_Khmr": 0.001}, betas={"deu_Latn": -0.6, "khm_Khmr": -0.6}, alpha=60, noise=0.05)
    law = fit_law(Points(easy.languages, easy.sizes, np.where(easy.scores > 99.5, 100.0, easy.scores), easy.errors))
    assert law.beta[0] == pytest.approx(-0.6, abs=0.05)
    full = easy.scores.copy()
    full[:6] = 100
    with pytest.raises(ValueError, match="deu_Latn is within one standard error of 100"):
        fit_law(Points(easy.languages, easy.sizes, full, easy.errors))


def test_falling_scores_have_no_gamma():
    names = ("deu_Latn",) * 4 + ("spa_Latn",) * 4
    law = fit_law(Points(names, np.tile([1e2, 1e3, 1e4, 1e5], 2), np.array([50, 45, 41, 30, 40, 33, 30, 21.0]), np.ones(8)))
    assert (law.beta > 0).all()
    assert np.isnan(law.gamma[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sizes": [10.0, 10, 20, 10, 10, 20]}, "2 sizes"),
        ({"sizes": [0, 10, 20, 5, 10, 20]}, "size 0"),
        ({"scores": [0.2, 0.3, 101, 0.2, 0.3, 0.4]}, "0 to 100"),
        ({"scores": [20, np.nan, 30, 20, 30, 40]}, "not finite"),
        ({"form": "slopes", "languages": ("deu_Latn", "deu_Latn", "deu_Latn", "spa_Latn", "khm_Khmr", "khm_Khmr")}, "for its"),
        ({"form": "given"}, "similarity of deu_Latn, spa_Latn"),
        ({"form": "given", "similarity": {"deu_Latn": 1.0, "spa_Latn": 0.0}}, "got similarity 0 of spa_Latn"),
        ({"reference": "tha_Thai"}, "expected one of deu_Latn"),
    ],
)
def test_what_cannot_be_fitted_is_named(change, words):
    given = {"languages": ("deu_Latn",) * 3 + ("spa_Latn",) * 3, "errors": [1] * 6, "sizes": [5, 10, 20, 5, 10, 20],
             "scores": [20, 30, 35, 10, 18, 25]} | change  # fmt: skip
    given |= {name: np.array(given[name], dtype=float) for name in ("sizes", "scores", "errors")}
    how = {key: given.pop(key) for key in ("form", "similarity", "reference") if key in given}
    with pytest.raises(ValueError, match=words):
        fit_law(Points(**given), **how)


def test_log_linear_start_alone_is_near_for_points_far_from_the_ceiling():
    points = series(noise=0.0)
    slope = stats.linregress(np.log(points.sizes[:6]), np.log(100 - points.scores[:6])).slope
    assert fit_law(points).beta[0] == pytest.approx(slope)

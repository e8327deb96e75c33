"""A data-scale series from items to verdict: planted laws come back, nothing is claimed of noise, the report comes back whole."""

import numpy as np
import pandas as pd
import pytest

from interp.activations.store import Activations
from interp.provenance import CorpusIdentity, ModelIdentity
from probes.report import Report
from probes.scaling.measure import language_similarity, measure_scaling
from probes.scaling.report import ScalingReport
from probes.statistics.training_noise import spread
from probes.sweep.seed_means import seed_scores
from tests.support.planted import aligned, cloud

MODEL = ModelIdentity("toy", "ab" * 32, 2, 4, "float32")
CORPUS = CorpusIdentity("made", "cd" * 32, 300)
GAMMAS = {"deu_Latn": 1.0, "spa_Latn": 0.5, "ukr_Cyrl": 0.1, "arb_Arab": 0.02}
SIZES = (100, 400, 1600, 6400)


def sweep(gammas=GAMMAS, sizes=SIZES, seeds=2, items=300, beta=-0.3, alpha=120.0, flat=None, seed=0) -> pd.DataFrame:
    """Items that are right as often as the law says, in the columns of `measure_cells`."""
    rng, frames = np.random.default_rng(seed), []
    ease = rng.uniform(0, 1, items)  # the same items are easy everywhere
    for name, gamma in gammas.items():
        for size in (0, *sizes):
            for turn in range(seeds if size else 1):
                rate = 0.05 if not size else flat if flat is not None else 1 - alpha * (gamma * size) ** beta / 100
                right = (0.5 * ease + 0.5 * rng.uniform(0, 1, items) < _quantile(max(rate, 0.0))).astype(float)
                frames.append(pd.DataFrame({
                    "cell": f"{name}/{size}/{turn}", "language": name, "size": size, "seed": turn, "source": "eng_Latn",
                    "target": name, "item": [f"i{k:03}" for k in range(items)], "exact": right, "exact_baseline": 0.0,
                }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _quantile(rate: float) -> float:
    """Where the mean of two uniform numbers (halved sums) lies below with this chance."""
    return np.sqrt(rate / 2) if rate <= 0.5 else 1 - np.sqrt((1 - rate) / 2)


def measure(table, **how) -> ScalingReport:
    return measure_scaling(table, MODEL, CORPUS, metric="exact", **({"resamples": 60} | how))


@pytest.fixture(scope="module")
def planted() -> ScalingReport:
    return measure(sweep(), plan={"budget": 8000})


def test_a_planted_law_comes_back_with_intervals_that_hold_it(planted):
    rows = planted.summary().set_index(["quantity", "language"])
    beta = rows.loc[("beta", "all")]
    assert beta["lower"] < -0.3 < beta["upper"]
    assert beta["upper"] < 0
    gammas = rows.loc["gamma"]
    assert gammas.index[gammas["estimate"].argsort()[::-1]].tolist() == list(GAMMAS)
    assert (gammas["lower"] <= list(GAMMAS.values())).all()
    assert (gammas["upper"] >= list(GAMMAS.values())).all()
    assert gammas.loc["deu_Latn", "estimate"] == 1


def test_scores_stand_beside_the_untuned_model_and_count_every_seed(planted):
    rows = planted.summary().query("quantity == 'score'").set_index(["language", "size"])
    cell = planted.table.query("language == 'spa_Latn' and size == 400")
    row = rows.loc[("spa_Latn", "400")]
    assert row["estimate"] == pytest.approx(100 * cell["exact"].mean())
    assert cell["seed"].nunique() == 2
    assert row["baseline"] == pytest.approx(100 * planted.table.query("language == 'spa_Latn' and size == 0")["exact"].mean())
    assert (rows["lower"] <= rows["estimate"]).all()
    assert (rows["estimate"] <= rows["upper"]).all()


def test_the_verdict_names_the_law_its_rivals_and_what_the_plan_is_worth(planted):
    said = planted.verdict()
    assert "exact match (%) of 4 languages over 100 to 6,400 pairs: beta -0." in said
    assert "AIC" in said
    assert "no growth" in said
    assert "8000 pairs" in said
    assert "only alpha gamma^beta is" in " ".join(planted.notes)
    pairs = planted.summary().query("quantity == 'pairs'")
    assert pairs["estimate"].sum() == pairs["baseline"].sum() == 8000


def test_the_left_out_error_of_the_law_is_below_that_of_no_growth(planted):
    rows = planted.summary().query("quantity == 'left out'").set_index("language")
    assert rows.loc["power", "upper"] < rows.loc["power", "baseline"]
    assert rows.loc["power", "lower"] < rows.loc["power", "estimate"] < rows.loc["loglinear", "lower"]


def test_a_measured_gamma_is_given_to_the_law_and_tested_against_free_ones():
    table = sweep()
    true = measure(table, similarity=GAMMAS, similarity_of="alignment")
    assert true.law.form == "given"
    assert true.law.parameters == 2
    assert true.agreement()[0] == 1
    assert "Spearman 1.00" in true.verdict()
    upside_down = dict(zip(GAMMAS, reversed(GAMMAS.values()), strict=True))
    false = measure(table, similarity=upside_down, similarity_of="alignment")
    assert "not shown to order" in false.verdict()
    assert false.forms.set_index("form").loc["given", "behind"] > 10


def test_no_growth_is_not_called_growth():
    said = measure(sweep(flat=0.4), plan={"budget": 8000})
    assert "not distinguishable from no growth" in said.verdict()
    assert said.plan is None or not said.plan.distinguishable


def test_a_saturated_language_is_left_out_and_named():
    table = sweep()
    table.loc[(table["language"] == "deu_Latn") & (table["size"] > 0), "exact"] = 1.0
    found = measure(table)
    assert found.points.names == ("spa_Latn", "ukr_Cyrl", "arb_Arab")
    assert any("deu_Latn: within one standard error of 100" in note for note in found.notes)
    assert len(found.summary().query("quantity == 'score'")) == 16
    table.loc[table["size"] > 0, "exact"] = 1.0
    with pytest.raises(ValueError, match="there is no curve"):
        measure(table)


def test_a_plan_that_cannot_be_made_is_said_and_the_rest_stands():
    found = measure(sweep(), plan={"budget": 3})
    assert found.plan is None
    assert any("No plan: got a budget of 3 for 4 languages" in note for note in found.notes)


def test_a_plan_outside_the_measured_sizes_is_named():
    found = measure(sweep(), plan={"budget": 100_000})
    assert any("goes outside the sizes that were measured for deu_Latn" in note for note in found.notes)


def _error(table) -> np.ndarray:
    _, once, drawn = seed_scores(table[table["size"] > 0], "exact", ["language", "size"], 200, 0)
    found = spread(once, drawn, table["item"].nunique())
    return np.hypot(found.by_items, found.by_training)


def test_seeds_widen_the_interval_and_must_be_the_same_everywhere():
    table = sweep(seeds=3)
    shift = table["seed"].map({0: 0.0, 1: 0.3, 2: -0.3}).where(table["size"] > 0, 0.0)
    noisy = table.assign(exact=table["exact"] + shift)
    calm, wild = (_error(each) for each in (table, noisy))
    assert (wild > 2 * calm).all()
    with pytest.raises(ValueError, match="same seeds everywhere"):
        measure(table[table["cell"] != "spa_Latn/400/1"])


def test_similarity_is_measured_by_alignment_or_shared_tokens_and_never_zero():
    near = aligned(("eng_Latn", "deu_Latn"), (0.7, 0.7), sentences=40)
    tokens = {"eng_Latn": [[1, 2]] * 40, "deu_Latn": [[1, 3]] * 40, "khm_Khmr": [[8, 9]] * 40}
    d_model = near["eng_Latn"].shape[-1]
    acts = Activations.from_arrays({**near, "khm_Khmr": cloud(2, 40, d_model, 9)}, tokens=tokens)
    aligned_by = language_similarity(acts, "eng_Latn", "alignment")
    assert aligned_by["deu_Latn"] > 0.5 > 0.1 > aligned_by["khm_Khmr"] > 0
    assert language_similarity(acts, "eng_Latn", "overlap") == {
        "deu_Latn": pytest.approx((40 / 3 + 0.5) / 41), "khm_Khmr": pytest.approx(0.5 / 41)
    }  # fmt: skip


def test_a_report_comes_back_from_disk_and_draws(planted, tmp_path):
    planted.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, ScalingReport)
    pd.testing.assert_frame_equal(loaded.summary(), planted.summary())
    assert set(loaded.figures()) == {"scaling", "allocation"}
    assert loaded.verdict() == planted.verdict()


def test_a_metric_of_ones_own_is_fitted_as_a_share():
    table = sweep()
    own = table.rename(columns={"exact": "my_code:right", "exact_baseline": "my_code:right_baseline"})
    found = measure_scaling(own, MODEL, CORPUS, metric="my_code:right", resamples=60)
    pd.testing.assert_frame_equal(found.summary(), measure(table).summary())


def test_what_is_no_series_is_named():
    with pytest.raises(ValueError, match="a sweep without seed"):
        measure(sweep().drop(columns="seed"))
    with pytest.raises(ValueError, match="metric 'nll'"):
        measure_scaling(sweep(), MODEL, CORPUS, metric="nll")
    with pytest.raises(ValueError, match="2 sizes"):
        measure(sweep(sizes=(100, 400)))

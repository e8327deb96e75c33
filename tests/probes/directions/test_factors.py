"""Factors of a language's score: planted ones are found apart, chance ones are not, and thirteen languages say little."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.directions.factors import FactorReport, measure_factors, partial_correlations
from probes.report import Report

SIGNATURE = Signature("factors", ModelIdentity("m", "0" * 8, 1, 1, "float32"), CorpusIdentity("c", "0" * 8, 1))
CODES = (
    "eng_Latn deu_Latn fra_Latn cat_Latn fin_Latn rus_Cyrl bul_Cyrl zho_Hans kor_Hang arb_Arab swh_Latn hin_Deva tam_Taml".split()  # noqa: SIM905
)


def _planted(like_english, seen, noise=0.3, seed=0):
    """Scores that depend on similarity with the given weight as a source and on log share as a target; factors correlate."""
    rng = np.random.default_rng(seed)
    share = dict(zip(CODES, np.exp(rng.normal(size=len(CODES))), strict=True))
    similarity = {code: 0.6 * np.log(share[code]) + 0.8 * rng.normal() for code in CODES}
    rows = [
        {"source": a, "target": b, "score": like_english * similarity[a] + seen * np.log(share[b]) + noise * rng.normal()}
        for a, b in itertools.permutations(CODES, 2)
    ]
    return pd.DataFrame(rows), {"similarity": similarity, "share": share}


def test_a_partial_correlation_is_that_of_residuals_and_knows_a_shared_cause():
    rng = np.random.default_rng(0)
    cause = rng.normal(size=4000)
    one, other = cause + rng.normal(size=4000), cause + rng.normal(size=4000)
    plain = partial_correlations(other, one[:, None])
    held = partial_correlations(other, np.column_stack([one, cause]))
    assert plain == pytest.approx([0.5], abs=0.05)
    assert held[0] == pytest.approx(0, abs=0.05)
    assert held[1] == pytest.approx(1 / np.sqrt(3), abs=0.05)
    assert np.isnan(partial_correlations(other, np.column_stack([cause, cause]))).all()
    assert np.isnan(partial_correlations(np.ones(9), rng.normal(size=(9, 1)))).all()


def test_each_planted_factor_is_found_on_its_own_side():
    report = measure_factors(*_planted(1.0, 1.0), SIGNATURE, metric="chrf", resamples=300)
    rows = report.summary().set_index(["side", "factor"])
    for planted in (("source", "similarity"), ("target", "share")):
        assert rows.loc[planted, "lower"] > 0
        assert rows.loc[planted, "estimate"] > rows.loc[planted, "baseline"]
        assert rows.loc[planted, "p_holm"] < 0.05
    for none in (("source", "share"), ("target", "similarity")):
        assert rows.loc[none, "lower"] < 0 < rows.loc[none, "upper"]
    assert (rows["n"] == 12).all()


def test_without_a_relation_the_verdict_says_that_twelve_languages_cannot_tell(tmp_path):
    found = [measure_factors(*_planted(0.0, 0.0, seed=seed), SIGNATURE, metric="chrf", resamples=80) for seed in range(8)]
    assert np.mean([(report.summary()["p_holm"] < 0.05).any() for report in found]) <= 0.25
    assert np.mean([(report.summary()["p"] < 0.05).mean() for report in found]) < 0.15
    assert sum(report.verdict().count("which may be chance") == 4 for report in found) >= 6
    report = found[0]
    assert "±0.60" in report.verdict()
    report.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, FactorReport)
    pd.testing.assert_frame_equal(loaded.summary(), report.summary())


def test_a_factor_known_of_few_languages_is_left_out_and_told():
    scores, factors = _planted(1.0, 0.0)
    factors["share"] = {code: factors["share"][code] for code in CODES[:5]}
    report = measure_factors(scores, factors, SIGNATURE, metric="chrf", resamples=100)
    assert report.factors == ("similarity",)
    assert "share is known for fewer than 6 languages" in report.notes[0]
    with pytest.raises(ValueError, match="share for 4 of 12 languages"):
        measure_factors(scores, {"share": factors["share"]}, SIGNATURE, metric="chrf")

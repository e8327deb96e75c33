"""What a tokenizer costs a language: counted by hand, equal for equal text, and drawn and saved like any report."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import interp
from experiments.__main__ import main
from interp.vocabulary.shortened_tokenizer import shortened
from interp.vocabulary.shortening import plan_shortening
from probes.report import Report
from probes.tokenization.measure import identify_tokenizer, measure_tokenization, survey_tokenization
from tests.support.spelled import byte_fallback, byte_level

CODES = ("eng_Latn", "deu_Latn", "tha_Thai", "khm_Khmr", "hin_Deva")
CORPUS = interp.read("cldr:names", languages=CODES).select(limit=60, seed=0)
TRAINED = byte_level(*CORPUS["eng_Latn"], *CORPUS["hin_Deva"])


def test_one_language_counted_by_hand():
    tiny = interp.ParallelCorpus("tiny", {"eng_Latn": ("ab ab", "cd"), "tha_Thai": ("ไทย", "ก1")})
    found = measure_tokenization(byte_level(), tiny)
    thai = found.loc["tha_Thai"]
    assert thai["premium"] == 13 / 7
    assert thai["fertility"] == 13 / 5
    assert thai["byte_rate"] == 12 / 13
    assert np.isnan(thai["tokens_per_word"])
    assert found.loc["eng_Latn", "tokens_per_word"] == 7 / 3
    assert (thai["lead"], thai["constancy"]) == ("E0", 1)
    assert thai["saved"] == 4 / 13
    assert thai["saved_two"] == 6 / 13  # ไ has another second byte
    assert thai["overlap_pivot"] == thai["jaccard_pivot"] == 0
    assert (found.loc["eng_Latn", "lead"], found.loc["eng_Latn", "saved"]) == ("", 0)


def test_the_pivot_and_its_twin_cost_the_same_and_share_all():
    twins = interp.ParallelCorpus("twins", {"eng_Latn": CORPUS["eng_Latn"], "deu_Latn": CORPUS["eng_Latn"]})
    report = survey_tokenization(TRAINED, twins, resamples=50)
    for row in report.summary().itertuples():
        if row.metric in ("premium", "overlap_pivot", "jaccard_pivot"):
            assert row.estimate == pytest.approx(1)
            assert np.isnan(row.lower) or (row.lower, row.upper) == pytest.approx((1, 1))


def test_overlap_agrees_with_the_formula_and_intervals_hold_the_estimate():
    report = survey_tokenization(TRAINED, CORPUS, resamples=200)
    counts = {code: Counter(token for ids in TRAINED(list(CORPUS[code]))["input_ids"] for token in ids) for code in CODES}
    shares = {code: {token: n / found.total() for token, n in found.items()} for code, found in counts.items()}
    for a in CODES:
        for b in CODES:
            weighted = sum(min(shares[a][token], shares[b].get(token, 0)) for token in shares[a])
            assert report.overlap().loc[a, b] == pytest.approx(weighted)
            union = set(counts[a]) | set(counts[b])
            assert report.overlap("jaccard").loc[a, b] == pytest.approx(len(set(counts[a]) & set(counts[b])) / len(union))
    rows = report.summary().dropna(subset=["estimate", "lower"])
    assert (rows["lower"] <= rows["estimate"] + 1e-9).all()
    assert (rows["estimate"] <= rows["upper"] + 1e-9).all()
    german = rows[(rows["language"] == "deu_Latn") & (rows["metric"] == "overlap_pivot")].iloc[0]
    assert 0.01 < german["upper"] - german["lower"] < 0.3


def test_what_shortening_saves_is_what_the_plan_says():
    found = measure_tokenization(byte_fallback(), CORPUS)
    for code in ("tha_Thai", "khm_Khmr", "hin_Deva"):
        plan = plan_shortening(byte_fallback(), list(CORPUS[code]))
        # the plan is made without special tokens, as is the count
        assert found.loc[code, "saved"] == pytest.approx(plan.saved)
        assert found.loc[code, "constancy"] == pytest.approx(plan.constancy)
        assert found.loc[code, "byte_rate"] > 0.8
    assert list(found["lead"]) == ["", *found["lead"][1:]]


def test_a_shortened_tokenizer_costs_less_and_has_nothing_left_to_save():
    own = shortened(byte_fallback(), plan_shortening(byte_fallback(), list(CORPUS["tha_Thai"])))
    plain, short = measure_tokenization(byte_fallback(), CORPUS), measure_tokenization(own, CORPUS)
    assert short.loc["tha_Thai", "premium"] < 0.75 * plain.loc["tha_Thai", "premium"]
    assert short.loc["tha_Thai", "saved"] == 0
    assert short.loc["deu_Latn", "premium"] == plain.loc["deu_Latn", "premium"]
    assert identify_tokenizer(own, "a").sha != identify_tokenizer(byte_fallback(), "a").sha


def test_the_report_is_saved_drawn_and_read_back(tmp_path):
    report = survey_tokenization(byte_fallback(), CORPUS, name="fallback", resamples=20)
    again = Report.load(report.save(tmp_path))
    assert again.summary().equals(report.summary())
    assert set(again.figures()) == {"tokenization", "overlap", "shortening"}
    assert "khm_Khmr" in again.verdict()
    assert "most tokens are partial characters" in again.verdict()
    with pytest.raises(ValueError, match="pivot fra_Latn"):
        survey_tokenization(byte_fallback(), CORPUS, "fr")
    with pytest.raises(ValueError, match="overlap 'set'"):
        report.overlap("set")


def test_the_command_needs_no_weights(tmp_path, capsys):
    byte_fallback().save_pretrained(tmp_path / "spelled")
    run = ["vocabulary", "--model", str(tmp_path / "spelled"), "--output", str(tmp_path / "run"), "--languages", "th", "de"]
    assert main([*run, "--limit", "40", "--resamples", "50"]) == 0
    assert "spelled" in capsys.readouterr().out
    assert set(Report.load(tmp_path / "run").languages) == {"eng_Latn", "tha_Thai", "deu_Latn"}


def test_figures_keep_the_order_in_which_languages_were_given():
    corpus = interp.read("cldr:names", languages=["eng_Latn", "tha_Thai", "deu_Latn"]).select(limit=10)
    report = survey_tokenization(interp.load("bundled").tokenizer, corpus, resamples=10)
    for name, top_down in (("tokenization", -1), ("overlap", 1)):
        labels = [label.get_text() for label in report.plot(name).axes[0].get_yticklabels()]
        assert labels[::top_down] == ["English", "Thai", "German"]

"""One item says nothing of how others would vary: its interval is left blank, in numbers and in words, in every report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import interp
import probes
from interp.text.corpus import ParallelCorpus
from probes.statistics.resampling import bootstrap, bracketed, percentiles
from tests.support.tiny import tiny

ENGLISH = ("the cat sleeps", "a warm river", "two old dogs", "she reads here", "it rains", "green apples grow")
GERMAN = ("die Katze schläft", "ein warmer Fluss", "zwei alte Hunde", "sie liest hier", "es regnet", "grüne Äpfel wachsen")
TEXT = ParallelCorpus("six", {"eng_Latn": ENGLISH, "deu_Latn": GERMAN}, tuple("abcdef"))
TASK = interp.ParallelTask(
    "animals",
    {"eng_Latn": ('Q: "cat" A: "', 'Q: "dog" A: "'), "deu_Latn": ('Q: "Katze" A: "', 'Q: "Hund" A: "')},
    {"eng_Latn": (("cat",), ("dog",)), "deu_Latn": (("cat",), ("dog",))},
)


def test_a_cell_with_one_item_has_no_interval_and_one_with_two_has():
    values = np.array([[1.0, 1.0], [np.nan, 3.0]])
    lower, upper = bootstrap(values)
    assert np.isnan([lower[0], upper[0]]).all()
    assert lower[1] < 1.0 < 3.0 < upper[1]  # Student's t with one degree of freedom


def test_two_sentences_of_one_text_are_one_unit():
    lower, upper = bootstrap(np.array([1.0, 2.0]), clusters=["a", "a"])
    assert np.isnan([lower, upper]).all()
    own = bootstrap(np.array([1.0, 2.0]), clusters=["a", "b"])
    assert own[0] < own[1]
    assert np.isnan(bootstrap(np.array([1.0]), statistic=lambda values, weights: weights @ values)).all()


def test_an_interval_of_resamples_is_blank_for_few_units_and_where_all_are_the_same():
    drawn = np.linspace(0, 1, 101)
    assert np.isnan(percentiles(drawn, 5)).all()
    assert np.isnan(percentiles(np.ones(101), 10**6)).all()
    assert percentiles(drawn, 10**6) == (pytest.approx(0.025, abs=1e-4), pytest.approx(0.975, abs=1e-4))
    assert percentiles(drawn, 6)[0] < 0.003  # resamples of few units vary too little


def test_a_blank_interval_is_a_dash_in_a_sentence():
    assert bracketed(np.nan, np.nan) == "[–]"
    assert bracketed(-1.0, 1.0, "+.1f") == "[-1.0, +1.0]"


def translation(n):
    return probes.measure_translation(
        tiny("llama"), TEXT.select(limit=n), [("eng_Latn", "deu_Latn")], max_new_tokens=2, resamples=20
    )


def tokenization(n):
    return probes.survey_tokenization(tiny("llama").tokenizer, TEXT.select(limit=n), resamples=20)


def transplant(n):
    pairs = [(("eng_Latn",), "deu_Latn")]
    how = {"sources": [1], "targets": [0, 2], "controls": (), "resamples": 20, "progress": False}
    return probes.measure_transplant(tiny("llama"), TASK.select(limit=n), pairs, **how)


@pytest.mark.parametrize("measure", [translation, tokenization, transplant])
def test_a_report_of_one_item_leaves_its_intervals_blank(measure, tmp_path):
    report = measure(1)
    summary = report.summary()
    bounds = [name for name in summary if name.split("_")[-1] in ("lower", "upper")]
    assert summary.loc[summary["n"] == 1, bounds].isna().all().all()
    assert (summary["n"] == 1).any()
    assert summary["estimate"].notna().any()
    assert "nan" not in report.verdict()
    saved = probes.Report.load(report.save(tmp_path))
    pd.testing.assert_frame_equal(saved.summary(), summary)
    assert measure(6 if measure is not transplant else 2).summary()[["lower", "upper"]].notna().all(axis=1).any()

"""Metrics of one's own stand in the table beside ours, with their baseline, and a bad one is named before the model is asked."""

from __future__ import annotations

import numpy as np
import pytest

import probes.translation.answers
import probes.translation.measure
from probes.report import Report
from probes.statistics.best import lower_is_better
from probes.sweep.sweep import Sweep
from probes.translation.answers import measure_answers
from probes.translation.measure import measure_translation
from probes.translation.metrics import metric_contents, own_scores, resolved
from probes.translation.normalisation import RULE
from tests.probes.translation.test_translation import CORPUS, TASK, WORDS, _translator
from tests.support.tiny import tiny

TO = [("eng_Latn", "deu_Latn"), ("eng_Latn", "rus_Cyrl")]


def longer_by(hypotheses, references, sources, language):
    """Letters more than the reference, less those of the source, so that every argument counts."""
    assert language in WORDS
    rows = zip(hypotheses, references, sources, strict=True)
    return [len(said) - len(golds[0]) - len(source) / 1000 for said, golds, source in rows]


class Length:
    def __call__(self, hypotheses):
        return [len(said) for said in hypotheses]


@pytest.mark.parametrize(
    "metric",
    [
        lambda hypotheses, references: [len(said + golds[0]) for said, golds in zip(hypotheses, references, strict=True)],
        lambda references, hypotheses, k=0: [len(said + golds[k]) for said, golds in zip(hypotheses, references, strict=True)],
        lambda a, b, /, k=0: [len(said + golds[k]) for said, golds in zip(a, b, strict=True)],
        lambda a, /, *, references: [len(said + golds[0]) for said, golds in zip(a, references, strict=True)],
        lambda hypotheses, references=None, /: [len(said + golds[0]) for said, golds in zip(hypotheses, references, strict=True)],
        lambda hypotheses, *rest: [len(said + golds[0]) for said, golds in zip(hypotheses, rest[0], strict=True)],
        lambda hypotheses, references, resources=2: [len(a + b[0]) for a, b in zip(hypotheses, references, strict=resources > 1)],
        lambda *all_four: [len(said + golds[0]) for said, golds in zip(all_four[0], all_four[1], strict=True)],
        lambda **named: [len(said + golds[0]) for said, golds in zip(named["hypotheses"], named["references"], strict=True)],
    ],
)
def test_a_metric_is_given_what_it_names(metric):
    own = resolved([metric], [])[0]
    assert own_scores(own, ["a", "bb"], [["cc"], ["dddd"]], ["", ""], "deu_Latn").tolist() == [3, 6]


def test_an_object_that_can_be_called_is_a_metric():
    assert own_scores(resolved([Length()], [])[0], ["a", "bb"], [[""], [""]], ["", ""], "deu_Latn").tolist() == [1, 2]


def word_error(hypotheses, references, sources, language):
    return [1.0 for _ in hypotheses]


def test_a_metric_of_ones_own_is_scored_beside_the_untranslated_source(monkeypatch, tmp_path):
    monkeypatch.setattr(probes.translation.measure, "generate", _translator(lambda text, right: right + "!!"))
    report = measure_translation(tiny("llama"), CORPUS, TO, metrics=(longer_by, "exact"), resamples=50)
    name = f"{__name__}:longer_by"
    assert report.metrics == (name, "exact")
    rows = report.summary().set_index(["metric", "target"])
    sources, golds = WORDS["eng_Latn"], WORDS["deu_Latn"]
    length = sum(map(len, sources)) / 5000
    assert rows.loc[(name, "deu_Latn"), "estimate"] == pytest.approx(2 - length)
    expected = sum(len(a) - len(b) for a, b in zip(sources, golds, strict=True)) / 5 - length
    assert rows.loc[(name, "deu_Latn"), "baseline"] == pytest.approx(expected)
    assert (rows["n"] == 5).all()
    assert f"|{name}:{resolved([longer_by], [])[0].sha[:8]}" in str(report.signature)  # type: ignore[union-attr]
    assert name in report.verdict()
    report.save(tmp_path)
    assert Report.load(tmp_path).summary().equals(report.summary())


def test_answers_have_it_too_with_the_next_answer_as_baseline(monkeypatch):
    monkeypatch.setattr(
        probes.translation.answers, "generate", lambda model, prompts, **_: [prompt.split('"')[1] for prompt in prompts]
    )
    report = measure_answers(tiny("llama"), TASK, metrics=(longer_by, "contains_whole", "squad_f1"), resamples=50)
    assert report.metrics == (f"{__name__}:longer_by", "contains_whole", "squad_f1")
    assert "chosen" not in report.table
    rows = report.summary().set_index(["metric", "language"])
    assert rows.loc[("contains_whole", "mean"), ["estimate", "baseline"]].tolist() == [1, 0]
    questions = sum(map(len, TASK.prompts["deu_Latn"])) / 5000
    assert rows.loc[(f"{__name__}:longer_by", "deu_Latn"), "estimate"] == pytest.approx(-questions)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (lambda a, b: [], r"got a function of \(a, b\), expected one of \(hypotheses, references, sources, language\)"),
        (lambda **_: [1.0], r"got scores of shape \(1,\) for 5 texts, expected one number for each"),
        (lambda **_: [float("nan")] * 5, "got nan for 5 texts, expected finite numbers"),
        (lambda **_: ["good"] * 5, "got the text 'good', expected a number for each text"),
        (lambda **_: [0.5, "0.5", 1, 1, 1], r"got the text '0.5', expected a number for each text. Give float\('0.5'\)"),
        (
            lambda hypotheses, refrences=None: [1.0] * 5,
            "got the parameter refrences, which would keep its default, expected references",
        ),
        (lambda hypotheses, reference=(): [1.0] * 5, "got the parameter reference, .* expected references. Call it references"),
        (lambda hypotheses, *, refs=None: [1.0] * 5, "got the parameter refs, .* expected references"),
        (lambda hypotheses, lang="eng_Latn", **_: [1.0] * 5, "got the parameter lang, .* expected language"),
        (lambda hyps, refs=None, /: [1.0] * 5, "got the parameter refs, .* expected references"),
        (lambda references, hypotheses, /: [1.0] * 5, "got references at place 1 of .*, by place alone, expected the order"),
        (lambda **_: 1 / 0, "it failed with ZeroDivisionError"),
        (lambda **_: 3.0, "got a float, expected a list with one number for each text"),
        (lambda **_: np.array(3.0), "got a ndarray, expected a list with one number for each text"),
        (lambda **_: None, "got a NoneType, expected a list with one number for each text"),
        (lambda **_: dict.fromkeys(range(5), 1.0), "got a dict, expected a list with one number for each text"),
        (lambda **_: "12345", "got a str, expected a list"),
        (lambda **_: {1, 2, 3, 4, 5}, "got a set, expected a list"),
        (lambda sources: [1.0] * 5, r"got a function of \(sources\), expected .* all but hypotheses may be left out"),
        (lambda hypotheses, k: [], r"got a function of \(hypotheses, k\), expected"),
        (lambda a, b, c, d, e, /: [], r"got a function of \(a, b, c, d, e, /\), expected"),
        (Length, r"got the class Length, expected a function. Give an object of it .* metric = Length\(...\)"),
    ],
)
def test_a_bad_metric_is_named(metric, words, monkeypatch):
    monkeypatch.setattr(probes.translation.measure, "generate", _translator(lambda text, right: right))
    with pytest.raises(ValueError, match=words):
        measure_translation(tiny("llama"), CORPUS, TO, metrics=(metric,))


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        (("exat",), r"expected some of exact, chrf, bleu, .*, or a function of your own as module:function. Did you mean exact"),
        (("exact", "exact"), "got metric 'exact' twice"),
        ((longer_by, longer_by), "twice"),
        (("no_such:metric",), "no_such cannot be imported"),
    ],
)
def test_what_is_no_metric_is_named_with_those_there_are(metrics, words):
    with pytest.raises(ValueError, match=words):
        measure_translation(tiny("llama"), CORPUS, TO, metrics=metrics)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"metrics": ("mlqa_f1",)}, "metric 'mlqa_f1': got language rus_Cyrl"),
        ({"metrics": ("exact",), "written": False}, "no answers are to be written"),
        ({"metrics": ("chrf",)}, "expected some of choice, exact, f1, contains, contains_whole, script, mlqa_exact"),
    ],
)
def test_a_metric_that_does_not_suit_the_questions_is_refused(how, words):
    with pytest.raises(ValueError, match=words):
        measure_answers(tiny("llama"), TASK, **how)


def test_more_is_better_of_a_metric_of_ones_own_whatever_its_name():
    assert lower_is_better("word error")
    assert not lower_is_better(f"{__name__}:word_error")


def test_the_key_of_a_sweep_has_the_code_and_the_tokens():
    assert metric_contents(["chrf", "script"], ["deu_Latn"]) == {}
    assert metric_contents(["exact"], ["deu_Latn"]) == {"rule": RULE}
    contents = metric_contents(["bleu", longer_by], ["deu_Latn", "zho_Hans"])
    assert contents["tokens"] == {"bleu": {"deu_Latn": "13a", "zho_Hans": "zh"}}
    assert list(contents["own"]) == [f"{__name__}:longer_by"]  # type: ignore[call-overload]
    assert Sweep("bundled", CORPUS, metrics=(longer_by,)).metrics == (longer_by,)

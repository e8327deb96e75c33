"""Translation and answers: a perfect translator scores all, a copier scores its baseline, and every hypothesis is kept."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sacrebleu.metrics import CHRF

import probes.translation.answers
import probes.translation.measure
from interp.text.corpus import ParallelCorpus, ParallelTask
from probes.report import Report
from probes.translation.answers import measure_answers
from probes.translation.measure import measure_translation
from probes.translation.report import TranslationReport
from tests.support.tiny import tiny

WORDS = {
    "eng_Latn": ("the cat", "a red stone", "three rivers", "the old house", "my dog"),
    "deu_Latn": ("die Katze", "ein roter Stein", "drei Flüsse", "das alte Haus", "mein Hund"),
    "rus_Cyrl": ("кошка", "красный камень", "три реки", "старый дом", "моя собака"),
}
CORPUS = ParallelCorpus("made", WORDS)
TASK = ParallelTask(
    "asked",
    {code: tuple(f'{code}: "{word}" = "' for word in words) for code, words in WORDS.items()},
    {code: tuple((word, f"{word}!") for word in words) for code, words in WORDS.items()},
    {code: tuple((word, "wrong", "worse") for word in words) for code, words in WORDS.items()},
)
PAIRS = [("eng_Latn", "deu_Latn"), ("eng_Latn", "rus_Cyrl"), ("deu_Latn", "rus_Cyrl"), ("rus_Cyrl", "deu_Latn")]


def _translator(how):
    """A stand-in for generation: it knows the translations and answers as `how(source, target)` says."""

    def generate(model, prompts, **_):
        found = []
        for prompt in prompts:
            line = prompt.rpartition("\n")[2]  # quoted form: `English: "the cat" - Deutsch: "`
            text = line.split('"')[1]
            source = next(code for code, words in WORDS.items() if text in words)
            target = "deu_Latn" if "Deutsch" in line.split(" - ")[1] else "rus_Cyrl"
            found.append(how(text, WORDS[target][WORDS[source].index(text)]))
        return found

    return generate


def _even(model, prompts, answers, **_):
    return [-float(len(answer)) for answer in answers]


@pytest.fixture
def planted(monkeypatch):
    def plant(how):
        monkeypatch.setattr(probes.translation.measure, "generate", _translator(how))
        monkeypatch.setattr(probes.translation.measure, "score", _even)

    return plant


def _means(report: TranslationReport) -> pd.DataFrame:
    rows = report.summary()
    return rows[rows["source"] == "mean"].set_index("metric")


def test_a_perfect_translator_scores_all_in_every_direction(planted):
    planted(lambda text, right: f" {right} ")
    report = measure_translation(tiny("llama"), CORPUS, PAIRS, resamples=50)
    rows = report.summary()
    full = rows["metric"].map({"exact": 1, "chrf": 100, "script": 1, "nll": 1})
    kept = full.notna()
    assert rows.loc[kept, "estimate"].to_numpy() == pytest.approx(full[kept].to_numpy())
    assert _means(report).loc["exact", "baseline"] == 0
    assert report.matrix("exact").loc["rus_Cyrl", "deu_Latn"] == 1
    assert np.isnan(report.matrix("exact").loc["rus_Cyrl", "rus_Cyrl"])


def test_translations_that_are_near_and_never_exact_are_judged_by_the_metric_that_sees_it(monkeypatch):
    texts = tuple(f"wort{number} und satz" for number in range(12))
    near = ParallelCorpus("near", {"eng_Latn": tuple(f"({number})" for number in range(12)), "deu_Latn": texts})
    monkeypatch.setattr(probes.translation.measure, "generate", lambda model, prompts, **_: [f"{text}!?" for text in texts])
    report = measure_translation(tiny("llama"), near, [("eng_Latn", "deu_Latn")], metrics=("exact", "chrf"), max_new_tokens=4)
    nothing = report.table.assign(exact=0.0)
    judged = replace(report, table=nothing)
    assert judged.verdict().startswith("By chrF++ the model translates better than leaving the source as it is (n=12).")
    assert judged.finds()
    floor = replace(report, table=nothing.assign(chrf=0.0))
    assert floor.verdict().startswith("The model got nothing right")
    assert not floor.finds()


def test_copying_the_source_is_the_baseline(planted):
    planted(lambda text, right: text)
    rows = measure_translation(tiny("llama"), CORPUS, PAIRS, metrics=("chrf", "exact", "script"), resamples=50).summary()
    assert rows["estimate"].to_numpy() == pytest.approx(rows["baseline"].to_numpy())
    script = rows[rows["metric"] == "script"].set_index(["source", "target"])["estimate"]
    assert script[("eng_Latn", "deu_Latn")] == 1  # one script: it says nothing here
    assert script[("eng_Latn", "rus_Cyrl")] == 0


def test_corpus_scores_are_sacrebleus(planted):
    planted(lambda text, right: right[:4] + text[:3])
    report = measure_translation(tiny("llama"), CORPUS, PAIRS, metrics=("chrf", "bleu"), resamples=300)
    rows = report.summary()
    part = report.table[(report.table["source"] == "eng_Latn") & (report.table["target"] == "rus_Cyrl")]
    own = rows[(rows["source"] == "eng_Latn") & (rows["target"] == "rus_Cyrl") & (rows["metric"] == "chrf")].iloc[0]
    assert own["estimate"] == pytest.approx(
        CHRF(word_order=2).corpus_score(list(part["hypothesis"]), [list(part["reference"])]).score
    )
    assert rows[["lower", "upper"]].isna().all().all()  # resamples of five items have no interval
    assert "nw:2" in str(report.signature)


def test_bleu_has_no_value_where_no_reference_has_four_words(planted):
    planted(lambda text, right: right)
    report = measure_translation(tiny("llama"), CORPUS, PAIRS, metrics=("exact", "bleu"), resamples=20)
    assert report.summary().query("metric == 'bleu'")["estimate"].isna().all()
    assert "BLEU" not in report.verdict()


def test_likelihood_is_by_character_and_knows_another_items_reference(monkeypatch, planted):
    planted(lambda text, right: right)

    def knows(model, prompts, answers, **_):
        scored = []
        for prompt, answer in zip(prompts, answers, strict=True):
            line = prompt.rpartition("\n")[2]
            right = WORDS["deu_Latn"][WORDS["eng_Latn"].index(line.split('"')[1])]
            scored.append(-0.5 * len(answer) if answer == right else -2.0 * len(answer))
        return scored

    monkeypatch.setattr(probes.translation.measure, "score", knows)
    row = measure_translation(tiny("llama"), CORPUS, PAIRS[:1], metrics=("nll",), resamples=50).summary().iloc[0]
    assert (row["estimate"], row["baseline"]) == pytest.approx((0.5, 2.0))


def test_shots_are_shown_in_every_direction_and_never_tested(monkeypatch, planted):
    planted(lambda text, right: right)
    seen = []
    inner = probes.translation.measure.generate
    monkeypatch.setattr(
        probes.translation.measure, "generate", lambda model, prompts, **how: seen.extend(prompts) or inner(model, prompts)
    )
    report = measure_translation(tiny("llama"), CORPUS, PAIRS, metrics=("exact",), shots=2, resamples=50)
    assert (report.summary()["n"] == 3).all()
    items = report.table.groupby(["source", "target"])["item"].apply(tuple)
    assert items.nunique() == 1
    assert all(prompt.count("\n") == 2 for prompt in seen)
    tested = set(report.table["text"])
    assert not any(f'"{text}" - ' in prompt.rpartition("\n")[0] for prompt in seen for text in tested)


def test_an_identifier_is_asked_and_must_come_with_its_metric(planted):
    planted(lambda text, right: right)

    def identifier(texts):
        return ["deu_Latn" if text[0] in "de" else "eng_Latn" for text in texts]

    how = {"metrics": ("identified",), "resamples": 50, "identifier": identifier}
    report = measure_translation(tiny("llama"), CORPUS, PAIRS[:1], **how)
    assert report.summary().iloc[0]["estimate"] == pytest.approx(4 / 5)
    with pytest.raises(ValueError, match="belong together"):
        measure_translation(tiny("llama"), CORPUS, PAIRS, metrics=("identified",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": ("chrff",)}, "Did you mean chrf"),
        ({"shots": 5}, "so that some are left to test"),
        ({"form": "nope"}, "got template .nope."),
    ],
)
def test_what_cannot_be_measured_is_named(changes, words):
    with pytest.raises(ValueError, match=words):
        measure_translation(tiny("llama"), CORPUS, PAIRS, **changes)
    with pytest.raises(ValueError, match="no direction"):
        measure_translation(tiny("llama"), CORPUS, [])


def test_a_real_model_is_measured_and_its_report_comes_back_from_disk(tmp_path):
    report = measure_translation(tiny("gpt2"), CORPUS, PAIRS[:2], metrics=("chrf", "nll"), max_new_tokens=6, resamples=50)
    assert len(report.table) == 10
    assert report.table["nll"].gt(0).all()
    report.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, TranslationReport)
    pd.testing.assert_frame_equal(loaded.summary(), report.summary())
    assert list(loaded.table["hypothesis"]) == list(report.table["hypothesis"])


def test_written_answers_are_scored_beside_anothers_answer(monkeypatch):
    def generate(model, prompts, **how):
        assert how["stop"] == '"'
        return [prompt.rpartition("\n")[2].split('"')[1] for prompt in prompts]

    monkeypatch.setattr(probes.translation.answers, "generate", generate)
    monkeypatch.setattr(probes.translation.answers, "choose", lambda model, prompts, options: [k % 3 for k in range(len(prompts))])
    report = measure_answers(tiny("llama"), TASK, resamples=50)
    rows = report.summary().set_index(["metric", "language"])
    assert rows.loc[("exact", "mean"), ["estimate", "baseline"]].tolist() == [1, 0]
    assert rows.loc[("f1", "mean"), "estimate"] == 1
    assert rows.loc[("choice", "deu_Latn"), "estimate"] == pytest.approx(2 / 5)
    assert rows.loc[("choice", "deu_Latn"), "baseline"] == pytest.approx(1 / 3)
    assert report.table.loc[0, ["question", "reference", "hypothesis", "chosen"]].notna().all()


def test_a_real_model_chooses_and_writes():
    report = measure_answers(tiny("llama"), TASK, shots=1, max_new_tokens=4, resamples=50)
    assert (report.summary()["n"] == 4).all()
    assert set(report.metrics) == {"choice", "exact", "f1", "contains", "script"}
    assert "4 questions in 3 languages" in report.verdict()
    with pytest.raises(ValueError, match="so that some are left to test"):
        measure_answers(tiny("llama"), TASK, shots=5)

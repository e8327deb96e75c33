"""Patching as a report, and concept and language apart: closed forms at the last layer, pairs that differ in one thing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probes.patching.measure as measure_module
from interp.interventions.prompts import marked, untouched
from interp.text.corpus import ParallelTask
from probes.patching.concepts import DONORS, READOUTS, measure_concepts
from probes.patching.contrasts import Contrast, contrasts, mark_difference
from probes.patching.measure import measure_patching
from probes.report import Report
from tests.support.tiny import LAYERS, tiny

PAIRS = [
    Contrast("The [[dog]] looks at the", "The [[warm stone]] looks at the", " river", " cat", language="eng_Latn"),
    Contrast("The [[cat]] sleeps on the", "The [[river]] sleeps on the", " do", " stone", language="eng_Latn"),
    Contrast("Die [[Katze]] auf dem", "Die [[Hund]] auf dem", " Fluss", " warmen", language="deu_Latn"),
]


def task() -> ParallelTask:
    words = {"eng_Latn": ("dog", "cat", "river", "stone"), "deu_Latn": ("Hund", "Katze", "Fluss", "Stein")}
    answers = {"eng_Latn": ("b", "c", "d", "e"), "deu_Latn": ("m", "n", "o", "p")}
    return ParallelTask(
        "letters",
        {code: tuple(f'{code[:2]}: "{word}" is "' for word in some) for code, some in words.items()},
        {code: tuple((letter,) for letter in some) for code, some in answers.items()},
    )


def test_the_report_knows_the_closed_forms_at_the_last_layer():
    report = measure_patching(tiny("llama"), PAIRS, anchors=("last", "span"), keep="all", progress=False, resamples=50)
    frame = report.summary().set_index(["language", "direction", "anchor", "layer"])["estimate"]
    for language in ("eng_Latn", "deu_Latn"):
        assert frame[language, "denoise", "last", LAYERS - 1] == pytest.approx(1, abs=1e-3)
        assert frame[language, "denoise", "span", LAYERS - 1] == pytest.approx(0, abs=1e-3)
        assert frame[language, "noise", "last", LAYERS - 1] == pytest.approx(0, abs=1e-3)
    rows = report.table[(report.table["language"] == "eng_Latn") & (report.table["direction"] == "denoise")]
    cell = rows[(rows["anchor"] == "span") & (rows["layer"] == 1)]
    share = (cell["value"] - cell["corrupt"]).mean() / (cell["clean"] - cell["corrupt"]).mean()
    assert frame["eng_Latn", "denoise", "span", 1] == pytest.approx(share)
    assert set(report.best()["direction"]) == {"denoise", "noise"}
    assert report.verdict().startswith("With n=3 items nothing is claimed: at least 6 are needed.")


def test_a_saved_patch_report_is_the_same_report(tmp_path):
    report = measure_patching(tiny("gpt2"), PAIRS[:2], site="head", keep="all", blocks=[1], progress=False, resamples=50)
    assert report.summary()["head"].tolist() == [0, 1, 2, 3] * 2
    assert "at the last token, attention head 1." in report.verdict()
    loaded = Report.load(report.save(tmp_path))
    assert loaded.summary().equals(report.summary())


@pytest.mark.parametrize("method", ["exact", "attribution"])
def test_a_killed_run_measures_only_the_pair_it_was_at_again(method, tmp_path, monkeypatch):
    name = {"exact": "patch", "attribution": "attribute"}[method]
    measured, patch = [], getattr(measure_module, name)
    options = {"keep": "all", "directions": ["denoise"], "method": method, "progress": False, "resamples": 50}

    def counted(*args, **where):
        measured.append(args)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return patch(*args, **where)

    monkeypatch.setattr(measure_module, name, counted)
    with pytest.raises(KeyboardInterrupt):
        measure_patching(tiny("llama"), PAIRS, folder=tmp_path, **options)
    again = measure_patching(tiny("llama"), PAIRS, folder=tmp_path, **options)
    assert len(measured) == 4, "the third pair alone"
    truth = measure_patching(tiny("llama"), PAIRS, **options)
    np.testing.assert_allclose(again.table["value"], truth.table["value"], atol=1e-5)
    np.testing.assert_array_equal(again.table[["clean", "corrupt"]], truth.table[["clean", "corrupt"]])


def test_pairs_the_model_gets_wrong_are_left_out_and_counted():
    model = tiny("llama")
    both = []
    for pair in PAIRS:
        signs = []
        for text in (pair.clean, pair.corrupt):
            prompt = marked(model, text)
            ids = [model.tokenizer(prompt.text + word)["input_ids"][len(prompt.ids)] for word in (pair.answer, pair.wrong)]
            logits = untouched(model, prompt.ids)[0, 0]
            signs.append(float(logits[ids[0]] - logits[ids[1]]))
        both.append(signs[0] > 0 > signs[1])
    flipped = [Contrast(pair.corrupt, pair.clean, pair.wrong, pair.answer, language="x") for pair in PAIRS]
    for pairs, kept in ((PAIRS, sum(both)), (PAIRS + flipped, None)):
        kept = 2 * sum(both) if kept is None else kept
        if kept == 0:
            with pytest.raises(ValueError, match="is left"):
                measure_patching(model, pairs, progress=False)
        else:
            report = measure_patching(model, pairs, progress=False, resamples=50)
            assert report.table["item"].nunique() == kept
            assert f"{len(pairs) - kept} of {len(pairs)}" in report.notes[0]


def test_estimates_come_with_their_calibration():
    options = {"anchors": ("last", "span"), "keep": "all", "progress": False, "resamples": 50}
    estimated = measure_patching(tiny("llama"), PAIRS, method="attribution", calibration=0.5, **options)
    assert "24 random components: Spearman" in estimated.notes[-1]
    exact = measure_patching(tiny("llama"), PAIRS, **options)
    assert list(exact.table.columns) == list(estimated.table.columns)
    assert np.array_equal(exact.table["clean"], estimated.table["clean"])
    assert not np.allclose(exact.table["value"], estimated.table["value"])


def test_answers_that_begin_alike_are_counted_not_guessed():
    clash = Contrast("The [[dog]] on", "The [[cat]] on", " the river", " the cat")
    report = measure_patching(tiny("llama"), [*PAIRS, clash], keep="all", progress=False, resamples=50)
    assert "1 pairs are left out" in report.notes[0]
    with pytest.raises(ValueError, match="begin with the same token"):
        measure_patching(tiny("llama"), [clash], keep="all", progress=False)


def test_what_differs_is_marked():
    assert mark_difference('A: "Kenya" is', 'A: "Peru" is') == ('A: "[[Kenya]]" is', 'A: "[[Peru]]" is')
    assert mark_difference("the cats sat", "the cots sat") == ("the [[cats]] sat", "the [[cots]] sat")
    assert mark_difference("我吃米饭", "我吃面包") == ("我吃[[米饭]]", "我吃[[面包]]")
    assert mark_difference("भारत है", "भूटान है") == ("[[भारत]] है", "[[भूटान]] है")
    assert mark_difference("same", "same") == ("same", "same")
    pairs = contrasts(task(), "deu_Latn")
    assert len(pairs) == 4
    assert all(pair.answer != pair.wrong and pair.clean.count("[[") == 1 for pair in pairs)


def test_at_the_last_layer_the_donor_speaks():
    model, given = tiny("llama"), task()
    report = measure_concepts(model, given, "eng_Latn", progress=False, resamples=50)
    frame = report.summary()
    assert list(dict.fromkeys(frame["donor"])) == list(DONORS)
    table = report.table.set_index(["item", "donor", "layer", "readout"])["value"]
    last = LAYERS - 1
    for item in report.table["item"].unique():
        for readout in READOUTS:
            assert table[item, "mean", 1, readout] == pytest.approx(table[item, "both", 1, readout], abs=1e-5), "one other language"
        row = given.ids.index(report.table.loc[report.table["item"] == item, "asked"].iloc[0])
        prompt = given.prompts["eng_Latn"][row]
        ids = model.tokenizer(prompt)["input_ids"]
        with torch.no_grad():
            said = model(torch.tensor([ids]), use_cache=False)[0, -1].softmax(-1)
        token = model.tokenizer(given.prompts["deu_Latn"][row] + given.answers["eng_Latn"][row][0])["input_ids"][-1]
        assert table[item, "language", last, READOUTS[3]] == pytest.approx(float(said[token]), abs=1e-5)
        assert table[item, "none", -1, READOUTS[0]] != pytest.approx(table[item, "concept", last, READOUTS[0]], abs=1e-6)
    assert "same language at most" in report.verdict()
    assert "concepts" in report.figures()
    with pytest.raises(ValueError, match="got only the reference language eng_Latn, expected at least one other"):
        measure_concepts(model, given, "eng_Latn", languages=["eng_Latn"])

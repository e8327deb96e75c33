"""Steering: a planted direction writes the other language and random ones do not; taking nothing out changes nothing."""

from __future__ import annotations

import pytest
import torch

from interp.activations.store import Activations
from interp.generation.loss import sentence_losses
from interp.text.corpus import ParallelCorpus
from probes.steering.measure import SubspaceReport, measure_steering
from probes.translation.text_scores import in_script
from tests.support.tiny import tiny

CORPUS = ParallelCorpus(
    "tiny",
    {
        "eng_Latn": ("The cat sleeps.", "The dog looks at the river.", "A stone is warm."),
        "rus_Cyrl": ("Кошка спит.", "Собака смотрит на реку.", "Камень тёплый."),
    },
    ids=("a", "b", "c"),
)


def planted() -> Activations:
    """States after the last block in which Russian differs from English by the unembedding of a Cyrillic token."""
    model = tiny("llama")
    unembedding = model.original_model.get_output_embeddings().weight
    token = next(token for token in range(len(unembedding)) if in_script(model.tokenizer.decode([token]), "rus_Cyrl"))
    noise = torch.randn(4, 20, model.cfg.d_model, generator=torch.Generator().manual_seed(0))
    noise -= noise.mean(1, keepdim=True)
    away = 20 * unembedding[token].detach()
    return Activations.from_arrays({"eng_Latn": noise, "rus_Cyrl": noise + away}, site="mlp")


@pytest.fixture(scope="module")
def measured() -> SubspaceReport:
    how = {"layers": ["3"], "alphas": (1.0,), "draws": 2, "max_new_tokens": 3, "resamples": 20}
    return measure_steering(tiny("llama"), planted(), CORPUS, "en", "ru", **how)


def test_the_planted_direction_writes_russian_and_random_ones_do_not(measured):
    rows = measured.summary().set_index(["metric", "alpha"])
    steered = rows.loc[("language", 1.0)]
    assert steered["estimate"] == 1
    assert steered["baseline"] < 0.5
    assert rows.loc[("language", 0.0), "excess"] == 0
    assert measured.verdict().startswith("From strength 1, the model writes rus_Cyrl in 1.00 [1.00, 1.00] of texts")


def test_what_was_written_under_the_edit_is_scored_by_the_untouched_model(measured):
    model, at = tiny("llama"), measured.table.query("alpha == 1.0 and direction == 'language'")
    for sentence, text, surprise in zip(CORPUS["eng_Latn"], at["text"], at["surprise"], strict=True):
        prompt, both = (len(model.tokenizer(words)["input_ids"]) for words in (f"{sentence}\n", f"{sentence}\n{text}"))
        losses = [float(sentence_losses(model, [words])[0][0]) for words in (f"{sentence}\n", f"{sentence}\n{text}")]
        assert surprise == pytest.approx((losses[1] - losses[0]) / (both - prompt), rel=1e-3)


def test_where_nothing_differs_nothing_is_claimed():
    acts = Activations.from_arrays({code: planted()["eng_Latn"] for code in CORPUS.languages}, site="mlp")
    report = measure_steering(
        tiny("llama"), acts, CORPUS, "en", "ru", layers=["3"], alphas=(1.0,), draws=1, max_new_tokens=2, resamples=20
    )
    assert report.verdict().startswith("No strength makes the model write rus_Cyrl more often than random directions do")


def test_the_identifier_decides_where_one_is_given_and_is_needed_where_scripts_agree():
    german = Activations.from_arrays({"eng_Latn": torch.randn(4, 5, 32), "deu_Latn": torch.randn(4, 5, 32)}, site="mlp")
    corpus = ParallelCorpus("two", {"eng_Latn": ("A cat.",), "deu_Latn": ("Eine Katze.",)})
    with pytest.raises(ValueError, match="got eng_Latn and deu_Latn, which share a script"):
        measure_steering(tiny("llama"), german, corpus, "en", "de")
    how = {"layers": ["1"], "alphas": (), "draws": 1, "max_new_tokens": 2, "resamples": 5}
    report = measure_steering(tiny("llama"), german, corpus, "en", "de", identify=lambda text: "deu_Latn", **how)
    assert report.table["language"].tolist() == [1.0, 1.0]


def test_sentences_that_fitted_the_edit_may_not_try_it():
    acts = Activations.from_arrays({code: torch.randn(4, 3, 32) for code in CORPUS.languages}, site="mlp", ids=CORPUS.ids)
    same = ParallelCorpus("arrays", CORPUS.sentences, ids=CORPUS.ids)
    with pytest.raises(ValueError, match=r"got 3 sentences in both `acts` and `corpus` \(such as 'a'\), expected none"):
        measure_steering(tiny("llama"), acts, same, "en", "ru")


def test_a_saved_report_says_the_same(measured, tmp_path):
    loaded = SubspaceReport.load(measured.save(tmp_path))
    assert loaded.verdict() == measured.verdict()
    assert set(loaded.summary().columns) >= {"estimate", "lower", "upper", "n", "baseline"}

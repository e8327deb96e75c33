"""Steering: a planted direction writes the other language and random ones do not; the block where it was planted is chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from interp.activations.store import Activations
from interp.generation.loss import sentence_losses
from interp.text.corpus import ParallelCorpus
from probes.statistics.folds import take
from probes.steering.choice import candidates, choices, part
from probes.steering.directions import random_differences, random_edits
from probes.steering.measure import measure_steering
from probes.steering.report import SubspaceReport
from probes.steering.texts import Judge, repetition
from probes.translation.text_scores import in_script
from tests.support.tiny import tiny

CORPUS = ParallelCorpus(
    "tiny",
    {
        "eng_Latn": (
            "The cat sleeps.",
            "The dog looks at the river.",
            "A stone is warm.",
            "The cat is warm.",
            "A dog.",
            "A river.",
        ),
        "rus_Cyrl": ("Кошка спит.", "Собака смотрит на реку.", "Камень тёплый.", "Кошка тёплая.", "Собака.", "Река."),
    },
    ids=tuple("abcdef"),
)


LINES = ParallelCorpus(
    "lines",
    {
        "eng_Latn": tuple(f"The cat sees {k} stones." for k in range(9)),
        "rus_Cyrl": tuple(f"Кошка видит {k} камней." for k in range(9)),
    },
    documents=tuple("aabbccddd"),
)


def planted(*only: int) -> Activations:
    """States in which Russian differs from English by the unembedding of a Cyrillic token: in all blocks, or in some alone."""
    model = tiny("llama")
    unembedding = model.original_model.get_output_embeddings().weight
    token = next(token for token in range(len(unembedding)) if in_script(model.tokenizer.decode([token]), "rus_Cyrl"))
    noise = torch.randn(4, 20, model.cfg.d_model, generator=torch.Generator().manual_seed(0))
    noise -= noise.mean(1, keepdim=True)
    away = 20 * unembedding[token].detach() * torch.tensor([float(not only or k in only) for k in range(4)])[:, None, None]
    return Activations.from_arrays({"eng_Latn": noise, "rus_Cyrl": noise + away}, site="mlp")


@pytest.fixture(scope="module")
def measured() -> SubspaceReport:
    how = {"layers": ["3"], "alphas": (1.0,), "draws": 7, "max_new_tokens": 3, "resamples": 20, "template": "{sentence}\n"}
    return measure_steering(tiny("llama"), planted(), CORPUS, "en", "ru", **how)


def test_the_planted_direction_writes_russian_and_random_ones_do_not(measured):
    rows = measured.summary().set_index(["metric", "alpha"])
    steered = rows.loc[("language", 1.0)]
    assert steered["estimate"] == 1
    assert steered["baseline"] < 0.5
    assert rows.loc[("language", 0.0), "gain"] == 0
    first = measured.verdict().split(". ")[0]
    assert first.startswith("The direction from English to Russian at block 3 makes the model write Russian: 100% of texts, random")
    assert len(first.split()) <= 25
    assert "Layer and strength were given." in measured.verdict()


def test_the_block_and_the_strength_that_decide_the_language_are_found_on_other_sentences():
    how = {"alphas": (0.01, 1.0), "draws": 2, "max_new_tokens": 3, "resamples": 20, "choosing": 4}
    report = measure_steering(tiny("llama"), planted(2), LINES, "en", "ru", **how)
    assert (report.settings["layers"], report.settings["alpha"]) == (["2"], 1.0)
    table = report.choice().set_index(["layer", "alpha"])
    assert sorted(table.index) == [(str(block), alpha) for block in range(4) for alpha in (0.01, 1.0)]
    assert table.loc[("2", 1.0), "language"] == 1
    assert set(table["n"]) == {4}
    parts = report.table.groupby("part")
    items, documents = parts["item"].unique(), parts["document"].unique()
    assert not set(items["choose"]) & set(items["test"])
    assert not set(documents["choose"]) & set(documents["test"])
    assert len(items["choose"]) + len(items["test"]) == len(LINES)
    assert report.summary()["n"].max() == len(items["test"])
    assert "Layer and strength chosen on 4 other sentences, of 4 x 2" in report.verdict()
    assert set(report.figures()) == {"alpha", "choice"}


def test_given_layers_are_edited_together_and_only_the_strength_is_chosen():
    how = {"layers": ["1", "2"], "alphas": (0.01, 1.0), "draws": 1, "max_new_tokens": 2, "resamples": 5}
    report = measure_steering(tiny("llama"), planted(2), LINES, "en", "ru", **how)
    assert report.choice()["layer"].unique().tolist() == ["1,2"]
    assert report.settings["alpha"] == 1.0
    assert "With 1 random directions nothing can be claimed: at least 7 are needed" in report.notes[1]


def test_candidates_are_spread_over_any_depth():
    for blocks in (1, 3, 8, 24, 80):
        found = candidates(["embed", *map(str, range(blocks))])
        assert len(found) == len(set(found)) == min(8, blocks)
        assert (found[0], found[-1]) == ("0", str(blocks - 1))


def test_a_text_counts_if_it_is_in_the_language_no_repetition_and_plausible():
    rows = {"plausible": [1.0, 1.0, 0.0, 0.0], "identified": [1.0] * 4, "language": [1.0, 1.0, 1.0, 0.0], "repetition": [0.0] * 4}
    table = pd.DataFrame(rows | {"fidelity": [0.0, 50.0, 90.0, 90.0], "surprise": [1.0] * 4})
    found = choices(table.assign(layer=["0", "1", "2", "3"], alpha=1.0))
    assert found["layer"].tolist() == ["1", "0", "2", "3"]
    assert found["score"].tolist() == [1.5, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "code", "share"),
    [
        ("动动动动", "zho_Hans", 1 / 2),
        ("动" * 22, "zho_Hans", 19 / 20),
        ("猫在温暖的石头上睡觉", "zho_Hans", 0),
        ("the cat the cat the cat", "eng_Latn", 2 / 4),
        ("1111 1111 1111 1111 1111", "zho_Hans", 2 / 3),
        ("1" * 22, "zho_Hans", 19 / 20),
        ("x" * 22, "eng_Latn", 19 / 20),
        ("The cat sleeps.", "eng_Latn", 0),
        ("", "eng_Latn", 0),
    ],
)
def test_repetition_is_the_share_of_3_grams_that_occurred_before(text, code, share):
    assert repetition(text, code) == pytest.approx(share)


def test_a_repeated_character_is_no_text_in_the_language_and_an_implausible_one_does_not_count():
    references = ("猫在睡觉", "狗看着河")
    judge = Judge(tiny("llama"), ["The cat", "The dog"], references, "zho_Hans")
    found = judge.judge(["动动动动动动", "猫在温暖的石头上"], bar=np.inf)
    assert found["identified"].tolist() == [1, 1]
    assert found["language"].tolist() == found["plausible"].tolist() == [0, 1]
    assert judge.judge(["狗看着河", "狗看着河"], bar=0.0)["plausible"].tolist() == [0, 0]
    own, other = judge.judge(list(references), bar=0.0), judge.judge(list(reversed(references)), bar=0.0)
    assert own["fidelity"].tolist() == other["unrelated"].tolist() == pytest.approx([100, 100])
    assert own["unrelated"].max() < 10


def test_random_directions_lie_in_the_differences_within_a_language_and_have_the_norm_of_the_fitted_one():
    generator = torch.Generator().manual_seed(0)
    flat = torch.zeros(1, 6, 32)
    flat[..., :3] = torch.randn(1, 6, 3, generator=generator)
    offset = torch.zeros(32)
    offset[3] = 7.0
    acts = Activations.from_arrays({"eng_Latn": flat, "rus_Cyrl": flat + offset}, site="mlp")
    drawn = [random_edits(acts, "steer", "eng_Latn", "rus_Cyrl", seed)["0"](torch.zeros(32)) for seed in range(5)]
    for vector in drawn:
        assert vector.norm() == pytest.approx(7, rel=1e-5)
        assert vector[3:].abs().max() < 1e-5
    assert torch.linalg.matrix_rank(torch.stack(drawn)) == 3
    for kind in ("leace", "lsar"):
        edit = random_edits(acts, kind, "eng_Latn", "rus_Cyrl", 0)["0"]
        assert edit.rank == 1
        assert edit(offset) - edit(0 * offset) == pytest.approx(offset, abs=1e-5), "what is outside of the span stays"
    signs = random_differences(acts, ["eng_Latn"], 1, seed=0)["0"]
    assert signs.shape == (1, 32)


def test_how_random_directions_differ_is_in_the_interval():
    """Four of eight directions always write the language and four never: the mean is 0.5, but of eight it is unsure."""
    shown = {"text": "", "identified": 1.0, "repetition": 0.0, "fidelity": 1.0, "unrelated": 1.0, "surprise": 1.0, "plausible": 1.0}
    values = {"language": 0.7, **{f"random {k}": float(k % 2) for k in range(8)}}
    rows = [
        shown | {"item": f"{item:02}", "direction": name, "language": value, "alpha": alpha, "part": "test", "layer": "1"}
        for item in range(30)
        for name, value in values.items()
        for alpha in ((0.0, 1.0) if name == "language" else (1.0,))
    ]
    settings = {"kind": "steer", "source": "eng_Latn", "target": "rus_Cyrl", "layers": ["1"], "alpha": 1.0, "draws": 8, "bar": 5.0,
                "order": ["1"], "resamples": 2000, "seed": 0}  # fmt: skip
    report = SubspaceReport(pd.DataFrame(rows), planted().signature, settings=settings)
    row = report.summary().set_index(["metric", "alpha"]).loc[("language", 1.0)]
    sd = 0.5 / np.sqrt(7)  # of the mean of eight draws that are 0 or 1
    assert (row["random_upper"] - row["random_lower"]) / 2 == pytest.approx(2.36 * sd, rel=0.05)  # t of 7 degrees of freedom
    assert row["random_highest"] == 1
    assert row["excess_lower"] < 0 < row["excess_upper"]
    assert "is not shown to make the model write Russian" in report.verdict().split(". ")[0]


def test_too_few_sentences_or_no_strength_are_refused():
    with pytest.raises(ValueError, match="got 6 sentences in 6 documents, expected more: 6 choose"):
        part(CORPUS, 6, seed=0)
    with pytest.raises(ValueError, match=r"got no strength besides 0, expected at least one other"):
        measure_steering(tiny("llama"), planted(), CORPUS, "en", "ru", alphas=(0.0,))
    with pytest.raises(ValueError, match=r"got 0 random directions, expected at least 1"):
        measure_steering(tiny("llama"), planted(), CORPUS, "en", "ru", draws=0)
    with pytest.raises(ValueError, match="got layer '9', expected one of 0, 1, 2, 3"):
        measure_steering(tiny("llama"), planted(), CORPUS, "en", "ru", layers=["9"])
    assert take(CORPUS, np.array([1])).ids == ("b",)


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
    few = take(CORPUS, np.arange(5))
    how = {"layers": ["3"], "alphas": (1.0,), "draws": 2, "max_new_tokens": 2, "resamples": 20}
    said = measure_steering(tiny("llama"), planted(), few, "en", "ru", **how).verdict()
    assert said.startswith("With 5 sentences (or documents) nothing is claimed, 6 are needed.")
    assert report.verdict().startswith(
        "The direction from English to Russian at block 3 is not shown to make the model write Russian"
    )


def test_the_identifier_decides_where_one_is_given_and_is_needed_where_scripts_agree():
    german = Activations.from_arrays({"eng_Latn": torch.randn(4, 5, 32), "deu_Latn": torch.randn(4, 5, 32)}, site="mlp")
    corpus = ParallelCorpus("two", {"eng_Latn": ("A cat.",), "deu_Latn": ("Eine Katze.",)})
    with pytest.raises(ValueError, match="got eng_Latn and deu_Latn, which share a script"):
        measure_steering(tiny("llama"), german, corpus, "en", "de")
    how = {"layers": ["1"], "alphas": (1.0,), "draws": 1, "max_new_tokens": 2, "resamples": 5}
    report = measure_steering(tiny("llama"), german, corpus, "en", "de", identify=lambda text: "deu_Latn", **how)
    assert report.table["language"].tolist() == [1.0, 1.0, 1.0]
    assert not report.notes[0].startswith("The script")


def test_sentences_that_fitted_the_edit_may_not_try_it():
    acts = Activations.from_arrays({code: torch.randn(4, 6, 32) for code in CORPUS.languages}, site="mlp", ids=CORPUS.ids)
    same = ParallelCorpus("arrays", CORPUS.sentences, ids=CORPUS.ids)
    with pytest.raises(ValueError, match=r"got 6 sentences in both `acts` and `corpus` \(such as 'a'\), expected none"):
        measure_steering(tiny("llama"), acts, same, "en", "ru")


def test_a_saved_report_says_the_same(measured, tmp_path):
    loaded = SubspaceReport.load(measured.save(tmp_path))
    assert loaded.verdict() == measured.verdict()
    assert set(loaded.summary().columns) >= {"estimate", "lower", "upper", "n", "baseline"}

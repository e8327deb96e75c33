"""Alignment of planted languages: the layer we planted is found, controls remove what they name, nothing is found in nothing."""

from dataclasses import replace
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch

from interp.activations.store import Activations
from probes import measure_alignment
from probes.alignment.clouds import METRICS, Cloud
from probes.alignment.measure import overlap, tiled
from probes.alignment.retrieval import cosines
from probes.report import Report
from tests.support.planted import aligned, cloud

LANGUAGES = ("eng_Latn", "deu_Latn", "swh_Latn")
STRENGTH = (0.0, 0.1, 0.3, 0.7, 0.3, 0.1)
SHARED = Activations.from_arrays(aligned(LANGUAGES, STRENGTH, sentences=60))
NOTHING = Activations.from_arrays({code: cloud(4, 60, 32, seed) for seed, code in enumerate(LANGUAGES)})


@pytest.fixture(scope="module")
def report():
    return measure_alignment(SHARED, metrics=("mexa", "cka_debiased", "procrustes"), resamples=300)


def test_every_metric_finds_the_planted_layer():
    found = measure_alignment(SHARED.select(languages=LANGUAGES[:2]), metrics=METRICS, resamples=100)
    assert set(found.summary()["metric"]) == set(METRICS)
    for metric in METRICS:
        peak = found.peak(metric).iloc[0]
        assert peak["layer"] == "2", metric
        row = found.summary().query("metric == @metric and layer == '2'").iloc[0]
        assert row["baseline"] < row["lower"] <= row["estimate"] <= row["upper"], metric
        assert row["p_max"] < 0.05


def test_the_table_holds_a_value_a_sentence_whose_mean_is_the_estimate(report):
    assert list(report.table.columns[:5]) == ["language", "pivot", "layer", "metric", "sentence"]
    assert len(report.table) == 2 * 6 * 3 * 60
    means = report.table.groupby(["language", "metric", "layer"], observed=True)["value"].mean()
    for row in report.summary().itertuples():
        assert row.estimate == pytest.approx(means[row.language, row.metric, row.layer], abs=1e-6)
    assert list(report.summary()["layer"].unique()) == ["embed", "0", "1", "2", "3", "4"]
    assert set(report.summary()["pivot"]) == {"eng_Latn"}
    assert (report.summary()["n"] == 60).all()


def test_a_sentence_keeps_its_own_value(report):
    """Sentences are measured in a random order and written in the order of their ids."""
    with_gap = aligned(LANGUAGES[:2], (0.7,), sentences=60)
    with_gap["deu_Latn"][0, 17] = -with_gap["deu_Latn"][0, 17]
    acts = Activations.from_arrays(with_gap, layers=("embed",))
    values = measure_alignment(acts, metrics=("cosine_gap",), resamples=10).table
    assert values.loc[values["value"].idxmin(), "sentence"] == "17"


def test_unrelated_languages_are_called_indistinguishable():
    found = measure_alignment(NOTHING, metrics=("cka_debiased", "mexa"), resamples=100)
    assert "are not shown to be nearer to each other than shuffled sentences at any layer" in found.verdict()
    debiased = found.summary().query("metric == 'cka_debiased'")
    assert debiased["p_max"].min() > 0.05
    assert debiased["estimate"].abs().max() < 0.1


def test_the_verdict_names_peak_baseline_embedding_and_untrained_network():
    untrained = Activations.from_arrays({code: cloud(6, 60, 32, seed) for seed, code in enumerate(LANGUAGES)})
    found = measure_alignment(SHARED, metrics=("mexa",), random_init=untrained, resamples=100)
    first = (
        "Translations (2 language pairs) are nearer to each other than shuffled sentences in 2 of 2 pairs, most at layer 2 (mexa"
    )
    assert found.verdict().startswith(first)
    for words in ("shuffled pairs", "embedding row", "randomly initialised model", "n=60)", "(n=30)"):
        assert words in found.verdict()
    assert found.summary()["random_init"].max() < 0.2
    assert "not clearly above" not in found.verdict()


def test_the_verdict_says_when_an_untrained_network_does_as_well():
    found = measure_alignment(SHARED, metrics=("mexa",), random_init=SHARED, resamples=100)
    assert found.verdict().endswith("It is not clearly above a randomly initialised model.")


def test_peaks_are_as_uncertain_as_the_layers_are_alike():
    flat = Activations.from_arrays(aligned(LANGUAGES[:2], (0.5, 0.5, 0.5, 0.5), sentences=60))
    sharp = measure_alignment(SHARED, metrics=("mexa",)).peak().iloc[-1]
    vague = measure_alignment(flat, metrics=("mexa",)).peak().iloc[-1]
    assert (sharp["layer"], sharp["layers"], sharp["share"]) == ("2", "2", pytest.approx(1 / 6))
    assert vague["share"] > 0.5
    assert sharp["lower"] < sharp["estimate"] < sharp["upper"]


@pytest.mark.parametrize(
    ("strength", "named"),
    [
        ((0.1, 0.9, 0.1), "sentences, most at layer 0 (mexa"),
        ((0.1, 0.9, 0.9), "sentences, most at layers 0-1 (mexa"),
        ((0.9, 0.9, 0.9), "sentences, and no layer is clearly the best (mexa"),
        ((0.9,), "sentences (mexa"),
    ],
)
def test_the_verdict_names_one_layer_several_or_none(strength, named):
    found = measure_alignment(
        Activations.from_arrays(aligned(LANGUAGES[:2], strength, sentences=24)), metrics=("mexa",), resamples=50
    )
    assert named in found.verdict()
    assert ("Other layers are lower" in found.verdict()) == ("most at" in named)
    assert ("on one half of the sentences" in found.verdict()) == (len(strength) > 1)  # of one layer, all sentences tell
    assert found.peak()["n"].iloc[0] == (24 if len(strength) == 1 else 12)


def test_a_sure_effect_is_found_at_any_depth_and_number_of_pairs():
    """With Holm over 80 layers and 999 shuffles no p could fall below .08: the largest of all cells is compared instead."""
    languages = ("eng_Latn", "deu_Latn", "swh_Latn", "zho_Hans", "fra_Latn")
    deep = Activations.from_arrays(aligned(languages, (0.0,) * 79 + (0.9,), sentences=30))
    found = measure_alignment(deep, metrics=("mexa", "cka_debiased"), resamples=20)
    rows = found.summary()
    for metric in ("mexa", "cka_debiased"):
        cells = rows[rows["metric"] == metric]
        assert (cells[cells["layer"] == cells["layer"].iloc[-1]]["p_max"] < 0.01).all()
    assert "in 4 of 4 pairs" in found.verdict()


def test_at_most_one_null_in_twenty_is_called_a_finding_over_all_layers_and_pairs():
    """Fresh unrelated vectors, 12 layers, 6 pairs: 40 runs at 5 % give more than 6 findings once in 700 times."""
    languages = ("eng_Latn", "deu_Latn", "swh_Latn", "zho_Hans", "fra_Latn", "spa_Latn", "ita_Latn")
    findings = 0
    for run in range(40):
        nothing = {code: cloud(12, 20, 8, 1000 * run + k) for k, code in enumerate(languages)}
        found = measure_alignment(Activations.from_arrays(nothing), metrics=("mexa",), seed=run, resamples=10)
        findings += "are not shown to be nearer" not in found.verdict()
    assert findings <= 6


def test_measures_that_disagree_are_named():
    shifted = aligned(LANGUAGES[:2], (0.9, 0.9), sentences=40)
    shifted[LANGUAGES[0]] = shifted[LANGUAGES[0]] + 40 * torch.eye(shifted[LANGUAGES[0]].shape[-1])[0]
    found = measure_alignment(Activations.from_arrays(shifted), metrics=("mexa", "mexa_centred"), resamples=20)
    assert "The measures disagree: mexa_centred is" in found.verdict()


def test_any_pivot_and_all_pairs():
    pairs = {(row.language, row.pivot) for row in measure_alignment(NOTHING, pivot="Swahili", resamples=10).summary().itertuples()}
    assert pairs == {("eng_Latn", "swh_Latn"), ("deu_Latn", "swh_Latn")}
    everything = measure_alignment(SHARED, pivot="all", metrics=("mexa",), resamples=10).summary()
    assert everything.groupby(["language", "pivot"], observed=True).ngroups == 3
    one_way = measure_alignment(SHARED, pivot="deu_Latn", metrics=("mexa",), resamples=10).summary()
    other_way = measure_alignment(SHARED, pivot="eng_Latn", metrics=("mexa",), resamples=10).summary()
    np.testing.assert_allclose(
        one_way.query("language == 'eng_Latn'")["estimate"], other_way.query("language == 'deu_Latn'")["estimate"]
    )


def test_length_explains_what_only_length_aligned():
    lengths = torch.randint(3, 40, (80,), generator=torch.Generator().manual_seed(0))
    told = (lengths.float().log()[:, None] - 2.8) * torch.ones(32)
    arrays = {code: 0.7 * cloud(3, 80, 32, seed) + told for seed, code in enumerate(LANGUAGES[:2])}
    tokens = {code: [[0] * int(length) for length in lengths] for code in arrays}
    acts = Activations.from_arrays(arrays, tokens=tokens)
    found = measure_alignment(acts, metrics=("cka_debiased",), controls=("length",), resamples=10).summary()
    assert found["estimate"].min() > 0.5
    assert found["length_partialled"].abs().max() < 0.06


def test_overlap_is_the_share_of_distinct_tokens_in_common():
    tokens = {"eng_Latn": [[1, 2, 2, 3]] * 60, "deu_Latn": [[2, 3, 4, 5]] * 60}
    acts = Activations.from_arrays({code: NOTHING[code] for code in tokens}, tokens=tokens)
    np.testing.assert_allclose(overlap(acts, "deu_Latn", "eng_Latn"), 2 / 5)
    found = measure_alignment(acts, metrics=("mexa",), controls=("lexical",), resamples=10)
    np.testing.assert_allclose(found.summary()["overlap"], 0.4)
    with pytest.raises(ValueError, match="have no token ids of deu_Latn"):
        measure_alignment(SHARED, controls=("lexical",))


def test_centring_takes_the_mean_of_the_other_sentences():
    x = cloud(1, 20, 4, 0) + 5
    found = Cloud(x, torch.arange(20) % 5, torch.eye(20, dtype=torch.bool)).centred.x
    others = torch.stack([x[0, i] - x[0, [j for j in range(20) if j != i]].mean(0) for i in range(20)])
    np.testing.assert_allclose(cosines(found, found)[0], cosines(others[None], others[None])[0], atol=1e-5)


def test_length_is_taken_out_and_the_rest_stays():
    lengths = torch.arange(5.0, 45.0)
    own = cloud(1, 40, 4, 0)
    told = torch.stack([torch.ones(40), lengths, lengths.log1p()], dim=1)
    own = own - told @ torch.linalg.lstsq(told, own[0]).solution
    made = Cloud(own + lengths[:, None] * torch.ones(4), torch.arange(40) % 5, torch.eye(40, dtype=torch.bool))
    np.testing.assert_allclose(made.without(lengths).x, own + lengths.mean(), atol=1e-3)


def test_centring_recovers_meaning_that_a_language_offset_hides():
    hidden = Activations.from_arrays(aligned(LANGUAGES[:2], (0.6,), sentences=60, offset=15.0), layers=("embed",))
    found = measure_alignment(hidden, metrics=("mexa", "mexa_centred"), resamples=10).summary().set_index("metric")["estimate"]
    assert found["mexa_centred"] > found["mexa"] + 0.2


def test_eight_sentences_are_enough_for_every_metric_and_seven_are_refused():
    few = {code: SHARED[code][:, :8] for code in LANGUAGES[:2]}
    found = measure_alignment(Activations.from_arrays(few), metrics=METRICS, resamples=10).summary()
    assert np.isfinite(found[["estimate", "lower", "upper", "baseline", "p"]]).all(axis=None)
    with pytest.raises(ValueError, match="got 7 sentences, expected at least 8"):
        measure_alignment(Activations.from_arrays({code: states[:, :7] for code, states in few.items()}))


def test_documents_are_resampled_whole():
    arrays = {code: SHARED[code].repeat_interleave(4, dim=1) + 1e-3 * cloud(6, 240, 32, 9) for code in LANGUAGES[:2]}
    documents = [str(place // 4) for place in range(240)]
    alone = measure_alignment(Activations.from_arrays(arrays), metrics=("cosine_gap",)).summary()
    grouped = measure_alignment(Activations.from_arrays(arrays, documents=documents), metrics=("cosine_gap",)).summary()
    np.testing.assert_allclose(alone["estimate"], grouped["estimate"])
    assert ((grouped["upper"] - grouped["lower"]) > 1.6 * (alone["upper"] - alone["lower"])).all()


def test_blocks_of_layers_give_what_all_layers_give(report, monkeypatch):
    monkeypatch.setattr("probes.alignment.measure._MAX_ENTRIES", 2 * 60**2)
    again = measure_alignment(SHARED, metrics=("mexa", "cka_debiased", "procrustes"), resamples=300)
    np.testing.assert_allclose(again.table["value"], report.table["value"], atol=1e-5)


def test_all_pairs_are_what_they_were_where_memory_holds_few_languages(monkeypatch):
    codes = ("deu_Latn", "eng_Latn", "fra_Latn", "hin_Deva", "rus_Cyrl", "swh_Latn", "zho_Hans")
    acts = Activations.from_arrays(aligned(codes, (0.3, 0.6), sentences=40, d_model=12))
    whole = measure_alignment(acts, "all", ("mexa", "svcca"), resamples=20)
    reads, read = [], Activations.__getitem__

    def counted(acts, code):
        reads.append(code)
        return read(acts, code)

    monkeypatch.setattr("probes.alignment.measure.free_memory", lambda device: 0)
    monkeypatch.setattr(Activations, "__getitem__", counted)
    few = measure_alignment(acts, "all", ("mexa", "svcca"), resamples=20)
    pd.testing.assert_frame_equal(few.table, whole.table)
    pairs = list(combinations(codes, 2))
    assert len(codes) < len(reads) < 2 * len(pairs)
    assert sorted(tiled(pairs, 4)) == pairs


def test_tiles_read_each_of_many_languages_seldom():
    """In memory for ten of 101 languages a plain order reads each 50 times."""
    pairs = [(later, first) for first, later in combinations([f"l{number:03}" for number in range(101)], 2)]
    reads = []
    for order in (pairs, tiled(pairs, 10)):
        cloud = lru_cache(maxsize=10)(lambda code: code)
        for one, other in order:
            cloud(one), cloud(other)
        reads.append(cloud.cache_info().misses)
    assert reads[1] < 12 * 101 < 50 * 101 < reads[0]


def test_a_saved_report_says_the_same(tmp_path):
    report = measure_alignment(SHARED, metrics=("mexa",), resamples=100)
    report.save(tmp_path)
    again = Report.load(tmp_path)
    assert again.verdict() == report.verdict()
    assert str(again.signature) == str(report.signature)
    np.testing.assert_allclose(again.summary()["lower"], report.summary()["lower"])
    assert "<text" in (tmp_path / "figure.svg").read_text(), "text in figures stays text"


def test_figures_show_curves_for_few_languages_and_a_map_for_many(report):
    assert next(iter(report.figures())) == "curves"
    axes = report.plot().axes[0]
    assert {text.get_text() for text in axes.texts} == {"German", "Swahili", "shuffled pairs"}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["embed", "0", "1", "2", "3", "4"]
    codes = ("deu_Latn", "fra_Latn", "ita_Latn", "spa_Latn", "ron_Latn", "por_Latn", "cat_Latn", "glg_Latn", "oci_Latn", "eng_Latn")
    many = measure_alignment(Activations.from_arrays(aligned(codes, (0.1, 0.5), sentences=20)), metrics=("mexa",), resamples=20)
    assert next(iter(many.figures())) == "heatmap"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metrics": ("mexo",)}, "Did you mean mexa"),
        ({"controls": ("lenght",)}, "Did you mean length"),
        ({"metrics": ()}, "got no metric"),
        ({"pivot": "fra_Latn"}, "got pivot fra_Latn, expected a language of the activations: eng_Latn"),
        ({"acts": SHARED.select(languages=["eng_Latn"])}, "a language beside the pivot"),
        ({"random_init": NOTHING}, "random_init activations of other layers"),
        ({"random_init": replace(SHARED, ids=tuple("abcdefgh"))}, "random_init activations of other ids"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(change, words):
    with pytest.raises(ValueError, match=words):
        measure_alignment(**{"acts": SHARED, **change})

"""The atlas: length is told from meaning, its numbers are the usual ones, and the map is the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.activations.store import Activations
from probes.atlas.measure import CAPTION, AtlasReport, _correlation, _length_features, _residuals, _shuffled, measure_atlas
from tests.support.planted import cloud

LANGUAGES = ("eng_Latn", "deu_Latn", "zho_Hans")
N = 60


def sentences(of: str, layers: int = 2) -> Activations:
    """Languages whose vectors share one direction: how long the sentence is, or what it means."""
    rng = np.random.default_rng(0)
    size, arrays, tokens = rng.integers(4, 40, N), {}, {}
    meaning = rng.normal(size=N)
    for index, code in enumerate(LANGUAGES):
        own = size + rng.integers(0, 3, N)
        tokens[code] = [list(range(count)) for count in own]
        arrays[code] = cloud(layers, N, 6, seed=index)
        arrays[code][-1, :, 2] += torch.tensor(60 / own if of == "length" else 4 * meaning)
    return Activations.from_arrays(arrays, tokens=tokens)


def test_a_component_that_is_length_is_unmasked_and_warned_of():
    report = measure_atlas(sentences("length"), umap=False, resamples=50)
    top = report.curves().set_index("layer").loc["0"]
    assert top["estimate"] > 0.8
    assert abs(top["partialled"]) < 0.3
    assert report.explained_by_length() == ["0"]
    assert any(note.startswith("WARNING: at layer 0, sentence length explains") for note in report.notes)
    assert "Sentence length explains most of it" in report.verdict()


def test_a_component_that_is_meaning_stays_and_nothing_is_warned_of():
    report = measure_atlas(sentences("meaning"), random_init=sentences("length"), umap=False, resamples=50)
    top = report.curves().set_index("layer").loc["0"]
    assert min(top["estimate"], top["partialled"]) > 0.8
    assert top["random_init"] > 0.8 > top["random_init_partialled"]
    assert report.notes == (CAPTION,)
    assert "length explains" not in report.verdict()
    row = report.summary().query("layer == '0'").iloc[0]
    assert row["lower"] < row["estimate"] < row["upper"]
    assert row["partialled_lower"] < row["partialled"] < row["partialled_upper"]


def test_correlations_of_opposite_sign_do_not_cancel_and_noise_is_not_called_a_correlation():
    acts = sentences("meaning")
    turned = {code: acts[code].clone() for code in LANGUAGES}
    turned["zho_Hans"][-1, :, 2] *= -1
    tokens = {code: [ids.tolist() for ids in acts.tokens(code)] for code in LANGUAGES}
    report = measure_atlas(Activations.from_arrays(turned, tokens=tokens), umap=False, resamples=200)
    top = report.curves().set_index("layer").loc["0"]
    assert top["estimate"] > 0.8
    assert top["lower"] > 0.7
    assert "at layer 0, in 3 of 3 pairs for sure" in report.verdict()
    noise = {code: cloud(1, N, 6, seed=index) for index, code in enumerate(LANGUAGES)}
    nothing = measure_atlas(Activations.from_arrays(noise, tokens=tokens), umap=False, resamples=200)
    assert nothing.verdict().startswith("The first joint component is not shown to correlate")


def test_correlations_are_the_usual_ones():
    rng = np.random.default_rng(1)
    values, lengths = rng.normal(size=(40, 2)), rng.integers(3, 30, (2, 40))
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=3).astype(float)
    both = np.stack([values, -values[:, ::-1]], axis=1)
    for row, r in zip(weights, _correlation(both, weights), strict=True):
        assert r == pytest.approx([np.corrcoef(np.repeat(values, row.astype(int), axis=0).T)[0, 1]] * 2)
    turned = [abs(np.corrcoef(values[:, 0], np.roll(values[:, 1], shift))[0, 1]) for shift in range(1, 40)]
    assert _shuffled(values[:, 0], values[:, 1]) == pytest.approx(np.mean(turned))
    features = _length_features(*lengths)
    assert np.abs(features.T @ _residuals(values, features)).max() < 1e-8
    assert _residuals(3 / lengths[0][:, None] - np.log(lengths[1])[:, None], features) == pytest.approx(0, abs=1e-9)


def test_the_map_is_seeded_and_drawn_at_the_depths_asked_for(tmp_path):
    acts = sentences("meaning", layers=1)
    first, second = (measure_atlas(acts.select(layers=["embed"]), neighbours=5, seed=4, resamples=20) for _ in range(2))
    np.testing.assert_array_equal(first.table[["umap1", "umap2"]], second.table[["umap1", "umap2"]])
    assert first.table["umap1"].notna().all()
    figure = first.plot()
    assert "An illustration, not evidence." in figure._supxlabel.get_text()
    assert sum(axes.get_ylabel() in ("PCA", "UMAP") for axes in figure.axes) == 2
    loaded = AtlasReport.load(first.save(tmp_path))
    assert loaded.verdict() == first.verdict()
    assert set(loaded.summary().columns) >= {"estimate", "lower", "upper", "n", "baseline"}


def test_states_that_are_all_alike_get_no_map_and_hide_no_other_layer():
    acts = sentences("meaning")
    alike = {code: acts[code].clone() for code in LANGUAGES}
    for states in alike.values():
        states[0] = 1.0
    report = measure_atlas(Activations.from_arrays(alike, tokens={code: [[0, 1]] * N for code in LANGUAGES}), umap=False)
    assert report.table.query("layer == 'embed'")["pca1"].isna().all()
    assert "at layer 0," in report.verdict()
    assert "all activations are equal" in [text.get_text() for axes in report.plot().axes for text in axes.texts]
    lines = report.figures()["correlation"].axes[0].get_lines()
    assert max(np.nanmax(np.append(line.get_ydata(), -1.0)) for line in lines) > 0.8


def test_what_cannot_be_drawn_is_refused():
    acts = sentences("meaning")
    with pytest.raises(ValueError, match="got 1 languages with 60 sentences, expected at least 2"):
        measure_atlas(acts.select(["eng_Latn"]))
    with pytest.raises(ValueError, match="have no token ids of eng_Latn"):
        measure_atlas(Activations.from_arrays({code: acts[code] for code in LANGUAGES}), umap=False)
    with pytest.raises(ValueError, match="got layer '7', expected one of embed, 0"):
        measure_atlas(acts, depths=["7"], umap=False)
    with pytest.raises(ValueError, match="random_init activations of other"):
        measure_atlas(acts, random_init=acts.select(layers=["0"]), umap=False)

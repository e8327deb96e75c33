"""Taking a language out: exact where it is planted, the published algorithms, and edits that leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.activations.store import Activations
from interp.interventions.steering import ablated, edited, erased, steered
from interp.models.batches import encode, pad
from interp.models.sites import neuron_hook, row_hook
from probes.linear.erasure import Eraser, _oas, erase, fit_erasers, language_vectors, random_vectors
from probes.statistics.folds import split
from tests.support.planted import aligned
from tests.support.tiny import tiny

LANGUAGES = ("eng_Latn", "deu_Latn", "swh_Latn", "zho_Hans")
TEXTS = ["The cat sleeps on the warm stone.", "Der Hund schaut."]


def clouds(sentences: int = 60, d_model: int = 24) -> dict[str, torch.Tensor]:
    return {code: cloud[0] for code, cloud in aligned(LANGUAGES, (0.6,), sentences, d_model).items()}


def spread_of_means(vectors: dict[str, torch.Tensor]) -> float:
    means = torch.stack([cloud.mean(0) for cloud in vectors.values()])
    return float((means - means.mean(0)).norm())


def apply(erasers: dict[str, Eraser], vectors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {code: erasers[code](cloud) for code, cloud in vectors.items()}


@pytest.mark.parametrize("method", ["centre", "lsar", "leace"])
def test_a_planted_offset_is_removed_exactly(method):
    planted = clouds()
    assert spread_of_means(planted) > 3
    assert spread_of_means(apply(fit_erasers(planted, method), planted)) < 1e-5


def test_a_random_subspace_of_the_same_rank_leaves_the_languages_apart():
    planted = clouds()
    random = fit_erasers(planted, "random", seed=1)
    assert random["eng_Latn"].rank == fit_erasers(planted, "lsar")["eng_Latn"].rank == 3
    assert spread_of_means(apply(random, planted)) > 0.7 * spread_of_means(planted)


def test_no_linear_probe_reads_a_language_after_leace():
    from sklearn.linear_model import LogisticRegression

    planted = {code: cloud.double() for code, cloud in clouds(40, 8).items()}
    without = torch.cat(list(apply(fit_erasers(planted, "leace"), planted).values())).numpy()
    labels = np.repeat(LANGUAGES, 40)
    assert LogisticRegression(max_iter=100).fit(torch.cat(list(planted.values())).numpy(), labels).score(without, labels) < 0.5
    assert np.abs(LogisticRegression(max_iter=100).fit(without, labels).coef_).max() < 1e-6


def test_leace_changes_less_than_projecting_the_same_languages_out():
    stretch = torch.linspace(0.2, 4, 12) * torch.randn(12, 12, generator=torch.Generator().manual_seed(5))
    planted = {code: (cloud @ stretch).double() for code, cloud in clouds(200, 12).items()}
    everything = torch.cat(list(planted.values()))
    basis, centre = fit_erasers(planted, "lsar")["eng_Latn"].right, everything.mean(0)
    projected = everything - (everything - centre) @ basis @ basis.mT
    smallest = torch.cat(list(apply(fit_erasers(planted, "leace"), planted).values()))
    assert (smallest - everything).square().sum() < 0.9 * (projected - everything).square().sum()


def test_one_svd_of_the_means_spans_what_the_two_steps_of_lsar_find():
    planted, rank = {code: cloud.double() for code, cloud in clouds().items()}, 2
    means = torch.stack([cloud.mean(0) for cloud in planted.values()], dim=1)
    common = means.mean(1, keepdim=True)
    left, scale, right = torch.linalg.svd(means - common, full_matrices=False)
    approximated = common + left[:, :rank] @ torch.diag(scale[:rank]) @ right[:rank]
    across = torch.linalg.pinv(approximated).mT @ torch.ones(len(planted), 1, dtype=torch.double)
    shared = across / across.square().sum()
    published = torch.linalg.svd(approximated - shared, full_matrices=False)[0][:, :rank]
    ours = fit_erasers(planted, "lsar", rank)["eng_Latn"].right
    torch.testing.assert_close(ours @ ours.mT, published @ published.mT, atol=1e-8, rtol=0)


def test_lir_removes_each_language_its_own_first_direction():
    planted = clouds()
    erasers = fit_erasers(planted, "lir")
    for code, cloud in planted.items():
        first = torch.linalg.svd(cloud.double())[2][0]
        assert float((erasers[code](cloud).double() @ first).abs().max()) < 1e-5
    assert not torch.allclose(erasers["eng_Latn"].right.abs(), erasers["deu_Latn"].right.abs(), atol=0.1)


def test_the_covariance_is_shrunk_as_scikit_learn_does():
    from sklearn.covariance import oas

    x = clouds(30, 50)["eng_Latn"].double().numpy() * np.linspace(0.1, 3, 50)
    shrunk, weight = oas(x)
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    expected = (1 - weight) * values + weight * values.mean()
    assert 0 < weight < 1
    np.testing.assert_allclose(_oas(torch.tensor(values.copy()), 30, 50), expected)
    np.testing.assert_allclose(np.linalg.eigvalsh(shrunk)[::-1], expected, rtol=1e-6, atol=1e-9)


def test_vectors_that_do_not_differ_stay_as_they_are():
    same = {code: torch.ones(5, 4) for code in LANGUAGES}
    torch.testing.assert_close(fit_erasers(same, "leace")["eng_Latn"](same["eng_Latn"]), same["eng_Latn"])


def test_no_sentence_shapes_the_map_it_goes_through():
    arrays = aligned(LANGUAGES, (0.6,), 20, 8)
    before = erase(Activations.from_arrays(arrays), "leace", seed=3)
    arrays["deu_Latn"][0, 7] += 50
    after = erase(Activations.from_arrays(arrays), "leace", seed=3)
    own = next(test for _, test in split(before.ids, 2, 3) if 7 in test)
    other = np.setdiff1d(np.arange(20), own)
    torch.testing.assert_close(after["eng_Latn"][0, own], before["eng_Latn"][0, own])
    assert (after["eng_Latn"][0, other] - before["eng_Latn"][0, other]).abs().max() > 0.1
    assert "erased:leace" in str(after.signature)


def test_sentences_align_once_their_languages_offsets_are_out():
    from probes.alignment.measure import measure_alignment

    acts = Activations.from_arrays(aligned(LANGUAGES, (0.8, 0.8), 40, 16, offset=8.0))
    raw, without = (
        measure_alignment(each, metrics=["mexa"], resamples=20).summary()["estimate"] for each in (acts, erase(acts, "lsar"))
    )
    assert raw.max() < 0.3
    assert without.min() > 0.6


def test_a_language_vector_carries_one_mean_to_the_other_and_a_random_one_is_as_long():
    acts = Activations.from_arrays(aligned(LANGUAGES, (0.2, 0.6), 30, 8))
    vectors = language_vectors(acts, "eng_Latn", "zho_Hans")
    assert list(vectors) == list(acts.layers)
    torch.testing.assert_close(acts["eng_Latn"][1].mean(0) + vectors[acts.layers[1]], acts["zho_Hans"][1].mean(0))
    for layer, random in random_vectors(vectors, 0).items():
        torch.testing.assert_close(random.norm(), vectors[layer].norm())
        assert torch.cosine_similarity(random, vectors[layer], dim=0).abs() < 0.9


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="got 1 language, expected at least 2"):
        fit_erasers({"eng_Latn": torch.randn(5, 4)}, "leace")
    with pytest.raises(ValueError, match="got rank 9, expected 1 to 3"):
        fit_erasers(clouds(), "lsar", rank=9)


def stream(model, layer: str, site: str = "residual") -> torch.Tensor:
    batch = pad(model, encode(model, TEXTS))
    with torch.no_grad():
        _, cache = model.run_with_cache(batch.ids, attention_mask=batch.mask, use_cache=False, names_filter=[row_hook(site, layer)])
    return cache[row_hook(site, layer)].clone()


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom"])
@pytest.mark.parametrize("layer", ["embed", "1"])
def test_steering_adds_the_vector_there_and_is_gone_afterwards(family, layer):
    model = tiny(family)
    clean, vector = stream(model, layer), torch.randn(model.cfg.d_model)
    with steered(model, {layer: vector}, alpha=2.0):
        torch.testing.assert_close(stream(model, layer), clean + 2 * vector)
    with pytest.raises(KeyError), steered(model, {layer: vector}):
        raise KeyError
    torch.testing.assert_close(stream(model, layer), clean, atol=0, rtol=0)


def test_erasing_at_run_time_is_erasing_what_was_captured():
    model = tiny("llama")
    states = {
        code: torch.randn(30, model.cfg.d_model, generator=torch.Generator().manual_seed(n)) for n, code in enumerate(LANGUAGES)
    }
    eraser = fit_erasers(states, "lsar")["eng_Latn"]
    clean = stream(model, "2")
    with erased(model, {"2": eraser}):
        torch.testing.assert_close(stream(model, "2"), eraser(clean))
    with edited(model, {"2": eraser}, site="mlp"):
        torch.testing.assert_close(stream(model, "2", "mlp"), eraser(stream(model, "2", "mlp")), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_neurons_are_switched_off_to_zero_or_to_a_value_and_others_are_not(family):
    model = tiny(family)
    batch = pad(model, encode(model, TEXTS))

    def neurons() -> torch.Tensor:
        with torch.no_grad():
            return model.run_with_cache(batch.ids, attention_mask=batch.mask, names_filter=[neuron_hook(1)])[1][
                neuron_hook(1)
            ].clone()

    clean = neurons()
    for values, expected in ((None, torch.zeros(2)), ({1: torch.tensor([3.0, -1.0])}, torch.tensor([3.0, -1.0]))):
        with ablated(model, {1: [4, 9]}, values):
            off = neurons()
        torch.testing.assert_close(off[..., [4, 9]], expected.expand_as(off[..., [4, 9]]))
        off[..., [4, 9]] = clean[..., [4, 9]]
        torch.testing.assert_close(off, clean, atol=0, rtol=0)


def test_unknown_places_are_refused():
    model = tiny("llama")
    with (
        pytest.raises(ValueError, match=r"got layer '9' of site 'residual', expected one of embed, 0, 1"),
        steered(model, {"9": torch.zeros(32)}),
    ):
        pass
    with pytest.raises(ValueError, match=r"got a vector of shape \(5,\), expected \(32,\)"), steered(model, {"1": torch.zeros(5)}):
        pass
    with pytest.raises(ValueError, match="got block 9, expected 0 to 3"), ablated(model, {9: [0]}):
        pass

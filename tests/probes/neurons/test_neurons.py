"""Language-specific neurons: counted exactly, found where they are planted, none in noise, and their effect measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.activations.spans import spans
from interp.generation.loss import sentence_losses
from interp.interventions.steering import ablated
from interp.models.sites import gate_hook, neuron_hook
from interp.neurons import NeuronCounts, count_neurons
from interp.provenance import CorpusIdentity, ModelIdentity
from interp.text.corpus import ParallelCorpus
from probes.neurons.ablation import AblationStudy, matched, measure_damage
from probes.neurons.find import find_neurons
from probes.neurons.report import NeuronReport
from probes.neurons.specificity import Moments, null_maxima, pool, rank_neurons, select_neurons
from tests.support.tiny import tiny

LANGUAGES = ("eng_Latn", "deu_Latn", "rus_Cyrl")
TEXTS = {
    "eng_Latn": ("The cat sleeps.", "The dog looks at the river.", "A stone is warm.", "Rivers."),
    "deu_Latn": ("Die Katze schläft.", "Der Hund schaut auf den Fluss.", "Ein Stein ist warm.", "Flüsse."),
    "rus_Cyrl": ("Кошка спит.", "Собака смотрит на реку.", "Камень тёплый.", "Реки."),
}
CORPUS = ParallelCorpus("tiny", TEXTS)


@pytest.mark.parametrize("family", ["llama", "gpt2", "xglm"])
def test_counts_are_those_of_one_sentence_at_a_time(family):
    model, code = tiny(family), "deu_Latn"
    counts = count_neurons(model, CORPUS.select([code]), shards=2, max_tokens=30)
    fires, values = [], []
    for span in spans(model.tokenizer, CORPUS[code]):
        ids = torch.tensor([span.ids])
        with torch.no_grad():
            _, cache = model.run_with_cache(ids, attention_mask=torch.ones_like(ids), names_filter=[gate_hook(2), neuron_hook(2)])
        fires.append(cache[gate_hook(2)][0, span.start : span.stop] > 0)
        values.append(cache[neuron_hook(2)][0, span.start : span.stop])
    fires, values = torch.cat(fires), torch.cat(values)
    moments = pool(counts)
    assert int(counts.tokens[code].sum()) == len(values)
    np.testing.assert_allclose(moments.rate[0, 2], fires.float().mean(0), atol=1e-6)
    np.testing.assert_allclose(moments.mean[0, 2], values.mean(0), atol=1e-5)
    np.testing.assert_allclose(moments.variance[0, 2], values.var(0, correction=0), atol=1e-4)


def test_a_stopped_count_goes_on_with_the_next_language_and_refuses_other_text(tmp_path, caplog):
    model = tiny("llama")
    whole = count_neurons(model, CORPUS, shards=2)
    count_neurons(model, CORPUS, shards=2, folder=tmp_path)
    (tmp_path / "rus_Cyrl.safetensors").unlink()
    stamp = (tmp_path / "eng_Latn.safetensors").stat().st_mtime_ns
    with caplog.at_level("INFO"):
        resumed = count_neurons(model, CORPUS, shards=2, folder=tmp_path)
    assert "eng_Latn is already counted" in caplog.text
    assert "rus_Cyrl is already counted" not in caplog.text
    assert (tmp_path / "eng_Latn.safetensors").stat().st_mtime_ns == stamp
    for code in LANGUAGES:
        torch.testing.assert_close(resumed.mean[code], whole.mean[code], atol=0, rtol=0)
    with pytest.raises(ValueError, match="holds counts of another corpus"):
        count_neurons(model, CORPUS.select(limit=3), shards=2, folder=tmp_path)
    with pytest.raises(ValueError, match=r"got 4 sentences .or documents. for 9 shards"):
        count_neurons(model, CORPUS, shards=9)


def made(
    planted: int = 0, strength: float = 0.0, shards: int = 6, layers: int = 3, neurons: int = 80, seed: int = 0
) -> NeuronCounts:
    """Rates that differ by sampling alone, but for `planted` neurons a language in block 1, which fire in it alone."""
    rng = np.random.default_rng(seed)
    usual = rng.uniform(0.05, 0.5, (layers, neurons))
    rate, mean, tokens = {}, {}, {}
    for index, code in enumerate(LANGUAGES):
        rate[code] = torch.tensor(rng.binomial(400, usual, (shards, layers, neurons)) / 400, dtype=torch.float32)
        mean[code] = torch.tensor(rng.normal(0, 0.05, (shards, layers, neurons)), dtype=torch.float32)
        own = slice(index * planted, (index + 1) * planted)
        rate[code][:, 1, : len(LANGUAGES) * planted] = 0.01
        rate[code][:, 1, own] = 0.8
        tokens[code] = torch.full((shards,), 400)
    one = {code: torch.ones_like(values) for code, values in rate.items()}
    identity = ModelIdentity("made", "0" * 64, layers, 4, "float32"), CorpusIdentity("made", "0" * 64, 60)
    return NeuronCounts(rate, mean, one, tokens, *identity)


def test_planted_neurons_are_found_in_their_block_and_found_again():
    report = find_neurons(made(planted=2), share=6 / 240, permutations=20, halves=5)
    for index, code in enumerate(LANGUAGES):
        assert report.neurons(code) == {1: [2 * index, 2 * index + 1]}
    assert report.table["above_null"].all()
    first = "6 of 6 selected neurons are more specific to a language than chance allows (n=60)."
    assert report.verdict().startswith(first)
    stable = report.summary().query("metric == 'stability'")
    assert stable["estimate"].min() == 1
    assert report.histogram().loc[1].tolist() == [2, 2, 2]
    assert report.overlap().to_numpy().tolist() == np.eye(3).tolist()


def test_noise_names_its_share_but_none_above_the_null_and_none_again():
    report = find_neurons(made(), share=0.05, bar=0.5, permutations=40, halves=5)
    assert len(report.table) > 0
    assert not report.table["above_null"].any()
    assert report.summary().query("metric == 'stability'")["estimate"].max() < 0.4
    assert "0 of them exceed the permutation null" in report.verdict()
    assert report.verdict().startswith("No neuron is shown to be more specific to a language than chance allows (n=60).")
    few = find_neurons(made(planted=2), share=6 / 240, permutations=18, halves=5)
    assert few.verdict().startswith(
        "With 18 permutations no neuron can be shown to be above chance: at least 19 are needed (n=60)."
    )


def test_permutations_without_a_candidate_get_the_lowest_specificity():
    counts = count_neurons(tiny("llama"), CORPUS, shards=2)
    null = null_maxima(counts, "lape", 1.0, 3, np.random.default_rng(0))  # no rate exceeds the highest one
    np.testing.assert_allclose(null, -np.log(len(CORPUS.languages)))


@pytest.mark.parametrize("null", [[-np.inf] * 20, [*[-np.inf] * 19, -0.9]])
def test_a_permutation_in_which_no_neuron_fires_gives_a_threshold_all_the_same(monkeypatch, null):
    """Its highest specificity is minus infinity; interpolated, the threshold was NaN, which no neuron exceeds."""
    monkeypatch.setattr("probes.neurons.find.null_maxima", lambda *_: np.array(null))
    report = find_neurons(made(planted=2), share=6 / 240, halves=2)
    assert report.settings["null"] == max(null)
    assert report.table["above_null"].all()


def test_lape_is_the_published_selection():
    rates = torch.rand(3, 4, 50, generator=torch.Generator().manual_seed(1)) ** 4
    rates[0, 2, 5] = 0.0
    parts = rates / rates.sum(0)
    entropy = -torch.where(parts > 0, parts * parts.log(), 0).sum(0)
    threshold = rates.flatten().kthvalue(round(rates.numel() * 0.9)).values
    entropy[(rates > threshold).sum(0) == 0] = torch.inf
    lowest = entropy.flatten().topk(round(entropy.numel() * 0.05), largest=False).indices
    expected = torch.zeros(3, 200, dtype=torch.bool)
    expected[:, lowest] = (rates > threshold).flatten(1)[:, lowest]
    moments = Moments(rates.numpy(), rates.numpy(), rates.numpy())
    selected = select_neurons(rank_neurons(moments, "lape", bar=0.9), share=0.05)
    np.testing.assert_array_equal(selected.reshape(3, -1), expected)
    assert selected.any()


def test_a_mean_difference_sees_what_rates_do_not():
    counts = made()
    for code in LANGUAGES:
        counts.mean[code][:, 2, 7] += 3.0 if code == "deu_Latn" else 0.0
    strong = find_neurons(counts, method="mean_difference", share=1 / 240, permutations=20, halves=3)
    assert strong.neurons("deu_Latn") == {2: [7]}
    assert strong.table["above_null"].all()
    assert 7 not in find_neurons(counts, share=3 / 240, bar=0.5, permutations=5, halves=2).neurons("deu_Latn").get(2, [])


def test_random_weights_stand_beside_and_must_be_of_the_same_text():
    counts = made(planted=2)
    rows = find_neurons(counts, random_init=made(seed=3), share=6 / 240, permutations=5, halves=3).summary()
    count = rows.query("metric == 'count'")
    assert count["estimate"].tolist() == [2, 2, 2]
    assert count["baseline"].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"expected made@00000000 in eng_Latn, deu_Latn, rus_Cyrl\. Count the same corpus"):
        find_neurons(counts, random_init=count_neurons(tiny("llama"), CORPUS, shards=2))
    with pytest.raises(ValueError, match=r"got share 0.001, which selects none of 240 neurons, expected at least 0.004"):
        find_neurons(counts, share=0.001)


def test_a_loss_is_that_of_the_model_whatever_the_batch():
    model = tiny("qwen2")
    losses, tokens = sentence_losses(model, CORPUS["deu_Latn"], max_tokens=40)
    for text, loss, count in zip(CORPUS["deu_Latn"], losses, tokens, strict=True):
        ids = torch.tensor([model.tokenizer(text)["input_ids"]])
        with torch.no_grad():
            logits = model(ids, attention_mask=torch.ones_like(ids))[0, :-1]
        torch.testing.assert_close(
            loss, torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"), atol=1e-4, rtol=1e-5
        )
        assert count == ids.shape[1] - 1


@pytest.fixture(scope="module")
def measured() -> NeuronReport:
    counts = count_neurons(tiny("llama"), CORPUS, shards=2)
    report = find_neurons(counts, share=0.05, bar=0.8, permutations=5, halves=2)
    return measure_damage(tiny("llama"), CORPUS, report, draws=1, resamples=50)


def test_damage_is_the_rise_in_loss_a_token_with_those_neurons_off(measured):
    model = tiny("llama")
    clean, tokens = sentence_losses(model, CORPUS["deu_Latn"])
    with ablated(model, measured.neurons("rus_Cyrl")):
        off, _ = sentence_losses(model, CORPUS["deu_Latn"])
    row = measured.summary().query("metric == 'damage' and mode == 'zero' and language == 'rus_Cyrl' and text == 'deu_Latn'")
    assert row["estimate"].item() == pytest.approx(float((off - clean).sum() / tokens.sum()), abs=1e-5)
    assert row["estimate"].item() != 0
    assert row["excess"].item() == pytest.approx((row["estimate"] - row["baseline"]).item())
    assert "Switched off (zero)" in measured.verdict()


def test_random_neurons_are_as_many_of_the_same_blocks_as_busy_and_nobodys_own(measured):
    own = measured.neurons("rus_Cyrl")
    other = matched(measured, own, np.random.default_rng(0))
    taken, highest = measured.arrays["chosen"].any(0), measured.arrays["rate"].max(0)
    assert {block: len(each) for block, each in other.items()} == {block: len(each) for block, each in own.items()}
    for block, controls in other.items():
        assert len(set(controls)) == len(controls)
        assert not taken[block, controls].any()
        free = np.flatnonzero(~taken[block])
        for neuron, twin in zip(own[block], controls, strict=True):
            nearer = np.abs(highest[block, free] - highest[block, neuron]) < abs(highest[block, twin] - highest[block, neuron])
            assert nearer.sum() < 10 + len(controls)


def test_shares_switch_off_every_set_once_and_measure_none_again(measured, tmp_path, monkeypatch):
    study = AblationStudy(model=tiny("llama"), corpus=CORPUS, report=measured, modes=("zero",), draws=1, resamples=50)
    for index in range(2):
        study.share(tmp_path, index, 2)
    monkeypatch.setattr("probes.neurons.ablation.ablated", None)  # any further ablation would be an error
    shared = study.measure(tmp_path)
    np.testing.assert_array_equal(shared.arrays["loss"], measured.arrays["loss"][:1])
    with pytest.raises(ValueError, match="got index -1 of 2 shares"):
        study.share(tmp_path, -1, 2)


def test_another_models_neurons_are_refused(measured):
    with pytest.raises(ValueError, match="Count the neurons of this model"):
        measure_damage(tiny("qwen2"), CORPUS, measured)


def test_a_saved_report_says_the_same(measured, tmp_path):
    loaded = NeuronReport.load(measured.save(tmp_path))
    assert loaded.verdict() == measured.verdict()
    assert loaded.neurons("eng_Latn") == measured.neurons("eng_Latn")
    assert set(loaded.summary().columns) >= {"estimate", "lower", "upper", "n", "baseline"}

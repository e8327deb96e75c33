"""Linear probes: planted labels are found and carried over, noise is not, and no translation gives a label away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from interp.activations.store import Activations
from probes.linear.cross_validation import cross_validate, shuffle
from probes.linear.probe import ProbeReport, measure_probes
from probes.statistics.folds import halves, split
from tests.support.planted import aligned, cloud

LANGUAGES = ("eng_Latn", "deu_Latn", "swh_Latn")
N = 60
TOPIC = tuple("ab" * (N // 2))


def planted(shared: bool = True, **more: object) -> Activations:
    """Three languages without a topic in the first layer; in the second a topic, along one direction or each along its own."""
    arrays = {}
    sign = torch.tensor([1.0 if topic == "a" else -1.0 for topic in TOPIC])
    for index, code in enumerate(LANGUAGES):
        arrays[code] = cloud(2, N, 8, seed=index)
        arrays[code][:, :, 7] += 4 * index
        arrays[code][1, :, 0 if shared else index] += 5 * sign
    return Activations.from_arrays(arrays, labels={"topic": TOPIC}, **more)


def test_a_shared_direction_is_found_and_carries_to_every_language():
    report = measure_probes(planted(), "topic", folds=3, resamples=100)
    assert report.peak() == "0"
    assert report.matrix("0").min().min() > 0.95
    curves = report.curves().set_index(["layer", "kind"])
    assert abs(curves.loc[("embed", "within"), "estimate"] - 0.5) < 0.15
    assert abs(curves.loc[("0", "within"), "shuffled"] - 0.5) < 0.15
    assert curves.loc[("0", "across"), "erased"] > 0.95
    assert report.summary()["selectivity"].max() > 0.3
    assert report.verdict().startswith("A linear probe reads topic above chance, best at layer 0: accuracy 1.00 (n=60).")
    assert report.claims.above["across"].tolist() == [False, True]


def test_a_direction_of_each_languages_own_is_found_and_does_not_carry():
    matrix = measure_probes(planted(shared=False), "topic", folds=3, erase=None, resamples=100).matrix("0").to_numpy()
    assert np.diag(matrix).min() > 0.95
    assert abs(matrix[~np.eye(3, dtype=bool)].mean() - 0.5) < 0.15


def test_noise_is_said_to_be_unreadable():
    report = measure_probes(planted().select(layers=["embed"]), "topic", folds=3, erase=None, resamples=100)
    assert report.verdict().startswith(
        "A linear probe is not shown to read topic above chance at layer embed (n=60). Layer embed has"
    )


def test_language_is_read_until_it_is_erased_and_never_from_shuffled_labels():
    acts = planted()
    report = measure_probes(acts, random_init=acts, folds=3, resamples=100)
    own = report.curves().set_index("layer").loc["0"]
    assert own["estimate"] > 0.9
    assert abs(own["erased"] - 1 / 3) < 0.02
    assert abs(own["shuffled"] - 1 / 3) < 0.12
    assert own["baseline"] == pytest.approx(1 / 3)
    assert "not distinguishable from that of a randomly initialised model" in report.verdict()


def test_rows_leak_the_label_of_a_translation_and_sentences_do_not():
    """Translations that coincide: with rows parted at random, a probe learns even a label that means nothing."""
    meaning = cloud(1, N, 40, seed=9)[0].double().numpy()
    clouds = {code: meaning + 0.01 * index for index, code in enumerate(LANGUAGES)}
    nonsense = shuffle(dict.fromkeys(LANGUAGES, np.array(TOPIC)), "class", seed=2)
    rows, labels = np.concatenate(list(clouds.values())), np.concatenate(list(nonsense.values()))
    probe = make_pipeline(StandardScaler(), LogisticRegression())
    leaked = cross_val_predict(probe, rows, labels, cv=KFold(5, shuffle=True, random_state=0)) == labels
    ours = cross_validate(clouds, nonsense, "class", split([str(i) for i in range(N)], 5, 0))
    assert leaked.mean() > 0.9
    assert ours.mean() < 0.65


def test_each_score_is_scikit_learns_own_for_those_folds():
    acts = planted()
    parts = split(acts.ids, 3, 5, TOPIC)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    expected = cross_val_predict(probe, acts["deu_Latn"][0].double().numpy(), np.array(TOPIC), cv=parts) == np.array(TOPIC)
    report = measure_probes(acts, "topic", folds=3, seed=5, erase=None, resamples=10)
    at = report.table.query("layer == 'embed' and source == 'deu_Latn' and target == 'deu_Latn'")
    np.testing.assert_array_equal(at["score"].to_numpy(), expected)


def test_a_number_is_read_as_the_share_of_its_variance():
    acts = planted()
    number = {code: (2 * acts[code][1, :, 3] + 7).tolist() for code in LANGUAGES}
    report = measure_probes(acts, number, name="size", folds=3, resamples=100)
    curves = report.curves().set_index(["layer", "kind"])
    assert curves.loc[("0", "within"), "estimate"] > 0.99
    assert curves.loc[("0", "across"), "estimate"] > 0.99
    assert curves.loc[("embed", "within"), "estimate"] < 0.3
    assert "R2 1.00" in report.verdict()


def test_length_is_that_of_the_tokens():
    sizes = [5 + row % 11 for row in range(N)]
    acts = planted(tokens={code: [list(range(size)) for size in sizes] for code in LANGUAGES})
    named = measure_probes(acts, "length", folds=3, erase=None, resamples=10)
    numbers = {code: [float(size) for size in sizes] for code in LANGUAGES}
    given = measure_probes(acts, numbers, folds=3, erase=None, resamples=10)
    np.testing.assert_array_equal(named.table["score"], given.table["score"])


def test_a_document_is_never_parted():
    documents = [f"text {row // 7}" for row in range(N)]
    for train, test in split(documents, 4, 0):
        assert not {documents[row] for row in train} & {documents[row] for row in test}
        assert sorted([*train, *test]) == list(range(N))


def test_two_halves_of_a_corpus_share_no_sentence():
    from interp.text.corpus import ParallelCorpus

    corpus = ParallelCorpus("c", {"eng_Latn": tuple(f"s{row}" for row in range(9))}, labels={"topic": tuple("abcabcabc")})
    first, second = halves(corpus, seed=0)
    assert sorted([*first["eng_Latn"], *second["eng_Latn"]]) == sorted(corpus["eng_Latn"])
    assert [first.labels["topic"][k] for k in range(len(first))] == ["abc"[int(i) % 3] for i in first.ids]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("mood", "got target 'mood', expected one of language, length, topic for corpus 'arrays'"),
        (["a"] * N, "got label 'a' for every sentence, expected at least 2"),
        (["b", *"a" * (N - 1)], r"got 1 sentences \(or documents\) with label 'b', expected at least 5"),
        (["a", "b"], "got 2 labels for 60 sentences"),
        ({"eng_Latn": [1.0] * N}, "got the number 1.0 for every sentence of eng_Latn"),
        ({"deu_Latn": [1.0] * N}, "got 0 numbers for the 60 sentences of eng_Latn"),
    ],
)
def test_what_cannot_be_probed_is_refused(target, message):
    with pytest.raises(ValueError, match=message):
        measure_probes(planted(), target)


def test_too_few_sentences_or_languages_are_refused():
    few = Activations.from_arrays({code: torch.randn(1, 3, 4) for code in LANGUAGES}, site="mlp")
    with pytest.raises(ValueError, match=r"3 sentences \(or documents\) in 5 folds"):
        measure_probes(few)
    with pytest.raises(ValueError, match="got activations of eng_Latn only, expected at least 2 languages"):
        measure_probes(few.select(["eng_Latn"]))
    with pytest.raises(ValueError, match="got target 'topic', expected one of language, length for corpus"):
        measure_probes(few, "topic")
    with pytest.raises(ValueError, match="random_init activations of other"):
        measure_probes(planted(), random_init=few)


def test_a_saved_report_says_the_same(tmp_path):
    documents = [f"text {row // 3}" for row in range(N)]
    report = measure_probes(
        Activations.from_arrays(aligned(LANGUAGES, (0.5,), N, 8), site="mlp", documents=documents), resamples=50
    )
    loaded = ProbeReport.load(report.save(tmp_path))
    assert loaded.verdict() == report.verdict()
    assert set(loaded.summary().columns) >= {"estimate", "lower", "upper", "n", "baseline"}

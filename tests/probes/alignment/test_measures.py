"""Measures of two clouds: agreement with their formulas written out, and what must hold of any of them."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import pdist, squareform
from torch import Tensor

from probes.alignment import retrieval as geometry
from probes.alignment import similarity as correlation
from probes.alignment.principal import centred_gram, reduce
from probes.alignment.shuffles import Scores, orders
from tests.support.planted import aligned, cloud, rotation

RETRIEVAL = {
    "mexa": geometry.mexa,
    "p_at_1": geometry.p_at_1,
    "csls": geometry.csls,
    "margin": geometry.margin,
    "cosine_gap": geometry.cosine_gap,
    "auc": geometry.auc,
}
SHAPE = {"cka": centred_gram, "cka_debiased": correlation.gram_debiased, "rsa": correlation.rank_similarity}
CANONICAL = {"svcca": correlation.svcca, "pwcca": correlation.pwcca}
HELD_OUT = (*CANONICAL, "procrustes")


def measure(name: str, x: Tensor, y: Tensor) -> Scores:
    if name in RETRIEVAL:
        return RETRIEVAL[name](geometry.cosines(x, y))
    if name in SHAPE:
        return correlation.correlate(SHAPE[name](x), SHAPE[name](y))
    if name == "mutual_knn":
        return geometry.mutual_knn(*(geometry.neighbours(geometry.cosines(side, side)) for side in (x, y)))
    folds = torch.arange(x.shape[1]) % 5
    bases = reduce(x, folds), reduce(y, folds)
    return CANONICAL[name](correlation.canonical(*bases)) if name in CANONICAL else correlation.procrustes(*bases)


EVERY = [*RETRIEVAL, *SHAPE, "mutual_knn", *HELD_OUT]
SHARED = aligned(("a", "b"), (0.2, 0.5, 0.8), sentences=60, d_model=24, offset=1.0)
X, Y = SHARED["a"], SHARED["b"]


def oracle(name: str, x: np.ndarray, y: np.ndarray) -> float:
    """Each measure of one layer, written out from its formula with loops."""
    n = len(x)
    c = np.array([[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in y] for a in x])
    others = [[j for j in range(n) if j != i] for i in range(n)]

    def nearest(table: np.ndarray) -> float:
        forward = sum(all(table[i, i] > table[i, j] for j in others[i]) for i in range(n))
        return (forward + sum(all(table[i, i] > table[j, i] for j in others[i]) for i in range(n))) / (2 * n)

    def dense(k: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.array([np.sort(c[i])[-k:].mean() for i in range(n)])
        return rows, np.array([np.sort(c[:, j])[-k:].mean() for j in range(n)])

    if name == "mexa":
        return sum(c[i, i] > max(max(c[i, j], c[j, i]) for j in others[i]) for i in range(n)) / n
    if name == "p_at_1":
        return nearest(c)
    if name == "csls":
        rows, columns = dense(10)
        return nearest(np.array([[2 * c[i, j] - rows[i] - columns[j] for j in range(n)] for i in range(n)]))
    if name == "margin":
        rows, columns = dense(4)
        return nearest(np.array([[c[i, j] / ((rows[i] + columns[j]) / 2) for j in range(n)] for i in range(n)]))
    if name == "cosine_gap":
        return np.mean([c[i, i] for i in range(n)]) - np.mean([c[i, j] for i in range(n) for j in others[i]])
    if name == "auc":
        off = [c[i, j] for i in range(n) for j in others[i]]
        return stats.mannwhitneyu(c.diagonal(), off).statistic / (n * len(off))
    if name == "cka":
        a, b = x - x.mean(0), y - y.mean(0)
        return np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    if name == "cka_debiased":
        k, m = x @ x.T, y @ y.T
        return hsic(k, m) / math.sqrt(hsic(k, k) * hsic(m, m))
    if name == "rsa":
        return stats.spearmanr(pdist(x, "cosine"), pdist(y, "cosine")).statistic
    assert name == "mutual_knn"
    sides = [[set(np.argsort(squareform(pdist(side, "cosine"))[i])[1:11]) for i in range(n)] for side in (x, y)]
    return np.mean([len(sides[0][i] & sides[1][i]) / 10 for i in range(n)])


def hsic(k: np.ndarray, m: np.ndarray) -> float:
    """HSIC_1 of Song et al. 2012 as sums over distinct pairs, triples and quadruples."""
    n = len(k)
    k, m = k - np.diag(k.diagonal()), m - np.diag(m.diagonal())
    pairs = sum(k[i, j] * m[i, j] for i in range(n) for j in range(n))
    fours = sum(k[i, j] for i in range(n) for j in range(n)) * sum(m[q, r] for q in range(n) for r in range(n))
    triples = sum(k[i, j] * m[j, r] for i in range(n) for j in range(n) for r in range(n))
    return (pairs + fours / ((n - 1) * (n - 2)) - 2 / (n - 2) * triples) / (n * (n - 3))


@pytest.mark.parametrize("name", [name for name in EVERY if name not in HELD_OUT])
def test_every_measure_agrees_with_its_formula_written_out(name):
    found = measure(name, X, Y).estimate
    expected = [oracle(name, X[layer].double().numpy(), Y[layer].double().numpy()) for layer in range(len(X))]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert found.std() > 0.02


@pytest.mark.parametrize("name", [name for name in EVERY if name != "cosine_gap"])
def test_identical_languages_align_at_one(name):
    np.testing.assert_allclose(measure(name, X, X).estimate, 1.0, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "pwcca"])
def test_rotating_the_space_changes_nothing(name):
    turn = rotation(X.shape[-1], 1)
    expected = measure(name, X, Y).estimate
    np.testing.assert_allclose(measure(name, X @ turn, Y @ turn).estimate, expected, atol=2e-3)
    if name not in RETRIEVAL:
        np.testing.assert_allclose(measure(name, X @ turn, Y).estimate, expected, atol=2e-3)


@pytest.mark.parametrize("name", EVERY)
def test_more_shared_meaning_scores_higher_and_above_every_shuffled_pairing(name):
    found = measure(name, X, Y)
    assert found.estimate.diff().min() > 0
    assert found.estimate[-1] > found.shuffled[-1].max()
    assert found.shuffled.shape[-1] >= 999


@pytest.mark.parametrize("name", [name for name in EVERY if name not in HELD_OUT])
def test_a_shuffled_pairing_is_the_measure_of_sentences_so_paired(name):
    found = measure(name, X, Y)
    for turn, (rows, columns) in zip(range(2), orders(60), strict=False):
        for shift in (0, 7, 59):
            by_hand = measure(name, X[:, rows], Y[:, columns].roll(-shift, dims=1)).estimate
            np.testing.assert_allclose(found.shuffled[:, 60 * turn + shift], by_hand, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in EVERY if name not in HELD_OUT])
def test_the_baseline_is_what_wrong_pairs_give(name):
    wrong = torch.stack([measure(name, X, Y.roll(-shift, dims=1)).estimate for shift in range(1, 60, 2)]).mean(0)
    np.testing.assert_allclose(measure(name, X, Y).baseline, wrong, atol=0.02)
    assert not np.allclose(measure(name, X, Y).estimate[-1], wrong[-1], atol=0.05)


@pytest.mark.parametrize("name", ["cosine_gap", "auc", "rsa", "p_at_1"])
def test_eight_unrelated_sentences_are_called_alike_in_five_of_a_hundred_and_no_more(name):
    """Held against wrong pairings alone, 8 in 100 are: what the true pairs have, the wrong ones lack."""
    p = measure(name, *(cloud(4000, 8, 16, seed) for seed in (1, 2))).p
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() < level + 3 * math.sqrt(level * (1 - level) / 4000)


def test_bands_of_shared_neighbours_are_as_wide_as_the_measure_varies():
    made = [0.6 * cloud(200, 60, 16, 0) + 0.8 * cloud(200, 60, 16, side) for side in (1, 2)]
    found = measure("mutual_knn", *made)
    assert float(found.values.std(-1).mean()) / math.sqrt(60) == pytest.approx(float(found.estimate.std()), rel=0.15)


@pytest.mark.parametrize("name", ["cosine_gap", "auc", "cka_debiased", "rsa"])
def test_the_spread_of_values_is_the_sampling_error_of_the_measure(name):
    """Against the delete-one jackknife, which measures again without each sentence."""
    clouds = aligned(("a", "b"), (0.5,), sentences=100, d_model=24, offset=1.0)
    x, y = clouds["a"], clouds["b"]
    keep = [[j for j in range(100) if j != i] for i in range(100)]
    without = torch.stack([measure(name, x[:, rows], y[:, rows]).estimate for rows in keep])
    jackknife = math.sqrt(99 / 100 * float(((without - without.mean(0)) ** 2).sum()))
    assert float(measure(name, x, y).values.std()) / 10 == pytest.approx(jackknife, rel=0.12)


def test_unrelated_clouds_are_unrelated_whatever_their_size():
    n = 150
    x, y = cloud(6, n, 300, 1), cloud(6, n, 300, 2)
    assert measure("cka", x, y).estimate.min() > 0.2
    assert measure("cka_debiased", x, y).estimate.abs().max() < 0.03
    assert float(measure("mexa", x, y).estimate.mean()) == pytest.approx(1 / (2 * n - 1), abs=0.005)
    assert float(measure("auc", x, y).estimate.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(measure("mutual_knn", x, y).estimate.mean()) == pytest.approx(10 / (n - 1), abs=0.02)
    for name in HELD_OUT:
        assert measure(name, x, y).estimate.abs().max() < 0.1, name


def test_a_rotated_copy_is_found_by_a_fitted_rotation_and_by_no_cosine():
    x = cloud(1, 200, 16, 3) * torch.linspace(1, 4, 16)
    y = x @ rotation(16, 5)
    assert measure("procrustes", x, y).estimate > 0.99
    assert measure("mexa", x, y).estimate < 0.05


def test_a_hub_takes_the_neighbours_of_p_at_1_and_not_of_csls():
    x = cloud(1, 80, 24, 0) + torch.ones(24)
    y = x + 1.5 * cloud(1, 80, 24, 1)
    y[0, 0] = 1.0
    assert (geometry.cosines(x, y)[0].argmax(-1) == 0).float().mean() > 0.3
    assert measure("csls", x, y).estimate > measure("p_at_1", x, y).estimate + 0.05


def test_a_tie_is_a_miss():
    x = torch.eye(4)[None]
    x[0, 3] = x[0, 2]
    np.testing.assert_allclose(geometry.mexa(geometry.cosines(x, x)).values, [[1, 1, 0, 0]])


def test_neighbours_from_the_same_document_are_left_out():
    documents = torch.arange(40) // 4
    x = (cloud(1, 10, 8, 0).repeat_interleave(4, dim=1)) + 0.1 * cloud(1, 40, 8, 1)
    same = documents[:, None] == documents
    similarity = geometry.cosines(x, x)
    assert (geometry.neighbours(similarity, 3) & same).sum() == 120
    assert not (geometry.neighbours(similarity, 3, same) & same).any()


def test_ranks_share_ties():
    np.testing.assert_allclose(geometry.ranks(torch.tensor([[3.0, 1.0, 3.0, 2.0]])), [[3.5, 1, 3.5, 2]])


@pytest.mark.parametrize("width", [24, 300])
def test_the_directions_of_a_fold_are_those_of_its_training_sentences_alone(width):
    x, folds = cloud(2, 100, width, 7) * torch.arange(1, width + 1) ** -0.5 + 3.0, torch.arange(100) % 5
    for fold, basis in enumerate(reduce(x, folds)):
        train, test = x[:, folds != fold], x[:, folds == fold]
        mean = train.mean(1, keepdim=True)
        _, deviations, directions = torch.linalg.svd((train - mean).double(), full_matrices=False)
        kept = 8  # a tenth of the training sentences, fewer than explain 99 % of the variance
        expected = ((test - mean).double() @ directions[:, :kept].mT) / deviations[:, None, :kept]
        np.testing.assert_allclose(basis.deviation, deviations[:, :kept], rtol=1e-4)
        np.testing.assert_allclose(basis.test_whitened.abs(), expected.abs(), atol=1e-3)
        loadings = basis.loadings(torch.eye(kept).expand(2, -1, -1))
        np.testing.assert_allclose(loadings.norm(dim=-1), deviations[:, :kept], rtol=1e-3)

"""Representation similarity of the same sentences in two languages. Pure tensors.

Vectors are `[layer sentence d_model]`, row `i` of each language a translation of the other. Functions work on all layers at once.
CKA and RSA correlate the similarities within either language (Gram matrices). `svcca`, `pwcca` and `procrustes` fit a map between
the languages, and score it on sentences that it was not fitted on. All are 1 for identical vectors, 0 if the sentences of a
language are all equal, and invariant to rotation, except `pwcca`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.checks.finite import check_finite
from probes.alignment.retrieval import cosines, ranks
from probes.alignment.shuffles import Scores, shift_means, shift_products, stretch, wrong_mean

Cloud = Float[Tensor, "layer sentence d_model"]
Gram = Float[Tensor, "layer source target"]
_TINY = 1e-12


def correlate(x: Gram, y: Gram) -> Scores:
    """The correlation `<x, y> / |x||y|` of two centred similarity matrices.

    Parameters
    ----------
    x, y
        A matrix for each language: from `gram` for CKA, `gram_debiased` for debiased CKA, `rank_similarity` for RSA.

    Notes
    -----
    The value of a sentence is the estimate plus its influence. It has a factor 2, as a sentence is in a row and in a column.
    """
    n = x.shape[-1]
    xx, yy, xy = (product.sum(-1) * n for product in (x * x, y * y, x * y))
    scale = (xx.mean(-1) * yy.mean(-1)).sqrt().clamp(min=_TINY)[:, None]
    estimate = xy.mean(-1, keepdim=True) / scale
    spread = sum(part / part.mean(-1, keepdim=True).clamp(min=_TINY) - 1 for part in (xx, yy))
    shuffled = shift_products(x, y) / scale
    return Scores(2 * xy / scale - estimate - estimate * spread, shuffled.mean(-1), shuffled)


def gram(x: Cloud) -> Gram:
    """Centred Gram matrix of the vectors `x`, for linear CKA (Kornblith et al. 2019).

    CKA of unrelated vectors is well above 0 when d_model > sentences: use `gram_debiased` then.
    """
    centred = x - x.mean(1, keepdim=True)
    return centred @ centred.mT


def gram_debiased(x: Cloud) -> Gram:
    """U-centred Gram matrix of the vectors `x`, with diagonal 0, for debiased CKA.

    The inner product of two is the unbiased HSIC_1 of Song et al. 2012, eq. 5, used for CKA by Nguyen et al. 2021. The expectation
    for unrelated vectors is 0 for any number of sentences (more than 3) and dimensions, so values can be below 0. Misleading if a
    few directions or sentences have most of the variance (Davari et al. 2023).
    """
    n = x.shape[1]
    hollow = gram(x)
    hollow.diagonal(dim1=1, dim2=2).zero_()
    rows = hollow.sum(-1, keepdim=True)
    centred = hollow - (rows + rows.mT) / (n - 2) + rows.sum(1, keepdim=True) / ((n - 1) * (n - 2))
    centred.diagonal(dim1=1, dim2=2).zero_()
    return centred


def rank_similarity(x: Cloud) -> Gram:
    """Centred ranks of the cosines between the vectors `x` of one language, for RSA (Kriegeskorte et al. 2008).

    The correlation of two is Spearman's, over the upper triangle. Its pairs are not independent, so the test shuffles sentences
    (Mantel 1967).
    """
    n = x.shape[1]
    i, j = torch.triu_indices(n, n, 1, device=x.device)
    order = ranks(cosines(x, x)[:, i, j])
    upper = torch.zeros(len(x), n, n, device=x.device)
    upper[:, i, j] = (order - order.mean(-1, keepdim=True)).float()
    return upper + upper.mT


@dataclass(frozen=True)
class Basis:
    """The vectors of one language in the principal directions of its training sentences, for one fold.

    `test` are the positions of the held-out sentences; `train_whitened` and `test_whitened` the coordinates, divided by
    `deviation` (root of the sum of squares over the training sentences); `directions` the principal directions.
    """

    test: Int[Tensor, " sentence"]
    train_whitened: Float[Tensor, "layer train k"]
    test_whitened: Float[Tensor, "layer test k"]
    deviation: Float[Tensor, "layer k"]
    directions: Float[Tensor, "layer k d_model"]


def reduce(x: Cloud, folds: Int[Tensor, " sentence"], variance: float = 0.99) -> list[Basis]:
    """Fit the principal directions of one language, for each fold on the sentences outside it.

    Parameters
    ----------
    x
        The vectors.
    folds
        The fold of each sentence.
    variance
        Share of the variance that the directions kept must explain. They are at most a tenth of the training sentences: with as
        many directions as sentences, any two languages have canonical correlation 1 on the sentences of the fit.
    """
    check_finite(x, lambda layer, sentence, _: f"the vector of sentence {sentence} at layer {layer} of those given")
    return [_reduce(x, (folds == fold).to(x.device), variance) for fold in folds.unique().tolist()]


def _reduce(x: Cloud, held: Tensor, variance: float) -> Basis:
    mean = x[:, ~held].mean(1, keepdim=True)
    train, test = x[:, ~held] - mean, x[:, held] - mean
    k = max(1, min(train.shape[1] // 10, train.shape[2]))
    wide = train.shape[2] > train.shape[1]
    values, vectors = torch.linalg.eigh(train @ train.mT if wide else train.mT @ train)
    values, vectors = values.flip(-1).clamp(min=0), vectors.flip(-1)[:, :, :k]
    components = (values.cumsum(-1) - values)[:, :k] < variance * values.sum(-1, keepdim=True)
    components &= values[:, :k] > 1e-6 * values[:, :1]
    deviation = values[:, :k].sqrt() * components
    inverse = torch.where(components, 1 / values[:, :k].sqrt().clamp(min=_TINY), 0.0)
    directions = (inverse[:, :, None] * (vectors.mT @ train)) if wide else vectors.mT * components[:, :, None]
    onto = directions.mT * inverse[:, None]
    return Basis(held.nonzero()[:, 0], train @ onto, test @ onto, deviation, directions)


def svcca(x: Sequence[Basis], y: Sequence[Basis]) -> Scores:
    """The mean canonical correlation (Raghu et al. 2017), on sentences that the directions were not fitted on.

    `x` and `y` are the bases of the two languages, one per fold, from `reduce`.
    """
    return _held_out(x, y, _canonical(lambda a, b, p, q: _first(a, b, p.shape[-1])))


def pwcca(x: Sequence[Basis], y: Sequence[Basis]) -> Scores:
    """As `svcca`, with each direction weighted by how much of the representation it accounts for (Morcos et al. 2018).

    The weights are the mean of those of `x` and of `y`. They sum absolute values over neurons, so, unlike the correlations, they
    change when the vectors are rotated.
    """
    return _held_out(x, y, _canonical(_projection_weights))


def procrustes(x: Sequence[Basis], y: Sequence[Basis]) -> Scores:
    """The cosine `<xQ, y> / |xQ||y|` of two languages after the best rotation Q, on sentences that Q was not fitted on.

    Q is the orthogonal Procrustes solution (Schönemann 1966), between the principal directions of `x` and of `y` (from `reduce`).
    2 (1 - cosine) is the squared Procrustes distance of Ding et al. 2021, on held-out sentences.
    """

    def fit(a: Basis, b: Basis) -> Fitted:
        left, right = _singular(_scaled(a.train_whitened, a).mT @ _scaled(b.train_whitened, b))
        mapped, there = _scaled(a.test_whitened, a) @ (left @ right), _scaled(b.test_whitened, b)
        return _unit(mapped, (1, 2)), _unit(there, (1, 2)), mapped.new_ones(len(mapped), 1)

    return _held_out(x, y, fit)


Fitted = tuple[Tensor, Tensor, Tensor]
"""The held-out sentences of both languages `[layer test k]` under the map; a weight per direction, or one weight."""
Fit = Callable[[Basis, Basis], Fitted]


def _canonical(weigh: Callable[[Basis, Basis, Tensor, Tensor], Tensor]) -> Fit:
    def fit(a: Basis, b: Basis) -> Fitted:
        left, right = _singular(a.train_whitened.mT @ b.train_whitened)
        u, v = a.test_whitened @ left, b.test_whitened @ right.mT
        u, v = u - u.mean(1, keepdim=True), v - v.mean(1, keepdim=True)
        return _unit(u, (1,)), _unit(v, (1,)), weigh(a, b, left, right.mT)

    return fit


def _singular(products: Float[Tensor, "layer k k"]) -> tuple[Tensor, Tensor]:
    """The left and right singular vectors, found on the CPU: a GPU takes such small matrices one by one and is slower."""
    left, _, right = torch.linalg.svd(products.cpu())
    return left.to(products.device), right.to(products.device)


def _unit(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Scaled so that the sum of squares over `dims` is the number of sentences."""
    return x / (x.square().sum(dims, keepdim=True) / x.shape[1]).sqrt().clamp(min=_TINY)


def _first(a: Basis, b: Basis, k: int) -> Tensor:
    rank = torch.minimum((a.deviation > 0).sum(-1), (b.deviation > 0).sum(-1))
    counted = (torch.arange(k, device=rank.device) < rank[:, None]).float()
    return counted / counted.sum(-1, keepdim=True).clamp(min=1)


def _projection_weights(a: Basis, b: Basis, left: Tensor, right: Tensor) -> Tensor:
    sides = []
    for basis, turn in ((a, left), (b, right)):
        carried = (turn.mT @ (basis.deviation[:, :, None] * basis.directions)).abs().sum(-1)
        carried = carried * (_first(a, b, carried.shape[-1]) > 0)
        sides.append(carried / carried.sum(-1, keepdim=True).clamp(min=_TINY))
    return (sides[0] + sides[1]) / 2


def _scaled(whitened: Tensor, basis: Basis) -> Tensor:
    return whitened * basis.deviation[:, None]


def _held_out(x: Sequence[Basis], y: Sequence[Basis], fit: Fit) -> Scores:
    """Values fold by fold, and the same fitted maps with the held-out sentences paired at random.

    Folds share training sentences, so the variance of their mean is larger than independent folds would have. Deviations of values
    and shuffles are multiplied by sqrt(1 + K/(K-1)), 1.5 for five folds (Nadeau & Bengio 2003); else the test rejects too often.
    """
    n = sum(len(basis.test) for basis in x)
    values, wrong, shuffled = x[0].deviation.new_empty(len(x[0].deviation), n), [], []
    for a, b in zip(x, y, strict=True):
        u, v, weights = fit(a, b)
        products, squares = u * v, (u.square() + v.square()) / 2
        if weights.shape[-1] == 1:
            products, squares = products.sum(-1, keepdim=True), squares.sum(-1, keepdim=True)
        rho = products.mean(1, keepdim=True)
        values[:, a.test] = ((products + rho - rho * squares) * weights[:, None]).sum(-1)
        table = (u * weights[:, None]) @ v.mT * len(a.test) / n
        wrong.append(wrong_mean(table))
        shuffled.append(shift_means(table))
    width = min(drawn.shape[-1] for drawn in shuffled)
    widen = (1 + len(x) / (len(x) - 1)) ** 0.5
    together = torch.stack([drawn[:, :width] for drawn in shuffled]).sum(0)
    return Scores(stretch(values, widen), torch.stack(wrong).sum(0), stretch(together, widen))

"""Representation similarity of the same sentences in two languages. Pure tensors.

Vectors are `[layer sentence d_model]`, row `i` of each language a translation of the other. Functions work on all layers at once.
CKA and RSA correlate the similarities within either language (Gram matrices). `svcca`, `pwcca` and `procrustes` fit a map between
the languages, and score it on sentences that it was not fitted on. All are 1 for identical vectors, 0 if the sentences of a
language are all equal, and invariant to rotation, except `pwcca`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probes.alignment.principal import Basis, Cloud, Gram, centred_gram, singular
from probes.alignment.retrieval import cosines, ranks
from probes.alignment.shuffles import Scores, shift_means, shift_products, stretch, wrong_mean

_TINY = 1e-12


def correlate(x: Gram, y: Gram) -> Scores:
    """The correlation `<x, y> / |x||y|` of two centred similarity matrices.

    Parameters
    ----------
    x, y
        A matrix for each language: from `centred_gram` for CKA, `gram_debiased` for debiased CKA, `rank_similarity` for RSA.

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


def gram_debiased(x: Cloud) -> Gram:
    """U-centred Gram matrix of the vectors `x`, with diagonal 0, for debiased CKA.

    The inner product of two is the unbiased HSIC_1 of Song et al. 2012, eq. 5, used for CKA by Nguyen et al. 2021. The expectation
    for unrelated vectors is 0 for any number of sentences (more than 3) and dimensions, so values can be below 0. Misleading if a
    few directions or sentences have most of the variance (Davari et al. 2023).
    """
    n = x.shape[1]
    hollow = centred_gram(x)
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
class Canonical:
    """The canonical directions of two languages (`x`, `y`), found on the training sentences of one fold.

    `turns` lead from the principal directions of either language to the canonical ones; `held_out` are the coordinates of the
    held-out sentences of both, each direction scaled to the same sum of squares.
    """

    x: Basis
    y: Basis
    turns: tuple[Float[Tensor, "layer k k"], Float[Tensor, "layer k k"]]
    held_out: tuple[Float[Tensor, "layer test k"], Float[Tensor, "layer test k"]]


def canonical(x: Sequence[Basis], y: Sequence[Basis]) -> list[Canonical]:
    """The canonical directions of two languages in each fold, from their principal directions `x` and `y` (`reduce`)."""
    found = []
    for a, b in zip(x, y, strict=True):
        left, right = singular(a.train_whitened.mT @ b.train_whitened)
        u, v = a.test_whitened @ left, b.test_whitened @ right.mT
        u, v = (side - side.mean(1, keepdim=True) for side in (u, v))
        found.append(Canonical(a, b, (left, right.mT), (_unit(u, (1,)), _unit(v, (1,)))))
    return found


def svcca(found: Sequence[Canonical]) -> Scores:
    """The mean canonical correlation (Raghu et al. 2017), on sentences that the directions were not fitted on.

    `found` is from `canonical`.
    """
    return _held_out([(*fold.held_out, _counted(fold)) for fold in found], [fold.x.test for fold in found])


def pwcca(found: Sequence[Canonical]) -> Scores:
    """As `svcca`, with each direction weighted by how much of the representation it accounts for (Morcos et al. 2018).

    The weights are the mean of those of the two languages. They sum absolute values over neurons, so, unlike the correlations, they
    change when the vectors are rotated. `found` is from `canonical`.
    """
    return _held_out([(*fold.held_out, _projection_weights(fold)) for fold in found], [fold.x.test for fold in found])


def procrustes(x: Sequence[Basis], y: Sequence[Basis]) -> Scores:
    """The cosine `<xQ, y> / |xQ||y|` of two languages after the best rotation Q, on sentences that Q was not fitted on.

    Q is the orthogonal Procrustes solution (Schönemann 1966), between the principal directions of `x` and of `y` (from `reduce`).
    2 (1 - cosine) is the squared Procrustes distance of Ding et al. 2021, on held-out sentences.
    """

    fitted = []
    for a, b in zip(x, y, strict=True):
        left, right = singular(_scaled(a.train_whitened, a).mT @ _scaled(b.train_whitened, b))
        mapped, there = _scaled(a.test_whitened, a) @ (left @ right), _scaled(b.test_whitened, b)
        fitted.append((_unit(mapped, (1, 2)), _unit(there, (1, 2)), mapped.new_ones(len(mapped), 1)))
    return _held_out(fitted, [basis.test for basis in x])


Fitted = tuple[Tensor, Tensor, Tensor]
"""The held-out sentences of both languages `[layer test k]` under the map; a weight per direction, or one weight."""


def _unit(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Scaled so that the sum of squares over `dims` is the number of sentences."""
    return x / (x.square().sum(dims, keepdim=True) / x.shape[1]).sqrt().clamp(min=_TINY)


def _counted(fold: Canonical) -> Float[Tensor, "layer k"]:
    """One weight for every direction that both languages have; their sum is 1."""
    rank = torch.minimum(*((basis.deviation > 0).sum(-1) for basis in (fold.x, fold.y)))
    counted = (torch.arange(fold.x.deviation.shape[-1], device=rank.device) < rank[:, None]).float()
    return counted / counted.sum(-1, keepdim=True).clamp(min=1)


def _projection_weights(fold: Canonical) -> Float[Tensor, "layer k"]:
    counted, sides = _counted(fold) > 0, []
    for basis, turn in zip((fold.x, fold.y), fold.turns, strict=True):
        carried = basis.loadings(turn).abs().sum(-1) * counted
        sides.append(carried / carried.sum(-1, keepdim=True).clamp(min=_TINY))
    return (sides[0] + sides[1]) / 2


def _scaled(whitened: Tensor, basis: Basis) -> Tensor:
    return whitened * basis.deviation[:, None]


def _held_out(fitted: Sequence[Fitted], places: Sequence[Int[Tensor, " test"]]) -> Scores:
    """Values fold by fold, and the same `fitted` maps with the held-out sentences, which stand at `places`, paired at random.

    Folds share training sentences, so the variance of their mean is larger than independent folds would have. Deviations of values
    and shuffles are multiplied by sqrt(1 + K/(K-1)), 1.5 for five folds (Nadeau & Bengio 2003); else the test rejects too often.
    """
    n = sum(map(len, places))
    values, wrong, shuffled = fitted[0][0].new_empty(len(fitted[0][0]), n), [], []
    for (u, v, weights), test in zip(fitted, places, strict=True):
        products, squares = u * v, (u.square() + v.square()) / 2
        if weights.shape[-1] == 1:
            products, squares = products.sum(-1, keepdim=True), squares.sum(-1, keepdim=True)
        rho = products.mean(1, keepdim=True)
        values[:, test] = ((products + rho - rho * squares) * weights[:, None]).sum(-1)
        table = (u * weights[:, None]) @ v.mT * len(test) / n
        wrong.append(wrong_mean(table))
        shuffled.append(shift_means(table))
    width = min(drawn.shape[-1] for drawn in shuffled)
    widen = (1 + len(places) / (len(places) - 1)) ** 0.5
    together = torch.stack([drawn[:, :width] for drawn in shuffled]).sum(0)
    return Scores(stretch(values, widen), torch.stack(wrong).sum(0), stretch(together, widen))

"""The principal directions of the sentences of one language, fitted for each fold on the sentences outside it. Pure tensors.

All follows from the Gram matrix of the sentences, which is computed once for all folds, or from their covariance where a vector has
fewer entries than there are sentences. On a CPU only as many eigenvectors as are kept are found; a GPU finds all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Bool, Float, Int
from threadpoolctl import threadpool_limits
from torch import Tensor

from interp.models.checks.finite import check_finite
from interp.models.devices import to_cpu

Cloud = Float[Tensor, "layer sentence d_model"]
Gram = Float[Tensor, "layer source target"]
_TINY = 1e-12


@dataclass(frozen=True)
class Basis:
    """The sentences of one language in the principal directions of its training sentences, for one fold.

    `held` marks the held-out sentences. `train_whitened` and `test_whitened` are the coordinates divided by `deviation`, the root
    of the sum of squares over the training sentences, which is 0 for a direction that is left out. `vectors` are those of all.
    """

    held: Bool[Tensor, " sentence"]
    train_whitened: Float[Tensor, "layer train k"]
    test_whitened: Float[Tensor, "layer test k"]
    deviation: Float[Tensor, "layer k"]
    vectors: Cloud

    @property
    def test(self) -> Int[Tensor, " sentence"]:
        """The positions of the held-out sentences."""
        return self.held.nonzero()[:, 0]

    def loadings(self, turn: Float[Tensor, "layer k k"]) -> Float[Tensor, "layer k d_model"]:
        """How much of each neuron the directions carry, turned by `turn`: covariances with the whitened coordinates."""
        weights = self.train_whitened.new_zeros(*self.vectors.shape[:2], turn.shape[-1])
        weights[:, ~self.held] = self.train_whitened @ turn
        return weights.mT @ self.vectors


def centred_gram(x: Cloud) -> Gram:
    """The Gram matrix of the vectors `x` with their mean taken off."""
    centred = x - x.mean(1, keepdim=True)
    return centred @ centred.mT


def reduce(x: Cloud, folds: Int[Tensor, " sentence"], gram: Gram | None = None, variance: float = 0.99) -> list[Basis]:
    """Fit the principal directions of one language, for each fold on the sentences outside it.

    Parameters
    ----------
    x
        The vectors.
    folds
        The fold of each sentence.
    gram
        `centred_gram(x)`, where it is known.
    variance
        Share of the variance that the directions kept must explain. They are at most a tenth of the training sentences: with as
        many directions as sentences, any two languages have canonical correlation 1 on the sentences of the fit.

    Raises
    ------
    ValueError
        A value is not finite.
    """
    check_finite(x, lambda layer, sentence, _: f"the vector of sentence {sentence} at layer {layer} of those given")
    masks = [(folds == fold).to(x.device) for fold in folds.unique().tolist()]
    if all(int((~held).sum()) >= x.shape[-1] for held in masks):
        return [_from_covariance(x, held, variance) for held in masks]
    table = centred_gram(x) if gram is None else gram
    return [_from_gram(x, table, held, variance) for held in masks]


def _from_gram(x: Cloud, gram: Gram, held: Tensor, variance: float) -> Basis:
    rows = gram[:, ~held]
    train, test = rows[:, :, ~held], gram[:, held][:, :, ~held]
    mean = train.mean(1, keepdim=True)
    train = train - mean - mean.mT + mean.mean(2, keepdim=True)
    test = test - test.mean(2, keepdim=True) - mean + mean.mean(2, keepdim=True)
    values, vectors = _leading(train, _most(train, x))
    deviation = _deviation(values, train, variance)
    return Basis(held, vectors * (deviation > 0)[:, None], (test @ vectors) * _inverse(deviation.square())[:, None], deviation, x)


def _from_covariance(x: Cloud, held: Tensor, variance: float) -> Basis:
    mean = x[:, ~held].mean(1, keepdim=True)
    train, test = x[:, ~held] - mean, x[:, held] - mean
    covariance = train.mT @ train
    values, vectors = _leading(covariance, _most(train, x))
    deviation = _deviation(values, covariance, variance)
    onto = vectors * _inverse(deviation)[:, None]
    return Basis(held, train @ onto, test @ onto, deviation, x)


def _most(train: Tensor, x: Cloud) -> int:
    return max(1, min(train.shape[1] // 10, x.shape[-1]))


def _deviation(values: Float[Tensor, "layer k"], matrix: Tensor, variance: float) -> Float[Tensor, "layer k"]:
    """The root of the largest eigenvalues of a matrix, up to the share of `variance`; 0 from there on."""
    values, total = values.clamp(min=0), matrix.diagonal(dim1=1, dim2=2).sum(-1, keepdim=True)
    kept = ((values.cumsum(-1) - values) < variance * total) & (values > 1e-6 * values[:, :1])
    return values.sqrt() * kept


def _inverse(deviation: Tensor) -> Tensor:
    return torch.where(deviation > 0, 1 / deviation.clamp(min=_TINY), 0.0)


def _leading(matrices: Float[Tensor, "layer n n"], k: int) -> tuple[Float[Tensor, "layer k"], Float[Tensor, "layer n k"]]:
    """The `k` largest eigenvalues of symmetric matrices, the largest first, and their vectors."""
    n = matrices.shape[-1]
    if matrices.is_cuda:
        every, directions = torch.linalg.eigh(matrices)
        return every[:, -k:].flip(-1), directions[..., -k:].flip(-1)

    def solve(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, vectors = scipy.linalg.eigh(matrix, subset_by_index=(n - k, n - 1), check_finite=False)
        return values[::-1].copy(), vectors[:, ::-1].copy()

    values, vectors = zip(*each_matrix(solve, matrices), strict=True)
    both = (torch.from_numpy(np.stack(parts)).to(matrices) for parts in (values, vectors))
    return next(both), next(both)


def singular(products: Float[Tensor, "layer k k"]) -> tuple[Float[Tensor, "layer k k"], Float[Tensor, "layer k k"]]:
    """The left and the right singular vectors of square matrices (`products`), those of the largest singular value first."""

    def solve(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left, _, right = scipy.linalg.svd(matrix, check_finite=False)
        return left, right

    left, right = zip(*each_matrix(solve, products), strict=True)
    both = (torch.from_numpy(np.stack(parts)).to(products) for parts in (left, right))
    return next(both), next(both)


Solved = tuple[np.ndarray, np.ndarray]


def each_matrix(solve: Callable[[np.ndarray], Solved], matrices: Float[Tensor, "layer n n"]) -> list[Solved]:
    """What `solve` gives for each of `matrices`, in their order. More threads than one only wait for each other at this size."""
    with threadpool_limits(1, user_api="blas"):
        return [solve(matrix) for matrix in to_cpu(matrices).numpy()]

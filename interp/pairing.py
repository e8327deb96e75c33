"""What a measure of two languages would be if their sentences were wrongly paired: the baseline beside every number.

Sentence `i` of one language is paired with sentence `i+s` of the other, for every shift s = 1 .. n-1: n-1 derangements
at the price of one look at an `n x n` matrix, first in the order given, then in random orders until there are 999. Shuffle
the sentences first: neighbours in a file are often neighbours in meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.statistics import permutation_p

SHUFFLES = 999
Table = Float[Tensor, "layer source target"]


@dataclass(frozen=True)
class Scores:
    """One measure of two clouds at every layer: what each sentence contributes, and what wrong pairings give.

    The mean of `values` over sentences is the measure, exactly, and their spread carries its sampling error: a hit or miss
    for retrieval, estimate plus influence (the jackknife's pseudo-value) for measures that compare all sentences at once.
    `shuffled` is the measure under each wrong pairing of the same two clouds.
    """

    values: Float[Tensor, "layer sentence"]
    shuffled: Float[Tensor, "layer shuffle"]

    @property
    def estimate(self) -> Float[Tensor, " layer"]:
        return self.values.mean(-1)

    @property
    def p(self) -> Float[np.ndarray, " layer"]:
        """The share of pairings, the true one counted, that reach the measure; one-sided."""
        return permutation_p(self.estimate.cpu().numpy(), self.shuffled.T.cpu().numpy())


def score_pairs(table: Table) -> Scores:
    """Scores from a table whose entry `[i, j]` is what sentence `i` would score were `j` its translation."""
    return Scores(table.diagonal(dim1=1, dim2=2), shift_means(table))


def shift_means(table: Table) -> Float[Tensor, "layer shuffle"]:
    """The mean of a score table over the pairs of each wrong pairing."""
    n = table.shape[-1]
    return torch.cat([wrap(_reorder(table, order)).mean(1)[:, 1:] for order in _orders(n)], dim=1)


def shift_products(x: Table, y: Table) -> Float[Tensor, "layer shuffle"]:
    """The inner product of two similarity matrices under each wrong pairing: `sum_ij x_ij y_p(i)p(j)`.

    A cross-correlation along wrapped diagonals, so n-1 shifts cost n Fourier transforms of length n.
    """
    n = x.shape[-1]
    return torch.cat([_products(_reorder(x, order), _reorder(y, order))[:, 1:] for order in _orders(n)], dim=1)


def wrap(table: Table) -> Float[Tensor, "layer source shift"]:
    """The wrapped diagonals of a square table as columns: entry `[i, s]` is `table[i, i+s]`, past the end from the start."""
    n = table.shape[-1]
    rows = torch.arange(n, device=table.device)
    return table.gather(2, ((rows[:, None] + rows) % n).expand(len(table), -1, -1))


def _products(x: Table, y: Table) -> Float[Tensor, "layer shift"]:
    spectrum = (torch.fft.rfft(wrap(x).mT.contiguous()).conj() * torch.fft.rfft(wrap(y).mT.contiguous())).sum(1)
    return torch.fft.irfft(spectrum, n=x.shape[-1])


def _orders(n: int) -> Iterator[Tensor | None]:
    """The order given (None), then random ones, until their shifts make enough shuffles. The same for every table of a size."""
    yield None
    rng = torch.Generator().manual_seed(n)
    for _ in range(1, -(-SHUFFLES // max(1, n - 1))):
        yield torch.randperm(n, generator=rng)


def _reorder(table: Table, order: Tensor | None) -> Table:
    return table if order is None else table[:, order][:, :, order]

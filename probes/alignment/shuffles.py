"""What a measure of two languages would be if their sentences were paired at random: the baseline beside every number.

Both languages are put in random orders and sentence `i` of one is paired with sentence `i+s` of the other, for every shift
s = 0 .. n-1: n pairings at the price of one look at an `n x n` matrix, in new orders until there are 999. Each is any of the
n! pairings alike, so true pairs turn up as often as chance has them. A test against wrong pairings alone finds too much:
they are lower the higher the true one is, and 5 % become 8 % with 8 sentences and 6 % with 20.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from probes.statistics.resampling import permutation_p

SHUFFLES = 999
Table = Float[Tensor, "layer source target"]


@dataclass(frozen=True)
class Scores:
    """One measure of two clouds at every layer: what each sentence contributes, and what wrong pairings give.

    The mean of `values` over sentences is the measure, exactly, and their spread carries its sampling error: a hit or miss
    for retrieval, estimate plus influence (the jackknife's pseudo-value) for measures that compare all sentences at once.
    `baseline` is what wrong pairs give, `shuffled` the measure of the same two clouds under each random pairing.
    """

    values: Float[Tensor, "layer sentence"]
    baseline: Float[Tensor, " layer"]
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
    return Scores(table.diagonal(dim1=1, dim2=2), wrong_mean(table), shift_means(table))


def wrong_mean(table: Table) -> Float[Tensor, " layer"]:
    """The mean of a score table over all wrong pairs: all entries but the diagonal."""
    n = table.shape[-1]
    return (table.sum((1, 2)) - table.diagonal(dim1=1, dim2=2).sum(-1)) / (n * (n - 1))


def shift_means(table: Table) -> Float[Tensor, "layer shuffle"]:
    """The mean of a score table over the pairs of each random pairing."""
    return torch.cat([wrap(_reorder(table, rows, columns)).mean(1) for rows, columns in orders(table.shape[-1])], dim=1)


def shift_products(x: Table, y: Table) -> Float[Tensor, "layer shuffle"]:
    """The inner product of two similarity matrices under each random pairing: `sum_ij x_ij y_p(i)p(j)`.

    A cross-correlation along wrapped diagonals, so n shifts cost n Fourier transforms of length n.
    """
    drawn = orders(x.shape[-1])
    return torch.cat([_products(_reorder(x, rows, rows), _reorder(y, columns, columns)) for rows, columns in drawn], dim=1)


def stretch(values: Float[Tensor, "layer item"], factor: float) -> Float[Tensor, "layer item"]:
    """The same mean with deviations `factor` times as large: for values that vary together, and so less than their mean says."""
    mean = values.mean(-1, keepdim=True)
    return mean + factor * (values - mean)


def wrap(table: Table) -> Float[Tensor, "layer source shift"]:
    """The wrapped diagonals of a square table as columns: entry `[i, s]` is `table[i, i+s]`, past the end from the start."""
    n = table.shape[-1]
    rows = torch.arange(n, device=table.device)
    return table.gather(2, ((rows[:, None] + rows) % n).expand(len(table), -1, -1))


def _products(x: Table, y: Table) -> Float[Tensor, "layer shift"]:
    spectrum = (torch.fft.rfft(wrap(x).mT.contiguous()).conj() * torch.fft.rfft(wrap(y).mT.contiguous())).sum(1)
    return torch.fft.irfft(spectrum, n=x.shape[-1])


def orders(n: int) -> Iterator[tuple[Int[Tensor, " sentence"], Int[Tensor, " sentence"]]]:
    """A random order of each language, again until their shifts make enough pairings. The same for every table of a size."""
    rng = torch.Generator().manual_seed(n)
    for _ in range(-(-SHUFFLES // n)):
        yield torch.randperm(n, generator=rng), torch.randperm(n, generator=rng)


def _reorder(table: Table, rows: Tensor, columns: Tensor) -> Table:
    return table[:, rows][:, :, columns]

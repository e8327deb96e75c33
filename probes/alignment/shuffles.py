"""The baseline of every metric: its value if the sentences of the two languages were paired at random.

Both languages are put in random orders, and sentence `i` of one is paired with sentence `i+s` of the other, for every shift
s = 0 .. n-1. This gives n pairings for one pass over an `n x n` matrix; it is repeated with new orders until there are 999. Each
pairing is uniform over all n! pairings, so it has true pairs as often as expected by chance. A test against pairings without true
pairs rejects too often (8 % instead of 5 % with 8 sentences, 6 % with 20), as those score lower the higher the true pairing does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from probes.statistics.significance import permutation_p

SHUFFLES = 999
Table = Float[Tensor, "layer source target"]


@dataclass(frozen=True)
class Scores:
    """One metric of two languages at every layer, per sentence, and under shuffled pairings.

    Parameters
    ----------
    values
        The contribution of each sentence: a hit or miss for retrieval, and estimate plus influence (the pseudo-value of the
        jackknife) for metrics that compare all sentences at once. Their mean over sentences is the metric, exactly, and their
        variance gives its sampling error.
    baseline
        The metric over wrong pairs.
    shuffled
        The metric under each random pairing.
    """

    values: Float[Tensor, "layer sentence"]
    baseline: Float[Tensor, " layer"]
    shuffled: Float[Tensor, "layer shuffle"]

    @property
    def estimate(self) -> Float[Tensor, " layer"]:
        """Mean over sentences."""
        return self.values.mean(-1)

    @property
    def p(self) -> Float[np.ndarray, " layer"]:
        """One-sided permutation p: the share of pairings, the true one counted, that score at least as high as the true one."""
        return permutation_p(self.estimate.cpu().numpy(), self.shuffled.T.cpu().numpy())

    def standardised(self) -> tuple[Float[np.ndarray, " layer"], Float[np.ndarray, "shuffle layer"]]:
        """The estimate and its shuffles in standard deviations of the shuffles above their mean, so that layers are comparable.

        A layer that is not finite gets NaN, and -inf in its shuffles, which are then no candidates for a maximum.
        """
        observed, shuffled = self.estimate.double().cpu().numpy(), self.shuffled.T.double().cpu().numpy()
        known = np.isfinite(observed) & np.isfinite(shuffled).all(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            centre, scale = shuffled.mean(axis=0), np.maximum(shuffled.std(axis=0), 1e-9)
            return np.where(known, (observed - centre) / scale, np.nan), np.where(known, (shuffled - centre) / scale, -np.inf)


def score_pairs(table: Table) -> Scores:
    """Scores from a `table` whose entry `[i, j]` is the score of sentence `i` if `j` were its translation."""
    return Scores(table.diagonal(dim1=1, dim2=2), wrong_mean(table), shift_means(table))


def wrong_mean(table: Table) -> Float[Tensor, " layer"]:
    """The mean of a score `table` over wrong pairs: all entries but the diagonal."""
    n = table.shape[-1]
    return (table.sum((1, 2)) - table.diagonal(dim1=1, dim2=2).sum(-1)) / (n * (n - 1))


def shift_means(table: Table) -> Float[Tensor, "layer shuffle"]:
    """The mean of a score `table` over the pairs of each random pairing."""
    return torch.cat([wrap(_reorder(table, rows, columns)).mean(1) for rows, columns in orders(table.shape[-1])], dim=1)


def shift_products(x: Table, y: Table) -> Float[Tensor, "layer shuffle"]:
    """The inner product of the similarity matrices `x` and `y` under each random pairing p: `sum_ij x_ij y_p(i)p(j)`.

    A cross-correlation along wrapped diagonals, so n shifts cost n Fourier transforms of length n.
    """
    drawn = orders(x.shape[-1])
    return torch.cat([_products(_reorder(x, rows, rows), _reorder(y, columns, columns)) for rows, columns in drawn], dim=1)


def stretch(values: Float[Tensor, "layer item"], factor: float) -> Float[Tensor, "layer item"]:
    """Multiply the deviations of `values` from their mean by `factor`: for values that depend on each other.

    The variance of their mean would else be underestimated.
    """
    mean = values.mean(-1, keepdim=True)
    return mean + factor * (values - mean)


def wrap(table: Table) -> Float[Tensor, "layer source shift"]:
    """The wrapped diagonals of a square `table` as columns: entry `[i, s]` is `table[i, (i+s) mod n]`."""
    n = table.shape[-1]
    rows = torch.arange(n, device=table.device)
    return table.gather(2, ((rows[:, None] + rows) % n).expand(len(table), -1, -1))


def _products(x: Table, y: Table) -> Float[Tensor, "layer shift"]:
    spectrum = (torch.fft.rfft(wrap(x).mT.contiguous()).conj() * torch.fft.rfft(wrap(y).mT.contiguous())).sum(1)
    return torch.fft.irfft(spectrum, n=x.shape[-1])


def orders(n: int) -> Iterator[tuple[Int[Tensor, " sentence"], Int[Tensor, " sentence"]]]:
    """Random orders of both languages, until their shifts make 999 pairings. The same for every table of `n` sentences."""
    rng = torch.Generator().manual_seed(n)
    for _ in range(-(-SHUFFLES // n)):
        yield torch.randperm(n, generator=rng), torch.randperm(n, generator=rng)


def _reorder(table: Table, rows: Tensor, columns: Tensor) -> Table:
    return table[:, rows][:, :, columns]

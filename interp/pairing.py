"""What a measure of two languages would be if their sentences were wrongly paired: the baseline beside every number.

Sentence `i` of one language is paired with sentence `i+s` of the other, for every shift s = 1 .. n-1: n-1 derangements
at the price of one look at an `n x n` matrix. Put the sentences in random order first and they are random derangements.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


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


def score_pairs(table: Float[Tensor, "layer source target"]) -> Scores:
    """Scores from a table whose entry `[i, j]` is what sentence `i` would score were `j` its translation."""
    return Scores(table.diagonal(dim1=1, dim2=2), wrap(table).mean(1)[:, 1:])


def wrap(table: Float[Tensor, "layer source target"]) -> Float[Tensor, "layer source shift"]:
    """The wrapped diagonals of a square table as columns: entry `[i, s]` is `table[i, i+s]`, past the end from the start."""
    n = table.shape[-1]
    rows = torch.arange(n, device=table.device)
    return table.gather(2, ((rows[:, None] + rows) % n).expand(len(table), -1, -1))


def shift_products(
    x: Float[Tensor, "layer source target"], y: Float[Tensor, "layer source target"]
) -> Float[Tensor, "layer shift"]:
    """The inner product of two similarity matrices with the second's sentences shifted by s = 0 .. n-1: `sum_ij x_ij y_i+s,j+s`.

    A cross-correlation along wrapped diagonals, so all n shifts cost n Fourier transforms of length n.
    """
    spectrum = (torch.fft.rfft(wrap(x).mT.contiguous()).conj() * torch.fft.rfft(wrap(y).mT.contiguous())).sum(1)
    return torch.fft.irfft(spectrum, n=x.shape[-1])

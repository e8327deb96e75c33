"""What a next-token distribution says: mass on a word, its rank, uncertainty, distance, script. Pure tensors, no model.

Rows are whatever is read out (a layer at a position of a prompt). Token sets come padded with -1. Logarithms are base 2.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

PADDING = -1


def pad_sets(sets: list[list[frozenset[int]]]) -> Int[Tensor, "sentence item width"]:
    """Token `sets` of each prompt as one tensor, filled up with -1. Every prompt needs the same number of sets."""
    counts = {len(row) for row in sets}
    if len(counts) > 1:
        raise ValueError(f"got {sorted(counts)} token sets for a prompt, expected the same number for every prompt.")
    width = max((len(tokens) for row in sets for tokens in row), default=1) or 1
    rows = [[sorted(tokens) + [PADDING] * (width - len(tokens)) for tokens in row] for row in sets]
    return torch.tensor(rows, dtype=torch.long).reshape(len(sets), counts.pop() if counts else 0, width)


def set_mass(probabilities: Float[Tensor, "row vocab"], sets: Int[Tensor, "row item width"]) -> Float[Tensor, "row item"]:
    """How probable a word is: the sum of `probabilities` over its tokens, a word per item of `sets` (padded with -1)."""
    return (_pick(probabilities, sets) * (sets != PADDING)).sum(-1)


def set_rank(probabilities: Float[Tensor, "row vocab"], sets: Int[Tensor, "row item width"]) -> Int[Tensor, "row item"]:
    """How many tokens have higher `probabilities` than the best token of a word of `sets` (0: the word comes first)."""
    best = _pick(probabilities, sets).masked_fill(sets == PADDING, -math.inf).amax(-1)
    ranks = [(probabilities > column[:, None]).sum(-1) for column in best.unbind(-1)]
    return torch.stack(ranks, -1) if ranks else best.long()


def _pick(probabilities: Tensor, sets: Tensor) -> Tensor:
    return probabilities.gather(-1, sets.clamp(min=0).flatten(1)).view(sets.shape)


def entropy(probabilities: Float[Tensor, "row vocab"]) -> Float[Tensor, " row"]:
    """How undecided a distribution (a row of `probabilities`) is, in bits; a probability of zero adds nothing."""
    return torch.special.entr(probabilities).sum(-1) / math.log(2)


def divergence(final: Float[Tensor, "row vocab"], early: Float[Tensor, "row vocab"]) -> Float[Tensor, " row"]:
    """How far an `early` readout is from the `final` one: KL(final || early) in bits, from natural log-probabilities."""
    probabilities = final.exp()
    terms = torch.where(probabilities > 0, probabilities * (final - early), 0.0)
    return terms.sum(-1).clamp(min=0) / math.log(2)


def class_mass(probabilities: Float[Tensor, "row vocab"], classes: Int[Tensor, " vocab"], n: int) -> Float[Tensor, "row script"]:
    """How `probabilities` are shared among `n` classes of tokens, such as scripts; `classes` gives that of each token."""
    empty = probabilities.new_zeros(len(probabilities), n)
    return empty.index_add_(1, classes.to(probabilities.device), probabilities)


def token_gram(unembedding: Float[Tensor, "vocab d_model"], scale: Float[Tensor, " d_model"], rows: int = 4096) -> Tensor:
    """The second moment of the token directions, `[d_model d_model]`, summed over the vocabulary in pieces.

    A token's direction is its row of `unembedding` times the final norm's gain (`scale`), at unit length. `rows` of it are
    summed at a time, which changes the memory used and not the result.
    """
    total = torch.zeros(len(scale), len(scale), device=scale.device)
    for piece in unembedding.split(rows):
        directions = torch.nn.functional.normalize(piece.float() * scale.float(), dim=-1)
        total += directions.T @ directions
    return total


def token_energy(hidden: Float[Tensor, "row d_model"], gram: Float[Tensor, "d_model d_model"]) -> Float[Tensor, " row"]:
    """How token-like each state is: 1 for a state as close to the token directions as these are to one another on average.

    `hidden` are the states h, and `gram` is G, from `token_gram`.

    E(h)^2 = mean_t (u_t . h)^2 / mean_tt' (u_t . u_t')^2 with unit vectors (Wendler et al. 2024, section 3.3). Both means follow
    from G = sum_t u_t u_t', so nothing of vocabulary size is kept: h'Gh / v and |G|_F^2 / v^2, with v = trace G.
    A low energy means that the state holds what no token expresses, not that it holds nothing.
    """
    direction, gram = torch.nn.functional.normalize(hidden.float(), dim=-1), gram.to(hidden.device)
    tokens = gram.trace()
    return ((direction @ gram * direction).sum(-1).clamp(min=0) * tokens).sqrt() / gram.norm()

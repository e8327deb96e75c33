"""How specific a neuron is to a language, and how stable and how far from chance that is."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float

from interp.neurons import NeuronCounts

Method = Literal["lape", "mean_difference"]
PerLanguage = Float[np.ndarray, "language layer neuron"]


class Moments(NamedTuple):
    """Per language and neuron: activation rate (share of tokens on which it fires), mean and variance of its activation."""

    rate: PerLanguage
    mean: PerLanguage
    variance: PerLanguage


class Ranking(NamedTuple):
    """`specific`: specificity of each neuron, higher is more specific (-inf: no candidate). `belongs`: to which languages."""

    specific: Float[np.ndarray, "layer neuron"]
    belongs: Bool[np.ndarray, "language layer neuron"]


def rank_neurons(moments: Moments, method: Method = "lape", bar: float = 0.95) -> Ranking:
    """Rank all neurons by how specific they are to a language.

    Parameters
    ----------
    moments
        Activation rates, means and variances, each `[language layer neuron]`.
    method
        `lape`: minus the entropy (nats) of the normalised rates (Tang et al. 2024, eq. 2-3). A neuron is a candidate if some rate
        exceeds the quantile `bar` of all rates, and belongs to the languages whose rate does. `mean_difference`: mean activation
        in a language minus the mean over the other languages, in standard deviations within languages. A neuron belongs to the
        language where this is largest.
    bar
        Quantile of all rates, 0 to 1 (LAPE only).

    Raises
    ------
    ValueError
        Unknown method.
    """
    if method not in get_args(Method):
        raise ValueError(f"got method {method!r}, expected one of {', '.join(get_args(Method))}.")
    if method == "mean_difference":
        n = len(moments.mean)
        others = (moments.mean.sum(0) - moments.mean) / (n - 1)
        gap = (moments.mean - others) / np.sqrt(moments.variance.mean(0) + 1e-12)
        return Ranking(gap.max(0), gap == gap.max(0))
    flat = moments.rate.ravel()
    kth = round(flat.size * bar) - 1
    active = moments.rate > np.partition(flat, kth)[kth]
    total = moments.rate.sum(0)
    parts = np.divide(moments.rate, total, out=np.full_like(moments.rate, 1 / len(moments.rate)), where=total > 0)
    entropy = -(parts * np.log(np.where(parts > 0, parts, 1))).sum(0)
    return Ranking(np.where(active.any(0), -entropy, -np.inf), active)


def select_neurons(ranking: Ranking, share: float = 0.01) -> Bool[np.ndarray, "language layer neuron"]:
    """Select the most specific `share` of all neurons in `ranking`, one set per language; sets may overlap. Raises `ValueError` if
    none.
    """
    count = round(ranking.specific.size * share)
    if count < 1:
        raise ValueError(
            f"got share {share}, which selects none of {ranking.specific.size} neurons, "
            f"expected at least {1 / ranking.specific.size:.1g}."
        )
    chosen = np.zeros(ranking.specific.size, dtype=bool)
    chosen[np.argsort(-ranking.specific, axis=None, kind="stable")[:count]] = True
    return ranking.belongs & (chosen.reshape(ranking.specific.shape) & np.isfinite(ranking.specific))


def pool(counts: NeuronCounts, shards: np.ndarray | None = None, owners: np.ndarray | None = None) -> Moments:
    """Pool the moments of shards, weighted by their number of tokens.

    Parameters
    ----------
    counts
        Moments per language and shard.
    shards
        Indices of the shards to pool. Default: all.
    owners
        `[language shard]`, the index of the language whose shard to use, for permutation tests. Default: each its own.
    """
    shards = np.arange(counts.shards) if shards is None else shards
    codes = counts.languages
    owners = np.repeat(np.arange(len(codes))[:, None], counts.shards, axis=1) if owners is None else owners
    pooled = []
    for row in owners:
        weight = np.array([int(counts.tokens[codes[row[s]]][s]) for s in shards], dtype=float)
        weight = (weight / max(weight.sum(), 1)).tolist()
        rate, mean, square = 0.0, 0.0, 0.0
        for w, s in zip(weight, shards, strict=True):
            code = codes[row[s]]
            at = counts.mean[code][s].numpy()
            rate, mean = rate + w * counts.rate[code][s].numpy(), mean + w * at
            square = square + w * (counts.variance[code][s].numpy() + at**2)
        pooled.append((rate, mean, np.maximum(square - mean**2, 0)))
    return Moments(*(np.stack(parts).astype(np.float32) for parts in zip(*pooled, strict=True)))


def null_maxima(
    counts: NeuronCounts, method: Method, bar: float, permutations: int, rng: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """The highest specificity of any neuron in each of `permutations` permutations of the languages within shards.

    A shard holds the same sentences in every language, so under the null all orders of the languages are equally likely. A
    permutation in which no neuron is a candidate gets the lowest specificity there is, that of equal rates in all languages.
    `counts`, `method` and `bar` are those of `rank_neurons`; `rng` draws.
    """
    own = np.repeat(np.arange(len(counts.languages))[:, None], counts.shards, axis=1)
    draws = [rank_neurons(pool(counts, owners=rng.permuted(own, axis=0)), method, bar).specific.max() for _ in range(permutations)]
    return np.where(np.isneginf(draws), -np.log(len(counts.languages)), np.array(draws, dtype=float))


def split_half_agreement(
    counts: NeuronCounts, chosen: np.ndarray, method: Method, share: float, bar: float, halves: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "language draw"], Float[np.ndarray, "language layer neuron"]]:
    """Jaccard index of the selections in two random halves of the shards, and the share of halves that select each neuron.

    `chosen` is the selection from all `counts`, by the same `method`, `share` and `bar`; `rng` draws the `halves`.
    """
    jaccard, in_halves = [], np.zeros(chosen.shape)
    for _ in range(halves):
        order = rng.permutation(counts.shards)
        parts = (order[: len(order) // 2], order[len(order) // 2 :])
        first, second = (select_neurons(rank_neurons(pool(counts, part), method, bar), share) for part in parts)
        either = (first | second).sum((1, 2))
        jaccard.append(np.divide((first & second).sum((1, 2)), either, out=np.zeros(len(either)), where=either > 0))
        in_halves += (first.astype(float) + second) / (2 * halves)
    return np.stack(jaccard, 1), in_halves

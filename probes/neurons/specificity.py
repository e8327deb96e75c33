"""How much a neuron is one language's own, and how often chance or another half of the text would say so too."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float

from interp.neurons import NeuronCounts

Method = Literal["lape", "mean_difference"]
PerLanguage = Float[np.ndarray, "language layer neuron"]


class Moments(NamedTuple):
    """Share of tokens on which each neuron fires in each language, mean and variance of its value."""

    rate: PerLanguage
    mean: PerLanguage
    variance: PerLanguage


class Ranking(NamedTuple):
    """`specific` orders neurons, higher is more a language's own (-inf: not eligible); `belongs` says to which languages."""

    specific: Float[np.ndarray, "layer neuron"]
    belongs: Bool[np.ndarray, "language layer neuron"]


def rank_neurons(moments: Moments, method: Method = "lape", bar: float = 0.95) -> Ranking:
    """Order all neurons by how much they are some language's own.

    lape             minus the entropy (nats) of the normalised rates (eq. 2-3); eligible where some rate exceeds the `bar`
                     quantile of all rates, and belonging to the languages whose rate does.
    mean_difference  mean value in a language less that in the others, in standard deviations within languages; belonging to
                     the language where it is largest. Sees how strongly a neuron fires, which LAPE does not.
    """
    if method not in get_args(Method):
        raise ValueError(f"method {method!r}: needed one of {', '.join(get_args(Method))}.")
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
    """The `share` of all neurons that are the most specific, as one set a language; the sets may overlap."""
    count = round(ranking.specific.size * share)
    if count < 1:
        raise ValueError(
            f"share {share} of {ranking.specific.size} neurons is none. Needed: at least {1 / ranking.specific.size:.1g}."
        )
    chosen = np.zeros(ranking.specific.size, dtype=bool)
    chosen[np.argsort(-ranking.specific, axis=None, kind="stable")[:count]] = True
    return ranking.belongs & (chosen.reshape(ranking.specific.shape) & np.isfinite(ranking.specific))


def pool(counts: NeuronCounts, shards: np.ndarray | None = None, owners: np.ndarray | None = None) -> Moments:
    """Moments over some shards, each weighing as much as it has tokens; `owners [language shard]` says whose shard to take."""
    shards = np.arange(counts.shards) if shards is None else shards
    codes = counts.languages
    owners = np.repeat(np.arange(len(codes))[:, None], counts.shards, axis=1) if owners is None else owners
    found = []
    for row in owners:
        weight = np.array([int(counts.tokens[codes[row[s]]][s]) for s in shards], dtype=float)
        weight = (weight / max(weight.sum(), 1)).tolist()
        rate, mean, square = 0.0, 0.0, 0.0
        for w, s in zip(weight, shards, strict=True):
            code = codes[row[s]]
            at = counts.mean[code][s].numpy()
            rate, mean = rate + w * counts.rate[code][s].numpy(), mean + w * at
            square = square + w * (counts.variance[code][s].numpy() + at**2)
        found.append((rate, mean, np.maximum(square - mean**2, 0)))
    return Moments(*(np.stack(parts).astype(np.float32) for parts in zip(*found, strict=True)))


def null_maxima(
    counts: NeuronCounts, method: Method, bar: float, permutations: int, rng: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """The most specific neuron after the languages of each shard are shuffled, once a permutation.

    A shard holds the same sentences in every language, so that all orders are alike likely where languages do not differ.
    """
    own = np.repeat(np.arange(len(counts.languages))[:, None], counts.shards, axis=1)
    draws = [rank_neurons(pool(counts, owners=rng.permuted(own, axis=0)), method, bar).specific.max() for _ in range(permutations)]
    return np.array(draws, dtype=float)


def halve(
    counts: NeuronCounts, chosen: np.ndarray, method: Method, share: float, bar: float, halves: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "language draw"], Float[np.ndarray, "language layer neuron"]]:
    """Jaccard index of the sets of two random halves of the shards, and how often each chosen neuron is chosen in a half."""
    found, again = [], np.zeros(chosen.shape)
    for _ in range(halves):
        order = rng.permutation(counts.shards)
        parts = (order[: len(order) // 2], order[len(order) // 2 :])
        first, second = (select_neurons(rank_neurons(pool(counts, part), method, bar), share) for part in parts)
        either = (first | second).sum((1, 2))
        found.append(np.divide((first & second).sum((1, 2)), either, out=np.zeros(len(either)), where=either > 0))
        again += (first.astype(float) + second) / (2 * halves)
    return np.stack(found, 1), again

"""What a linear probe is said to read: above chance at some layer, more than an untrained network, in other languages too.

A score is above chance where it is, item by item, above the mean of the majority class and of the same probe with shuffled labels
(that one averaged over layers, as it is chance at all of them and noisy at each), and no lower than either. Every comparison at
every layer is under one max-statistic, so at most one null in twenty is said to be read anywhere. The height is measured at a layer
that other items chose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from probes.statistics.resampling import Labels, bootstrap, groups_of, known_mean
from probes.statistics.selection import choose_on_half
from probes.statistics.significance import FEWEST, LEVEL, max_statistic

_RANDOM = "random_init"
Scores = Mapping[str, Float[np.ndarray, "item layer"]]
"""The `score` and its controls `majority`, `shuffled` and, where it was measured, `random_init`."""


class ProbeClaims(NamedTuple):
    """For each kind of languages (`within`, `across` or `all`), at which layers the score is above chance.

    `above_random` and `below_random` are the same of a randomly initialised network, of the first kind; None without one.
    """

    above: Mapping[str, Bool[np.ndarray, " layer"]]
    above_random: Bool[np.ndarray, " layer"] | None
    below_random: Bool[np.ndarray, " layer"] | None


class Height(NamedTuple):
    """The score at the `layer` (its index) that one half of the items chose, on the `n` items of the other half: `items`."""

    layer: int
    estimate: float
    lower: float
    upper: float
    n: int
    items: np.ndarray


def probe_claims(kinds: Mapping[str, Scores], clusters: Labels | None = None, seed: int = 0) -> ProbeClaims:
    """Test what a probe reads, with one correction for all layers, kinds and controls.

    Parameters
    ----------
    kinds
        The scores and controls of each kind of languages, every item's mean over its languages. The first kind is compared with the
        randomly initialised network.
    clusters
        The document of each item. Signs are flipped by document.
    seed
        Random seed of the sign flips.

    Notes
    -----
    Scores of one fold share a probe, so items are not quite independent. Probes trained on noise show what that does to the level:
    `python -m experiments.benchmarks calibration --only probe`.
    """
    first = next(iter(kinds))
    tests = {kind: scores["score"] - _chance(scores) for kind, scores in kinds.items()}
    if not np.isnan(kinds[first]["random_init"]).all():
        tests[_RANDOM] = kinds[first]["score"] - kinds[first]["random_init"]
    differences = np.stack(list(tests.values()), axis=1)
    enough = groups_of(len(differences), clusters)[1] >= FEWEST
    p = max_statistic(differences, seed=seed, clusters=clusters) if enough else np.ones(differences.shape[1:])
    means = known_mean(differences)
    more, less = (dict(zip(tests, (p < LEVEL) & (sign * means > 0), strict=True)) for sign in (1, -1))
    above = {kind: more[kind] & _no_lower(scores) for kind, scores in kinds.items()}
    return ProbeClaims(above, more.get(_RANDOM), less.get(_RANDOM))


def _chance(scores: Scores) -> Float[np.ndarray, "item layer"]:
    return (scores["majority"] + scores["shuffled"].mean(axis=1, keepdims=True)) / 2


def _no_lower(scores: Scores) -> Bool[np.ndarray, " layer"]:
    means = {name: scores[name].mean(axis=0) for name in ("score", "majority", "shuffled")}
    return np.asarray(means["score"] >= np.maximum(means["majority"], means["shuffled"]))


def height(score: Float[np.ndarray, "item layer"], clusters: Labels | None = None, seed: int = 0, resamples: int = 1000) -> Height:
    """The score at the best layer, chosen on one half of the items and measured on the other.

    Parameters
    ----------
    score
        The score of every item at every layer.
    clusters
        The document of each item; a document is in one half.
    seed, resamples
        Of the halves and of the interval.
    """
    layer, items = choose_on_half(score, seed, clusters)
    own = None if clusters is None else np.asarray(clusters)[items]
    lower, upper = map(float, bootstrap(score[items, layer], resamples, seed, own))
    return Height(layer, float(score[items, layer].mean()), lower, upper, len(items), items)

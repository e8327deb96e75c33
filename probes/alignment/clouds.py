"""One language's sentences at every layer, two of them side by side, and every measure of a pair by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probes.alignment import retrieval as geometry
from probes.alignment import similarity as correlation
from probes.alignment.shuffles import Scores

CENTRED = "_centred"


@dataclass(frozen=True)
class Cloud:
    """One language's sentence vectors at some layers, with what measures derive from them computed once.

    `folds[i]` is the fold in which fitted maps are scored on sentence `i`; `same[i, j]` marks sentences of one document, each
    with itself at least.
    """

    x: Float[Tensor, "layer sentence d_model"]
    folds: Int[Tensor, " sentence"]
    same: Bool[Tensor, "sentence sentence"]

    @cached_property
    def centred(self) -> Cloud:
        """The cloud without what its sentences share: each loses the mean of all OTHER sentences of its language.

        Computed as `x - mean`, which is that up to the factor (n-1)/n: no cosine sees it. Means of other folds would leave
        each fold a shift of its own, alike in both languages, and find likeness where there is none.
        """
        return Cloud(self.x - self.x.mean(1, keepdim=True), self.folds, self.same)

    def without(self, lengths: Float[Tensor, " sentence"]) -> Cloud:
        """The cloud without what a straight line tells from a sentence's length and its logarithm; its mean stays."""
        told = torch.stack([lengths, lengths.log1p()], dim=1)
        told = told - told.mean(0)
        return Cloud(self.x - told @ (torch.linalg.pinv(told) @ self.x), self.folds, self.same)

    @cached_property
    def neighbours(self) -> Bool[Tensor, "layer source target"]:
        return geometry.neighbours(geometry.cosines(self.x, self.x), same=self.same)

    @cached_property
    def gram(self) -> Float[Tensor, "layer source target"]:
        return correlation.gram(self.x)

    @cached_property
    def gram_debiased(self) -> Float[Tensor, "layer source target"]:
        return correlation.gram_debiased(self.x)

    @cached_property
    def rank_similarity(self) -> Float[Tensor, "layer source target"]:
        return correlation.rank_similarity(self.x)

    @cached_property
    def bases(self) -> list[correlation.Basis]:
        return correlation.reduce(self.x, self.folds)


@dataclass(frozen=True)
class Pair:
    """Two languages side by side, and the cosines between them."""

    x: Cloud
    y: Cloud

    @cached_property
    def cosines(self) -> Float[Tensor, "layer source target"]:
        return geometry.cosines(self.x.x, self.y.x)

    @cached_property
    def centred(self) -> Pair:
        return Pair(self.x.centred, self.y.centred)


_RETRIEVAL: dict[str, Callable[[Pair], Scores]] = {
    "mexa": lambda pair: geometry.mexa(pair.cosines),
    "p_at_1": lambda pair: geometry.p_at_1(pair.cosines),
    "csls": lambda pair: geometry.csls(pair.cosines),
    "margin": lambda pair: geometry.margin(pair.cosines),
    "cosine_gap": lambda pair: geometry.cosine_gap(pair.cosines),
    "auc": lambda pair: geometry.auc(pair.cosines),
    "mutual_knn": lambda pair: geometry.mutual_knn(pair.x.neighbours, pair.y.neighbours),
    "rsa": lambda pair: correlation.correlate(pair.x.rank_similarity, pair.y.rank_similarity),
}
_SHAPE: dict[str, Callable[[Pair], Scores]] = {
    "cka": lambda pair: correlation.correlate(pair.x.gram, pair.y.gram),
    "cka_debiased": lambda pair: correlation.correlate(pair.x.gram_debiased, pair.y.gram_debiased),
    "svcca": lambda pair: correlation.svcca(pair.x.bases, pair.y.bases),
    "pwcca": lambda pair: correlation.pwcca(pair.x.bases, pair.y.bases),
    "procrustes": lambda pair: correlation.procrustes(pair.x.bases, pair.y.bases),
}
METRICS = (*_RETRIEVAL, *(f"{name}{CENTRED}" for name in _RETRIEVAL), *_SHAPE)
"""Every measure by name. Those of cosines come raw and, as `mexa_centred`, on per-language centred vectors; the others centre."""


def measure(pair: Pair, metric: str) -> Scores:
    """One measure of one pair by its name."""
    if metric.endswith(CENTRED):
        return _RETRIEVAL[metric.removesuffix(CENTRED)](pair.centred)
    return (_RETRIEVAL | _SHAPE)[metric](pair)

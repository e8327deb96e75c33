"""The sentence vectors of one language (a cloud), of two languages (a pair), and every metric of a pair by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probes.alignment import retrieval as geometry
from probes.alignment import similarity as correlation
from probes.alignment.principal import Basis, centred_gram, reduce
from probes.alignment.shuffles import Scores

CENTRED = "_centred"


@dataclass(frozen=True)
class Cloud:
    """The sentence vectors of one language at some layers. What metrics derive from them is computed once.

    Parameters
    ----------
    x
        The vectors.
    folds
        For each sentence, the fold in which maps that are fitted on the other folds are scored on it.
    same
        Whether sentences `i` and `j` are of one document; always true for `i = j`. Such sentences are no neighbours.
    """

    x: Float[Tensor, "layer sentence d_model"]
    folds: Int[Tensor, " sentence"]
    same: Bool[Tensor, "sentence sentence"]

    @cached_property
    def centred(self) -> Cloud:
        """The cloud with the mean of the OTHER sentences of the language subtracted from each sentence.

        Computed as `x - mean`, which differs by the factor (n-1)/n, to which cosines are blind. The mean of the other folds would
        leave each fold an offset of its own, the same in both languages, and alignment would be found where there is none.
        """
        return Cloud(self.x - self.x.mean(1, keepdim=True), self.folds, self.same)

    def without(self, lengths: Float[Tensor, " sentence"]) -> Cloud:
        """The residuals of a linear regression on sentence length and its logarithm, with the mean kept.

        Parameters
        ----------
        lengths
            Number of tokens of each sentence.
        """
        predictors = torch.stack([lengths, lengths.log1p()], dim=1)
        predictors = predictors - predictors.mean(0)
        return Cloud(self.x - predictors @ (torch.linalg.pinv(predictors) @ self.x), self.folds, self.same)

    @cached_property
    def neighbours(self) -> Bool[Tensor, "layer source target"]:
        """Which sentences are among the nearest neighbours (by cosine) of each sentence."""
        return geometry.neighbours(geometry.cosines(self.x, self.x), same=self.same)

    @cached_property
    def gram(self) -> Float[Tensor, "layer source target"]:
        """The Gram matrix of the centred sentences, for CKA."""
        return centred_gram(self.x)

    @cached_property
    def gram_debiased(self) -> Float[Tensor, "layer source target"]:
        """The Gram matrix for debiased CKA."""
        return correlation.gram_debiased(self.x)

    @cached_property
    def rank_similarity(self) -> Float[Tensor, "layer source target"]:
        """The ranks of similarities between sentences, for RSA."""
        return correlation.rank_similarity(self.x)

    @cached_property
    def bases(self) -> list[Basis]:
        """The reduced training sentences of each fold, for the cross-validated correlations."""
        return reduce(self.x, self.folds, self.gram if self.x.shape[-1] > len(self.folds) else None)


@dataclass(frozen=True)
class Pair:
    """The clouds `x` and `y` of two languages, row `i` of each a translation of the other, and the cosines between them."""

    x: Cloud
    y: Cloud

    @cached_property
    def cosines(self) -> Float[Tensor, "layer source target"]:
        """The cosine of every sentence of one language with every sentence of the other."""
        return geometry.cosines(self.x.x, self.y.x)

    @cached_property
    def canonical(self) -> list[correlation.Canonical]:
        """The canonical directions of the two languages in each fold."""
        return correlation.canonical(self.x.bases, self.y.bases)

    @cached_property
    def centred(self) -> Pair:
        """The pair with the mean of each language removed."""
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
    "svcca": lambda pair: correlation.svcca(pair.canonical),
    "pwcca": lambda pair: correlation.pwcca(pair.canonical),
    "procrustes": lambda pair: correlation.procrustes(pair.x.bases, pair.y.bases),
}
METRICS = (*_RETRIEVAL, *(f"{name}{CENTRED}" for name in _RETRIEVAL), *_SHAPE)
"""Every metric by name. The docstring of the function of the same name (`retrieval.py`, `similarity.py`) has its formula.

Retrieval, from cosines. Each has a variant `NAME_centred`, with the mean of each language subtracted first:

mexa        share of sentences nearer to their translation than to any other, both ways (Kargaran et al. 2025, eq. 1)
p_at_1      share of sentences whose nearest neighbour is the translation, mean of both directions
csls        p_at_1 with cosines corrected for hubs (Conneau et al. 2018, eq. 3)
margin      p_at_1 with the ratio margin; xsim is 100 (1 - margin) (Artetxe & Schwenk 2019, eq. 2)
cosine_gap  mean cosine of translations minus mean cosine of other pairs
auc         probability that a translation has a higher cosine than a random pair (Mann & Whitney 1947)
mutual_knn  share of the 10 nearest neighbours that a sentence and its translation have in common (Huh et al. 2024)
rsa         Spearman correlation of the cosines within either language (Kriegeskorte et al. 2008)

Similarity of shape, from centred vectors:

cka           linear CKA (Kornblith et al. 2019); not 0 for unrelated vectors when d_model > sentences
cka_debiased  CKA with unbiased HSIC (Song et al. 2012; Nguyen et al. 2021)
svcca         mean canonical correlation on held-out sentences (Raghu et al. 2017)
pwcca         the same, weighted by projection (Morcos et al. 2018)
procrustes    cosine of the two clouds after a rotation fitted on other sentences (Schönemann 1966; Ding et al. 2021)
"""


def measure(pair: Pair, metric: str) -> Scores:
    """Compute the `metric` with this name (one of `METRICS`) for one `pair` of languages."""
    if metric.endswith(CENTRED):
        return _RETRIEVAL[metric.removesuffix(CENTRED)](pair.centred)
    return (_RETRIEVAL | _SHAPE)[metric](pair)

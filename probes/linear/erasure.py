"""Where a language lives in the vectors, taken out: centring, LIR, LSAR, LEACE, and the directions that lead from one to another.

Every fitter gives one frozen affine map per language, `x - shift - (x @ right) @ left^T`. It is used on captured vectors
(`erase`, before `align` or `probe`) and, where it is the same map for every language, at run time (`interp.erased`).

When the number misleads: a map fitted on the sentences it is judged on removes their noise too, so `erase` fits on other
sentences by itself. No linear probe reads the language after LEACE on the fitted sentences; a non-linear one may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from interp.activations.files import StoredStates
from interp.activations.store import Activations
from probes.statistics.folds import split

Method = Literal["centre", "lir", "lsar", "leace", "random"]
"""`centre` and `lir` are one map a language; `lsar`, `leace` and the control `random` one map for all."""


@dataclass(frozen=True)
class Eraser:
    """A fitted affine map that takes out `rank` dimensions: shape, dtype and device are kept, computed in float32 or better."""

    method: str
    shift: Float[Tensor, " d_model"]
    left: Float[Tensor, "d_model rank"]
    right: Float[Tensor, "d_model rank"]

    @property
    def rank(self) -> int:
        return self.left.shape[1]

    def __call__(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        shift, left, right = (part.to(wide) for part in (self.shift, self.left, self.right))
        return (wide - shift - (wide @ right) @ left.mT).to(x.dtype)


def fit_erasers(
    vectors: Mapping[str, Float[Tensor, "sentence d_model"]], method: Method = "leace", rank: int | None = None, seed: int = 0
) -> dict[str, Eraser]:
    """Find what tells these languages apart and return, per language, the map that removes it.

    centre  x - mean of the language (Pires 2019; Libovický 2020).
    lir     without the top `rank` (default 1) uncentred principal directions of the language (Yang et al. 2021).
    lsar    without the subspace of the language means (Xie et al. 2022, eq. 2), `rank` default languages - 1. Their second
            SVD moves only the common part mu_c and not this subspace, so one SVD of the centred means is enough.
    leace   the smallest change after which no linear probe beats the majority class (`_leace`).
    random  without a random subspace of the rank of `lsar`: what taking out ANY so many directions does.
    """
    if method not in get_args(Method):
        raise ValueError(f"method {method!r}: needed one of {', '.join(get_args(Method))}.")
    if len(vectors) < 2 and method in ("lsar", "leace", "random"):
        raise ValueError(f"{method}: {len(vectors)} language came. Needed: at least 2, to see what differs.")
    wide = {code: cloud.double() for code, cloud in vectors.items()}
    if method == "centre":
        return {code: _projection("centre", cloud[0, :, None][:, :0], cloud.mean(0)) for code, cloud in wide.items()}
    if method == "lir":
        return {
            code: _projection("lir", torch.linalg.svd(cloud, full_matrices=False)[2][: rank or 1].mT)
            for code, cloud in wide.items()
        }
    means = torch.stack([cloud.mean(0) for cloud in wide.values()])
    most = min(len(means) - 1, means.shape[1])
    if rank is not None and not 1 <= rank <= most:
        raise ValueError(f"{method}: rank {rank}. Needed: 1 to {most} for {len(means)} languages in {means.shape[1]} dimensions.")
    return dict.fromkeys(wide, _shared(method, wide, means, rank or most, seed))


def erase(acts: Activations, method: Method = "leace", *, rank: int | None = None, folds: int = 2, seed: int = 0) -> Activations:
    """The same activations without the language, layer by layer, as a step before `measure_alignment` or `measure_probes`.

    Cross-fitted: each sentence goes through maps fitted on other sentences (by document where known), in `folds` parts.
    """
    changed = {code: acts[code].clone() for code in acts.languages}
    for row in range(len(acts.layers)):
        clouds = {code: states[row].clone() for code, states in changed.items()}
        for train, test in split(acts.documents or acts.ids, folds, seed):
            erasers = fit_erasers({code: cloud[train] for code, cloud in clouds.items()}, method, rank, seed)
            for code, eraser in erasers.items():
                changed[code][row, test] = eraser(clouds[code][test])
    signature = replace(acts.signature, settings={**acts.signature.settings, "erased": method})
    tokens = {
        code: acts.tokens(code) if isinstance(acts.states[code], StoredStates) else acts.token_ids.get(code, ()) for code in changed
    }
    return replace(acts, states=MappingProxyType(changed), rows=(), signature=signature, token_ids=MappingProxyType(tokens))


def language_vectors(acts: Activations, source: str, target: str) -> dict[str, Float[Tensor, " d_model"]]:
    """The direction that leads from one language to another: difference of the means, one vector a row of the capture."""
    difference = (acts[target].double().mean(1) - acts[source].double().mean(1)).float()
    return dict(zip(acts.layers, difference, strict=True))


def random_vectors(vectors: Mapping[str, Float[Tensor, " d_model"]], seed: int) -> dict[str, Float[Tensor, " d_model"]]:
    """The control for a steering vector: in every layer a random direction of the same norm."""
    generator = torch.Generator().manual_seed(seed)
    noise = {layer: torch.randn(vector.shape, generator=generator) for layer, vector in vectors.items()}
    return {layer: noise[layer] / noise[layer].norm() * vector.norm() for layer, vector in vectors.items()}


def _shared(method: Method, wide: Mapping[str, Tensor], means: Tensor, rank: int, seed: int) -> Eraser:
    if method == "leace":
        return _leace(list(wide.values()))
    if method == "random":
        noise = torch.randn(means.shape[1], rank, generator=torch.Generator().manual_seed(seed), dtype=means.dtype)
        return _projection("random", torch.linalg.qr(noise)[0])
    return _projection("lsar", torch.linalg.svd(means - means.mean(0), full_matrices=False)[2][:rank].mT)


def _projection(method: str, basis: Tensor, shift: Tensor | None = None) -> Eraser:
    shift = torch.zeros_like(basis[:, 0]) if shift is None else shift
    return Eraser(method, shift, basis, basis)


def _leace(clouds: list[Tensor]) -> Eraser:
    """LEACE (Belrose et al. 2023, arXiv 2306.03819, theorem 4.3): x - W^+ P W (x - mean), W = cov(x)^(-1/2), P onto W cov(x, z).

    z is the language, one-hot. Covariance shrunk towards a multiple of the identity (OAS, Chen et al. 2010, eq. 23), which a
    few hundred sentences in thousands of dimensions need; the guarantee holds for any invertible W. Everything stays inside
    the row space of the data, so that no [d_model d_model] matrix is made.
    """
    x = torch.cat(clouds)
    centre = x.mean(0)
    _, scale, rows = torch.linalg.svd(x - centre, full_matrices=False)
    keep = scale > scale[:1] * 1e-10
    rows, variance = rows[keep], scale[keep].square() / len(x)
    spread = (_oas(variance, len(x), x.shape[1])).sqrt()[:, None]
    cross = torch.stack([(cloud - centre).sum(0) for cloud in clouds], 1) / len(x)
    whitened = (rows @ cross) / spread
    basis, singular, _ = torch.linalg.svd(whitened, full_matrices=False)
    basis = basis[:, singular > singular[:1] * 1e-8]
    left, right = rows.mT @ (spread * basis), rows.mT @ (basis / spread)
    return Eraser("leace", -(centre @ right) @ left.mT, left, right)


def _oas(variance: Tensor, n: int, d: int) -> Tensor:
    mean, square = variance.sum() / d, variance.square().sum() / d**2
    weight = ((square + mean**2) / ((n + 1) * (square - mean**2 / d))).clamp(0, 1)
    return (1 - weight) * variance + weight * mean

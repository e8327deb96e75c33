"""Erase the language from activations (centring, LIR, LSAR, LEACE), and find the direction between two languages.

Every method fits one affine map per language, `x - shift - (x @ right) @ left^T`. Apply it to captured activations (`erase`, before
`measure_alignment` or `measure_probes`) or, if it is the same map for all languages, in the running model (`interp.erased`).

When the number misleads: a map evaluated on the sentences it was fitted on also removes their noise, so `erase` cross-fits. After
LEACE no linear probe reads the language on the fitted sentences; a non-linear probe may.
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
"""`centre` and `lir` fit one map per language; `lsar`, `leace` and the control `random` fit one map for all languages."""


@dataclass(frozen=True)
class Eraser:
    """An affine map that removes `rank` dimensions: `eraser(x)` is `x - shift - (x @ right) @ left^T`.

    The result has the shape, dtype and device of `x`. It is computed in float32 or better.

    Parameters
    ----------
    method
        The method that fitted it.
    shift
        `[d_model]`, subtracted.
    left, right
        `[d_model rank]`. Equal for an orthogonal projection.

    Example
    -------
    >>> import probes, torch
    >>> vectors = {"eng_Latn": torch.tensor([[1.0, 5.0], [1.0, 7.0]]), "deu_Latn": torch.tensor([[3.0, 5.0], [3.0, 7.0]])}
    >>> eraser = probes.fit_erasers(vectors, "lsar")["deu_Latn"]
    >>> eraser.rank
    1
    >>> eraser(vectors["deu_Latn"]).abs().tolist()  # the axis on which the means differ is gone
    [[0.0, 5.0], [0.0, 7.0]]
    """

    method: str
    shift: Float[Tensor, " d_model"]
    left: Float[Tensor, "d_model rank"]
    right: Float[Tensor, "d_model rank"]

    @property
    def rank(self) -> int:
        """The number of removed dimensions."""
        return self.left.shape[1]

    def __call__(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        shift, left, right = (part.to(wide) for part in (self.shift, self.left, self.right))
        return (wide - shift - (wide @ right) @ left.mT).to(x.dtype)


def fit_erasers(
    vectors: Mapping[str, Float[Tensor, "sentence d_model"]], method: Method = "leace", rank: int | None = None, seed: int = 0
) -> dict[str, Eraser]:
    """Fit, for each language, the affine map that erases the language.

    Parameters
    ----------
    vectors
        Activations of one layer by language, `[sentence d_model]`. They need not be translations of each other.
    method
        `leace` (default) is the smallest change after which no linear probe beats the majority class (Belrose et al. 2023). `lsar`
        removes the subspace of the language means (Xie et al. 2022, eq. 2); it needs few sentences. `centre` subtracts the mean of
        the language (Pires et al. 2019; Libovický et al. 2020). `lir` removes the top uncentred principal directions of the
        language (Yang et al. 2021). `random` removes a random subspace of the rank of `lsar`: the control.
    rank
        Number of directions to remove. Default: 1 for `lir`; one less than the number of languages for `lsar` and `random`.
        `centre` and `leace` ignore it.
    seed
        Random seed (`random` only).

    Returns
    -------
    A map per language; the same one for all with `lsar`, `leace` and `random`.

    Raises
    ------
    ValueError
        The method is unknown, the rank too large, or there is one language with a method that compares languages.

    Notes
    -----
    The second SVD of Xie et al. changes only the common component mu_c and not the removed subspace, so one SVD of the centred
    means is enough.

    References
    ----------
    Belrose et al. 2023, "LEACE", arXiv 2306.03819; Xie et al. 2022, "Discovering Low-rank Subspaces for Language-agnostic
    Multilingual Representations"; Yang et al. 2021, "A Simple and Effective Method To Eliminate the Self Language Bias in
    Multilingual Representations".

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "zho_Hans"], limit=20)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["4"])
    >>> erasers = probes.fit_erasers({code: acts[code][0] for code in acts.languages}, "leace")
    >>> erasers["deu_Latn"].rank
    2
    """
    if method not in get_args(Method):
        raise ValueError(f"got method {method!r}, expected one of {', '.join(get_args(Method))}.")
    if len(vectors) < 2 and method in ("lsar", "leace", "random"):
        raise ValueError(f"{method}: got {len(vectors)} language, expected at least 2, because it compares languages.")
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
        raise ValueError(
            f"{method}: got rank {rank}, expected 1 to {most} for {len(means)} languages in {means.shape[1]} dimensions."
        )
    return dict.fromkeys(wide, _shared(method, wide, means, rank or most, seed))


def erase(acts: Activations, method: Method = "leace", *, rank: int | None = None, folds: int = 2, seed: int = 0) -> Activations:
    """Erase the language from captured activations, at every layer, before `measure_alignment` or `measure_probes`.

    Parameters
    ----------
    acts
        Activations of at least two languages, from `interp.capture`.
    method, rank
        As for `fit_erasers`.
    folds
        Number of folds of cross-fitting: each sentence is mapped by erasers fitted on the other folds. Folds are of documents if
        the corpus has them. More folds use more sentences for each fit.
    seed
        Random seed of the folds.

    Returns
    -------
    Activations of the same shape. The signature records `erased:<method>`.

    Raises
    ------
    ValueError
        As for `fit_erasers`.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=8)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["4"])
    >>> probes.erase(acts, "centre").signature.settings["erased"]
    'centre'
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
    sinks = MappingProxyType({code: acts.left_out(code) for code in changed})
    return replace(
        acts, states=MappingProxyType(changed), rows=(), signature=signature, token_ids=MappingProxyType(tokens), sinks=sinks
    )


def language_vectors(acts: Activations, source: str, target: str) -> dict[str, Float[Tensor, " d_model"]]:
    """The direction from one language to another at every layer: the difference of the mean activations.

    Parameters
    ----------
    acts
        Activations of both languages, from `interp.capture`.
    source, target
        The languages, in any spelling ("deu_Latn", "de", "German").

    Returns
    -------
    One vector per layer of `acts`, by layer name ("embed", "0", ...), in the form that `interp.steered` takes.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=8)
    >>> acts = interp.capture(interp.load("bundled"), corpus, layers=["embed", "4"])
    >>> {layer: tuple(vector.shape) for layer, vector in probes.language_vectors(acts, "en", "de").items()}
    {'embed': (192,), '4': (192,)}
    """
    difference = (acts[target].double().mean(1) - acts[source].double().mean(1)).float()
    return dict(zip(acts.layers, difference, strict=True))


def random_vectors(vectors: Mapping[str, Float[Tensor, " d_model"]], seed: int) -> dict[str, Float[Tensor, " d_model"]]:
    """The control for steering vectors: at every layer, a random direction with the same norm.

    Parameters
    ----------
    vectors
        Vectors by layer, from `language_vectors`.
    seed
        Random seed.

    Example
    -------
    >>> import probes, torch
    >>> random = probes.random_vectors({"4": torch.tensor([3.0, 4.0])}, seed=0)
    >>> round(float(random["4"].norm()), 4)
    5.0
    """
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
    """LEACE (Belrose et al. 2023, arXiv 2306.03819, theorem 4.3): x - W^+ P W (x - mean).

    W = cov(x)^(-1/2), z is the one-hot language, and P projects onto the columns of W cov(x, z). The covariance is shrunk towards
    a multiple of the identity (OAS, Chen et al. 2010, eq. 23), which a few hundred sentences in thousands of dimensions require.
    The guarantee holds for any invertible W. All of it stays in the row space of the data, without a [d_model d_model] matrix.
    """
    x = torch.cat(clouds)
    centre = x.mean(0)
    _, scale, rows = torch.linalg.svd(x - centre, full_matrices=False)
    keep = scale > scale[:1] * 1e-10
    rows, variance = rows[keep], scale[keep].square() / len(x)
    deviation = (_oas(variance, len(x), x.shape[1])).sqrt()[:, None]
    cross = torch.stack([(cloud - centre).sum(0) for cloud in clouds], 1) / len(x)
    whitened = (rows @ cross) / deviation
    basis, singular, _ = torch.linalg.svd(whitened, full_matrices=False)
    basis = basis[:, singular > singular[:1] * 1e-8]
    left, right = rows.mT @ (deviation * basis), rows.mT @ (basis / deviation)
    return Eraser("leace", -(centre @ right) @ left.mT, left, right)


def _oas(variance: Tensor, n: int, d: int) -> Tensor:
    """Eigenvalues of a sample covariance (of `n` samples in `d` dimensions) after OAS shrinkage."""
    mean, square = variance.sum() / d, variance.square().sum() / d**2
    weight = ((square + mean**2) / ((n + 1) * (square - mean**2 / d))).clamp(0, 1)
    return (1 - weight) * variance + weight * mean

"""The edits that are tried: the direction (or subspace) of a language, and random ones within the model's own differences.

A random vector of thousands of dimensions hardly touches the few in which sentences differ, so it is no control for a vector that
lies in them. The random directions here are differences of the means of two random halves of the fitting sentences:

    r = sum_i e_i (x_i - mean of its language),   e_i = +1 or -1 at random,   scaled to the norm of the language direction,

where x_i are the pooled states of the sentences of both languages at the edited layer. So r has the covariance of the states
within a language, and no part in the difference between the languages. At several layers the e_i are the same. Random subspaces
(`leace`, `lsar`) are spanned by as many such differences as the fitted one has dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from interp.activations.store import Activations
from interp.interventions.steering import Edit
from probes.linear.erasure import Eraser, fit_erasers, language_vectors

Kind = Literal["steer", "leace", "lsar"]


def fitted_edits(acts: Activations, kind: Kind, source: str, target: str) -> dict[str, Edit]:
    """The edit of each layer of `acts` at strength 1, by layer name.

    Parameters
    ----------
    acts
        Activations of the fitting sentences.
    kind
        `steer` adds the difference of the language means, `leace` and `lsar` erase the language.
    source, target
        FLORES-200 codes.
    """
    if kind == "steer":
        return {layer: partial(_add, vector=vector) for layer, vector in language_vectors(acts, source, target).items()}
    return dict(_erasers(acts, kind, source))


def random_edits(acts: Activations, kind: Kind, source: str, target: str, seed: int) -> dict[str, Edit]:
    """A control for `fitted_edits` (same `acts, kind, source, target`): vectors of the same norm, or subspaces of the same rank.

    `seed` draws them at random. Raises `ValueError` if there are fewer than three fitting sentences, which have no two halves that
    differ.
    """
    if len(acts) < 3:
        raise ValueError(f"got {len(acts)} fitting sentences, expected at least 3 for random directions.")
    if kind == "steer":
        vectors = language_vectors(acts, source, target)
        random = random_differences(acts, [source, target], 1, seed)
        scaled = {layer: random[layer][0] / random[layer][0].norm() * vector.norm() for layer, vector in vectors.items()}
        return {layer: partial(_add, vector=vector) for layer, vector in scaled.items()}
    edits = {}
    for layer, eraser in _erasers(acts, kind, source).items():
        own = acts.select(layers=[layer])
        basis = torch.linalg.qr(random_differences(own, acts.languages, eraser.rank, seed)[layer].double().mT)[0]
        centre = torch.cat([own[code][0] for code in acts.languages]).double().mean(0)
        shift = -(centre @ basis) @ basis.mT if kind == "leace" else torch.zeros_like(centre)
        edits[layer] = Eraser("random", shift, basis, basis)
    return dict(edits)


def random_differences(
    acts: Activations, languages: Sequence[str], count: int, seed: int
) -> dict[str, Float[Tensor, "draw d_model"]]:
    """At each layer of `acts`, `count` differences between random halves of the sentences of some `languages` (see the module).

    `seed` draws the halves.
    """
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (count, len(languages) * len(acts)), generator=generator).float() * 2 - 1
    states = torch.cat([acts[code] - acts[code].mean(1, keepdim=True) for code in languages], dim=1)
    return {layer: signs @ states[row] for row, layer in enumerate(acts.layers)}


def scaled(edits: dict[str, Edit], alpha: float) -> dict[str, Edit]:
    """The same `edits` at strength `alpha`: they move the states by this multiple."""
    return {layer: partial(_scaled, edit=edit, alpha=alpha) for layer, edit in edits.items()}


def _erasers(acts: Activations, kind: Literal["leace", "lsar"], source: str) -> dict[str, Eraser]:
    states = {code: acts[code] for code in acts.languages}
    return {
        layer: fit_erasers({code: layers[row] for code, layers in states.items()}, kind)[source]
        for row, layer in enumerate(acts.layers)
    }


def _scaled(x: Tensor, edit: Edit, alpha: float) -> Tensor:
    return x + alpha * (edit(x) - x)


def _add(x: Tensor, vector: Tensor) -> Tensor:
    return x + vector.to(x)

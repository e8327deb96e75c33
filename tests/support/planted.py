"""Activations whose answer is known: languages that share a space at one layer, by as much as we choose."""

from __future__ import annotations

import torch
from torch import Tensor


def cloud(layers: int, sentences: int, d_model: int, seed: int) -> Tensor:
    """Unrelated Gaussian vectors, `[layer sentence d_model]`."""
    return torch.randn(layers, sentences, d_model, generator=torch.Generator().manual_seed(seed))


def rotation(d_model: int, seed: int) -> Tensor:
    """A random orthogonal matrix."""
    return torch.linalg.qr(torch.randn(d_model, d_model, generator=torch.Generator().manual_seed(seed)))[0]


def aligned(
    languages: tuple[str, ...],
    strength: tuple[float, ...],
    sentences: int = 80,
    d_model: int = 32,
    offset: float = 3.0,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Clouds `[layer sentence d_model]` by language that share a meaning with weight `strength[layer]`, the rest being their own.

    Each language stands `offset` away from the origin in a direction of its own, as real ones do.
    """
    share = torch.tensor(strength)[:, None, None]
    meaning = cloud(len(strength), sentences, d_model, seed)
    found = {}
    for place, language in enumerate(languages):
        own = cloud(len(strength), sentences, d_model, seed + 100 + place)
        away = offset * torch.nn.functional.normalize(cloud(len(strength), 1, d_model, seed + 200 + place), dim=-1)
        found[language] = share.sqrt() * meaning + (1 - share).sqrt() * own + away
    return found

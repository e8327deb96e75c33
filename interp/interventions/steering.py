"""Push, erase or switch off while the model runs: a `with` block each, and nothing stays behind it.

Layers are the rows of a capture: `embed` is what enters block 0, `"3"` what leaves block 3 (for `site="mlp"` or
`"attention"` what that half adds). Edits reach every position, the attention sink and the padding too, and every step of a
generation. When the number misleads: an edit of the sink can hurt a model by itself, so set a random direction or
subspace of the same size beside it (`probes.random_vectors`, `fit_erasers(method="random")`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.models.sites import Site, layer_names, neuron_hook, row_hook

Edit = Callable[[Tensor], Tensor]


@contextmanager
def edited(model: TransformerBridge, edits: Mapping[str, Edit], site: Site = "residual") -> Iterator[TransformerBridge]:
    """Run the model with what stands in these layers replaced by a function of it, `[... d_model]` to the same shape."""
    known = layer_names(site, model.cfg.n_layers)
    if unknown := [layer for layer in edits if layer not in known]:
        raise ValueError(f"got layer {unknown[0]!r} of site {site!r}, expected one of {', '.join(known)}.")
    hooks = [(row_hook(site, layer), partial(_apply, edit=edit)) for layer, edit in edits.items()]
    with model.hooks(fwd_hooks=hooks):
        yield model


@contextmanager
def steered(
    model: TransformerBridge, vectors: Mapping[str, Float[Tensor, " d_model"]], alpha: float = 1.0, site: Site = "residual"
) -> Iterator[TransformerBridge]:
    """Run the model pushed along a direction: `alpha` times each layer's vector is added at every position."""
    for layer, vector in vectors.items():
        if vector.shape != (model.cfg.d_model,):
            raise ValueError(f"layer {layer!r}: got a vector of shape {tuple(vector.shape)}, expected ({model.cfg.d_model},).")
    with edited(model, {layer: partial(_add, vector=vector * alpha) for layer, vector in vectors.items()}, site):
        yield model


@contextmanager
def erased(model: TransformerBridge, erasers: Mapping[str, Edit], site: Site = "residual") -> Iterator[TransformerBridge]:
    """Run the model without a subspace: each layer's eraser (`probes.fit_erasers`, one map for all languages) is applied."""
    with edited(model, erasers, site):
        yield model


@contextmanager
def ablated(
    model: TransformerBridge, neurons: Mapping[int, Sequence[int]], values: Mapping[int, Float[Tensor, " item"]] | None = None
) -> Iterator[TransformerBridge]:
    """Run the model with MLP neurons switched off: what the down-projection reads of them is 0, or `values` (their means).

    `neurons[block]` are indices, `values[block]` one number for each of them.
    """
    for block in neurons:
        if not 0 <= block < model.cfg.n_layers:
            raise ValueError(
                f"got block {block}, expected 0 to {model.cfg.n_layers - 1}: the model has {model.cfg.n_layers} blocks."
            )
    hooks = [
        (neuron_hook(block), partial(_set, index=torch.as_tensor(index, dtype=torch.long), value=values[block] if values else None))
        for block, index in neurons.items()
    ]
    with model.hooks(fwd_hooks=hooks):
        yield model


def _apply(x: Tensor, hook: object, edit: Edit) -> Tensor:
    return edit(x)


def _add(x: Tensor, vector: Tensor) -> Tensor:
    return x + vector.to(x)


def _set(x: Tensor, hook: object, index: Tensor, value: Tensor | None) -> Tensor:
    changed = x.clone()
    changed[..., index.to(x.device)] = 0 if value is None else value.to(x)
    return changed

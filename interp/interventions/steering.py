"""Steer, erase or ablate while the model runs, each inside a `with` block.

Layers are named as in `interp.capture`: `embed` is the input of block 0, `"3"` the output of block 3 (for `site="mlp"` or
`"attention"`, what that sublayer adds). Edits apply to every position, including attention sinks and padding, and to every step
of a generation. Editing an attention sink can damage the model by itself, so compare with a random direction or subspace of the
same size (`probes.random_vectors`, `probes.fit_erasers(method="random")`; within the model's own differences:
`probes.steering.directions`).
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
    """Run the model with the activations of some layers replaced by a function of them, inside a `with` block.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    edits
        For each layer name, a function from activations `[... d_model]` to activations of the same shape.
    site
        `residual`, `mlp` or `attention`.

    Raises
    ------
    ValueError
        The site has no such layer.
    """
    layers = layer_names(site, model.cfg.n_layers)
    if unknown := [layer for layer in edits if layer not in layers]:
        raise ValueError(f"got layer {unknown[0]!r} of site {site!r}, expected one of {', '.join(layers)}.")
    hooks = [(row_hook(site, layer), partial(_apply, edit=edit)) for layer, edit in edits.items()]
    with model.hooks(fwd_hooks=hooks):
        yield model


@contextmanager
def steered(
    model: TransformerBridge, vectors: Mapping[str, Float[Tensor, " d_model"]], alpha: float = 1.0, site: Site = "residual"
) -> Iterator[TransformerBridge]:
    """Run the model with a steering vector added at every position, inside a `with` block.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    vectors
        A vector `[d_model]` for each layer name, for example from `probes.language_vectors`.
    alpha
        Factor of the vectors: 1 adds them as they are, negative values steer away from the direction.
    site
        `residual`, `mlp` or `attention`.

    Yields
    ------
    The model. The change is undone at the end of the block, also after an error.

    Raises
    ------
    ValueError
        The site has no such layer, or a vector has another shape.

    Example
    -------
    >>> import interp, torch
    >>> model = interp.load("bundled")
    >>> ids = model.tokenizer("Das Haus ist", return_tensors="pt")["input_ids"]
    >>> before = model(ids)
    >>> with interp.steered(model, {"1": torch.ones(model.cfg.d_model)}, alpha=2.0):
    ...     during = model(ids)
    >>> bool((during != before).any()), bool((model(ids) == before).all())
    (True, True)
    """
    for layer, vector in vectors.items():
        if vector.shape != (model.cfg.d_model,):
            raise ValueError(f"layer {layer!r}: got a vector of shape {tuple(vector.shape)}, expected ({model.cfg.d_model},).")
    with edited(model, {layer: partial(_add, vector=vector * alpha) for layer, vector in vectors.items()}, site):
        yield model


@contextmanager
def erased(model: TransformerBridge, erasers: Mapping[str, Edit], site: Site = "residual") -> Iterator[TransformerBridge]:
    """Run the model with a concept erased from the activations of some layers, inside a `with` block.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    erasers
        For each layer name, a function from activations `[... d_model]` to activations of the same shape, such as an eraser from
        `probes.fit_erasers`, fitted at that layer.
    site
        `residual`, `mlp` or `attention`.

    Yields
    ------
    The model. The change is undone at the end of the block, also after an error.

    Raises
    ------
    ValueError
        The site has no such layer.

    Example
    -------
    >>> import interp, probes
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=40)
    >>> acts = interp.capture(model, corpus, layers=["1"], progress=False)
    >>> erasers = probes.fit_erasers({code: acts[code][0] for code in acts.languages})
    >>> ids = model.tokenizer("Das Haus ist", return_tensors="pt")["input_ids"]
    >>> before = model(ids)
    >>> with interp.erased(model, {"1": erasers["eng_Latn"]}):
    ...     during = model(ids)
    >>> bool((during != before).any())
    True
    """
    with edited(model, erasers, site):
        yield model


@contextmanager
def ablated(
    model: TransformerBridge, neurons: Mapping[int, Sequence[int]], values: Mapping[int, Float[Tensor, " item"]] | None = None
) -> Iterator[TransformerBridge]:
    """Run the model with MLP neurons ablated, inside a `with` block.

    A neuron is an input of the down-projection of the MLP.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    neurons
        Indices of the neurons for each block, 0 to N-1, for example from `NeuronReport.neurons`.
    values
        What the neurons of each block are set to, one number for each, such as their means. Default: 0.

    Yields
    ------
    The model. The change is undone at the end of the block, also after an error.

    Raises
    ------
    ValueError
        The model has no such block.

    Example
    -------
    >>> import interp
    >>> model = interp.load("bundled")
    >>> before, tokens = interp.sentence_losses(model, ["The house is old."])
    >>> with interp.ablated(model, {0: [3, 4, 5]}):
    ...     during, _ = interp.sentence_losses(model, ["The house is old."])
    >>> bool(during != before)
    True
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

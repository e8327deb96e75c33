"""Merge PEFT adapters: the plain model that computes what the adapted model computes now, or a reason why there is none."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from interp.models.checks.verification import plain_logits, share_of_largest, tolerance

_EXPECTED = "Use an adapter that can be merged into the weights, such as LoRA, or a model without one."


def merge_adapters(model: nn.Module) -> nn.Module:
    """The Hugging Face model inside, with what its adapters do now written into its weights.

    `model` is a module tree of our own, changed in place: it may share tensors with another, as each weight that is written to is
    copied first. Which adapters are active, merged already, disabled, or weighted is as `model` has it. A table that is read and
    written with becomes two where an adapter changes one side. The logits before and after are compared; raises `ValueError` where
    they differ by more than `interp.models.checks.verification.tolerance`, and for an adapter that is no change of the weights.

    When it misleads: a bfloat16 weight rounds what is merged into it. Cast the model to float32 first to keep all of an adapter.
    """
    plain: Any = model
    while _of_peft(plain):
        plain = plain.base_model if "base_model" in plain._modules else plain.model
    if not any(map(_of_peft, plain.modules())):
        return plain
    model.eval()
    for module in plain.modules():
        if hasattr(module, "base_layer"):
            _own(module.get_base_layer())
    before = plain_logits(model)
    _unwrap(plain)
    for name in ("peft_config", "_hf_peft_config_loaded"):
        plain.__dict__.pop(name, None)
    _untie(plain)
    if (difference := share_of_largest(plain_logits(plain), before)) > (
        allowed := tolerance(plain.dtype, plain.config.get_text_config().num_hidden_layers)
    ):
        raise ValueError(
            f"load: merging the adapter changed the logits by {difference:.1e} of the largest logit, expected at most "
            f"{allowed:.0e}. {_EXPECTED}"
        )
    return plain


def _of_peft(module: nn.Module) -> bool:
    return type(module).__module__.startswith("peft.")


def _own(base: nn.Module) -> None:
    """Weights of its own for a layer, so that what is written to it reaches no other layer and no other model."""
    for module in base.modules():
        module._parameters.update({name: copy.deepcopy(parameter) for name, parameter in module._parameters.items()})


def _unwrap(parent: nn.Module) -> None:
    """Put a plain layer in the place of each wrapped one."""
    for name, child in list(parent.named_children()):
        if not _of_peft(child):
            _unwrap(child)
            continue
        try:
            with torch.no_grad():
                plain = _plain(child)
        except Exception as error:  # each kind of adapter has its own
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"load: the adapter at {name} cannot be merged ({why}). {_EXPECTED}") from error
        setattr(parent, name, plain)


def _plain(layer: Any) -> nn.Module:
    """The layer that computes what a wrapped layer computes now."""
    if not hasattr(layer, "disable_adapters"):
        raise ValueError(f"{type(layer).__name__} is no wrapped layer")
    if hasattr(layer, "token_adapter"):  # some rows of a table, trained apart
        layer.token_adapter.enable_adapters(not layer.disable_adapters)
        layer = layer.token_adapter
    if not hasattr(layer, "base_layer"):  # a copy of the whole layer, trained and kept beside it
        return layer.original_module if layer.disable_adapters else layer.unload_and_optionally_merge_module(True, False, None)
    for wrapped in _chain(layer):
        if wrapped.disable_adapters and wrapped.merged:
            wrapped.unmerge()
        elif not wrapped.disable_adapters and not wrapped.merged:
            wrapped.merge()
    return layer.get_base_layer()


def _chain(layer: Any) -> list[Any]:
    """A wrapped layer and those that it wraps: each may hold an adapter of another weight of one module."""
    layers = []
    while hasattr(layer, "base_layer"):
        layers.append(layer)
        layer = layer.base_layer
    return layers


def _untie(plain: Any) -> None:
    """Say in the configuration that a table tied before is two now, where it is."""
    reader, writer = plain.get_input_embeddings(), plain.get_output_embeddings()
    if writer is None or writer.weight is reader.weight:
        return
    plain.config.tie_word_embeddings = plain.config.get_text_config().tie_word_embeddings = False
    plain.all_tied_weights_keys = plain.get_expanded_tied_weights_keys(all_submodels=True)

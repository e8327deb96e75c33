"""The name of the key-value cache among a model's arguments: `past_key_values`, from transformers 5.24 on `cache`.

TransformerLens 4.3.0 reads the old name only, and where it computes attention itself a cache under the new name stays empty
without an error. Attention layers that hand their arguments to transformers as they are need no help. The bridge calls the
model itself by the old name too, which 5.24 takes with a warning at every step.
"""

from __future__ import annotations

import inspect
from functools import partial

from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge
from transformers import Cache

from interp.models.hooks import Arguments, Positional

OLD, NEW = "past_key_values", "cache"


def rename_cache_argument(model: TransformerBridge) -> None:
    """Let `model`, and every attention layer that TransformerLens computes itself, find the cache under the name each reads."""
    top = model.original_model
    if NEW in inspect.signature(type(top).forward).parameters:
        top.register_forward_pre_hook(partial(_renamed, passed=OLD, accepted=NEW), with_kwargs=True)
    for module in model.modules():
        if isinstance(module, AttentionBridge) and type(module).forward is not AttentionBridge.forward:
            module.register_forward_pre_hook(partial(_renamed, passed=NEW, accepted=OLD), with_kwargs=True)


def find_cache(arguments: Arguments) -> Cache | None:
    """The cache among the keyword `arguments` of a forward, under either name; None where there is none."""
    cache = arguments.get(OLD)
    return arguments.get(NEW) if cache is None else cache


def _renamed(
    module: nn.Module, args: Positional, kwargs: Arguments, *, passed: str, accepted: str
) -> tuple[Positional, Arguments] | None:
    if passed not in kwargs or kwargs.get(accepted) is not None or (accepted == OLD and kwargs[passed] is None):
        return None
    return args, {accepted: kwargs[passed], **{name: value for name, value in kwargs.items() if name not in (passed, accepted)}}

"""The name of the key-value cache among the arguments of an attention layer: `past_key_values`, from transformers 5.24 on `cache`.

TransformerLens 4.3.0 reads the old name only, and where it computes attention itself a cache under the new name stays empty
without an error. Attention layers that hand their arguments to transformers as they are need no help.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.attention import AttentionBridge

OLD, NEW = "past_key_values", "cache"


def hand_on_cache(model: TransformerBridge) -> None:
    """Let every attention layer that TransformerLens computes itself find the cache under the name it reads."""
    for module in model.modules():
        if isinstance(module, AttentionBridge) and type(module).forward is not AttentionBridge.forward:
            module.register_forward_pre_hook(_renamed, with_kwargs=True)


def _renamed(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    if kwargs.get(NEW) is None or kwargs.get(OLD) is not None:
        return None
    return args, {OLD: kwargs[NEW], **{name: value for name, value in kwargs.items() if name not in (OLD, NEW)}}

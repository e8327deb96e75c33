"""What a model keeps of the tokens it has read: a key and a value of each, or a state that every token writes over.

Keys and values can be cut, copied and shared out between the rows of a batch. A state (Mamba, Bamba, Qwen3-Next) cannot, and
TransformerLens hands some of them on to no later step, without an error: a text is then read without what stands before it. So
nothing here shares what such a model has read; every text is read from its start.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from interp.models.original import original
from interp.models.plain.runner import runner


def keeps_state(model: TransformerBridge) -> bool:
    """Whether a layer of `model` keeps a state, so that what it has read cannot be shared between texts."""
    layers = DynamicCache(config=original(model).config).layers
    return getattr(model.cfg, "is_stateful", False) or any(hasattr(layer, "recurrent_states") for layer in layers)


def new_cache(model: TransformerBridge) -> DynamicCache:
    """An empty cache as `model` would make it, sliding windows cut."""
    return DynamicCache(config=original(model).config)


def read_on(
    model: TransformerBridge, ids: Int[Tensor, "item token"], mask: Int[Tensor, "item seen"], past: DynamicCache, keep: int = 0
) -> Float[Tensor, "item kept vocab"]:
    """Read `ids` behind what `past` holds, which grows by them: the logits of the last `keep` of them, or of all.

    `mask` is 1 for every real token, of the past ones too. For a `model` that keeps no state.
    """
    return runner(model, ()).run_with_hooks(
        ids, fwd_hooks=[], attention_mask=mask, past_key_values=past, use_cache=True, logits_to_keep=keep
    )

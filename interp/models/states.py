"""What a model keeps of the tokens it has read: a key and a value of each, or a state that every token writes over.

Keys and values can be cut, copied and shared out between the rows of a batch. A state (Mamba, Bamba, Qwen3-Next) cannot, and
TransformerLens hands some of them on to no later step, without an error: a text is then read without what stands before it. So
nothing here shares what such a model has read; every text is read from its start.
"""

from __future__ import annotations

from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from interp.models.original import original


def keeps_state(model: TransformerBridge) -> bool:
    """Whether a layer of `model` keeps a state, so that what it has read cannot be shared between texts."""
    layers = DynamicCache(config=original(model).config).layers
    return getattr(model.cfg, "is_stateful", False) or any(hasattr(layer, "recurrent_states") for layer in layers)

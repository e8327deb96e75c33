"""The Hugging Face model that a bridge runs."""

from __future__ import annotations

from typing import cast

from transformer_lens.model_bridge import TransformerBridge
from transformers import PreTrainedModel


def original(model: TransformerBridge) -> PreTrainedModel:
    """The Hugging Face model inside `model`, whose modules are wrapped in those of the bridge."""
    return cast(PreTrainedModel, model.original_model)

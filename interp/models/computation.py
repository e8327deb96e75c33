"""What the numbers of a model depend on, besides its input: the facts by which caches are keyed."""

from __future__ import annotations

import torch
from transformers import GenerationConfig, PreTrainedConfig

from interp import provenance
from interp.files.cache import digest
from interp.models.hooks import hooks_in_force
from interp.models.load import TransformerBridge, identify
from interp.models.original import original
from interp.vocabulary.fingerprint import fingerprint_tokenizer

_IDLE = frozenset({"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "use_cache"})
"""Parts of a configuration that change no number; the dtype is part of the weights."""


def computed_by(device: object) -> dict[str, str]:
    """What computes on `device`: library versions, kind of device, and precision of float32 products.

    How many threads there are, and which GPU of a kind, changes numbers in their last bits alone. They are left out, so that a
    run may be continued on another machine of the same kind; its manifest names them.
    """
    precision = torch.get_float32_matmul_precision()
    return {**provenance.versions(), "device": str(device).partition(":")[0], "float32_products": precision}


def model_facts(model: TransformerBridge) -> dict[str, str]:
    """Which `model`: hashes of its weights (with their dtype), configuration and tokenizer, and the hooks on it."""
    hf = original(model)
    return {
        "weights": identify(model).sha,
        "configuration": digest([_settings(hf.config), _settings(getattr(hf, "generation_config", None))]),
        "tokenizer": fingerprint_tokenizer(model.tokenizer),
        **hooks_in_force(model),
    }


def _settings(config: PreTrainedConfig | GenerationConfig | None) -> dict[str, object]:
    return {} if config is None else {key: value for key, value in config.to_dict().items() if key not in _IDLE}

"""Put a Hugging Face model into a TransformerLens `TransformerBridge` that computes what the model computes.

The bridge computes on raw weights with eager attention, so logits, norms and cosines are those of Hugging Face. Two defaults of the
bridge are undone: it rewrites the modules it is given (so it gets copies that share the tensors), and it re-creates the tokenizer
with another BOS setting (so the original is restored).
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.utilities.multi_gpu import (
    count_unique_devices,
    find_embedding_device,
    find_misplaced_modules,
    is_mixed_offload_gpu,
)
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from interp.models.cache_argument import rename_cache_argument
from interp.models.checkpoints.configurations import check_settings, live_architecture
from interp.models.checkpoints.device_map import quantisation
from interp.models.checks.verification import verify_bridge
from interp.models.devices import copy_modules
from interp.models.plain.runner import plain_copy, remember
from interp.models.tokens import tokens_in_front

_log = logging.getLogger(__name__)


def bridge(hf: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> TransformerBridge:
    """Bridge a model (`hf`, which is modified) of this `name` with `tokenizer` as given, and check it against the plain model."""
    check_settings(hf.config.to_dict(), name)
    _check_placed(hf, name)
    _check_numbers(hf, name)
    hf.eval().set_attn_implementation("eager")
    plain = plain_copy(hf)  # before the bridge rewrites the modules
    return remember(verify_bridge(hf, lambda: _bridged(hf, tokenizer, name), name), plain)


def bridge_unchecked(
    hf: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str, dtype: torch.dtype | None = None
) -> TransformerBridge:
    """Bridge a Hugging Face model without checking it, for `interp check`. The model is not modified and shares its tensors.

    Parameters
    ----------
    hf
        The Hugging Face model.
    tokenizer
        Its tokenizer.
    name
        Its name, for errors and signatures.
    dtype
        Convert the weights of the bridge to this dtype, in memory of their own.
    """
    second = copy_modules(hf)
    for parameter in second.parameters() if dtype is not None else ():
        parameter.data = parameter.data.to(dtype)
    second.eval().set_attn_implementation("eager")
    return _bridged(second, tokenizer, name)


def _bridged(hf: Any, tokenizer: PreTrainedTokenizerBase, name: str) -> TransformerBridge:
    try:
        model = build_bridge_from_module(hf, live_architecture(hf, name), hf_config=hf.config, model_name=name)
    except RuntimeError as error:
        if not (method := quantisation(hf.config)):
            raise
        raise ValueError(
            f"model {name!r}: got weights quantized by {method}, expected unquantized weights: TransformerLens cannot convert this "
            f"architecture otherwise ({error}). Use a checkpoint in bfloat16."
        ) from error
    rename_cache_argument(model)
    embedding = find_embedding_device(hf)
    if embedding is not None:
        on_disk = embedding.type == "meta"
        model.cfg.device, model.cfg.n_devices = "cpu" if on_disk else str(embedding), count_unique_devices(hf)
    model.__dict__["_tokenizer"] = model._driver.tokenizer = tokenizer  # the setter would re-create it
    # With both settings equal to the tokenizer's own habit, the bridge's to_tokens(text) is tokenizer(text).
    model.cfg.default_prepend_bos = model.cfg.tokenizer_prepends_bos = tokens_in_front(tokenizer) > 0
    model.cfg.tokenizer_appends_eos = False
    rows, named = hf.get_input_embeddings().weight.shape[0], getattr(hf.config.get_text_config(), "vocab_size", None)
    if isinstance(named, int) and named < rows:
        raise ValueError(
            f"model {name!r}, configuration: got vocab_size {named}, expected {rows}, the rows of the embedding. "
            "Resize a model with resize_token_embeddings, which changes both."
        )
    if (own := getattr(tokenizer, "vocab_size", 0)) > rows:
        raise ValueError(
            f"model {name!r}: got a tokenizer of {own} ids, expected at most {rows}, the rows of the embedding. "
            "Use the tokenizer of this model."
        )
    if len(tokenizer) > rows:
        _log.warning(
            "model %s: the tokenizer has %d ids, the embedding %d rows; ids from %d on will fail", name, len(tokenizer), rows, rows
        )
    return model


def _check_placed(hf: PreTrainedModel, name: str) -> None:
    """Raise `ValueError` if the parts of a model are on devices that the bridge cannot run."""
    devices = set((getattr(hf, "hf_device_map", None) or {}).values())
    if is_mixed_offload_gpu(str(each) if isinstance(each, torch.device) else each for each in devices):
        raise ValueError(
            f"model {name!r}: got parts on {', '.join(map(str, devices))}, expected only GPUs or no GPU. Load it on one device."
        )
    if misplaced := find_misplaced_modules(hf):
        module, wanted, actual = misplaced[0]
        raise ValueError(f"model {name!r}: got {module} on {actual}, expected it on {wanted}. Put tied modules on one device.")


def _check_numbers(hf: PreTrainedModel, name: str) -> None:
    """Raise `ValueError` for NaN or infinite weights: about a second for a billion weights. Weights on disk are not read."""
    for tensor, each in hf.state_dict().items():
        if each.is_floating_point() and each.itemsize > 1 and each.numel() and not each.is_meta:
            low, high = torch.aminmax(each.detach())
            if not bool(low.isfinite() and high.isfinite()):
                remedy = " (float16 ends at 65504)" if each.dtype == torch.float16 else ""
                raise ValueError(
                    f"model {name!r}: got NaN or infinite values in its weight {tensor}{remedy}, expected finite numbers. "
                    "Download the checkpoint again, or go back to one from before training diverged."
                )

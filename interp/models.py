"""A language model ready to be looked into: any Hugging Face causal model, as TransformerLens' own `TransformerBridge`."""

from __future__ import annotations

import copy
import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.model_bridge.sources._hf_format import determine_architecture_from_hf_config
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from interp.provenance import ModelIdentity

_log = logging.getLogger(__name__)


def load(
    source: str | Path | nn.Module,
    *,
    tokenizer: PreTrainedTokenizerBase | str | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> TransformerBridge:
    """Load any causal language model for looking inside."""
    if not isinstance(source, nn.Module):
        tokenizer = tokenizer or AutoTokenizer.from_pretrained(source, revision=revision)
        source = AutoModelForCausalLM.from_pretrained(source, revision=revision, dtype=dtype or "auto", attn_implementation="eager")
    return _bridge(_share(source).eval(), tokenizer, str(source.config.name_or_path))


def _share(model: nn.Module) -> Any:
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(tensor): _alias(tensor) for tensor in tensors})


def _alias(tensor: torch.Tensor) -> torch.Tensor:
    if type(tensor) is not nn.Parameter:
        return tensor
    return nn.Parameter(tensor.data, requires_grad=tensor.requires_grad)


def _bridge(hf: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> TransformerBridge:
    hf.set_attn_implementation("eager")
    architecture = determine_architecture_from_hf_config(hf.config)
    bridge = build_bridge_from_module(hf, architecture, hf_config=hf.config, model_name=name)
    bridge._tokenizer = bridge._driver.tokenizer = tokenizer
    ids = tokenizer("a")["input_ids"]
    bridge.cfg.default_prepend_bos = bridge.cfg.tokenizer_prepends_bos = (
        ids[:1] != tokenizer("a", add_special_tokens=False)["input_ids"][:1]
    )
    bridge.cfg.tokenizer_appends_eos = False
    return bridge


def identify(model: TransformerBridge) -> ModelIdentity:
    digest = hashlib.sha256()
    for name, parameter in model.original_model.named_parameters():
        digest.update(repr((name.replace("_original_component.", ""), tuple(parameter.shape))).encode())
        digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy())
    dtype = str(next(model.original_model.parameters()).dtype).removeprefix("torch.")
    return ModelIdentity(model.cfg.model_name, digest.hexdigest(), model.cfg.n_layers, model.cfg.d_model, dtype)


def random_init(model: TransformerBridge, seed: int = 0) -> TransformerBridge:
    hf = model.original_model
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(hf)._from_config(copy.deepcopy(hf.config), attn_implementation="eager", dtype=hf.dtype)
    return _bridge(fresh.to(model.cfg.device).eval(), model.tokenizer, f"{model.cfg.model_name}+random")

"""A language model ready to be looked into: any causal Hugging Face model, as TransformerLens' own `TransformerBridge`.

The bridge computes on raw weights with eager attention, so logits, norms and cosines are Hugging Face's own. Two of the
bridge's habits are undone here: it rewrites the module tree it is given (it gets a second tree over the same tensors),
and it re-creates the tokenizer with another BOS setting (it gets yours back).
"""

from __future__ import annotations

import copy
import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES, ArchitectureAdapterFactory
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_config_from_hf
from transformer_lens.model_bridge.sources.transformers import (
    determine_architecture_from_hf_config,
    get_hf_model_class_for_architecture,
)
from transformer_lens.utilities.multi_gpu import count_unique_devices, find_embedding_device
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from interp.checkpoints import locate, read_config, read_tokenizer, read_weights
from interp.languages import nearest
from interp.placement import choose_device, choose_dtype, share, split
from interp.provenance import ModelIdentity

_log = logging.getLogger(__name__)


def load(
    name_or_path: str | Path | nn.Module,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> TransformerBridge:
    """Open a causal language model for looking inside: a hub name, a folder, "bundled", or a live Hugging Face model.

    A live model needs its `tokenizer=`. It may be fine-tuned or wrapped by PEFT (adapters are merged into a copy) and stays
    as it was; what is not merged, cast or moved shares its memory (load again after training: the bridge splits a joint QKV
    once). `dtype`: None or "auto" follows the checkpoint, else a name ("bfloat16"). `device`: "auto" picks cuda, mps or cpu
    and logs why; None means "auto" for a name and "where it is" for a live model. Weights are safetensors; a repository's
    own code never runs.

    When it misleads: bfloat16 keeps three digits, so compare models in one dtype. A tokenizer that you give without a
    padding token (GPT-2's) stays so, and the bridge's own string calls then ask for one: pass ids and a mask.
    """
    if isinstance(name_or_path, nn.Module):
        return _adopt(name_or_path, tokenizer, dtype, device)
    name = locate(name_or_path, revision)
    config = read_config(name, revision)
    architecture = _architecture(config, name)
    kind = get_hf_model_class_for_architecture(architecture)
    exact = choose_dtype(dtype)
    tokenizer = tokenizer or read_tokenizer(name, revision)
    label = _label(name_or_path, revision)
    options = {"config": config, "dtype": exact or "auto", "attn_implementation": "eager", **split(kind, config, exact, device)}
    # Some adapters change the configuration or patch transformers before the weights are read.
    bridge_config = build_bridge_config_from_hf(config, architecture, label, torch.float32)
    ArchitectureAdapterFactory.select_architecture_adapter(bridge_config).prepare_loading(name, options)
    hf: Any = read_weights(name, revision, kind, options)
    return _bridge(hf if "device_map" in options else hf.to(choose_device(device)), tokenizer, label)


def _adopt(
    given: nn.Module,
    tokenizer: PreTrainedTokenizerBase | None,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
) -> TransformerBridge:
    """A bridge over a live model, which stays as it is."""
    came = type(given).__name__
    if isinstance(given, TransformerBridge):
        raise ValueError(
            "load: a TransformerBridge came, which is loaded already. Needed: a name, a folder or a Hugging Face model."
        )
    if any(getattr(adapter, "is_prompt_learning", False) for adapter in getattr(given, "peft_config", {}).values()):
        raise ValueError(
            "load: a prompt-learning adapter came; it changes the input, not the weights. Needed: one that can be merged."
        )
    if tokenizer is None:
        raise ValueError(f"load: a live {came} came without a tokenizer. Needed: tokenizer=, the one it was trained with.")
    hf = share(given)
    if not isinstance(hf, PreTrainedModel):
        raise ValueError(f"load: a {came} came. Needed: a name, a folder, or a Hugging Face causal language model.")
    if exact := choose_dtype(dtype):
        for parameter in hf.parameters():  # .to(dtype) would round the rotary tables too
            parameter.data = parameter.data.to(exact)
    if device is not None:
        hf = hf.to(choose_device(device))  # type: ignore[arg-type]
    return _bridge(hf, tokenizer, _label(hf.config.name_or_path or came, None))


def _label(name: str | Path, revision: str | None) -> str:
    """The name people read: never a machine's path, and with the revision where one was asked for."""
    folder = Path(name).expanduser()
    known = folder.resolve().name if folder.is_dir() else str(name)
    return f"{known}:{revision}" if revision else known


def _architecture(config: PreTrainedConfig, name: str) -> str:
    try:
        architecture = determine_architecture_from_hf_config(config)
    except ValueError:
        given = (getattr(config, "architectures", None) or [config.model_type])[0]
        near = nearest(given, SUPPORTED_ARCHITECTURES)
        raise ValueError(f"model {name!r}: architecture {given!r} is not supported.{near}") from None
    if get_hf_model_class_for_architecture(architecture) not in (AutoModelForCausalLM, AutoModelForImageTextToText):
        raise ValueError(f"model {name!r} is a {architecture}. Needed: a causal language model (a decoder).")
    return architecture


def _bridge(hf: Any, tokenizer: PreTrainedTokenizerBase, name: str) -> TransformerBridge:
    hf.eval().set_attn_implementation("eager")
    model = build_bridge_from_module(hf, _architecture(hf.config, name), hf_config=hf.config, model_name=name)
    embedding = find_embedding_device(hf)
    if embedding is not None:
        model.cfg.device, model.cfg.n_devices = str(embedding), count_unique_devices(hf)
    model.__dict__["_tokenizer"] = model._driver.tokenizer = tokenizer  # the setter would re-create it
    plain, full = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    # With both settings equal to the tokenizer's own habit, the bridge's to_tokens(text) is tokenizer(text).
    model.cfg.default_prepend_bos = model.cfg.tokenizer_prepends_bos = full[:1] != plain[:1]
    model.cfg.tokenizer_appends_eos = False
    rows = hf.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        _log.warning(
            "model %s: the tokenizer has %d ids, the embedding %d rows; ids from %d on will fail", name, len(tokenizer), rows, rows
        )
    return model


def identify(model: TransformerBridge) -> ModelIdentity:
    """Which weights these are: the name, and a hash over the name, shape, dtype and bytes of every parameter, tied ones once.

    A shortened tokenizer goes into the hash, as the same weights then read other ids.

    The hash is kept on the model and taken again once a parameter changed: in place (its version counter), by assignment
    (its address), or behind torch's back through `.data` (its sum).

    When it misleads: settings are not weights, so a model with another sliding window or rotary base has the same hash.
    """
    parameters = [
        (name.replace("._original_component", ""), each.detach()) for name, each in model.original_model.named_parameters()
    ]
    state = [(name, each.data_ptr(), each._version, float(each.sum(dtype=torch.float32))) for name, each in parameters]
    shortening = getattr(model.tokenizer, "shortening", None)
    state.append(("shortening", hash(shortening), 0, 0.0))
    kept = model.__dict__.get("_identity")
    if kept is None or kept[0] != state:
        digest = hashlib.sha256(repr(shortening.dropped).encode() if shortening else b"")
        for name, each in parameters:
            digest.update(f"{name}{tuple(each.shape)}{each.dtype}".encode())
            digest.update(each.cpu().reshape(-1).view(torch.uint8).numpy().data)
        kept = model.__dict__["_identity"] = (state, digest.hexdigest())
    dtype = str(parameters[0][1].dtype).removeprefix("torch.")
    return ModelIdentity(model.cfg.model_name, kept[1], model.cfg.n_layers, model.cfg.d_model, dtype)


def random_init(model: TransformerBridge, seed: int = 0) -> TransformerBridge:
    """The control that knows nothing: same architecture, configuration and tokenizer, weights as before training.

    Drawn on the CPU by the architecture's own initialisation, so that one seed is one model on every device.
    """
    hf: Any = model.original_model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(hf)._from_config(copy.deepcopy(hf.config), attn_implementation="eager", dtype=hf.dtype)
    return _bridge(fresh.to(model.cfg.device), model.tokenizer, f"{model.cfg.model_name}+random")

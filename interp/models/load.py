"""Load any causal language model of Hugging Face as a TransformerLens `TransformerBridge`, or its random initialisation."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import dispatch_model
from torch import nn
from transformer_lens.factories.architecture_adapter_factory import ArchitectureAdapterFactory
from transformer_lens.model_bridge import TransformerBridge as TransformerBridge
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_config_from_hf
from transformer_lens.model_bridge.sources.transformers import get_hf_model_class_for_architecture
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from interp.models.bridge import bridge
from interp.models.checkpoints.configurations import stored_architecture
from interp.models.checkpoints.device_map import plan_placement, quantisation
from interp.models.checkpoints.folders import locate
from interp.models.checkpoints.gguf import find_gguf, read_gguf
from interp.models.checkpoints.parts import read_config, read_tokenizer
from interp.models.checkpoints.weights import read_weights
from interp.models.devices import choose_device, choose_dtype, copy_modules
from interp.models.identity import identify as identify
from interp.models.original import original


def load(
    name_or_path: str | Path | nn.Module,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> TransformerBridge:
    """Load a causal language model as a TransformerLens `TransformerBridge`, with raw weights and its own tokenizer.

    Parameters
    ----------
    name_or_path
        A name on the Hugging Face Hub, a local model folder, a GGUF file (or a folder with one), "bundled" (the small model of this
        package), or a Hugging Face model in memory. GGUF weights are dequantised, to float32 unless `dtype` says otherwise. A
        model in memory may be fine-tuned or wrapped by PEFT. It is not modified: active adapters are merged into a copy
        (`interp.models.adapters`), and all other weights share its memory. Load it again after further training.
    tokenizer
        The tokenizer, kept exactly as given. Required for a model in memory. Default: the tokenizer beside the weights, which pads
        with its end-of-text token if it has no padding token.
    revision
        Branch, tag or commit on the Hub. Default: the main branch.
    dtype
        Precision of the weights: "float32", "bfloat16", "float16", "float64" or a `torch.dtype`. Default, also "auto": that of the
        checkpoint. Compare models only in one dtype: bfloat16 keeps about three decimal digits.
    device
        "cpu", "mps", "cuda", "cuda:1" or "auto", which takes CUDA, else MPS, else the CPU. "auto" splits a model that does not fit
        on one GPU over several, and reads one that does not fit in memory from disk at every forward (see `device_map`).
        Default: "auto" for a name or folder; a model in memory stays where it is.

    Returns
    -------
    The `TransformerBridge`, in evaluation mode with eager attention, so that its logits, norms and cosines are those of plain
    Hugging Face.

    Raises
    ------
    ValueError
        The model does not exist, is incomplete or corrupt, has no safetensors, is not a causal language model, or its
        architecture is not supported. Also for an unknown revision, dtype or device.
    OSError
        The Hub cannot be reached, or the model is gated.
    interp.models.checks.verification.VerificationError
        A short check of the loaded model failed: it does not compute what plain Hugging Face computes.

    Notes
    -----
    Code from a model repository is never run, and pickled weights are never read. A tokenizer that you give without a padding
    token stays so; then pass token ids and an attention mask to the model, not strings.

    Example
    -------
    >>> import interp
    >>> model = interp.load("bundled")
    >>> model.cfg.n_layers, model.cfg.d_model
    (8, 192)
    """
    if isinstance(name_or_path, nn.Module):
        return _adopt(name_or_path, tokenizer, dtype, device)
    return bridge(*load_hf_model(name_or_path, tokenizer=tokenizer, revision=revision, dtype=dtype, device=device))


def load_hf_model(
    name_or_path: str | Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, str]:
    """Load a plain Hugging Face model, without a bridge.

    Parameters
    ----------
    name_or_path, tokenizer, revision, dtype, device
        As for `load`, but for a model in memory.

    Returns
    -------
    The model, its tokenizer and its name. Raises the errors of `load`.
    """
    if (gguf := find_gguf(name_or_path)) is not None:
        if revision is not None:
            raise ValueError(f"model {str(gguf)!r}: got revision {revision!r} for a file, expected none. Leave revision out.")
        dequantised, tokenizer = read_gguf(gguf, tokenizer, choose_dtype(dtype))
        return cast(Any, dequantised).to(choose_device(device)), tokenizer, gguf.name
    name = locate(name_or_path, revision)
    config = read_config(name, revision)
    architecture = stored_architecture(config, name)
    kind = get_hf_model_class_for_architecture(architecture)
    exact = choose_dtype(dtype)
    tokenizer = tokenizer or read_tokenizer(name, revision)
    label = _label(name_or_path, revision)
    options = {
        "config": config,
        "dtype": exact or "auto",
        "attn_implementation": "eager",
        **plan_placement(kind, config, exact, device),
    }
    # Some adapters change the configuration or patch transformers before the weights are read.
    bridge_config = build_bridge_config_from_hf(config, architecture, label, torch.float32)
    ArchitectureAdapterFactory.select_architecture_adapter(bridge_config).prepare_loading(name, options)
    options.pop("trust_remote_code", None)  # some ask for what is so anyway: no code of a repository runs
    if options.get("device_map") == "auto" and getattr(bridge_config, "is_stateful", False):
        raise ValueError(
            f"model {name!r} is a state-space model ({architecture}), which TransformerLens cannot split. Use one device."
        )
    hf: Any = read_weights(name, revision, kind, options)
    return hf if "device_map" in options else hf.to(choose_device(device)), tokenizer, label


def _adopt(
    given: nn.Module,
    tokenizer: PreTrainedTokenizerBase | None,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
) -> TransformerBridge:
    """A bridge over a model in memory, which is not modified."""
    kind = type(given).__name__
    if isinstance(given, TransformerBridge):
        raise ValueError(
            "load: got a TransformerBridge, which is loaded already, expected a name, a folder or a Hugging Face model."
        )
    if any(getattr(adapter, "is_prompt_learning", False) for adapter in getattr(given, "peft_config", {}).values()):
        raise ValueError(
            "load: got a prompt-learning adapter, which changes the input and not the weights, expected one that can be merged."
        )
    if tokenizer is None:
        raise ValueError(f"load: got a {kind} without a tokenizer, expected tokenizer=, the one it was trained with.")
    hf = copy_modules(given, choose_dtype(dtype))
    if not isinstance(hf, PreTrainedModel):
        raise ValueError(f"load: got a {kind}, expected a name, a folder, or a Hugging Face causal language model.")
    if device is not None:
        hf = hf.to(choose_device(device))  # type: ignore[arg-type]
    return bridge(hf, tokenizer, _label(hf.config.name_or_path or kind, None))


def _label(name: str | Path, revision: str | None) -> str:
    """The name of a model in signatures: never a path of this machine, and with the revision if one was given."""
    folder = Path(name).expanduser()
    known = folder.resolve().name if folder.is_dir() else str(name)
    return f"{known}:{revision}" if revision else known


def random_init(model: TransformerBridge, seed: int = 0) -> TransformerBridge:
    """Make an untrained copy of a model as a baseline: the same architecture and tokenizer, random weights.

    Parameters
    ----------
    model
        A model from `interp.load`. It is not modified.
    seed
        Random seed. Weights are drawn on the CPU by the initialization of the architecture, so a seed gives the same model on every
        device.

    Returns
    -------
    A `TransformerBridge` on the devices and in the dtype of `model`. Its name ends in "+random". It is never quantized.

    Raises
    ------
    ValueError
        A part of the model lies on disk: the random weights would have to fit in memory.

    Example
    -------
    >>> import interp
    >>> model = interp.load("bundled")
    >>> untrained = interp.random_init(model, seed=0)
    >>> untrained.cfg.n_layers == model.cfg.n_layers
    True
    >>> interp.identify(untrained).sha == interp.identify(model).sha
    False
    """
    hf = original(model)
    config, device_map = copy.deepcopy(hf.config), getattr(hf, "hf_device_map", None)
    if "disk" in (device_map or {}).values():
        raise ValueError(
            f"{model.cfg.model_name} lies partly on disk, and random weights would need all of it in memory. Leave them out."
        )
    if quantisation(config):
        del config.quantization_config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(hf)._from_config(config, attn_implementation="eager", dtype=hf.dtype)
    fresh = dispatch_model(fresh, device_map) if model.cfg.n_devices > 1 else fresh.to(model.cfg.device)
    return bridge(fresh, model.tokenizer, f"{model.cfg.model_name}+random")

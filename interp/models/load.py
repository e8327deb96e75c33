"""Load any causal language model of Hugging Face as a TransformerLens `TransformerBridge`.

The bridge computes on raw weights with eager attention, so logits, norms and cosines are those of Hugging Face. Two defaults of the
bridge are undone: it rewrites the modules it is given (so it gets copies that share the tensors), and it re-creates the tokenizer
with another BOS setting (so the original is restored).
"""

from __future__ import annotations

import copy
import hashlib
import logging
from pathlib import Path
from typing import Any

import torch
from accelerate import dispatch_model
from accelerate.utils import align_module_device
from torch import Tensor, nn
from transformer_lens.factories.architecture_adapter_factory import ArchitectureAdapterFactory
from transformer_lens.model_bridge import TransformerBridge as TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_config_from_hf
from transformer_lens.model_bridge.sources.transformers import get_hf_model_class_for_architecture
from transformer_lens.utilities.multi_gpu import (
    count_unique_devices,
    find_embedding_device,
    find_misplaced_modules,
    is_mixed_offload_gpu,
)
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from interp.models.cache_argument import rename_cache_argument
from interp.models.checkpoints.configurations import check_settings, live_architecture, stored_architecture
from interp.models.checkpoints.device_map import plan_placement, quantisation
from interp.models.checkpoints.parts import locate, read_config, read_tokenizer, read_weights
from interp.models.checks.verification import verify_bridge
from interp.models.devices import choose_device, choose_dtype, copy_modules
from interp.models.tokens import tokens_in_front
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
    """Load a causal language model as a TransformerLens `TransformerBridge`, with raw weights and its own tokenizer.

    Parameters
    ----------
    name_or_path
        A name on the Hugging Face Hub, a local model folder, "bundled" (the small model of this package), or a Hugging Face model
        in memory. A model in memory may be fine-tuned or wrapped by PEFT. It is not modified: active adapters are merged into a
        copy (`interp.models.adapters`), and all other weights share its memory. Load it again after further training.
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
    return _bridge(*load_hf_model(name_or_path, tokenizer=tokenizer, revision=revision, dtype=dtype, device=device))


def load_hf_model(
    name_or_path: str | Path,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    revision: str | None = None,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
) -> tuple[Any, PreTrainedTokenizerBase, str]:
    """Load a plain Hugging Face model, without a bridge.

    Parameters
    ----------
    name_or_path, tokenizer, revision, dtype, device
        As for `load`, but for a model in memory.

    Returns
    -------
    The model, its tokenizer and its name. Raises the errors of `load`.
    """
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


def bridge_unchecked(hf: Any, tokenizer: PreTrainedTokenizerBase, name: str, dtype: torch.dtype | None = None) -> TransformerBridge:
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


def _adopt(
    hf_model: nn.Module,
    tokenizer: PreTrainedTokenizerBase | None,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
) -> TransformerBridge:
    """A bridge over a model in memory, which is not modified."""
    kind = type(hf_model).__name__
    if isinstance(hf_model, TransformerBridge):
        raise ValueError(
            "load: got a TransformerBridge, which is loaded already, expected a name, a folder or a Hugging Face model."
        )
    if any(getattr(adapter, "is_prompt_learning", False) for adapter in getattr(hf_model, "peft_config", {}).values()):
        raise ValueError(
            "load: got a prompt-learning adapter, which changes the input and not the weights, expected one that can be merged."
        )
    if tokenizer is None:
        raise ValueError(f"load: got a {kind} without a tokenizer, expected tokenizer=, the one it was trained with.")
    hf = copy_modules(hf_model, choose_dtype(dtype))
    if not isinstance(hf, PreTrainedModel):
        raise ValueError(f"load: got a {kind}, expected a name, a folder, or a Hugging Face causal language model.")
    if device is not None:
        hf = hf.to(choose_device(device))  # type: ignore[arg-type]
    return _bridge(hf, tokenizer, _label(hf.config.name_or_path or kind, None))


def _label(name: str | Path, revision: str | None) -> str:
    """The name of a model in signatures: never a path of this machine, and with the revision if one was given."""
    folder = Path(name).expanduser()
    label = folder.resolve().name if folder.is_dir() else str(name)
    return f"{label}:{revision}" if revision else label


def _bridge(hf: Any, tokenizer: PreTrainedTokenizerBase, name: str) -> TransformerBridge:
    """Bridge a model that may be modified, with the tokenizer as given, and check it against the plain model."""
    check_settings(hf.config.to_dict(), name)
    _check_placed(hf, name)
    _check_numbers(hf, name)
    hf.eval().set_attn_implementation("eager")
    return verify_bridge(hf, lambda: _bridged(hf, tokenizer, name), name)


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
    rows, stated = hf.get_input_embeddings().weight.shape[0], getattr(hf.config.get_text_config(), "vocab_size", None)
    if isinstance(stated, int) and stated < rows:
        raise ValueError(
            f"model {name!r}, configuration: got vocab_size {stated}, expected {rows}, the rows of the embedding. "
            "Resize a model with resize_token_embeddings, which changes both."
        )
    if (tokenizer_size := getattr(tokenizer, "vocab_size", 0)) > rows:
        raise ValueError(
            f"model {name!r}: got a tokenizer of {tokenizer_size} ids, expected at most {rows}, the rows of the embedding. "
            "Use the tokenizer of this model."
        )
    if len(tokenizer) > rows:
        _log.warning(
            "model %s: the tokenizer has %d ids, the embedding %d rows; ids from %d on will fail", name, len(tokenizer), rows, rows
        )
    return model


def _check_placed(hf: Any, name: str) -> None:
    """Raise `ValueError` if the parts of a model are on devices that the bridge cannot run."""
    devices = set((getattr(hf, "hf_device_map", None) or {}).values())
    if is_mixed_offload_gpu(str(device) if isinstance(device, torch.device) else device for device in devices):
        raise ValueError(
            f"model {name!r}: got parts on {', '.join(map(str, devices))}, expected only GPUs or no GPU. Load it on one device."
        )
    if misplaced := find_misplaced_modules(hf):
        module, expected, actual = misplaced[0]
        raise ValueError(f"model {name!r}: got {module} on {actual}, expected it on {expected}. Put tied modules on one device.")


def _check_numbers(hf: Any, name: str) -> None:
    """Raise `ValueError` for NaN or infinite weights: about a second for a billion weights. Weights on disk are not read."""
    for tensor, weight in hf.state_dict().items():
        if weight.is_floating_point() and weight.itemsize > 1 and weight.numel() and not weight.is_meta:
            low, high = torch.aminmax(weight.detach())
            if not bool(low.isfinite() and high.isfinite()):
                remedy = " (float16 ends at 65504)" if weight.dtype == torch.float16 else ""
                raise ValueError(
                    f"model {name!r}: got NaN or infinite values in its weight {tensor}{remedy}, expected finite numbers. "
                    "Download the checkpoint again, or go back to one from before training diverged."
                )


def identify(model: TransformerBridge) -> ModelIdentity:
    """Identify the weights of a model: its name, and a hash of all parameters.

    Parameters
    ----------
    model
        A model from `interp.load`.

    Returns
    -------
    `ModelIdentity` with `name`, `sha` (SHA-256 in hexadecimal), `layers`, `d_model` and `dtype`. The hash covers the name, shape,
    dtype and bytes of every parameter, tied parameters once, and the tokens removed from a shortened tokenizer.

    Notes
    -----
    The hash is stored on the model and computed again when a parameter has changed: in place, by assignment, or through `.data`
    (then its sum must change). Weights on disk are hashed once. The configuration is not part of the hash: a model with another
    sliding window or rotary base has the same one.

    Example
    -------
    >>> import interp
    >>> model = interp.load("bundled")
    >>> interp.identify(model).name
    'bundled'
    >>> interp.identify(model).sha == interp.identify(interp.load("bundled")).sha
    True
    """
    hf = model.original_model
    tensors = _weights(hf)
    state = [
        (name, 0, 0, 0.0) if weight.is_meta else (name, weight.data_ptr(), weight._version, float(weight.sum(dtype=torch.float32)))
        for name, weight in tensors.items()
    ]
    shortening = getattr(model.tokenizer, "shortening", None)
    state.append(("shortening", hash(shortening), 0, 0.0))
    cached = model.__dict__.get("_identity")
    if cached is None or cached[0] != state:
        digest = hashlib.sha256(repr(shortening.dropped).encode() if shortening else b"")
        for name, weight in tensors.items():
            digest.update(f"{name.replace('._original_component', '')}{tuple(weight.shape)}{weight.dtype}".encode())
            digest.update(_in_memory(hf, name, weight).reshape(-1).view(torch.uint8).numpy().data)
        cached = model.__dict__["_identity"] = (state, digest.hexdigest())
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    dtype = "+".join(filter(None, (dtype, quantisation(hf.config))))
    return ModelIdentity(model.cfg.model_name, cached[1], model.cfg.n_layers, model.cfg.d_model, dtype)


def _weights(hf: Any) -> dict[str, Tensor]:
    """Every parameter, tied ones once; of a quantised model also its packed numbers and scales, which are no parameters."""
    tied = getattr(hf, "all_tied_weights_keys", None) or {}  # on disk tied weights are two
    tensors = {
        name: weight.detach()
        for name, weight in hf.named_parameters()
        if not (weight.is_meta and name.replace("._original_component", "") in tied)
    }
    if quantisation(hf.config):
        tensors |= {name: weight for name, weight in hf.state_dict().items() if isinstance(weight, Tensor) and name not in tensors}
    return tensors


def _in_memory(hf: Any, name: str, tensor: Tensor) -> Tensor:
    """A weight on the CPU, read from disk where it lies there."""
    if not tensor.is_meta:
        return tensor.cpu()
    path, _, leaf = name.rpartition(".")
    with align_module_device(hf.get_submodule(path), "cpu"):
        return getattr(hf.get_submodule(path), leaf).detach().clone()


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
    hf: Any = model.original_model
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
    return _bridge(fresh, model.tokenizer, f"{model.cfg.model_name}+random")

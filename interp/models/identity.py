"""Identify the weights of a loaded model, whatever it is called: by a hash of every parameter."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from accelerate.utils import align_module_device
from torch import Tensor, nn

from interp.models.checkpoints.device_map import quantisation
from interp.provenance import ModelIdentity

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


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
    state = [(name, each.data_ptr(), each._version, float(each.sum(dtype=torch.float32))) if not each.is_meta else (name, 0, 0, 0.0)
             for name, each in tensors.items()]  # fmt: skip
    shortening = getattr(model.tokenizer, "shortening", None)
    state.append(("shortening", hash(shortening), 0, 0.0))
    cached = model.__dict__.get("_identity")
    if cached is None or cached[0] != state:
        digest = hashlib.sha256(repr(shortening.dropped).encode() if shortening else b"")
        for name, each in tensors.items():
            digest.update(f"{name.replace('._original_component', '')}{tuple(each.shape)}{each.dtype}".encode())
            digest.update(_in_memory(hf, name, each).reshape(-1).view(torch.uint8).numpy().data)
        cached = model.__dict__["_identity"] = (state, digest.hexdigest())
    dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    dtype = "+".join(filter(None, (dtype, quantisation(hf.config))))
    return ModelIdentity(model.cfg.model_name, cached[1], model.cfg.n_layers, model.cfg.d_model, dtype)


def _weights(hf: nn.Module) -> dict[str, Tensor]:
    """Every parameter, tied ones once; of a quantised model also its packed numbers and scales, which are no parameters."""
    tied = getattr(hf, "all_tied_weights_keys", None) or {}  # on disk tied weights are two
    tensors = {
        name: each.detach()
        for name, each in hf.named_parameters()
        if not (each.is_meta and name.replace("._original_component", "") in tied)
    }
    if quantisation(hf.config):
        tensors |= {name: each for name, each in hf.state_dict().items() if isinstance(each, Tensor) and name not in tensors}
    return tensors


def _in_memory(hf: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """A weight on the CPU, read from disk where it lies there."""
    if not tensor.is_meta:
        return tensor.cpu()
    path, _, leaf = name.rpartition(".")
    with align_module_device(hf.get_submodule(path), "cpu"):
        return getattr(hf.get_submodule(path), leaf).detach().clone()

"""Place the weights of a large or quantized model: over several GPUs, or partly on disk.

What was tried: one CPU; CPU and disk; two pretended devices that refuse to mix tensors as CUDA does (reading, lenses, neurons,
edits, transplants: every number that of one device; not gradients); quantised checkpoints on a CPU (FP8, which transformers turns
back into numbers there, and BitNet, which stays packed). Nothing of this was run on a GPU; bitsandbytes and GPTQ were not
installed. A split over GPUs is for size, not for speed: one of them works at a time.
"""

from __future__ import annotations

import logging

import torch
from transformers import PreTrainedConfig
from transformers.models.auto.auto_factory import _BaseAutoModelClass

from interp.models.devices import choose_device, free_memory, free_on

_log = logging.getLogger(__name__)
_QUANTISED = {"bitnet": 0.3, "mxfp4": 0.6, "gptq": 0.6, "awq": 0.6, "bitsandbytes": 1.1, "fp8": 1.1, "fbgemm_fp8": 1.1}
"""Bytes a weight, scales included, by the method that a checkpoint names; from above."""


def plan_placement(
    kind: type[_BaseAutoModelClass], config: PreTrainedConfig, dtype: torch.dtype | None, device: str | torch.device | None
) -> dict[str, object]:
    """Options for `from_pretrained` where the weights cannot simply be read and moved to one device; mostly none.

    `kind` is the class that loads `config` in `dtype`.

    `device` "auto" and None: a model that the freest GPU cannot hold is split over all that this process sees, layer by layer;
    without a GPU, what memory cannot hold stays in the checkpoint on disk, and every forward reads it anew. A quantised model is
    put where it belongs while it is read. Raises `ValueError` where a part would have to lie beside the GPUs.
    """
    if device not in (None, "auto"):
        return _on_one(config, device)
    size, gpus = weight_bytes(kind, config, dtype), range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    if not gpus:
        return (not torch.backends.mps.is_available() and _beside_disk(size)) or _on_one(config, device)
    free = {gpu: free_on(gpu) for gpu in gpus}
    best, total = max(free.values()), sum(free.values())
    if size < (0.8 if len(gpus) > 1 else 1) * best:
        return _on_one(config, device)
    if len(gpus) > 1 and size < 0.9 * total:
        _log.info("split over %d GPUs: %.0f GB of weights, at most %.0f GB free on one", len(gpus), size / 1e9, best / 1e9)
        return {"device_map": "auto", "max_memory": {gpu: int(0.95 * room) for gpu, room in free.items()}}
    raise ValueError(
        f"device auto: got {size / 1e9:.1f} GB of weights, expected less than the {total / 1e9:.1f} GB free on {len(gpus)} "
        "GPU(s). TransformerLens cannot run a model that is partly on a GPU and partly in memory or on disk. Use more GPUs, "
        "dtype bfloat16, a quantized checkpoint, or device cpu."
    )


def _on_one(config: PreTrainedConfig, device: str | torch.device | None) -> dict[str, object]:
    return {"device_map": {"": choose_device(device)}} if quantisation(config) else {}


def _beside_disk(size: int) -> dict[str, object]:
    free = free_memory("cpu")
    if size < 0.9 * free:
        return {}
    _log.warning("%.1f GB of weights, %.1f GB of memory free: every forward reads the rest from disk", size / 1e9, free / 1e9)
    return {"device_map": "auto", "max_memory": {"cpu": int(0.7 * free)}}


def weight_bytes(kind: type[_BaseAutoModelClass], config: PreTrainedConfig, dtype: torch.dtype | None) -> int:
    """How many bytes the weights of a `kind` of model take in `dtype`, from its `config` alone; 0 where it describes none."""
    try:
        with torch.device("meta"):
            empty = kind.from_config(config)
    except Exception as error:  # reading the weights will say better what is wrong with it
        _log.info("size unknown: %s", error)
        return 0
    size = (dtype or getattr(config, "dtype", None) or torch.float32).itemsize
    return int(sum(parameter.numel() for parameter in empty.parameters()) * min(size, _QUANTISED.get(quantisation(config), size)))


def quantisation(config: object) -> str:
    """How the weights of a checkpoint are quantised, as its `config` names it ("bitsandbytes", "gptq"); "" where not."""
    settings = getattr(config, "quantization_config", None) or {}
    method = settings.get("quant_method") if isinstance(settings, dict) else getattr(settings, "quant_method", None)
    return str(getattr(method, "value", method) or "")

"""Where a model runs and how precisely: device, dtype, and a second module tree over the same tensors."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from interp.models.adapters import merge_adapters

_log = logging.getLogger(__name__)
_SHORT = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp64": "float64", "double": "float64"}


def choose_dtype(name: str | torch.dtype | None) -> torch.dtype | None:
    """The dtype of that `name`, or `name` itself where it is a dtype; None, for "auto" and None, means that of the checkpoint."""
    if name is None or name == "auto":
        return None
    dtype = name if isinstance(name, torch.dtype) else getattr(torch, _SHORT.get(name, name), None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"got dtype {name!r}, expected auto, float32, bfloat16, float16 or float64.")
    return dtype


def choose_device(name: str | torch.device | None) -> torch.device:
    """The device of that `name`, such as "cuda:0", or `name` itself where it is a device.

    "auto" and None select CUDA (the GPU with most free memory), then MPS, then the CPU, and log why.
    """
    if name is not None and name != "auto":
        return _existing(name)
    if torch.cuda.is_available():
        gpus = range(torch.cuda.device_count())
        device = torch.device("cuda") if len(gpus) == 1 else torch.device("cuda", max(gpus, key=free_on))
        _log.info("device %s: %s is there", device, torch.cuda.get_device_name(device))
        return device
    if torch.backends.mps.is_available():
        _log.info("device mps: no CUDA device, but Apple's Metal is there")
        return torch.device("mps")
    _log.info("device cpu: neither a CUDA device nor Metal is there")
    return torch.device("cpu")


def _existing(name: str | torch.device) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"got device {name!r}, expected auto, cpu, mps, cuda or cuda:0.") from None
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "meta": 0}
    count = counts.get(device.type, 1)
    if not 0 <= (device.index or 0) < count:  # torch makes cuda:999 an index of -25
        raise ValueError(f"got device {name!r}, expected one of this machine, which has {count} of that kind. Use auto or cpu.")
    return device


def free_on(gpu: int) -> int:
    """Bytes free on the GPU with index `gpu`."""
    return torch.cuda.mem_get_info(gpu)[0]


def free_memory(device: str | torch.device | None) -> int:
    """Number of free bytes on a `device`: of a GPU its own, else those of the machine."""
    if torch.device(device or "cpu").type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available


def to_cpu(values: Tensor) -> Tensor:
    """`values` in the memory of the machine; from a GPU through memory that it writes to directly, which is ten times as fast."""
    if values.device.type != "cuda":
        return values.cpu()
    return torch.empty(values.shape, dtype=values.dtype, pin_memory=True).copy_(values)


def copy_modules(original: nn.Module, dtype: torch.dtype | None = None) -> Any:
    """A second module tree over the tensors of `original`, so that this is never rewritten, in `dtype` where one is given.

    PEFT adapters are merged in it (`interp.models.adapters`): left live, a LoRA on a joint QKV projection (GPT-2, BLOOM) would be
    passed over in silence by the bridge. Only the weights that are cast or merged into are copied.
    """
    memo: dict[int, object] = {id(buffer): buffer for buffer in original.buffers()}
    for parameter in original.parameters():
        if type(parameter) is nn.Parameter:
            memo[id(parameter)] = nn.Parameter(parameter.data, requires_grad=parameter.requires_grad)
    for module in original.modules():
        memo.update((id(tensor), tensor.detach()) for tensor in _computed(vars(module)))
    second = copy.deepcopy(original, memo)
    if dtype is not None:
        for parameter in second.parameters():  # .to(dtype) would round the rotary tables too
            parameter.data = parameter.data.to(dtype)
    return merge_adapters(second)


def _computed(value: object) -> Iterator[Tensor]:
    """Tensors computed of others that a module keeps (an adapter tied to another does), which torch does not copy."""
    if isinstance(value, Tensor) and not value.is_leaf:
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _computed(entry)

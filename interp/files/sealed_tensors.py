"""Safetensors files with facts about the tensors and a hash of both, so that damage is detected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interp.files.atomic import whole
from interp.files.sealed_json import parsed, seal, unseal

_FACTS, _TENSORS = "facts", "tensors"


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> Path:
    """Write `tensors`, plain `facts` about them and a hash of both to a safetensors file `path`, atomically.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import torch
    >>> with TemporaryDirectory() as folder:
    ...     path = save_tensors(Path(folder, "a.safetensors"), {"mean": torch.zeros(2)}, {"layer": "3"})
    ...     load_tensors(path)
    ({'mean': tensor([0., 0.])}, {'layer': '3'})
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    sealed = seal({**facts, _TENSORS: hash_tensors(stored)})
    with whole(path) as temporary:
        save_file(stored, temporary, {_FACTS: json.dumps(sealed)})
    return path


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and facts in a file `path` written by `save_tensors`.

    Raises `ValueError` if it was altered or is another file.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import torch
    >>> with TemporaryDirectory() as folder:
    ...     tensors, facts = load_tensors(save_tensors(Path(folder, "a.safetensors"), {"mean": torch.ones(1)}, {"n": 5}))
    >>> tensors["mean"].item(), facts
    (1.0, {'n': 5})
    """
    if not path.is_file():
        raise ValueError(f"{path} is not a file, expected one written by save_tensors.")
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = unseal(dict(parsed((file.metadata() or {})[_FACTS], "its header")), "its header")
        if facts.pop(_TENSORS) != hash_tensors(tensors):
            raise ValueError("its tensors were altered since they were written")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not as it was written ({' '.join(str(error).split())}). Make it again.") from None
    return tensors, facts


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, shapes, dtypes and bytes of `tensors`, which are on the CPU.

    >>> import torch
    >>> hash_tensors({"mean": torch.zeros(2)}) == hash_tensors({"mean": torch.zeros(2, dtype=torch.float64)})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

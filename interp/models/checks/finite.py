"""Refuse NaN and infinite values, naming the first: they never enter a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge


def check_finite(values: Tensor | np.ndarray, name: str | Callable[..., str], half: bool = False) -> None:
    """Raise `ValueError` if a value is NaN or infinite.

    Parameters
    ----------
    values
        A tensor or an array of any shape.
    name
        What the values are, for the error: a text, or a function from the indices of the first such value (one for each axis) to a
        text, such as "lens: layer 3 of prompt 7".
    half
        The values come from a model in float16 (`is_half`), whose largest number is 65504. The error then says so.
    """
    finite = values.isfinite() if hasattr(values, "isfinite") else np.isfinite(values)
    if bool(finite.all()):
        return
    index = np.argwhere(~np.asarray(finite.cpu() if hasattr(finite, "cpu") else finite))[0].tolist()
    described = name if isinstance(name, str) else name(*index)
    value = float(values[tuple(index)])
    half = half or str(getattr(values, "dtype", "")) in ("torch.float16", "float16")
    remedy = (
        'float16 ends at 65504: load the model with dtype="bfloat16", which reaches as far as float32'
        if half
        else "check the model's weights, and what hooks put in"
    )
    raise ValueError(f"{described} is {'NaN' if np.isnan(value) else 'infinite'}, expected a finite number; {remedy}.")


def is_half(model: TransformerBridge) -> bool:
    """Whether `model` runs in float16."""
    return str(model.cfg.dtype) == "torch.float16"

"""A model without its weights: configuration, tokenizer and hooks as they are, tensors that have a shape and no numbers.

What a run will cost is counted on it: it takes a second, and next to no memory, for a model of any size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from interp.models.bridge import bridge_unchecked
from interp.models.checkpoints.folders import locate
from interp.models.checkpoints.gguf import find_gguf, read_gguf
from interp.models.checkpoints.parts import read_config, read_tokenizer
from interp.models.devices import choose_device, choose_dtype
from interp.models.load import TransformerBridge


def outline(
    name_or_path: str | Path, *, dtype: str | torch.dtype | None = None, device: str | torch.device | None = None
) -> TransformerBridge:
    """Make the outline of a model: everything that `interp.load` gives, but for the numbers in the weights.

    Parameters
    ----------
    name_or_path, dtype, device
        As for `interp.load`. The device is noted (`cfg.device`), as batches depend on it; the tensors are on "meta".

    Returns
    -------
    A `TransformerBridge` that can tokenize and has every size. It cannot be run. A .gguf file is read whole for it.

    Raises
    ------
    ValueError
        The model does not exist, or its architecture is not supported.

    Example
    -------
    >>> from experiments.costs.outline import outline
    >>> model = outline("bundled")
    >>> model.cfg.n_layers, str(next(model.parameters()).device)
    (8, 'meta')
    """
    exact = choose_dtype(dtype)
    if (gguf := find_gguf(name_or_path)) is not None:
        dequantised, tokenizer = read_gguf(gguf, None, exact)
        hf: Any = dequantised
        hf.to("meta")
        name = gguf.name
    else:
        name = str(locate(name_or_path, None))
        config, tokenizer = read_config(name, None), read_tokenizer(name, None)
        with torch.device("meta"):
            hf = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=exact or config.dtype or torch.float32)
        hf.tie_weights()
    try:
        model = bridge_unchecked(hf.eval(), tokenizer, name)
    except NotImplementedError:  # a fused q-k-v map (GPT-2) is split in memory: pages that are not written take none
        model = bridge_unchecked(hf.to_empty(device="cpu"), tokenizer, name)
    model.cfg.device = str(choose_device(device))
    return model

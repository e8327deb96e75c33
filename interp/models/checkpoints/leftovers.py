"""Tensors of a checkpoint that its model does not use: leftovers that change nothing, or a sign that half a model was loaded.

Published checkpoints carry tensors that transformers once saved and now computes (rotary tables, causal masks), state of other
libraries, and heads that predict further tokens. They are let be. Any other tensor that a configuration has no place for means
that it is not the configuration of these weights: a model with its last layers cut off computes, and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

_TABLES = re.compile(
    r"(^|\.)(rotary|rotary_emb|rope|rotary_pos_emb)\.(\w+\.)*(inv_freq|original_inv_freq|cos_cached|sin_cached|freqs_cis)$"
    r"|(^|\.)(position_ids|masked_bias|causal_mask|embed_positions\._float_tensor|_extra_state|num_batches_tracked)$"
    r"|(^|\.)(embed_positions\.weights|attn\.embed_positions)$"  # sinusoidal: XGLM, GPT-J
    r"|(^|\.)(model|encoder|decoder)\.version$"  # fairseq's
    r"|(^|\.)mtp(_layers|_block)?\."  # heads for further tokens, which no forward of the model runs
)
_MASK = re.compile(r"(^|\.)(attn|attention)\.bias$")


@dataclass(frozen=True)
class Stored:
    """A tensor of a file: its shape, and its dtype as safetensors names it ("F32", "BF16")."""

    shape: tuple[int, ...]
    dtype: str


def stored_tensors(files: Iterable[Path]) -> dict[str, Stored]:
    """Every tensor of some safetensors `files` by its name; only their headers are read."""
    tensors = {}
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (no dictionary)
                part = file.get_slice(name)
                tensors[name] = Stored(tuple(part.get_shape()), part.get_dtype())
    return tensors


def real_leftovers(unused: Iterable[str], stored: Mapping[str, Stored], scaled: Iterable[str] = ()) -> list[str]:
    """Of the tensors that a model did not use, those that are no harmless leftover, sorted.

    `unused` are the names that transformers itself does not ignore for this architecture; `stored` says of which shape they are,
    as a causal mask `attn.bias [1 1 token token]` (GPT-2) has the name of a real bias. `scaled` are the modules of a quantised
    model: scales and zero points beside a weight are its packing. A name that is not in `stored` is taken for a mask.
    """
    modules = set(scaled)
    return sorted(name for name in unused if not _harmless(name, stored.get(name), modules))


def _harmless(name: str, stored: Stored | None, scaled: set[str]) -> bool:
    module, _, leaf = name.rpartition(".")
    if _TABLES.search(name) or (module in scaled and leaf not in ("weight", "bias")):
        return True
    shape = stored.shape if stored else (1, 1, 1, 1)
    return bool(_MASK.search(name)) and len(shape) > 2 and shape[-1] == shape[-2] and set(shape[:-2]) == {1}

"""A tuned model as its parent and the few embedding rows that moved: kilobytes where a model is gigabytes."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge

from interp.files.atomic import whole
from interp.tuning.scopes import moved_rows


def save_moved_rows(before: Float[Tensor, "vocab d_model"], after: Float[Tensor, "vocab d_model"], path: str | Path) -> int:
    """Write the rows of the input embedding that differ from the parent's, and which they are, to `path`; returns how many.

    `after` is the tuned table. `before` is the parent's in the parent's own precision: a wider one holds it exactly.
    """
    if before.shape != after.shape or torch.promote_types(before.dtype, after.dtype) != after.dtype:
        raise ValueError(
            f"the parent's table is {tuple(before.shape)} {before.dtype}, the tuned one {tuple(after.shape)} {after.dtype}. "
            "Expected one shape, and a tuned model no less precise than its parent."
        )
    tokens = moved_rows(before.to(after), after).nonzero().flatten().cpu()
    with whole(path) as temporary:
        save_file({"tokens": tokens, "rows": after.cpu()[tokens].contiguous()}, temporary)
    return len(tokens)


def put_rows(parent: TransformerBridge, path: str | Path) -> TransformerBridge:
    """The tuned model again: `parent` itself, reading tokens with the rows in the file `path`. Its output layer stays."""
    saved = load_file(path)
    reader = parent.embed.original_component
    table = reader.weight.detach().clone()
    if len(saved["tokens"]) and int(saved["tokens"].max()) >= len(table):
        raise ValueError(
            f"{path} has a row for token {int(saved['tokens'].max())}, but the model has {len(table)}. Load it into its parent."
        )
    table[saved["tokens"].to(table.device)] = saved["rows"].to(table)
    reader.weight = nn.Parameter(table, requires_grad=False)
    return parent

"""A tuned model as its parent and the few embedding rows that moved: kilobytes where a model is gigabytes."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from interp.storage import whole
from interp.tuning.between import check_pair, input_table
from interp.tuning.scopes import moved_rows


def save_moved_rows(parent: TransformerBridge, tuned: TransformerBridge, path: str | Path) -> int:
    """Write the rows of the input embedding in which `tuned` differs from `parent`; returns how many. Both in one precision."""
    check_pair(parent, tuned)
    before, after = (input_table(model).cpu() for model in (parent, tuned))
    if before.dtype != after.dtype:
        raise ValueError(f"the parent is {before.dtype}, the tuned model {after.dtype}. Needed: both in one precision.")
    tokens = moved_rows(before, after).nonzero().flatten()
    with whole(path) as temporary:
        save_file({"tokens": tokens, "rows": after[tokens].contiguous()}, temporary)
    return len(tokens)


def put_rows(parent: TransformerBridge, path: str | Path) -> TransformerBridge:
    """The tuned model again: `parent` itself, from now on reading the tokens of the file with its rows. The output layer stays."""
    kept = load_file(path)
    reader = parent.embed.original_component
    table = reader.weight.detach().clone()
    if len(kept["tokens"]) and int(kept["tokens"].max()) >= len(table):
        raise ValueError(
            f"{path} has a row for token {int(kept['tokens'].max())}, but the model has {len(table)}. Needed: its parent."
        )
    table[kept["tokens"].to(table.device)] = kept["rows"].to(table)
    reader.weight = nn.Parameter(table, requires_grad=False)
    return parent

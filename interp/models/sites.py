"""Where in a block we look. The only file that spells a hook name.

Layers. A transformer of N blocks has N+1 rows of residual stream: `embed`, what enters block 0, then what leaves each
block, `0` .. `N-1`. Attention and MLP outputs have N rows, one a block: what each ADDS to the residual stream (after the
post-norm where an architecture has one). MEXA and Wendler count the embedding row, XTransplant does not.

The names are TransformerLens' alias hooks: in every family `resid_pre + attention = resid_mid` and `resid_mid + mlp =
resid_post` hold on them. The native `mlp.hook_out` does not (Gemma 2/3: before the post-norm; BLOOM: the residual).
"""

from __future__ import annotations

from typing import Literal, get_args

Site = Literal["residual", "attention", "mlp"]
"""What `capture` records: the stream, or what a half of a block adds to it."""

EditSite = Literal["mlp", "attention", "residual_pre", "residual_mid", "residual_post", "head"]
"""What an intervention reads or writes in one block; `head` is one attention head's output before the mixing matrix."""

_HOOKS = {
    "mlp": "hook_mlp_out",
    "attention": "hook_attn_out",
    "residual_pre": "hook_resid_pre",
    "residual_mid": "hook_resid_mid",
    "residual_post": "hook_resid_post",
    "head": "attn.hook_z",
}


def hook_name(site: EditSite, block: int) -> str:
    """The hook of one site in one block, `blocks.3.hook_mlp_out`."""
    if site not in _HOOKS:
        raise ValueError(f"got site {site!r}, expected one of {', '.join(_HOOKS)}.")
    return f"blocks.{block}.{_HOOKS[site]}"


def neuron_hook(block: int) -> str:
    """The MLP neurons of one block after gate and non-linearity: what the down-projection reads, `[batch pos d_mlp]`."""
    return f"blocks.{block}.mlp.hook_post"


def gate_hook(block: int) -> str:
    """The MLP neurons of one block before the non-linearity (the gate in a gated MLP), `[batch pos d_mlp]`."""
    return f"blocks.{block}.mlp.hook_pre"


def layer_names(site: Site, blocks: int) -> tuple[str, ...]:
    """The rows of a capture in order: `embed, 0 .. N-1` for the residual stream, `0 .. N-1` for a half-block."""
    if site not in get_args(Site):
        raise ValueError(f"got site {site!r}, expected one of {', '.join(get_args(Site))}.")
    names = tuple(str(block) for block in range(blocks))
    return ("embed", *names) if site == "residual" else names


def row_hook(site: Site, layer: str) -> str:
    """The hook that holds one row of a capture: `embed` is what enters block 0, `3` what leaves block 3."""
    if layer == "embed":
        return hook_name("residual_pre", 0)
    return hook_name("residual_post" if site == "residual" else site, int(layer))

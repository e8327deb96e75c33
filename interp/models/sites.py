"""Sites in a block, and the names of their hooks. No other file spells a hook name.

Layers. A transformer of N blocks has N+1 rows of residual stream: `embed`, what enters block 0, then what leaves each
block, `0` .. `N-1`. Attention and MLP outputs have N rows, one per block: what each ADDS to the residual stream (after the
post-norm where an architecture has one). MEXA and Wendler count the embedding row, XTransplant does not.

The names are TransformerLens' alias hooks: in every family `resid_pre + attention = resid_mid` and `resid_mid + mlp =
resid_post` hold on them. The native `mlp.hook_out` does not (Gemma 2/3: before the post-norm; BLOOM: the residual).
"""

from __future__ import annotations

from typing import Literal, get_args

Site = Literal["residual", "attention", "mlp"]
"""What `capture` records: the residual stream, or what attention or MLP add to it."""

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
    """The hook of an edit `site` in `block`, such as "blocks.3.hook_mlp_out". Raises `ValueError` for an unknown site."""
    if site not in _HOOKS:
        raise ValueError(f"got site {site!r}, expected one of {', '.join(_HOOKS)}.")
    return f"blocks.{block}.{_HOOKS[site]}"


def neuron_hook(block: int) -> str:
    """The hook of the MLP neurons of `block` after gate and nonlinearity (input of the down-projection): `[item token d_mlp]`."""
    return f"blocks.{block}.mlp.hook_post"


def gate_hook(block: int) -> str:
    """The hook of the MLP neurons of `block` before the nonlinearity (the gate in a gated MLP): `[item token d_mlp]`."""
    return f"blocks.{block}.mlp.hook_pre"


def layer_names(site: Site, blocks: int) -> tuple[str, ...]:
    """Layer names at a `site` of a model with N `blocks`: "embed", "0" .. "N-1" for the residual stream, else "0" .. "N-1"."""
    if site not in get_args(Site):
        raise ValueError(f"got site {site!r}, expected one of {', '.join(get_args(Site))}.")
    names = tuple(str(block) for block in range(blocks))
    return ("embed", *names) if site == "residual" else names


def row_hook(site: Site, layer: str) -> str:
    """The hook of one `layer` at a `site`.

    For the residual stream, "embed" is the input of block 0 and "3" the output of block 3; else "3" is what block 3 adds.
    """
    if layer == "embed":
        return hook_name("residual_pre", 0)
    return hook_name("residual_post" if site == "residual" else site, int(layer))

"""What runs a model fastest and computes the same: the bridge, or the plain Hugging Face model beside it.

A bridge calls Python at a hundred places a block and computes attention without fused kernels, so that every pattern can be read.
Where only a few places are read or written, the same work runs through the modules of transformers over the same tensors, with
PyTorch hooks at these places and scaled dot product attention. On a GPU that is several times faster. Every site is compared once
with the bridge before it is used. Where anything differs, where hooks stand on the bridge, or where its weights are no longer those
of the plain model, the bridge itself runs.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from interp.models.checks.verification import probe_ids, share_of_largest, tolerance_of
from interp.models.devices import copy_modules
from interp.models.hooks import Hook, Hooks
from interp.models.plain.model import Plain

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)


@runtime_checkable
class Runner(Protocol):
    """What runs a forward pass under hooks: a bridge, or the plain model beside it."""

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The blocks, in order."""
        ...

    @property
    def ln_final(self) -> nn.Module:
        """The norm behind the last block."""
        ...

    def run_with_hooks(self, ids: Tensor, *, fwd_hooks: Hooks, stop_at_layer: int | None = None, **arguments: object) -> Tensor:
        """Logits of `ids` under hooks."""
        ...


_PLAIN: weakref.WeakKeyDictionary[TransformerBridge, Plain] = weakref.WeakKeyDictionary()


def plain_copy(hf: PreTrainedModel) -> PreTrainedModel | None:
    """A second module tree over the tensors of `hf`, taken before it is bridged, with fused attention where that is exact.

    None where parts lie on several devices, or the weights are packed.
    """
    if getattr(hf, "hf_device_map", None) or getattr(hf.config, "quantization_config", None):
        return None
    second: PreTrainedModel = copy_modules(hf).eval()
    capped = getattr(hf.config.get_text_config(), "attn_logit_softcapping", None)  # which fused attention leaves out
    if getattr(second, "_supports_sdpa", False) and not capped:
        second.set_attn_implementation("sdpa")
    return second


def remember(model: TransformerBridge, hf: PreTrainedModel | None) -> TransformerBridge:
    """Keep the plain model of a bridge, for `runner`."""
    if hf is not None and (plain := Plain(hf, model)).state.same:
        _PLAIN[model] = plain
    return model


def runner(model: TransformerBridge, hooks: Sequence[str]) -> Runner:
    """What runs `model` fastest under hooks of these names and computes the same: the plain model beside it, or itself.

    Gradients, and hooks of other names, are for the bridge.
    """
    plain = _PLAIN.get(model)
    if plain is None or any(name not in plain.places for name in hooks):
        return cast(Runner, model)
    if not plain.current(model):
        return cast(Runner, model)
    for site in {_site(name) for name in hooks} | {""}:
        if site not in plain.trusted:
            plain.trusted[site] = _agrees(model, plain, site)
        if not plain.trusted[site]:
            return cast(Runner, model)
    return plain


def _site(name: str) -> str:
    """The part of a hook's name behind the number of the block."""
    return name.split(".", 2)[2]


@torch.no_grad()
def _agrees(model: TransformerBridge, plain: Plain, site: str) -> bool:
    """Whether the plain model holds what the bridge holds at a site in every block, and says the same (for "", the latter only)."""
    ids = probe_ids(model.original_model).to(model.cfg.device)
    names = [f"blocks.{block}.{site}" for block in range(model.cfg.n_layers)] if site else []
    held: list[dict[str, Tensor]] = [{}, {}]

    def keep(name: str, where: dict[str, Tensor]) -> Hook:
        def hook(activation: Tensor, hook: object) -> None:
            where[name] = activation.clone()

        return hook

    running: tuple[Runner, Runner] = (cast(Runner, model), plain)
    for one, where in zip(running, held, strict=True):
        hooks: Hooks = [(name, keep(name, where)) for name in names if name in plain.places]
        where["logits"] = one.run_with_hooks(ids, fwd_hooks=hooks, attention_mask=torch.ones_like(ids), use_cache=False)
    if {name: each.shape for name, each in held[0].items()} != {name: each.shape for name, each in held[1].items()}:
        return False
    off = max(share_of_largest(held[1][name], held[0][name]) for name in held[0])
    if off > tolerance_of(model):
        _log.info("model %s: the plain model differs at %s by %.1e; the bridge runs it.", model.cfg.model_name, site, off)
    return off <= tolerance_of(model)

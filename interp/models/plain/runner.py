"""What runs a model fastest and computes the same: the bridge, or the plain Hugging Face model beside it.

A bridge calls Python at a hundred places a block and computes attention without fused kernels, so that every pattern can be read.
Where only a few places are read or written, the same work runs through the modules of transformers over the same tensors, with
PyTorch hooks at these places and scaled dot product attention. On a GPU that is several times faster. Every site is compared with
the bridge when a configuration is first loaded. Where anything differs, where hooks stand on the bridge, or where its modules,
settings or weights are no longer those of the plain model, the bridge itself runs.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from interp.models.checks.verification import configuration_key, probe_ids, share_of_largest, tolerance_of
from interp.models.devices import copy_modules
from interp.models.hooks import Hook, Hooks
from interp.models.plain.model import Plain
from interp.models.sites import gate_hook, hook_name, neuron_hook

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
        """Logits of `ids` under `fwd_hooks`; `stop_at_layer` ends the pass before that block."""
        ...


_LOGITS = "logits"
_PLACES: list[Callable[[int], str]] = [
    *(partial(hook_name, site) for site in ("mlp", "attention", "residual_pre", "residual_mid", "residual_post")),
    neuron_hook,
    gate_hook,
]
_PLAIN: weakref.WeakKeyDictionary[TransformerBridge, Plain] = weakref.WeakKeyDictionary()
_TRUSTED: dict[tuple[str, ...], frozenset[str]] = {}


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
    """Keep the plain model `hf` of a bridge (`model`), and compare the two, once for a configuration as the load check does."""
    if hf is not None and (plain := Plain(hf, model)).state.same:
        key = configuration_key(hf)
        if key not in _TRUSTED:
            _TRUSTED[key] = _agreeing(model, plain)
        plain.trusted = _TRUSTED[key]
        _PLAIN[model] = plain
    return model


def runner(model: TransformerBridge, hooks: Sequence[str]) -> Runner:
    """What runs `model` fastest under `hooks` (their names) and computes the same: the plain model beside it, or itself.

    Gradients, and hooks of other names, are for the bridge.
    """
    plain, bridge = _PLAIN.get(model), cast(Runner, model)
    if plain is None or not {_LOGITS, *map(_site, hooks)} <= plain.trusted or not plain.current(model):
        return bridge
    return plain


def _site(name: str) -> str:
    """The part of a hook's name behind the number of the block; what is no hook of a block is no site."""
    return name.split(".", 2)[-1]


@torch.no_grad()
def _agreeing(model: TransformerBridge, plain: Plain) -> frozenset[str]:
    """The sites at which the plain model holds what the bridge holds in every block, and "logits" where it says the same."""
    ids, blocks = probe_ids(model.original_model).to(model.cfg.device), range(model.cfg.n_layers)
    known = {_site(place(0)) for place in _PLACES if all(place(block) in plain.places for block in blocks)}
    running: tuple[Runner, Runner] = (cast(Runner, model), plain)
    held: list[dict[str, Tensor]] = [{}, {}]

    def keep(name: str, where: dict[str, Tensor]) -> Hook:
        def hook(activation: Tensor, hook: object) -> None:
            where[name] = activation.clone()

        return hook

    names = [f"blocks.{block}.{site}" for site in sorted(known) for block in blocks]
    try:
        for one, where in zip(running, held, strict=True):
            hooks: Hooks = [(name, keep(name, where)) for name in names]
            logits = one.run_with_hooks(ids, fwd_hooks=hooks, attention_mask=torch.ones_like(ids), use_cache=False)
            where[f"blocks.0.{_LOGITS}"] = logits
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        _log.info("model %s: the bridge runs everything (%s)", model.cfg.model_name, " ".join(str(error).split())[:200])
        return frozenset()
    off: dict[str, float] = {}
    for name, state in held[0].items():
        other = held[1].get(name)
        differs = float("inf") if other is None or other.shape != state.shape else share_of_largest(other, state)
        off[_site(name)] = max(off.get(_site(name), 0.0), differs)
    return frozenset(site for site, difference in off.items() if difference <= tolerance_of(model))

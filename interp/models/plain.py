"""The plain Hugging Face model beside a bridge: the same tensors, with hooks only where one is asked for.

A bridge calls Python at a hundred places a block and computes attention without fused kernels, so that every pattern can be read.
Where only a few places are read or written, the same work runs through the modules of transformers, with PyTorch hooks at these
places and scaled dot product attention. On a GPU that is several times faster. Every site is compared once with the bridge
before it is used; where anything differs, where hooks stand on the bridge, or where its weights are no longer those of the plain
model, the bridge itself runs.
"""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from interp.models.cache_argument import NEW, OLD
from interp.models.checks.verification import probe_ids, share_of_largest, tolerance_of
from interp.models.devices import copy_modules
from interp.models.hooks import Arguments, Hook, Hooks, Positional, hooks_in_force

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

_log = logging.getLogger(__name__)
_INPUTS, _OUTPUTS = "hook_in", "hook_out"


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

    def run_with_hooks(self, ids: Tensor, *, fwd_hooks: Hooks, **arguments: Any) -> Any:
        """Logits of `ids` under hooks."""
        ...


class Plain:
    """A Hugging Face model that runs under hooks named as those of its bridge (`Runner`).

    `places` gives the module and its side ("hook_in", "hook_out") of each hook that can be served.
    """

    def __init__(self, hf: PreTrainedModel, model: TransformerBridge) -> None:
        self.hf = hf
        self.trusted: dict[str, bool] = {}
        self._paths = {
            id(module): name.replace("._original_component", "") for name, module in model.original_model.named_modules()
        }
        self.blocks: Sequence[nn.Module] = [self._twin(block) for block in model.blocks]
        self.ln_final: nn.Module = self._twin(model.ln_final)
        self.places = dict(self._served(model))
        accepted = inspect.signature(type(hf).forward).parameters
        self._cache, self._positions = OLD if OLD in accepted else NEW, "position_ids" in accepted
        self._state = _State(model, hf)

    def _twin(self, module: nn.Module) -> nn.Module:
        return self.hf.get_submodule(self._paths[id(module)])

    def _served(self, model: TransformerBridge) -> Iterator[tuple[str, tuple[nn.Module, str]]]:
        owners = {id(point): (owner, side) for owner in model.original_model.modules() for side, point in owner.named_children()}
        for name, point in model.hook_dict.items():
            owner, side = owners.get(id(point), (None, ""))
            if owner is not None and side in (_INPUTS, _OUTPUTS):
                try:
                    yield name, (self._twin(owner), side)
                except AttributeError:  # a module that the bridge made for itself
                    continue

    @property
    def takes_attention(self) -> bool:
        """Whether attention can be given to this model as a function (`attention`)."""
        return bool(getattr(self.hf, "_supports_attention_backend", False))

    @contextmanager
    def attention(self, name: str) -> Iterator[None]:
        """Attend by the function registered under this `name`, in a `with` block."""
        config = self.hf.config.get_text_config()
        before, config._attn_implementation = config._attn_implementation, name
        try:
            yield
        finally:
            config._attn_implementation = before

    def current(self, model: TransformerBridge) -> bool:
        """Whether this is still what the bridge `model` computes: the same weights, and no hook on it but its own.

        Some of its own appear with its first forward pass; then what it is now is noted.
        """
        if self._state.unchanged():
            return True
        if hooks_in_force(model):
            return False
        self._state = _State(model, self.hf)
        return self._state.same

    @torch.no_grad()
    def run_with_hooks(self, ids: Tensor, *, fwd_hooks: Hooks, stop_at_layer: int | None = None, **arguments: Any) -> Any:
        """Logits of `ids` under hooks; None where one ends the pass, or `stop_at_layer` does before that block."""
        if self._cache != OLD and OLD in arguments:
            arguments[self._cache] = arguments.pop(OLD)
        mask = arguments.get("attention_mask")
        if self._positions and "position_ids" not in arguments and mask is not None and mask.ndim == 2:
            arguments["position_ids"] = (mask.cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        with ExitStack() as stack:
            for name, function in fwd_hooks:
                module, side = self.places[cast(str, name)]
                stack.enter_context(_hooked(module, side, function))
            if ids.is_cuda:  # cuDNN plans anew for every length, which takes longer than attention itself
                stack.enter_context(sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]))
            if stop_at_layer is not None:
                stack.enter_context(_hooked(self.blocks[stop_at_layer], _INPUTS, _stop))
            try:
                return self.hf(input_ids=ids, **arguments).logits
            except StopAtLayerException:
                return None


def _stop(state: Tensor, hook: object) -> None:
    raise StopAtLayerException(state)


@contextmanager
def _hooked(module: nn.Module, side: str, function: Hook) -> Iterator[None]:
    """`function` at the input or the output of a `module`, in a `with` block."""
    none = cast(Any, None)

    def before(module: nn.Module, args: Positional, kwargs: Arguments) -> tuple[Positional, Arguments] | None:
        given = args[0] if args else kwargs["hidden_states"]
        if (changed := function(given, none)) is None:
            return None
        return ((changed, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": changed})

    def behind(module: nn.Module, args: Positional, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        if (changed := function(first, none)) is None:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    reads = side == _INPUTS
    handle = module.register_forward_pre_hook(before, with_kwargs=True) if reads else module.register_forward_hook(behind)
    try:
        yield
    finally:
        handle.remove()


class _State:
    """What a bridge was when the plain model was made: its modules, weights and hooks, to see quickly whether that changed."""

    def __init__(self, model: TransformerBridge, hf: PreTrainedModel) -> None:
        modules = list(model.original_model.modules())
        self.children = [(module._modules, dict(module._modules)) for module in modules if module._modules]
        self.weights = [
            (module._parameters, name, parameter, parameter.data_ptr())
            for module in modules
            for name, parameter in module._parameters.items()
            if parameter is not None
        ]
        self.hooks = [(hooks, len(hooks)) for module in modules for hooks in (module._forward_hooks, module._forward_pre_hooks)]
        own = {parameter.data_ptr() for parameter in hf.parameters()}
        self.same = {pointer for *_, pointer in self.weights} == own

    def unchanged(self) -> bool:
        return (
            self.same
            and all(len(hooks) == count for hooks, count in self.hooks)
            and all(
                table.get(name) is parameter and parameter.data_ptr() == pointer for table, name, parameter, pointer in self.weights
            )
            and all(table == children for table, children in self.children)
        )


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
    if hf is not None and (plain := Plain(hf, model))._state.same:
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

    for one, where in zip((model, plain), held, strict=True):
        arguments: Arguments = {"attention_mask": torch.ones_like(ids), "use_cache": False}
        hooks: Hooks = [(name, keep(name, where)) for name in names if name in plain.places]
        where["logits"] = one.run_with_hooks(ids, fwd_hooks=hooks, **arguments)
    if {name: each.shape for name, each in held[0].items()} != {name: each.shape for name, each in held[1].items()}:
        return False
    off = max(share_of_largest(held[1][name], held[0][name]) for name in held[0])
    if off > tolerance_of(model):
        _log.info("model %s: the plain model differs at %s by %.1e; the bridge runs it.", model.cfg.model_name, site, off)
    return off <= tolerance_of(model)

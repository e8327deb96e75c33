"""A Hugging Face model that runs under hooks with the names of its bridge."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from interp.models.cache_argument import NEW, OLD
from interp.models.hooks import Arguments, Hook, Hooks, Positional, hooks_in_force
from interp.models.plain.state import State

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel

_INPUTS, _OUTPUTS = "hook_in", "hook_out"


Output = Tensor | tuple[Tensor | None, ...]
"""What a module gives: its state alone, or with others behind it."""


class Plain:
    """A Hugging Face model that runs under hooks named as those of its bridge (`Runner`).

    `places` gives the module and its side ("hook_in", "hook_out") of each hook that can be served; `trusted` are the sites at which
    it was found to hold what the bridge holds (`interp.models.plain.runner`).
    """

    def __init__(self, hf: PreTrainedModel, model: TransformerBridge) -> None:
        self.hf = hf
        self.trusted: frozenset[str] = frozenset()
        self._paths = {
            id(module): name.replace("._original_component", "") for name, module in model.original_model.named_modules()
        }
        self.blocks: Sequence[nn.Module] = [self._twin(block) for block in model.blocks]
        self.ln_final: nn.Module = self._twin(model.ln_final)
        self.places = dict(self._served(model))
        accepted = inspect.signature(type(hf).forward).parameters
        self._cache, self._positions = OLD if OLD in accepted else NEW, "position_ids" in accepted
        self.state = State(model, hf)

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
        """Whether this is still what the bridge `model` computes: the same modules, settings and weights, and no hook but its own.

        Some of its own appear with its first forward pass. What it is now is then noted.
        """
        if not self.state.same_parts():
            return False
        if not self.state.same_hooks():
            if hooks_in_force(model):
                return False
            self.state = State(model, self.hf)
        return True

    @torch.no_grad()
    def run_with_hooks(self, ids: Tensor, *, fwd_hooks: Hooks, stop_at_layer: int | None = None, **arguments: object) -> Tensor:
        """Logits of `ids` under `fwd_hooks`; or the state where one ends the pass, or `stop_at_layer` does before that block."""
        if self._cache != OLD and OLD in arguments:
            arguments[self._cache] = arguments.pop(OLD)
        mask = arguments.get("attention_mask")
        if self._positions and "position_ids" not in arguments and isinstance(mask, Tensor) and mask.ndim == 2:
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
                return cast(Tensor, self.hf(input_ids=ids, **arguments).logits)
            except StopAtLayerException as stopped:
                return stopped.layer_output


def _stop(state: Tensor, hook: object) -> None:
    raise StopAtLayerException(state)


@contextmanager
def _hooked(module: nn.Module, side: str, function: Hook) -> Iterator[None]:
    """`function` at the input or the output of a `module`, in a `with` block."""
    none = cast("HookPoint", None)

    def before(module: nn.Module, args: Positional, kwargs: Arguments) -> tuple[Positional, Arguments] | None:
        given = args[0] if args else kwargs["hidden_states"]
        if (changed := function(given, none)) is None:
            return None
        return ((changed, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": changed})

    def behind(module: nn.Module, args: Positional, output: Output) -> Output | None:
        first = cast(Tensor, output[0] if isinstance(output, tuple) else output)
        if (changed := function(first, none)) is None:
            return None
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    reads = side == _INPUTS
    handle = module.register_forward_pre_hook(before, with_kwargs=True) if reads else module.register_forward_hook(behind)
    try:
        yield
    finally:
        handle.remove()

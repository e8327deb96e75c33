"""Hooks: their types, and which of them are on a model. Activations under hooks are not those of the model itself."""

from __future__ import annotations

from collections.abc import Callable
from inspect import getclosurevars, isfunction
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

Hook = Callable[[Tensor, HookPoint], Tensor | None]
"""Reads an activation, and returns another in its place, or None to leave it."""
Hooks = list[tuple[str | Callable[[str], bool], Hook]]
"""Hooks by the names of their places, as `fwd_hooks=` takes them."""

Arguments = dict[str, Any]
"""Keyword arguments of a forward pass: tensors, a cache, switches."""
Positional = tuple[Any, ...]
"""Its arguments without a name."""
PreHook = Callable[[nn.Module, Positional, Arguments], tuple[Positional, Arguments] | None]
"""Reads what a module is called with, and returns other arguments, or None to leave them."""

_MACHINERY = ("transformer_lens", "transformers", "accelerate", "interp.models")  # whose own hooks on modules change nothing
_SETUP = "transformer_lens.model_bridge.component_setup"  # OPT's and XGLM's MLP has hooks of the bridge's own


def hooks_in_force(model: TransformerBridge) -> dict[str, str]:
    """The hooks on `model`, as a field of a signature: `{"hooks": "blocks.2.hook_mlp_out"}`; empty if there are none.

    Counts permanent hooks and those of a `with` block, of TransformerLens and of PyTorch. A hook is named by its position, not by
    what it does.
    """
    name_of: dict[int, str] = {}
    for name, point in model.hook_dict.items():
        if _set_by_others(point) and (id(point) not in name_of or _rank(name) < _rank(name_of[id(point)])):
            name_of[id(point)] = name
    names = sorted({*name_of.values(), *_on_modules(model)})
    return {"hooks": ",".join(names)} if names else {}


def _set_by_others(point: HookPoint) -> bool:
    """Whether a hook point has a hook that the bridge did not set when it was made."""
    functions = [point._forward_hooks.get(handle.hook.id) for handle in point.fwd_hooks]
    originals = [
        getclosurevars(function).nonlocals.get("hook", function) if isfunction(function) else function for function in functions
    ]
    return any(_home(function) != _SETUP for function in originals)


def _rank(name: str) -> tuple[int, bool, int]:
    """The alias of a block comes before the module's own name: what it means is the same in every architecture."""
    return name.count("."), name.endswith((".hook_in", ".hook_out")), len(name)


def _on_modules(model: TransformerBridge) -> set[str]:
    """The modules with forward hooks of PyTorch that none of the libraries set for itself."""
    names = set()
    for name, module in model.original_model.named_modules():
        if hasattr(module, "fwd_hooks"):
            continue  # a hook point: looked at above
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values()):
            if not _home(hook).startswith(_MACHINERY):
                names.add(name.replace("._original_component", "") or "model")
    return names


def _home(hook: object) -> str:
    """The module of Python that a hook is written in."""
    return str(getattr(getattr(hook, "func", hook), "__module__", ""))

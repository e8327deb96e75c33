"""Whether a bridge is what it was: its modules, their settings and weights, and its hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel


class State:
    """What a bridge was when it was noted, to see within a millisecond whether that changed.

    `same` says whether its weights are those of the plain model `hf`: not where the bridge split a joint weight into its own.
    """

    def __init__(self, model: TransformerBridge, hf: PreTrainedModel) -> None:
        modules = list(model.original_model.modules())
        self.children = [(module._modules, dict(module._modules)) for module in modules if module._modules]
        self.tensors = [
            (table, name, tensor, tensor.data_ptr())
            for module in modules
            for table in (module._parameters, module._buffers)
            for name, tensor in table.items()
            if tensor is not None
        ]
        settings = [vars(model.original_model.config), *(vars(module) for module in modules if not hasattr(module, "fwd_hooks"))]
        self.settings = [(values, _numbers(values), values.get("forward")) for values in settings]
        self.hooks = [(hooks, [*hooks]) for module in modules for hooks in (module._forward_hooks, module._forward_pre_hooks)]
        weights = {where for table, name, tensor, where in self.tensors if isinstance(tensor, nn.Parameter)}
        self.same = weights == {parameter.data_ptr() for parameter in hf.parameters()}

    def same_parts(self) -> bool:
        """Whether no module, tensor, number or `forward` was replaced. Values written into a weight are those of both models."""
        return (
            self.same
            and all(table.get(name) is tensor and tensor.data_ptr() == where for table, name, tensor, where in self.tensors)
            and all(table == children for table, children in self.children)
            and all(
                values.get("forward") is forward and noted.items() <= values.items() for values, noted, forward in self.settings
            )
        )

    def same_hooks(self) -> bool:
        """Whether no hook came or went."""
        return all([*hooks] == noted for hooks, noted in self.hooks)


def _numbers(values: dict[str, object]) -> dict[str, object]:
    """The settings among the attributes of a module that change what it computes: a norm's epsilon, a scale, training or not.

    Names that begin with an underscore are for the bridge's own notes.
    """
    return {name: value for name, value in values.items() if isinstance(value, int | float) and name[0] != "_"}

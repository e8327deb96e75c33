"""Whether a bridge is what it was: its modules, weights and hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        self.weights = [
            (module._parameters, name, parameter, parameter.data_ptr())
            for module in modules
            for name, parameter in module._parameters.items()
            if parameter is not None
        ]
        self.hooks = [(hooks, len(hooks)) for module in modules for hooks in (module._forward_hooks, module._forward_pre_hooks)]
        own = {parameter.data_ptr() for parameter in hf.parameters()}
        self.same = {pointer for *_, pointer in self.weights} == own

    def same_parts(self) -> bool:
        """Whether no module or weight was replaced or moved. Values written into a weight are those of both models."""
        return (
            self.same
            and all(table.get(name) is weight and weight.data_ptr() == where for table, name, weight, where in self.weights)
            and all(table == children for table, children in self.children)
        )

    def same_hooks(self) -> bool:
        """Whether no hook came or went."""
        return all(len(hooks) == count for hooks, count in self.hooks)

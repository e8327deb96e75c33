"""Models between a base and a tuned one: one's lower half under the other's upper half, some weights of one in the other.

Every model here is a `with` block or a pure function; both models are afterwards what they were. Layers are the rows of a
residual capture: `embed` is what enters block 0, `"3"` what leaves block 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge

from interp.generation.loss import row_losses
from interp.models.batches import batches
from interp.models.checks.finite import check_finite, is_half
from interp.models.hooks import Hooks
from interp.models.sites import layer_names, row_hook
from interp.models.tokens import IGNORED
from interp.tuning.templates import Encoded

_TOKENS = 8192


def check_pair(base: TransformerBridge, tuned: TransformerBridge) -> None:
    """Raise `ValueError` where `base` and `tuned` are not of one architecture and one tokenizer."""
    shapes = [(type(model.original_model).__name__, model.cfg.n_layers, model.cfg.d_model, input_table(model).shape[0])
              for model in (base, tuned)]  # fmt: skip
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"got two models that differ, {shapes[0]} and {shapes[1]} (class, blocks, d_model, rows), "
            "expected one tuned from the other."
        )
    vocabularies = [model.tokenizer.get_vocab() for model in (base, tuned)]
    if vocabularies[0] != vocabularies[1]:
        raise ValueError("got two models with different tokenizers, expected one tokenizer, so that rows are the same tokens.")


def parts(model: TransformerBridge) -> tuple[str, ...]:
    """The parts of a `model`, in order: `embed`, its blocks `"0"` .. `"N-1"`, and `head` (final norm and unembedding)."""
    return ("embed", *(str(block) for block in range(model.cfg.n_layers)), "head")


@torch.no_grad()
def answer_losses(model: TransformerBridge, data: Encoded) -> Float[np.ndarray, " item"]:
    """Mean negative log-likelihood of the learned tokens of each example in `data`, in nats per token.

    `model` is run with whatever edits are in force.
    """
    losses = np.empty(len(data))
    for rows, ids, mask, labels in _batches(model, data):
        losses[rows] = _mean_losses(model(ids, attention_mask=mask, use_cache=False), labels)
    check_finite(losses, lambda row: f"the loss of example {data.kept[row]!r}", is_half(model))
    return losses


@torch.no_grad()
def stitched_losses(lower: TransformerBridge, upper: TransformerBridge, data: Encoded) -> Float[np.ndarray, "layer item"]:
    """`upper` reading, at each row of the residual stream in turn, what `lower` holds there: the same mean losses.

    The result is the model made of `lower` up to that row and of `upper` above it, on the examples of `data`.
    """
    hooks = [row_hook("residual", layer) for layer in layer_names("residual", upper.cfg.n_layers)]
    losses = np.empty((len(hooks), len(data)))
    for rows, ids, mask, labels in _batches(lower, data):
        states: dict[str, Tensor] = {}
        keep: Hooks = [(hook, partial(_keep, states=states, name=hook)) for hook in hooks]
        lower.run_with_hooks(ids, fwd_hooks=keep, attention_mask=mask, use_cache=False)
        for index, hook in enumerate(hooks):
            swap: Hooks = [(hook, partial(_swap, other=states[hook]))]
            logits = upper.run_with_hooks(ids, fwd_hooks=swap, attention_mask=mask, use_cache=False)
            losses[index, rows] = _mean_losses(logits, labels)
    check_finite(losses, lambda index, item: f"the loss of example {data.kept[item]!r} stitched at {hooks[index]}", is_half(upper))
    return losses


@contextmanager
def blended(model: TransformerBridge, other: TransformerBridge, part: str, alpha: float = 1.0) -> Iterator[TransformerBridge]:
    """`model` with one `part` moved the share `alpha` of the way to `other`'s: w + alpha (w' - w) on every weight of it."""
    if part not in parts(model):
        raise ValueError(f"got part {part!r}, expected one of {', '.join(parts(model))}.")
    other_modules = dict(other.original_model.named_modules())
    members = {id(module) for root in _roots(model, part) for module in root.modules()}
    changed: list[tuple[nn.Module, str, nn.Parameter]] = []
    try:
        for name, module in model.original_model.named_modules():
            if id(module) in members:
                for own, weight in list(module.named_parameters(recurse=False)):
                    goal = getattr(other_modules[name], own).detach().to(weight)
                    changed.append((module, own, weight))
                    setattr(module, own, nn.Parameter(torch.lerp(weight.detach(), goal, alpha), requires_grad=False))
        yield model
    finally:
        for module, own, weight in changed:
            setattr(module, own, weight)


@contextmanager
def with_rows(model: TransformerBridge, other: TransformerBridge, tokens: Iterable[int]) -> Iterator[TransformerBridge]:
    """`model` reading some `tokens` (ids) with `other`'s input embedding rows. The output layer stays, even if tied."""
    table, rows = model.embed.original_component, torch.as_tensor(sorted(set(tokens)), dtype=torch.long)
    original = table.weight
    mixed = original.detach().clone()
    mixed[rows] = input_table(other)[rows].to(mixed)
    try:
        table.weight = nn.Parameter(mixed, requires_grad=False)
        yield model
    finally:
        table.weight = original


def input_table(model: TransformerBridge) -> Float[Tensor, "vocab d_model"]:
    """The input embedding of a `model`: one row per token."""
    return model.embed.original_component.weight.detach()


def weights(model: TransformerBridge) -> dict[str, tuple[str, Tensor]]:
    """Every weight of `model` by its name: the part it belongs to and its values. A fused q-k-v map stands as its three maps.

    A table that is also the output layer stands twice, once in `embed` and once in `head`.
    """
    named: dict[str, tuple[str, Tensor]] = {}
    for part in parts(model):
        members = {id(module) for root in _roots(model, part) for module in root.modules()}
        for path, module in model.original_model.named_modules():
            name = path.replace("._original_component", "")
            if id(module) in members and not name.endswith(".qkv"):
                own = module.named_parameters(recurse=False)
                named |= {f"{name}.{kind}": (part, weight.detach()) for kind, weight in own}
    return named


def _roots(model: TransformerBridge, part: str) -> list[nn.Module]:
    """The modules that make up a part; the embedding has what stands neither in a block nor in the head."""
    head = [model.ln_final, model.unembed]
    if part == "head":
        return head
    if part != "embed":
        return [model.blocks[int(part)]]
    others = {id(module) for root in (*model.blocks, *head) for module in root.modules()}
    return [leaf for leaf in model.original_model.modules() if id(leaf) not in others and not list(leaf.children())]


def _batches(model: TransformerBridge, data: Encoded) -> Iterator[tuple[list[int], Tensor, Tensor, Tensor]]:
    """Rows of `data` with their ids, mask and labels, padded on the left, on the model's device."""
    for rows in batches([len(ids) for ids in data.ids], _TOKENS):
        longest = max(len(data.ids[row]) for row in rows)
        short = [longest - len(data.ids[row]) for row in rows]
        ids = torch.tensor([[0] * gap + list(data.ids[row]) for row, gap in zip(rows, short, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * (longest - gap) for gap in short])
        labels = torch.tensor([[IGNORED] * gap + list(data.labels[row]) for row, gap in zip(rows, short, strict=True)])
        device = model.cfg.device
        yield rows, ids.to(device), mask.to(device), labels.to(device)


def _mean_losses(logits: Tensor, labels: Tensor) -> np.ndarray:
    sums, learned = row_losses(logits, labels)
    return (sums / learned).double().cpu().numpy()


def _keep(x: Tensor, hook: object, states: dict[str, Tensor], name: str) -> None:
    states[name] = x.detach().clone()


def _swap(x: Tensor, hook: object, other: Tensor) -> Tensor:
    return other.to(x)

"""Pool the tokens of each sentence while the model runs, at every layer, without its attention sinks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge.exceptions import StopAtLayerException

from interp.activations.sinks import SinkDetector, norm_hooks
from interp.activations.spans import Span
from interp.models.batches import Batch, batches, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.devices import to_cpu
from interp.models.hooks import Hooks
from interp.models.plain.runner import runner

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint

    from interp.models.load import TransformerBridge

Pooling = Literal["mean", "last", "weighted", "end"]
Positions = tuple[int, ...]
"""Positions of tokens in a sentence, counted from 0 at its first own token."""


@dataclass(frozen=True)
class Pooled:
    """The pooled states of the sentences of one language, and the positions of the attention sinks left out of each."""

    states: Float[Tensor, "layer sentence d_model"]
    left_out: tuple[Positions, ...]


def pool_language(
    model: TransformerBridge,
    texts: Sequence[Span],
    names: Sequence[str],
    hooks: dict[str, str],
    pooling: Pooling,
    max_tokens: int,
    detector: SinkDetector | None,
    done: Callable[[int], object],
) -> Pooled:
    """Run the tokenized sentences of one language through a model and pool each.

    A batch is pooled without the sinks that are expected. Where others are found, those sentences run once more.

    Parameters
    ----------
    model
        A model from `interp.load`.
    texts
        The tokenized sentences.
    names
        What an error calls each of them, such as "of sentence '3' in eng_Latn".
    hooks
        The hook of each layer, by the layer's name.
    pooling
        How the tokens are combined (`interp.capture`).
    max_tokens
        Most tokens of a batch, including padding.
    detector
        Finds attention sinks. None keeps them, and the forward pass then stops behind the last layer wanted.
    done
        Called with the number of sentences of each batch.

    Raises
    ------
    ValueError
        A sentence holds nothing but attention sinks, a value is not finite, or a layer never ran.
    """
    pooled, layers = torch.empty(len(hooks), len(texts), model.cfg.d_model), list(hooks)
    left_out: list[Positions] = [()] * len(texts)

    def run(group: Sequence[int], without: Sequence[Positions], detector: SinkDetector | None) -> list[Positions]:
        some = [texts[index] for index in group]
        try:
            states, sinks = _pool_batch(model, some, without, list(hooks.values()), pooling, detector)
        except torch.OutOfMemoryError as error:
            error.add_note(f"capture: a batch of {len(group)} texts with {len(some[0].ids)} tokens did not fit. Lower max_tokens.")
            raise
        check_finite(
            states,
            lambda row, member, _: f"capture: the state at layer {layers[row]} {names[group[member]]}",
            is_half(model),
        )
        pooled[:, group] = to_cpu(states)
        return sinks

    for group in batches([len(text.ids) for text in texts], max_tokens):
        expected = [_expected(detector, texts[index], pooling) for index in group]
        sinks = run(group, expected, detector)
        others = [index for index, one, other in zip(group, sinks, expected, strict=True) if one != other]
        for index, positions in zip(group, sinks, strict=True):
            left_out[index] = positions
            _check_rest(model, texts[index], positions, pooling, names[index])
        if others:
            run(others, [left_out[index] for index in others], None)
        done(len(group))
    return Pooled(pooled, tuple(left_out))


def pooled_positions(text: Span, left_out: Positions, pooling: Pooling) -> list[int]:
    """The positions in `text` that `pooling` uses: those of the sentence (for "end", of the whole prompt) not `left_out`."""
    stop = len(text.ids) if pooling == "end" else text.stop
    pooled = [position for position in range(text.start, stop) if position - text.start not in left_out]
    return pooled[-1:] if pooling in ("last", "end") else pooled


def _expected(detector: SinkDetector | None, text: Span, pooling: Pooling) -> Positions:
    """The sinks that a text most probably has: its first token, where texts of this model begin with a sink."""
    if detector is None or not detector.first or text.start > 0:
        return ()
    return (0,) if pooled_positions(text, (0,), pooling) else ()


def _check_rest(model: TransformerBridge, text: Span, left_out: Positions, pooling: Pooling, name: str) -> None:
    if not pooled_positions(text, left_out, pooling):
        tokens = model.tokenizer.convert_ids_to_tokens(list(text.ids[text.start : text.stop]))
        behind = 'behind a start token (start="<|endoftext|>", say) or ' if text.start == 0 else ""
        raise ValueError(
            f"capture: got nothing but attention sinks in the tokens {tokens} {name}, expected another token to pool. Read every "
            f'text {behind}in a template, or keep the sinks (sinks="keep").'
        )


def _pool_batch(
    model: TransformerBridge,
    texts: Sequence[Span],
    without: Sequence[Positions],
    hooks: Sequence[str],
    pooling: Pooling,
    detector: SinkDetector | None,
) -> tuple[Float[Tensor, "layer item d_model"], list[Positions]]:
    """One forward pass, pooled inside the hooks: memory grows neither with layers nor with tokens beyond one block's own.

    Gives the states pooled `without` the positions given, and the sinks that `detector` finds (those given, if it is None).
    """
    batch = pad(model, [text.ids for text in texts])
    take = _pooler(texts, without, batch, pooling)
    pooled = torch.full((len(hooks), len(texts), model.cfg.d_model), torch.nan, device=batch.ids.device)
    norms = torch.zeros(0 if detector is None else model.cfg.n_layers, *batch.ids.shape, device=batch.ids.device)
    waiting, unmeasured = set(range(len(hooks))), set(range(len(norms)))

    def stop(state: Tensor) -> None:
        if not waiting and not unmeasured:
            raise StopAtLayerException(state)

    def keep(row: int) -> Callable[[Tensor, HookPoint], None]:
        def hook(state: Tensor, hook: HookPoint) -> None:
            pooled[row] = take(state).to(pooled.device)
            waiting.discard(row)
            stop(state)

        return hook

    def measured(row: int, state: Tensor) -> None:
        unmeasured.discard(row)
        stop(state)

    measuring = norm_hooks(model, norms, measured) if detector is not None else []
    fwd_hooks: Hooks = [*((name, keep(row)) for row, name in enumerate(hooks)), *measuring]
    running = runner(model, [str(name) for name, _ in fwd_hooks])
    running.run_with_hooks(batch.ids, attention_mask=batch.mask, fwd_hooks=fwd_hooks, use_cache=False)
    if waiting:
        raise ValueError(f"capture: {hooks[min(waiting)]} never ran in this architecture. Choose another site or other layers.")
    return pooled, list(without) if detector is None else _found(detector, norms, texts, pooling)


def _found(
    detector: SinkDetector, norms: Float[Tensor, "layer item token"], texts: Sequence[Span], pooling: Pooling
) -> list[Positions]:
    """The attention sinks among the tokens of each text, as positions in the sentence."""
    sinks, width = detector.sinks(norms).cpu(), norms.shape[-1]
    result = []
    for row, text in zip(sinks, texts, strict=True):
        shift, stop = width - len(text.ids), len(text.ids) if pooling == "end" else text.stop
        result.append(tuple(row[shift + text.start : shift + stop].nonzero()[:, 0].tolist()))
    return result


def _pooler(
    texts: Sequence[Span], without: Sequence[Positions], batch: Batch, pooling: Pooling
) -> Callable[[Tensor], Float[Tensor, "item d_model"]]:
    """From one layer's states `[item token d_model]` to one float32 state an item."""
    items, width = batch.ids.shape
    shifts = [width - len(text.ids) for text in texts]
    positions = [pooled_positions(text, left_out, pooling) for text, left_out in zip(texts, without, strict=True)]
    if pooling in ("last", "end"):
        ends = [shift + each[-1] for shift, each in zip(shifts, positions, strict=True)]
        return lambda state: state[range(items), ends].float()
    weights = torch.zeros(items, 1, width)
    for row, (text, shift, kept) in enumerate(zip(texts, shifts, positions, strict=True)):
        each = position_weights(kept, text, pooling)
        weights[row, 0, [shift + position for position in kept]] = each / each.sum()
    weights = weights.to(batch.ids.device)
    return lambda state: torch.bmm(weights.to(state.device), state.float())[:, 0]


def position_weights(kept: Sequence[int], text: Span, pooling: Pooling) -> Float[Tensor, " token"]:
    """The unscaled weight of each token of `text` at positions `kept`: 1, or for `pooling` "weighted" its rank in the sentence."""
    return torch.tensor([position - text.start + 1.0 if pooling == "weighted" else 1.0 for position in kept])

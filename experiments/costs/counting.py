"""The work in reading, writing, scoring and tuning, counted from the lengths of the texts. No model is run.

Each function takes a model or its outline (`experiments.costs.outline`), and groups texts into batches as the computation does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.costs.cost import Work, size_of, total
from interp.generation.continuation import continue_prompts
from interp.models.batches import batches, context_limit
from interp.models.checks.receipts import MOST
from interp.models.tokens import prompt_ids

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_WIDTHS = 12
"""States of a block that are alive at once, in widths of the residual stream: input, output, keys, values and the MLP."""
_DRAWN = 4096
"""Batches of a training that are drawn for a plan."""


def forward(model: TransformerBridge, rows: int, width: int, *, keys: int | None = None, logits: int = 1) -> Work:
    """One forward pass over `rows` texts of `width` tokens, which see `keys` tokens; logits of the last `logits` of each."""
    seen, config = width if keys is None else keys, model.cfg
    attention = rows * config.n_heads * width * seen * (next(model.parameters()).element_size() + 4)
    held = _states(model, rows, width) + attention + _readout(model, rows, min(width, logits))
    return Work("", 1, rows * width, attended=rows * width * seen, items=rows, held=held)


def _states(model: TransformerBridge, rows: int, width: int) -> int:
    """Bytes of the states of one block."""
    return rows * width * model.cfg.d_model * _WIDTHS * next(model.parameters()).element_size()


def _readout(model: TransformerBridge, rows: int, width: int) -> int:
    """Bytes of the logits, and of one copy in float32."""
    return rows * width * model.cfg.d_vocab * 8


def reading(model: TransformerBridge, what: str, lengths: Sequence[int], max_tokens: int = 4096, *, whole: bool = False) -> Work:
    """The work of reading texts of some `lengths` once, in batches. `whole`: logits are wanted at every token."""
    passes = [forward(model, len(group), lengths[group[0]], logits=lengths[group[0]] if whole else 1)
              for group in batches(lengths, max_tokens)]  # fmt: skip
    return total(what, passes)


def writing(model: TransformerBridge, what: str, prompts: Sequence[str], new: int, beams: int = 1, max_tokens: int = 4096) -> Work:
    """The work of `interp.generate`: every text is taken to be `new` tokens long, where it may end earlier."""
    lengths = [len(ids) for ids in prompt_ids(model.tokenizer, list(prompts))]
    passes = []
    for group in batches([(length + new) * beams for length in lengths], max_tokens):
        rows, width = len(group) * beams, max(lengths[index] for index in group)
        first, steps = forward(model, rows, width), new - 1
        cache = 2 * model.cfg.n_layers * rows * (width + new) * model.cfg.d_model * next(model.parameters()).element_size()
        seen = steps * rows * width + rows * steps * (steps + 1) // 2
        passes.append(
            replace(
                first,
                forwards=1 + steps,
                generated=rows * steps,
                attended=first.attended + seen,
                items=len(group),
                steps=steps,
                bound="at most",
                held=first.held + 2 * cache,
            )
        )
    return total(what, passes)


def scoring(
    model: TransformerBridge, what: str, prompts: Sequence[str], continuations: Sequence[Sequence[str]], max_tokens: int = 4096
) -> Work:
    """The work of `interp.score` and `interp.choose`: every prompt is read once, then all of a continuation but its last token."""
    tokenizer = model.tokenizer
    starts = [len(ids) for ids in prompt_ids(tokenizer, list(prompts))]
    repeated = [prompt for prompt, texts in zip(prompts, continuations, strict=True) for _ in texts]
    ids = iter(continue_prompts(tokenizer, repeated, [text for texts in continuations for text in texts]))
    rests = [[len(next(ids).ids) for _ in texts] for texts in continuations]
    passes = []
    for group in batches([start + max(rest) for start, rest in zip(starts, rests, strict=True)], max_tokens):
        width = max(starts[index] for index in group)
        passes.append(forward(model, len(group), width))
        tails = [rest for index in group for rest in rests[index] if rest > 1]
        for some in batches([width + rest for rest in tails], max_tokens):
            longest = max(tails[row] for row in some) - 1
            passes.append(forward(model, len(some), longest, keys=width + longest, logits=longest))
    return replace(total(what, passes), items=len(repeated))


def rechecking(model: TransformerBridge, calls: int, longest: int, each: int = 2, passes: int = 1) -> Work:
    """The work of receipts: `each` of `calls` computations lets a few results be computed again by plain forward passes."""
    n = min(each * calls, MOST + calls.bit_length()) * passes
    return replace(forward(model, 1, longest).times(n), what="checks by plain forwards", items=n, bound="at most")


def training(model: TransformerBridge, what: str, lengths: Sequence[int], recipe: object, seed: int = 0) -> Work:
    """The work of tuning on examples of some `lengths` (`interp.tuning.fit`). Batches are random, and here others are drawn.

    Of a long training about `_DRAWN` batches are drawn, and stand for all of them.
    """
    import numpy as np

    from interp.tuning import Recipe, planned_steps

    assert isinstance(recipe, Recipe)
    n, size = len(lengths), min(recipe.device_batch, recipe.batch)
    steps, rng, passes = planned_steps(n, recipe), np.random.default_rng(seed), list[Work]()
    full, layers, held = recipe.scope == "full", 1 if recipe.recompute else model.cfg.n_layers, 0
    left = drawn = min(steps, max(1, _DRAWN * size // recipe.batch))
    while left > 0:
        order = rng.permutation(n)
        for start in range(0, min(n, left * recipe.batch), recipe.batch):
            update = sorted((lengths[row] for row in order[start : start + recipe.batch]), reverse=True)
            for group in (update[first : first + size] for first in range(0, len(update), size)):
                passes.append(forward(model, len(group), group[0], logits=group[0]))
                held = max(held, layers * _states(model, len(group), group[0]) + 2 * _readout(model, len(group), group[0]))
            left -= 1
    states = total(what, passes).scaled(steps / drawn)
    parameters = size_of(model).parameters
    trained = parameters if full else parameters // 20
    return replace(
        states, passes=(3 if full else 2) + recipe.recompute, bound="about",
        held=4 * parameters + 12 * trained + held,
        stored=size_of(model).bytes + min(recipe.checkpoints, 2) * 12 * trained,
    )  # fmt: skip


def cut(model: TransformerBridge, lengths: Iterable[int]) -> list[int]:
    """The lengths of texts, cut to the context of the model."""
    limit = context_limit(model)
    return [length if limit is None else min(length, limit) for length in lengths]

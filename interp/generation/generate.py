"""Greedy and beam generation.

A prompt is read in one forward pass, and what follows with cached keys and values, so that an intervention (a transplant, a
steering vector) sees the prompt first. A left-padded batch gives the same text as each prompt alone, up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache, GenerationConfig

from interp.generation.uncached import check_generated
from interp.models.batches import batches, context_limit, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.states import keeps_state, new_cache, read_on
from interp.models.tokens import end_tokens, prompt_ids


@torch.no_grad()
def generate(
    model: TransformerBridge,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    beams: int = 1,
    stop: str | Sequence[str] | None = None,
    max_tokens: int = 4096,
) -> list[str]:
    """Generate a continuation of each prompt, without the prompt.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts
        Texts.
    max_new_tokens
        Number of tokens to generate at most. Generation ends earlier at an end-of-text token or a `stop` string.
    beams
        1 takes the most probable token at each step, without the penalties in the generation settings of some models (the
        repetition penalty of Qwen2). More beams are Hugging Face's beam search with length penalty 1.
    stop
        A string, or several, at which a continuation ends. It is not part of the result.
    max_tokens
        Number of tokens in a batch: prompts, padding and new tokens, times beams. Lower it if memory runs out.

    Raises
    ------
    ValueError
        A prompt has no token or leaves no room in the context, or a logit is not finite.

    Notes
    -----
    Two nearly equal logits can be decided either way, depending on the batch, above all in half precision.
    """
    if max_new_tokens < 1 or beams < 1:
        raise ValueError(f"generate: got max_new_tokens {max_new_tokens} and beams {beams}, expected at least 1 of each.")
    stops = tuple(stop_text for stop_text in ([stop] if isinstance(stop, str) else stop or ()) if stop_text)
    starts, ends = prompt_ids(model.tokenizer, prompts), end_tokens(model)
    check_prompts(starts)
    check_room(model, [len(start) + max_new_tokens - 1 for start in starts])
    raw: list[list[int]] = [[] for _ in starts]
    for group in batches([(len(start) + max_new_tokens) * beams for start in starts], max_tokens):
        group_starts = [starts[index] for index in group]
        if beams == 1 and not keeps_state(model):
            generated = greedy(model, group_starts, group, max_new_tokens, stops)
        else:
            generated = _beams(model, group_starts, group, max_new_tokens, beams)
        for index, ids in zip(group, generated, strict=True):
            raw[index] = ids
    if beams == 1:
        check_generated(model, starts, raw)
    generated = [ids[: next((position for position, token in enumerate(ids) if token in ends), len(ids))] for ids in raw]
    return [_cut(text, stops) for text in _decoded(model, generated)]


def greedy(
    model: TransformerBridge, starts: list[list[int]], prompts: list[int], most: int, stops: tuple[str, ...]
) -> list[list[int]]:
    """Greedy continuations of prompts given as ids.

    Parameters
    ----------
    model
        The model.
    starts
        Ids of each prompt.
    prompts
        Index of each prompt, for messages.
    most
        Number of new tokens at most.
    stops
        Strings at which a continuation ends. A finished row leaves the batch and its cache.
    """
    (ids, mask), ends = pad(model, starts), end_tokens(model)
    generated: list[list[int]] = [[] for _ in starts]
    alive = list(range(len(starts)))
    past = new_cache(model)
    logits = read_on(model, ids, mask, past, keep=1)
    for step in range(most):
        rows = [prompts[row] for row in alive]
        check_finite(logits[:, -1], lambda row, _, rows=rows: f"generate: a logit behind prompt {rows[row]}", is_half(model))
        tokens = logits[:, -1].argmax(-1)
        for row, token in zip(alive, tokens.tolist(), strict=True):
            generated[row].append(token)
        texts = _decoded(model, [generated[row] for row in alive]) if stops else [""] * len(alive)
        going = [k for k, row in enumerate(alive) if generated[row][-1] not in ends and _cut(texts[k], stops) == texts[k]]
        if not going or step == most - 1:
            break
        if len(going) < len(alive):
            alive, rows_left = [alive[k] for k in going], torch.tensor(going)
            tokens, mask, past = tokens[rows_left], mask[rows_left], rows_of_cache(past, rows_left)
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
        logits = read_on(model, tokens[:, None], mask, past)
    return generated


def _beams(model: TransformerBridge, starts: list[list[int]], prompts: list[int], most: int, beams: int) -> list[list[int]]:
    """Continuations by Hugging Face's search, through the bridged modules, so that hooks run, with default settings."""
    (ids, mask), ends = pad(model, starts), list(end_tokens(model)) or None
    inner: Any = model.original_model
    default_config = inner.generation_config

    def check(ids: Tensor, scores: Tensor) -> Tensor:
        check_finite(scores, lambda row, _: f"generate: a logit behind prompt {prompts[row // beams]}", is_half(model))
        return scores

    inner.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=ends[0] if ends else 0)
    try:
        sequences = inner.generate(ids, attention_mask=mask, max_new_tokens=most, num_beams=beams, logits_processor=[check])
    finally:
        inner.generation_config = default_config
    rows = sequences[:, ids.shape[1] :].tolist()
    return [row[: next((index + 1 for index, token in enumerate(row) if token in (ends or ())), len(row))] for row in rows]


def check_prompts(sequences: Sequence[Sequence[int]]) -> None:
    """Raise `ValueError` if one of the `sequences` of ids, one for each prompt, is empty."""
    if not all(sequences):
        empty = [len(ids) > 0 for ids in sequences].index(False)
        raise ValueError(f"prompt {empty}: got no token, expected some text: this tokenizer adds no token of its own.")


def rows_of_cache(past: DynamicCache, indices: Int[Tensor, " row"]) -> DynamicCache:
    """Some rows of the cache `past`, which does not change. `indices` says which, on the CPU: layers may be on any device."""
    selected = copy.copy(past)
    selected.layers = [copy.copy(layer) for layer in past.layers]
    selected.batch_select_indices(indices)
    return selected


def _decoded(model: TransformerBridge, sequences: Sequence[Sequence[int]]) -> list[str]:
    return model.tokenizer.batch_decode(sequences, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _cut(text: str, stops: tuple[str, ...]) -> str:
    return text[: min((text.find(stop) for stop in stops if stop in text), default=len(text))]


def check_room(model: TransformerBridge, lengths: Sequence[int]) -> None:
    """Raise `ValueError` if one of the `lengths` (prompt and continuation) exceeds the context of `model`."""
    limit = context_limit(model)
    for item, length in enumerate(lengths):
        if limit is not None and length > limit:
            raise ValueError(f"prompt {item}: got {length} tokens with its continuation, expected at most {limit}. Shorten either.")

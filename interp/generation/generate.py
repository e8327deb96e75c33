"""What a model says, and how probable it finds what we say: greedy and beam answers, scores of continuations, choices.

Prompts are read in one forward pass, what follows over the cached keys and values: so an edit by a `with` block (a transplant,
a steering vector) reads the prompt first. A left-padded batch gives what each prompt gives alone, up to rounding.
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

from interp.generation.plain import check_said
from interp.models.batches import batches, context_limit, pad
from interp.models.finite import check_finite, is_half
from interp.models.states import keeps_state
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
    """What does the model say after each prompt? Only what is new, up to the end-of-text token or a `stop` string (left out).

    `beams=1` takes the most probable token at each step and nothing else: the penalties that some models' own settings
    bring (Qwen2's repetition penalty) are off. More beams are Hugging Face's beam search (length penalty 1). `max_tokens`
    bounds a batch: prompts, padding and new tokens, times beams. Raises `ValueError` where a prompt leaves no room, or a logit
    is not finite.

    When it misleads: two nearly equal logits may fall either way with the batch, in half precision above all.
    """
    if max_new_tokens < 1 or beams < 1:
        raise ValueError(f"generate: max_new_tokens {max_new_tokens} and beams {beams} came. Needed: at least 1 of each.")
    stops = tuple(one for one in ([stop] if isinstance(stop, str) else stop or ()) if one)
    starts, ends = prompt_ids(model.tokenizer, prompts), end_tokens(model)
    check_prompts(starts)
    check_room(model, [len(start) + max_new_tokens - 1 for start in starts])
    raw: list[list[int]] = [[] for _ in starts]
    for group in batches([(len(start) + max_new_tokens) * beams for start in starts], max_tokens):
        some = [starts[index] for index in group]
        if beams == 1 and not keeps_state(model):
            found = greedy(model, some, group, max_new_tokens, stops)
        else:
            found = _beams(model, some, group, max_new_tokens, beams)
        for index, ids in zip(group, found, strict=True):
            raw[index] = ids
    if beams == 1:
        check_said(model, starts, raw)
    said = [ids[: next((place for place, token in enumerate(ids) if token in ends), len(ids))] for ids in raw]
    return [_cut(text, stops) for text in _decoded(model, said)]


def greedy(
    model: TransformerBridge, starts: list[list[int]], prompts: list[int], most: int, stops: tuple[str, ...]
) -> list[list[int]]:
    """New ids of each prompt (`prompts` are their numbers). A row that has ended leaves the batch and its cache."""
    (ids, mask), ends = pad(model, starts), end_tokens(model)
    said: list[list[int]] = [[] for _ in starts]
    alive = list(range(len(starts)))
    logits, past = model(ids, attention_mask=mask, return_type="logits_and_cache", use_cache=True, logits_to_keep=1)
    for step in range(most):
        rows = [prompts[row] for row in alive]
        check_finite(logits[:, -1], lambda row, _, rows=rows: f"generate: a logit behind prompt {rows[row]}", is_half(model))
        tokens = logits[:, -1].argmax(-1)
        for row, token in zip(alive, tokens.tolist(), strict=True):
            said[row].append(token)
        texts = _decoded(model, [said[row] for row in alive]) if stops else [""] * len(alive)
        going = [k for k, row in enumerate(alive) if said[row][-1] not in ends and _cut(texts[k], stops) == texts[k]]
        if not going or step == most - 1:
            break
        if len(going) < len(alive):
            alive, kept = [alive[k] for k in going], torch.tensor(going)
            tokens, mask, past = tokens[kept], mask[kept], rows_of_cache(past, kept)
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
        logits, past = model(tokens[:, None], attention_mask=mask, past_key_values=past, return_type="logits_and_cache")
    return said


def _beams(model: TransformerBridge, starts: list[list[int]], prompts: list[int], most: int, beams: int) -> list[list[int]]:
    """New ids by Hugging Face's search, over the bridged modules so that hooks fire, without the model's own settings."""
    (ids, mask), ends = pad(model, starts), list(end_tokens(model)) or None
    inner: Any = model.original_model
    own = inner.generation_config

    def check(ids: Tensor, scores: Tensor) -> Tensor:
        check_finite(scores, lambda row, _: f"generate: a logit behind prompt {prompts[row // beams]}", is_half(model))
        return scores

    inner.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=ends[0] if ends else 0)
    try:
        found = inner.generate(ids, attention_mask=mask, max_new_tokens=most, num_beams=beams, logits_processor=[check])
    finally:
        inner.generation_config = own
    said = found[:, ids.shape[1] :].tolist()
    return [row[: next((place + 1 for place, token in enumerate(row) if token in (ends or ())), len(row))] for row in said]


def check_prompts(sequences: Sequence[Sequence[int]]) -> None:
    """Raise where a prompt has no token, and nothing stands in front of it."""
    if not all(sequences):
        empty = [len(ids) > 0 for ids in sequences].index(False)
        raise ValueError(f"prompt {empty} is empty, and this tokenizer puts nothing before it. Needed: some text.")


def rows_of_cache(past: DynamicCache, places: Int[Tensor, " row"]) -> DynamicCache:
    """Some rows of a cache, which itself stays as it is. `places` on the CPU: the layers may be on several devices."""
    own = copy.copy(past)
    own.layers = [copy.copy(layer) for layer in past.layers]
    own.batch_select_indices(places)
    return own


def _decoded(model: TransformerBridge, sequences: Sequence[Sequence[int]]) -> list[str]:
    return model.tokenizer.batch_decode(sequences, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _cut(text: str, stops: tuple[str, ...]) -> str:
    return text[: min((text.find(one) for one in stops if one in text), default=len(text))]


def check_room(model: TransformerBridge, lengths: Sequence[int]) -> None:
    limit = context_limit(model)
    for item, length in enumerate(lengths):
        if limit is not None and length > limit:
            raise ValueError(f"prompt {item} and what follows: {length} tokens; the model reads {limit}. Needed: less of either.")

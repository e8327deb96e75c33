"""How probable a model finds given text: scores of continuations, and choices between options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from interp.generation.continuation import continue_prompts
from interp.generation.generate import check_prompts, check_room, rows_of_cache
from interp.generation.uncached import check_scored, uncached_score
from interp.models.batches import batches, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.states import keeps_state, new_cache, read_on
from interp.models.tokens import prompt_ids

By = Literal["whole", "first_token"]


@dataclass(frozen=True)
class Scores(Sequence[float]):
    """The log-probability (nats) of each continuation, summed over its tokens, and their number (`tokens`)."""

    log_probs: tuple[float, ...]
    tokens: tuple[int, ...]

    @overload
    def __getitem__(self, index: int) -> float: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[float, ...]: ...

    def __getitem__(self, index: int | slice) -> float | tuple[float, ...]:
        return self.log_probs[index]

    def __len__(self) -> int:
        return len(self.log_probs)


@dataclass(frozen=True)
class Choices(Sequence[int]):
    """The index of the most probable option of each item (`positions`), and the log-probability (nats) of all its options."""

    positions: tuple[int, ...]
    log_probs: tuple[tuple[float, ...], ...]

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...

    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        return self.positions[index]

    def __len__(self) -> int:
        return len(self.positions)


def score(model: TransformerBridge, prompts: Sequence[str], continuations: Sequence[str], *, max_tokens: int = 4096) -> Scores:
    """Score each continuation after its prompt: its log-probability, summed over its tokens.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts, continuations
        Texts, one continuation for each prompt. The prompt is tokenized by itself. The tokens of the continuation are those that
        follow in the tokenized whole, or, if a token would span the boundary, those that it has in the middle of a line.
    max_tokens
        Number of tokens in a batch, with padding. Lower it if memory runs out.

    Raises
    ------
    ValueError
        A prompt or a continuation has no token, both together are longer than the context, or a log-probability is not finite.

    Notes
    -----
    Sums are not comparable across tokenizers or lengths: divide by `tokens`, or by characters. After a prompt that ends in a space
    most continuations are improbable, as tokens usually contain the space before a word.
    """
    if len(prompts) != len(continuations):
        raise ValueError(
            f"score: got {len(prompts)} prompts and {len(continuations)} continuations, expected one continuation for each prompt."
        )
    starts, rests = _continued(model, prompts, [[text] for text in continuations])
    log_probs = _log_probs(model, starts, rests, max_tokens)
    return Scores(tuple(sums[0] for sums in log_probs), tuple(len(tails[0]) for tails in rests))


def choose(
    model: TransformerBridge, prompts: Sequence[str], choices: Sequence[Sequence[str]], by: By = "whole", *, max_tokens: int = 4096
) -> Choices:
    """Choose the most probable option after each prompt.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    prompts
        Texts.
    choices
        The options of each prompt.
    by
        `whole`: by the log-probability of the whole option, which favours short options. `first_token`: by its first token only.
    max_tokens
        Number of tokens in a batch, with padding. Lower it if memory runs out.

    Raises
    ------
    ValueError
        A prompt has no option, two options share their first token (`first_token` only), or as for `score`.
    """
    if len(prompts) != len(choices) or not all(choices):
        raise ValueError(
            f"choose: got {len(choices)} lists of options for {len(prompts)} prompts, expected at least one option for each."
        )
    starts, rests = _continued(model, prompts, choices)
    if by == "first_token":
        rests = [[tokens[:1] for tokens in ids] for ids in rests]
        for item, (options, ids) in enumerate(zip(choices, rests, strict=True)):
            shared = next((tokens for tokens in ids if ids.count(tokens) > 1), None)
            same = [option for option, tokens in zip(options, ids, strict=True) if tokens == shared]
            if same:
                raise ValueError(f"choose: {same[0]!r} and {same[1]!r} of item {item} share their first token. Use by='whole'.")
    log_probs = _log_probs(model, starts, rests, max_tokens)
    return Choices(tuple(max(range(len(sums)), key=sums.__getitem__) for sums in log_probs), tuple(map(tuple, log_probs)))


@torch.no_grad()
def _log_probs(
    model: TransformerBridge, starts: list[list[int]], rests: list[list[list[int]]], max_tokens: int
) -> list[list[float]]:
    """The summed log-probability of every continuation of every prompt. Each prompt is read once where that can be shared."""
    lengths = [len(start) + max(map(len, options)) for start, options in zip(starts, rests, strict=True)]
    check_room(model, [length - 1 for length in lengths])
    if keeps_state(model):
        sums = [
            [uncached_score(model, start, tokens)[0] for tokens in options] for start, options in zip(starts, rests, strict=True)
        ]
    else:
        sums = _over_a_cache(model, starts, rests, batches(lengths, max_tokens), max_tokens)
    for item, item_sums in enumerate(sums):
        check_finite(np.array(item_sums), lambda k, item=item: f"score: continuation {k} of prompt {item}", is_half(model))
    check_scored(model, starts, rests, sums)
    return sums


def _over_a_cache(
    model: TransformerBridge, starts: list[list[int]], rests: list[list[list[int]]], groups: list[list[int]], max_tokens: int
) -> list[list[float]]:
    """The same, the prompts of each group in one forward and what follows them over its cache."""
    sums: list[list[float]] = [[] for _ in rests]
    for group in groups:
        ids, mask = pad(model, [starts[index] for index in group])
        past = new_cache(model)
        first = read_on(model, ids, mask, past, keep=1)[:, -1].float().log_softmax(-1)
        for row, index in enumerate(group):
            sums[index] = first[row, [tokens[0] for tokens in rests[index]]].tolist()
        longer = [(row, index, k) for row, index in enumerate(group) for k, tokens in enumerate(rests[index]) if len(tokens) > 1]
        for some in batches([mask.shape[1] + len(rests[index][k]) for _, index, k in longer], max_tokens):
            prompt_rows = torch.tensor([longer[row][0] for row in some])
            tails = [rests[longer[row][1]][longer[row][2]] for row in some]
            for row, extra in zip(
                some, _tail_log_probs(model, rows_of_cache(past, prompt_rows), mask[prompt_rows], tails), strict=True
            ):
                sums[longer[row][1]][longer[row][2]] += extra
    return sums


def _tail_log_probs(
    model: TransformerBridge, past: DynamicCache, mask: Int[Tensor, "item token"], tails: list[list[int]]
) -> list[float]:
    """The log-probability of all but the first token of each continuation, over a cache that holds its prompt."""
    ids = pad_sequence([torch.tensor(tail) for tail in tails], batch_first=True).to(mask.device)
    tail_mask = pad_sequence([torch.ones(len(tail)) for tail in tails], batch_first=True).to(mask)
    logits = read_on(model, ids[:, :-1], torch.cat([mask, tail_mask[:, :-1]], dim=1), past)
    log_probs = logits.float().log_softmax(-1).gather(-1, ids[:, 1:, None].to(logits.device))[..., 0]
    return log_probs.masked_fill(tail_mask[:, 1:].to(log_probs.device) == 0, 0).sum(1).tolist()


def _continued(
    model: TransformerBridge, prompts: Sequence[str], continuations: Sequence[Sequence[str]]
) -> tuple[list[list[int]], list[list[list[int]]]]:
    """The ids of each prompt and of each of its continuations."""
    starts = prompt_ids(model.tokenizer, prompts)
    check_prompts(starts)
    repeated = [prompt for prompt, texts in zip(prompts, continuations, strict=True) for _ in texts]
    continued = iter(continue_prompts(model.tokenizer, repeated, [text for texts in continuations for text in texts]))
    rests = [[next(continued).ids for _ in texts] for texts in continuations]
    for item, (texts, ids) in enumerate(zip(continuations, rests, strict=True)):
        if not all(ids):
            raise ValueError(f"item {item}: got continuation {texts[ids.index([])]!r}, which has no token, expected some text.")
    return starts, rests

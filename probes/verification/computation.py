"""Do all fast computations of a model agree with plain forward passes and with plain Hugging Face?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig

from interp.generation.generate import greedy
from interp.generation.uncached import shortfalls
from interp.interventions.edits import Transplant, record, tokens_of
from interp.interventions.grid.cells import Method
from interp.interventions.grid.grid import FAST, Grid, Item, measure_grids, shortest_window
from interp.interventions.grid.scores import Ask
from interp.models.batches import context_limit, pad
from interp.models.checks.verification import CannotAskError, WrongError, probe_ids, share_of_largest, tolerance_of
from interp.models.states import new_cache
from interp.text.sentences import SENTENCES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from interp.models.load import TransformerBridge

_STEPS, _SAID = 4, 12
_LONGEST = {"cpu": 1024}
"""Longest prompt used to test a sliding window, by device; 8192 on others."""


def computation_facts(
    model: TransformerBridge, plain: PreTrainedModel | None
) -> list[tuple[str, float, Callable[[], float | tuple[float, str]]]]:
    """Checks of grids, generation, padding and sliding windows of `model`. `plain` is the unbridged model, or None."""
    allowed = tolerance_of(model)
    truth = lru_cache(partial(_grids, model, "naive"))  # a plain grid is asked for by several facts
    scores = {"first-token logits": "logits", "whole options": "logprob", "generation": "generate"}
    grids = [
        (f"grid, {method} equals naive: {words}", allowed, partial(_grid, model, method, score, truth))
        for method in reversed(FAST)
        for words, score in scores.items()
        if not (method == "wave" and score != "logits")
    ]
    return [
        *grids,
        ("greedy generation equals Hugging Face's generate", allowed, partial(_generation, model, plain)),
        ("a text in a left-padded batch equals the text alone", allowed, partial(_padding, model)),
        ("a prompt longer than the sliding window: cached equals uncached", allowed, partial(_window, model)),
    ]


def prompts_of(model: TransformerBridge, most: int = 4) -> list[list[int]]:
    """Token ids of at most `most` prompts that fit `model`: first halves of sentences, of different lengths and scripts."""
    chosen = [SENTENCES[code] for code in ("eng_Latn", "zho_Hans", "arb_Arab", "hin_Deva")][:most]
    room = (context_limit(model) or 10**9) - _SAID
    return [tokens_of(model, sentence[: len(sentence) // 2])[:room] for sentence in chosen]


def _grids(model: TransformerBridge, method: Method, score: str) -> list[Grid]:
    prompts = [tuple(ids) for ids in prompts_of(model, 2)]
    first, second, third = probe_ids(model.original_model)[0, 1:4].tolist()
    options = ((first, second), (first, third, second)) if score == "logprob" else ()
    ends = sorted({0, model.cfg.n_layers - 1})
    donors = record(model, [ids[::-1] for ids in prompts], "mlp", ends)
    items = [Item(ids, donors[row], Ask(score, options, steps=_STEPS)) for row, ids in enumerate(prompts)]  # type: ignore[arg-type]
    return measure_grids(model, items, ends, Transplant(), method)


def _grid(model: TransformerBridge, method: Method, score: str, truth: Callable[[str], list[Grid]]) -> float | tuple[float, str]:
    plain = truth(score)
    try:
        grids = _grids(model, method, score)
    except ValueError as error:
        raise CannotAskError(f"not used for this model: {error}") from None
    pairs = list(zip(grids, plain, strict=True))
    if score != "generate":
        return max(share_of_largest(fast.values, true.values) for fast, true in pairs)
    differing = sum(int((fast.values != true.values).any(-1).sum()) for fast, true in pairs)
    near_ties = sum(true.near_ties for _, true in pairs)
    if differing > near_ties:
        raise WrongError(f"{differing} continuations differ, expected at most the {near_ties} with a near tie")
    return 0.0, f"{differing} continuations differ, at a near tie" if differing else ""


@torch.no_grad()
def _generation(model: TransformerBridge, plain: Any) -> tuple[float, str]:
    """How far our first token that differs is below Hugging Face's choice, in the logits of plain Hugging Face."""
    if plain is None:
        raise CannotAskError("the plain Hugging Face model cannot be loaded beside the bridge")
    prompts = prompts_of(model)
    texts, settings, gaps, same = greedy(model, prompts, list(range(len(prompts))), _SAID, ()), plain.generation_config, [], 0
    ends = model.tokenizer.eos_token_id if settings.eos_token_id is None else settings.eos_token_id
    filler = ends[0] if isinstance(ends, list) else ends
    plain.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=filler or 0)
    try:
        for prompt, generated in zip(prompts, texts, strict=True):
            ids = torch.tensor([prompt], device=plain.device)
            output = plain.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=_SAID)[0]
            expected = output[len(prompt) :].tolist()
            length = max(len(generated), len(expected))
            first = next((index for index in range(length) if generated[index : index + 1] != expected[index : index + 1]), None)
            same += first is None
            if first is None:
                continue
            if first >= len(generated):
                raise WrongError(f"got {len(generated)} tokens, expected the {len(expected)} of Hugging Face")
            generated = generated[: first + 1]
            read = torch.tensor([[*prompt, *generated[:-1]]], device=plain.device)
            logits = plain(read, attention_mask=torch.ones_like(read), use_cache=False).logits[0, len(prompt) - 1 :].float()
            gaps.append(shortfalls(logits, generated)[-1])
    finally:
        plain.generation_config = settings
    ties = f"; {len(gaps)} differ from a near tie on" if gaps else ""
    return max(gaps, default=0.0), f"{same} of {len(prompts)} texts token for token{ties}"


@torch.no_grad()
def _padding(model: TransformerBridge) -> float:
    prompts = prompts_of(model)
    batch = pad(model, prompts)
    together = model(batch.ids, attention_mask=batch.mask, use_cache=False)[:, -1]
    alone = [pad(model, [ids]) for ids in prompts]
    logits = [model(single.ids, attention_mask=single.mask, use_cache=False)[0, -1] for single in alone]
    return max(share_of_largest(together[row], row_logits) for row, row_logits in enumerate(logits))


@torch.no_grad()
def _window(model: TransformerBridge) -> tuple[float, str]:
    """The last two tokens of a prompt longer than the window, with and without a cache."""
    window, limit = shortest_window(model), context_limit(model)
    if window is None:
        raise CannotAskError("no layer has a sliding window")
    length, most = window + 6, _LONGEST.get(str(model.cfg.device), 8192)
    if limit is not None and length > limit:
        raise CannotAskError(f"the window of {window} tokens is not shorter than the context length ({limit})")
    if length > most:
        raise CannotAskError(f"the window of {window} tokens is too long to test here; it has no effect on shorter prompts")
    hf: Any = model.original_model
    rows = hf.get_input_embeddings().weight.shape[0]
    ids = torch.randint(rows, (1, length), generator=torch.Generator().manual_seed(0)).to(model.cfg.device)
    mask, past, logits = torch.ones_like(ids), new_cache(model), []
    for start, stop in ((0, length - 2), (length - 2, length - 1), (length - 1, length)):
        attended = mask[:, :stop]
        logits.append(model(ids[:, start:stop], attention_mask=attended, past_key_values=past, logits_to_keep=1)[:, -1])
    plain = model(ids, attention_mask=mask, use_cache=False, logits_to_keep=2)
    return share_of_largest(torch.stack(logits[1:], dim=1), plain), f"window of {window} tokens, prompt of {length}"

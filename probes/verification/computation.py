"""Does every fast way to compute this model give what plain forwards give, and is it what plain Hugging Face gives?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig

from interp.generation.generate import greedy
from interp.generation.plain import shortfalls
from interp.interventions.edits import Transplant, record, tokens_of
from interp.interventions.grid.cells import new_cache
from interp.interventions.grid.grid import FAST, Grid, Item, Method, measure_grids, shortest_window
from interp.interventions.grid.scores import Ask
from interp.models.batches import context_limit, pad
from interp.models.verification import CannotAskError, WrongError, probe_ids, share_of_largest, tolerance_of
from probes.verification.sentences import SENTENCES

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_STEPS, _SAID = 4, 12
_LONGEST = {"cpu": 1024}
"""Prompts longer than this are not read only to fill a window; 8192 elsewhere."""


def computation_facts(model: TransformerBridge, plain: Any) -> list[tuple[str, float, Callable[[], float | tuple[float, str]]]]:
    """What is computed: grids, generation, padding and windows, each against the plain way."""
    allowed = tolerance_of(model)
    truth = lru_cache(partial(_grids, model, "naive"))  # a plain grid is asked for by several facts
    asked = {"first-token logits": "logits", "whole options": "logprob", "generation": "generate"}
    grids = [
        (f"grid, {method} equals naive: {words}", allowed, partial(_grid, model, method, score, truth))
        for method in reversed(FAST)
        for words, score in asked.items()
        if not (method == "wave" and score != "logits")
    ]
    return [
        *grids,
        ("greedy generation equals Hugging Face's generate", allowed, partial(_generation, model, plain)),
        ("a text in a left-padded batch equals the text alone", allowed, partial(_padding, model)),
        ("a prompt longer than the sliding window: cached equals uncached", allowed, partial(_window, model)),
    ]


def prompts_of(model: TransformerBridge, most: int = 4) -> list[list[int]]:
    """The ids of the first halves of some sentences, of different lengths and scripts, as prompts that go on."""
    chosen = [SENTENCES[code] for code in ("eng_Latn", "zho_Hans", "arb_Arab", "hin_Deva")][:most]
    room = (context_limit(model) or 10**9) - _SAID
    return [tokens_of(model, sentence[: len(sentence) // 2])[:room] for sentence in chosen]


def _grids(model: TransformerBridge, method: Method, score: str) -> list[Grid]:
    prompts = [tuple(ids) for ids in prompts_of(model, 2)]
    first, second, third = probe_ids(model.original_model.get_input_embeddings().weight.shape[0])[0, 1:4].tolist()
    options = ((first, second), (first, third, second)) if score == "logprob" else ()
    ends = sorted({0, model.cfg.n_layers - 1})
    donors = record(model, [ids[::-1] for ids in prompts], "mlp", ends)
    items = [Item(ids, donors[row], Ask(score, options, steps=_STEPS)) for row, ids in enumerate(prompts)]  # type: ignore[arg-type]
    return measure_grids(model, items, ends, Transplant(), method)


def _grid(model: TransformerBridge, method: Method, score: str, truth: Callable[[str], list[Grid]]) -> float | tuple[float, str]:
    plain = truth(score)
    try:
        found = _grids(model, method, score)
    except ValueError as error:
        raise CannotAskError(f"it is not used for this model; {error}") from None
    pairs = list(zip(found, plain, strict=True))
    if score != "generate":
        return max(share_of_largest(one.values, true.values) for one, true in pairs)
    other = sum(int((one.values != true.values).any(-1).sum()) for one, true in pairs)
    near = sum(true.near_ties for _, true in pairs)
    if other > near:
        raise WrongError(f"{other} continuations differ, {near} of them may by a near tie")
    return 0.0, f"{other} continuations differ by a near tie" if other else ""


@torch.no_grad()
def _generation(model: TransformerBridge, plain: Any) -> tuple[float, str]:
    """How far the first token said otherwise lies below Hugging Face's own, in plain Hugging Face's logits."""
    if plain is None:
        raise CannotAskError("the plain Hugging Face model cannot be had beside the bridge")
    prompts = prompts_of(model)
    ours, own, off, same = greedy(model, prompts, list(range(len(prompts))), _SAID, ()), plain.generation_config, [], 0
    ends = model.tokenizer.eos_token_id if own.eos_token_id is None else own.eos_token_id
    filler = ends[0] if isinstance(ends, list) else ends
    plain.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=filler or 0)
    try:
        for prompt, said in zip(prompts, ours, strict=True):
            ids = torch.tensor([prompt], device=plain.device)
            whole = plain.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=_SAID)[0]
            theirs = whole[len(prompt) :].tolist()
            length = max(len(said), len(theirs))
            where = next((place for place in range(length) if said[place : place + 1] != theirs[place : place + 1]), None)
            same += where is None
            if where is None:
                continue
            if where >= len(said):
                raise WrongError(f"we say {len(said)} tokens where Hugging Face says {len(theirs)}")
            said = said[: where + 1]
            read = torch.tensor([[*prompt, *said[:-1]]], device=plain.device)
            logits = plain(read, attention_mask=torch.ones_like(read), use_cache=False).logits[0, len(prompt) - 1 :].float()
            off.append(shortfalls(logits, said)[-1])
    finally:
        plain.generation_config = own
    ties = f"; {len(off)} part at a near tie" if off else ""
    return max(off, default=0.0), f"{same} of {len(prompts)} texts token for token{ties}"


@torch.no_grad()
def _padding(model: TransformerBridge) -> float:
    prompts = prompts_of(model)
    batch = pad(model, prompts)
    together = model(batch.ids, attention_mask=batch.mask, use_cache=False)[:, -1]
    alone = [pad(model, [ids]) for ids in prompts]
    said = [model(one.ids, attention_mask=one.mask, use_cache=False)[0, -1] for one in alone]
    return max(share_of_largest(together[row], one) for row, one in enumerate(said))


@torch.no_grad()
def _window(model: TransformerBridge) -> tuple[float, str]:
    """The last two tokens of a prompt that is longer than the window, read over a cache and without one."""
    window, limit = shortest_window(model), context_limit(model)
    if window is None:
        raise CannotAskError("no layer has one")
    length, most = window + 6, _LONGEST.get(str(model.cfg.device), 8192)
    if limit is not None and length > limit:
        raise CannotAskError(f"the window of {window} tokens is no shorter than what the model reads ({limit})")
    if length > most:
        raise CannotAskError(f"the window is {window} tokens long, too many to read here; shorter prompts never meet it")
    rows = model.original_model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(rows, (1, length), generator=torch.Generator().manual_seed(0)).to(model.cfg.device)
    mask, past, said = torch.ones_like(ids), new_cache(model), []
    for start, stop in ((0, length - 2), (length - 2, length - 1), (length - 1, length)):
        seen = mask[:, :stop]
        said.append(model(ids[:, start:stop], attention_mask=seen, past_key_values=past, logits_to_keep=1)[:, -1])
    plain = model(ids, attention_mask=mask, use_cache=False, logits_to_keep=2)
    return share_of_largest(torch.stack(said[1:], dim=1), plain), f"window of {window} tokens, prompt of {length}"

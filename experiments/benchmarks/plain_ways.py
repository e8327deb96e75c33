"""The work of `all` as one would write it by hand with transformers: what ours is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import methodcaller
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, Trainer

from interp.tuning.fit import arguments, collate, planned_steps
from interp.tuning.recipe import Recipe


@torch.no_grad()
def prompts(hf: LlamaForCausalLM, given: Sequence[Sequence[int]]) -> None:
    """One forward pass of each prompt."""
    for prompt in given:
        hf(input_ids=torch.tensor([prompt], device=hf.device), use_cache=False, logits_to_keep=1)


@torch.no_grad()
def generation(hf: LlamaForCausalLM, prompts: Sequence[Sequence[int]], tokens: int) -> None:
    """Greedy decoding of prompts of one length."""
    ids = torch.tensor(prompts, device=hf.device)
    methodcaller("generate", inputs=ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False)(hf)


@torch.no_grad()
def pooling_loop(
    hf: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], groups: Sequence[Sequence[int]]
) -> Tensor:
    """The loop one would write by hand: the same batches, every hidden state, the masked mean on the device."""
    pooled = torch.empty(hf.config.num_hidden_layers + 1, len(texts), hf.config.hidden_size)
    for group in groups:
        batch = tokenizer([texts[row] for row in group], padding=True, return_tensors="pt", return_token_type_ids=False)
        batch = batch.to(hf.device)
        states = hf(**batch, output_hidden_states=True, use_cache=False, logits_to_keep=1).hidden_states
        weights = (batch["attention_mask"] / batch["attention_mask"].sum(1, keepdim=True))[:, None].float()
        pooled[:, group] = torch.stack([torch.bmm(weights, state.float())[:, 0] for state in states]).cpu()
    return pooled


@torch.no_grad()
def forwards(
    hf: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    groups: Sequence[Sequence[int]],
    loss: bool = False,
) -> None:
    """Forward passes of the batches, with the loss of all tokens where asked."""
    for group in groups:
        batch = tokenizer([texts[row] for row in group], padding=True, return_tensors="pt", return_token_type_ids=False)
        batch = batch.to(hf.device)
        logits = hf(**batch, use_cache=False, logits_to_keep=0 if loss else 1).logits
        if loss:
            torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1).float(), batch["input_ids"][:, 1:].flatten()).item()


def counting(hf: LlamaForCausalLM, forward: Callable[[], object]) -> None:
    """What one would write by hand: at every block how often gates are above 0, and the sums of values and of their squares."""
    sums: list[Tensor] = []

    def fires(module: torch.nn.Module, args: object, gate: Tensor) -> None:
        sums.append((gate > 0).float().sum((0, 1)))

    def values(module: torch.nn.Module, args: tuple[Tensor]) -> None:
        value = args[0].float()
        sums.extend([value.sum((0, 1)), value.square().sum((0, 1))])

    handles = [block.mlp.gate_proj.register_forward_hook(fires) for block in hf.model.layers]
    handles += [block.mlp.down_proj.register_forward_pre_hook(values) for block in hf.model.layers]
    forward()
    for handle in handles:
        handle.remove()


def training(model: LlamaForCausalLM, sequences: Sequence[Sequence[int]], recipe: Recipe, folder: Path) -> None:
    """The Trainer as it comes, with the settings of ours."""
    data = [{"input_ids": ids, "labels": ids} for ids in sequences]
    Trainer(
        model=model, args=arguments(recipe, folder, planned_steps(len(data), recipe)), train_dataset=data, data_collator=collate
    ).train()

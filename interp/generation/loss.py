"""How surprised a model is: the negative log-likelihood of tokens, one implementation for measuring and for training.

Labels repeat the ids where loss is taken and hold `IGNORED` elsewhere; nothing predicts the first token of a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.models.batches import batches, context_limit, encode, pad
from interp.models.finite import check_finite, is_half
from interp.models.tokens import IGNORED


def token_losses(logits: Float[Tensor, "item token vocab"], labels: Int[Tensor, "item token"]) -> Float[Tensor, " learned"]:
    """The negative log-likelihood (nats, float32) of every token that carries loss, row by row; gradients flow through it."""
    aims = labels[:, 1:].to(logits.device)
    learned = aims != IGNORED
    return torch.nn.functional.cross_entropy(logits[:, :-1][learned].float(), aims[learned], reduction="none")


def row_losses(
    logits: Float[Tensor, "item token vocab"], labels: Int[Tensor, "item token"]
) -> tuple[Float[Tensor, " item"], Int[Tensor, " item"]]:
    """The summed negative log-likelihood (nats) of each row, and over how many tokens; 0 of 0 where nothing carries loss."""
    learned = (labels[:, 1:] != IGNORED).sum(-1).to(logits.device)
    owner = torch.repeat_interleave(torch.arange(len(labels), device=learned.device), learned)
    losses = token_losses(logits, labels)
    return losses.new_zeros(len(labels)).index_add(0, owner, losses), learned


@torch.no_grad()
def sentence_losses(
    model: TransformerBridge, texts: Sequence[str], max_tokens: int = 2048
) -> tuple[Float[Tensor, " sentence"], Int[Tensor, " sentence"]]:
    """Negative log-likelihood (nats) of each text, and how many of its tokens were predicted: all but the first.

    exp(sum of losses / sum of tokens) is the corpus perplexity. It is not comparable between languages or tokenizers, as
    tokens differ; differences of the same text under two edits are. Texts longer than the model reads are cut. An end token
    that the tokenizer sets behind a text is predicted as well. Raises `ValueError` where a loss is not finite.
    """
    limit = context_limit(model)
    sequences = [ids[:limit] for ids in encode(model, texts)]
    losses, tokens = torch.zeros(len(texts)), torch.zeros(len(texts), dtype=torch.long)
    for group in batches([len(ids) for ids in sequences], max_tokens):
        batch = pad(model, [sequences[index] for index in group])
        labels = batch.ids.masked_fill(batch.mask.cumsum(1) <= 1, IGNORED)  # neither padding nor the first token
        found, counted = row_losses(model(batch.ids, attention_mask=batch.mask, use_cache=False), labels)
        check_finite(found, lambda row, group=group: f"the loss of text {group[row]}", is_half(model))
        losses[group], tokens[group] = found.cpu(), counted.cpu()
    return losses, tokens

"""How surprised a model is by a text: the loss of every sentence, under whatever edits are in force."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.models.batches import batches, context_limit, encode, pad


@torch.no_grad()
def sentence_losses(
    model: TransformerBridge, texts: Sequence[str], max_tokens: int = 2048
) -> tuple[Float[Tensor, " sentence"], Int[Tensor, " sentence"]]:
    """Negative log-likelihood (nats) of each text, and how many of its tokens were predicted: all but the first.

    exp(sum of losses / sum of tokens) is the corpus perplexity. It is not comparable between languages or tokenizers, as
    tokens differ; differences of the same text under two edits are. Texts longer than the model reads are cut.
    """
    limit = context_limit(model)
    sequences = [ids[:limit] for ids in encode(model, texts)]
    losses, tokens = torch.zeros(len(texts)), torch.zeros(len(texts), dtype=torch.long)
    for group in batches([len(ids) for ids in sequences], max_tokens):
        batch = pad(model, [sequences[index] for index in group])
        said = model(batch.ids, attention_mask=batch.mask, use_cache=False)[:, :-1].float().log_softmax(-1)
        known = (batch.mask[:, :-1] * batch.mask[:, 1:]).bool()
        found = said.gather(-1, batch.ids[:, 1:, None])[..., 0].masked_fill(~known, 0)
        losses[group], tokens[group] = -found.sum(1).cpu(), known.sum(1).cpu()
    return losses, tokens

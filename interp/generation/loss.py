"""The negative log-likelihood of tokens, one implementation for evaluation and for training.

Labels are the token ids where the loss is taken and `IGNORED` elsewhere. The first token of a sequence is never predicted.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.lens.logit_lens import last_states, pieces, unembed
from interp.models.batches import Batch, batches, context_limit, encode, pad
from interp.models.checks.finite import check_finite, is_half
from interp.models.hooks import hooks_in_force
from interp.models.tokens import IGNORED

_FLOATS = 2**26
"""Numbers of distributions that are held in float32 at a time, where no gradient needs them all."""


def token_losses(logits: Float[Tensor, "item token vocab"], labels: Int[Tensor, "item token"]) -> Float[Tensor, " learned"]:
    """The negative log-likelihood (nats, float32) of every token of `labels` that is not `IGNORED`, row by row, by `logits`.

    Gradients flow through it.
    """
    targets = labels[:, 1:].to(logits.device)
    learned = targets != IGNORED
    if logits.requires_grad:
        return torch.nn.functional.cross_entropy(logits[:, :-1][learned].float(), targets[learned], reduction="none")
    rows, tokens = learned.nonzero(as_tuple=True)
    losses = torch.zeros(len(rows), device=logits.device)
    for some in torch.arange(len(rows), device=logits.device).split(max(1, _FLOATS // logits.shape[-1])):
        distributions = logits[rows[some], tokens[some]].float()
        losses[some] = torch.nn.functional.cross_entropy(distributions, targets[rows[some], tokens[some]], reduction="none")
    return losses


def row_losses(
    logits: Float[Tensor, "item token vocab"], labels: Int[Tensor, "item token"]
) -> tuple[Float[Tensor, " item"], Int[Tensor, " item"]]:
    """The negative log-likelihood (nats) of each row of `labels` by `logits`, summed over its tokens, and their number.

    Both are 0 for a row whose labels are all `IGNORED`.
    """
    learned = (labels[:, 1:] != IGNORED).sum(-1).to(logits.device)
    owner = torch.repeat_interleave(torch.arange(len(labels), device=learned.device), learned)
    losses = token_losses(logits, labels)
    return losses.new_zeros(len(labels)).index_add(0, owner, losses), learned


@torch.no_grad()
def sentence_losses(
    model: TransformerBridge, texts: Sequence[str], max_tokens: int = 2048
) -> tuple[Float[Tensor, " sentence"], Int[Tensor, " sentence"]]:
    """Measure the negative log-likelihood of each text.

    Parameters
    ----------
    model
        The model, from `interp.load`.
    texts
        Texts, one sentence or more each. Texts longer than the context are truncated.
    max_tokens
        Number of tokens in a batch, with padding. Lower it if memory runs out.

    Returns
    -------
    The negative log-likelihood of each text (nats), summed over its tokens; and the number of predicted tokens, which are all but
    the first. An end token that the tokenizer adds is predicted, too.

    Raises
    ------
    ValueError
        A loss is not finite.

    Notes
    -----
    The perplexity of a corpus is `exp(losses.sum() / tokens.sum())`. It is not comparable between languages or tokenizers, as
    tokens differ. The losses of the same text in two models with one tokenizer, or with and without an intervention, are.

    Example
    -------
    >>> import interp
    >>> losses, tokens = interp.sentence_losses(interp.load("bundled"), ["The house is old.", "Das Haus ist alt."])
    >>> losses.shape, bool((losses > 0).all())
    (torch.Size([2]), True)
    """
    limit = context_limit(model)
    sequences = [ids[:limit] for ids in encode(model, texts)]
    losses, tokens = torch.zeros(len(texts)), torch.zeros(len(texts), dtype=torch.long)
    for group in batches([len(ids) for ids in sequences], max_tokens):
        batch = pad(model, [sequences[index] for index in group])
        labels = batch.ids.masked_fill(batch.mask.cumsum(1) <= 1, IGNORED)  # neither padding nor the first token
        summed, counted = _batch_losses(model, batch, labels)
        check_finite(summed, lambda row, group=group: f"the loss of text {group[row]}", is_half(model))
        losses[group], tokens[group] = summed.cpu(), counted.cpu()
    return losses, tokens


def _batch_losses(model: TransformerBridge, batch: Batch, labels: Tensor) -> tuple[Tensor, Tensor]:
    """As `row_losses` of the logits of `batch`, which are never held all at once. Under hooks the model itself says its logits."""
    if hooks_in_force(model):
        return row_losses(model(batch.ids, attention_mask=batch.mask, use_cache=False), labels)
    hidden, targets = last_states(model, batch)[:, :-1], labels[:, 1:]
    learned = targets != IGNORED
    states, tokens, owner = hidden[learned.to(hidden.device)], targets[learned], learned.nonzero()[:, 0]
    summed = torch.zeros(len(labels), device=labels.device)
    for some in pieces(model, len(tokens), _FLOATS):
        logits = unembed(model, states[some]).float()
        losses = torch.nn.functional.cross_entropy(logits, tokens[some].to(logits.device), reduction="none")
        summed.index_add_(0, owner[some], losses.to(summed.device))
    return summed, learned.sum(-1)

"""Text to token ids and back to a batch: the tokenizer's own special tokens, left padding, an attention mask always.

The bridge's own string handling pads on the right and adds a BOS that some families never saw, so no text is ever given
to it: ids and a mask are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge


class Batch(NamedTuple):
    """Sequences of one batch, aligned at their last token: `mask` is 1 on real tokens and 0 on the padding before them."""

    ids: Int[Tensor, "item token"]
    mask: Int[Tensor, "item token"]


def encode(model: TransformerBridge, texts: Sequence[str], special: bool = True) -> list[list[int]]:
    """Tokenize texts without padding or truncation.

    Parameters
    ----------
    model
        A model from `interp.load`.
    texts
        A list of texts.
    special
        Add the special tokens of the tokenizer.

    Returns
    -------
    The token ids of each text.
    """
    if isinstance(texts, str):
        raise TypeError(f"encode: got a single text {texts[:40]!r}, expected a list of texts.")
    return model.tokenizer(list(texts), add_special_tokens=special, padding=False, truncation=False)["input_ids"] if texts else []


def pad(model: TransformerBridge, sequences: Sequence[Sequence[int]]) -> Batch:
    """Pad sequences on the left to one batch on the device of the model.

    Parameters
    ----------
    model
        A model from `interp.load`.
    sequences
        Token ids of each item, at least one each.

    Returns
    -------
    A `Batch`. The padding has the id of the padding token, or 0; the mask hides it.

    Raises
    ------
    ValueError
        A sequence is empty, or a token id is not in the vocabulary of the model.
    """
    if not sequences or not all(sequences):
        raise ValueError("pad: got an empty sequence or none, expected at least one token in every sequence.")
    longest, highest, rows = max(map(len, sequences)), max(map(max, sequences)), model.cfg.d_vocab
    if highest >= rows:
        raise ValueError(
            f"pad: got token {highest}, expected less than {rows} for {model.cfg.model_name}. Use the tokenizer of this model."
        )
    filler = model.tokenizer.pad_token_id
    filler = 0 if filler is None else filler
    ids = torch.tensor([[filler] * (longest - len(tokens)) + list(tokens) for tokens in sequences])
    mask = torch.tensor([[0] * (longest - len(tokens)) + [1] * len(tokens) for tokens in sequences])
    return Batch(ids.to(model.cfg.device), mask.to(model.cfg.device))


def batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Group sequences of similar length into batches, longest first, so that a lack of memory shows at once.

    Parameters
    ----------
    lengths
        Number of tokens of each sequence.
    max_tokens
        Maximum number of tokens of a batch, including padding, at least 1. A longer sequence is a batch by itself.

    Returns
    -------
    The indices of the sequences of each batch.
    """
    if max_tokens < 1:
        raise ValueError(f"got max_tokens {max_tokens}, expected at least 1.")
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    groups: list[list[int]] = []
    for index in order:
        if groups and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= max_tokens:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def context_limit(model: TransformerBridge) -> int | None:
    """Context length of `model` in tokens; None if its configuration sets no limit (BLOOM's ALiBi)."""
    config = model.original_model.config
    config = getattr(config, "get_text_config", lambda: config)()
    for field in ("max_position_embeddings", "n_positions"):
        limit = getattr(config, field, None)
        if isinstance(limit, int) and limit > 0:
            return limit
    return None

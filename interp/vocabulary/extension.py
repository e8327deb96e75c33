"""New pieces put into a tokenizer and a model: proper merges or scored pieces, and a row in both embedding tables for each.

New ids follow all old ones, so every old row keeps its place and its bits.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from tokenizers import AddedToken, Tokenizer
from torch import Tensor

from interp.vocabulary.new_pieces import Pieces

Init = Literal["subword", "mean", "random"]
"""A new row: the mean of the rows of the old tokens that wrote the piece, the mean of all old rows, or normal noise of the
model's own initial width (what the released code of arXiv 2311.09071 does)."""

_BONUS = 0.1  # nats a join: a longer Unigram piece beats its parts, and little else
_NEVER = 30.0


def extended(tokenizer: Any, pieces: Pieces) -> Any:
    """The tokenizer with the new pieces, whose ids begin at its old length; the one given stays as it is.

    BPE gets merges after its own, Unigram pieces scored just above their parts; any other kind gets added tokens, matched as
    whole words.
    """
    own = copy.deepcopy(tokenizer)
    state = json.loads(own.backend_tokenizer.to_str())
    put = {"BPE": _into_bpe, "Unigram": _into_unigram}.get(state["model"]["type"])
    if put is None:
        own.add_tokens([AddedToken(piece, single_word=True, normalized=True) for piece in pieces.parts])
        return own
    put(state["model"], {token["content"]: token["id"] for token in state["added_tokens"]}, pieces)
    own._tokenizer = Tokenizer.from_str(json.dumps(state))
    return own


def _into_bpe(model: dict[str, Any], added: dict[str, int], pieces: Pieces) -> None:
    model["vocab"] |= added  # else the ids of added tokens, which follow the vocabulary, would move up
    first = max(model["vocab"].values()) + 1
    model["vocab"] |= {piece: first + place for place, piece in enumerate(pieces.parts)}
    model["merges"] += [list(pair) for pair in pieces.merges]


def _into_unigram(model: dict[str, Any], added: dict[str, int], pieces: Pieces) -> None:
    scores = dict(model["vocab"])
    worst = min(scores.values())
    model["vocab"] += [
        [content, worst - _NEVER] for content in sorted(added, key=lambda each: added[each]) if content not in scores
    ]
    for piece in pieces.parts:
        scores.setdefault(piece, worst)
    for left, right in pieces.merges:
        scores.setdefault(left + right, scores[left] + scores[right] + _BONUS)
    model["vocab"] += [[piece, scores[piece]] for piece in pieces.parts]


def grow(model: Any, pieces: Pieces, first: int, init: Init = "subword", seed: int = 0) -> None:
    """Give the model a row for each new piece, from id `first` on, in the input and the output table (one where they are tied).

    Old rows keep every bit; rows that were there unused are taken over.
    """
    if init not in get_args(Init):
        raise ValueError(f"init {init!r}: needed one of {', '.join(get_args(Init))}.")
    rows = max(model.get_input_embeddings().weight.shape[0], first + len(pieces))
    model.resize_token_embeddings(rows, mean_resizing=False)
    output, tables = model.get_output_embeddings(), [model.get_input_embeddings().weight]
    if output is not None and output.weight is not tables[0]:
        tables.append(output.weight)
    if output is not None and getattr(output, "bias", None) is not None:
        tables.append(output.bias)
    width = getattr(model.config.get_text_config(), "initializer_range", None)
    for place, table in enumerate(tables):
        with torch.no_grad():
            table[first : first + len(pieces)] = new_rows(table[:first], list(pieces.parts.values()), init, seed + place, width)


def new_rows(
    old: Float[Tensor, "vocab ..."], parts: Sequence[Sequence[int]], init: Init, seed: int = 0, width: float | None = None
) -> Float[Tensor, "item ..."]:
    """The rows of new pieces. `parts` are the old ids that wrote each; `width` the standard deviation of random ones (None: the
    old table's)."""
    full = old.detach().float()
    if init == "subword":
        found = torch.stack([full[list(ids)].mean(0) for ids in parts])
    elif init == "mean":
        found = full.mean(0).expand(len(parts), *full.shape[1:])
    else:
        noise = torch.randn((len(parts), *full.shape[1:]), generator=torch.Generator().manual_seed(seed))
        found = noise.to(full.device) * (full.std().item() if width is None else width)
    return found.to(old.dtype)

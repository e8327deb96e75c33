"""Add new pieces to a tokenizer (as merges or scored pieces) and rows for them to the embedding tables of a model.

New ids follow all old ones, so every old row keeps its id and its values.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from jaxtyping import Float
from tokenizers import AddedToken, Tokenizer
from torch import Tensor

from interp.vocabulary.new_pieces import Pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Init = Literal["subword", "mean", "random"]
"""How a new row is initialised. `subword`: mean of the rows of the old tokens that spelled the piece. `mean`: mean of all old rows.
`random`: normal noise with the standard deviation of the model's initialisation, as in the released code of arXiv 2311.09071."""

_BONUS = 0.1  # nats per merge: a longer Unigram piece is preferred to its parts, and to little else
_NEVER = 30.0


def extended(tokenizer: PreTrainedTokenizerBase, pieces: Pieces) -> PreTrainedTokenizerBase:
    """A copy of a tokenizer with new pieces, whose ids begin at its old length.

    A BPE tokenizer gets merges after its own ones. A Unigram tokenizer gets pieces with scores just above those of their parts. Any
    other kind gets added tokens, which match whole words.

    Parameters
    ----------
    tokenizer
        A fast Hugging Face tokenizer. It is not changed.
    pieces
        The pieces, from `learn_pieces`.

    Example
    -------
    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> from interp.vocabulary.new_pieces import learn_pieces
    >>> larger = extended(tokenizer, learn_pieces(tokenizer, ["Ὀδυσσεύς", "Ὀδυσσεύς"], size=3))
    >>> len(larger) - len(tokenizer), len(larger("Ὀδυσσεύς").input_ids) < len(tokenizer("Ὀδυσσεύς").input_ids)
    (3, True)
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
    model["vocab"] |= {piece: first + index for index, piece in enumerate(pieces.parts)}
    model["merges"] += [list(pair) for pair in pieces.merges]


def _into_unigram(model: dict[str, Any], added: dict[str, int], pieces: Pieces) -> None:
    scores = dict(model["vocab"])
    worst = min(scores.values())
    model["vocab"] += [
        [content, worst - _NEVER] for content in sorted(added, key=lambda text: added[text]) if content not in scores
    ]
    for piece in pieces.parts:
        scores.setdefault(piece, worst)
    for left, right in pieces.merges:
        scores.setdefault(left + right, scores[left] + scores[right] + _BONUS)
    model["vocab"] += [[piece, scores[piece]] for piece in pieces.parts]


def grow(model: Any, pieces: Pieces, first: int, init: Init = "subword", seed: int = 0) -> None:
    """Add a row for each new piece to the input and output embedding tables of a model, in place.

    Old rows are not changed. Unused rows that already exist are used.

    Parameters
    ----------
    model
        A Hugging Face causal language model.
    pieces
        The pieces, from `learn_pieces`.
    first
        Id of the first new piece: the length of the old tokenizer.
    init
        Initialisation of the new rows: `subword`, `mean` or `random`.
    seed
        Random seed (`random` only).

    Raises
    ------
    ValueError
        Unknown `init`.
    """
    if init not in get_args(Init):
        raise ValueError(f"got init {init!r}, expected one of {', '.join(get_args(Init))}.")
    rows = max(model.get_input_embeddings().weight.shape[0], first + len(pieces))
    model.resize_token_embeddings(rows, mean_resizing=False)
    output, tables = model.get_output_embeddings(), [model.get_input_embeddings().weight]
    if output is not None and output.weight is not tables[0]:
        tables.append(output.weight)
    if output is not None and getattr(output, "bias", None) is not None:
        tables.append(output.bias)
    width = getattr(model.config.get_text_config(), "initializer_range", None)
    for index, table in enumerate(tables):
        with torch.no_grad():
            table[first : first + len(pieces)] = new_rows(table[:first], list(pieces.parts.values()), init, seed + index, width)


def new_rows(
    old: Float[Tensor, "vocab ..."], parts: Sequence[Sequence[int]], init: Init, seed: int = 0, width: float | None = None
) -> Float[Tensor, "item ..."]:
    """The rows of new pieces, with the dtype of the old table.

    Parameters
    ----------
    old
        The old rows, `[vocab d_model]` (or `[vocab]` for a bias).
    parts
        For each piece, the old ids that spelled it.
    init
        Initialisation: `subword`, `mean` or `random`.
    seed
        Random seed (`random` only).
    width
        Standard deviation of `random` rows. Default: that of the old table.

    Example
    -------
    A new piece begins as the mean of the rows that spelled it:

    >>> import torch
    >>> new_rows(torch.tensor([[0.0, 2.0], [2.0, 0.0], [9.0, 9.0]]), parts=[[0, 1]], init="subword")
    tensor([[1., 1.]])
    """
    full = old.detach().float()
    if init == "subword":
        rows = torch.stack([full[list(ids)].mean(0) for ids in parts])
    elif init == "mean":
        rows = full.mean(0).expand(len(parts), *full.shape[1:])
    else:
        noise = torch.randn((len(parts), *full.shape[1:]), generator=torch.Generator().manual_seed(seed))
        rows = noise.to(full.device) * (full.std().item() if width is None else width)
    return rows.to(old.dtype)

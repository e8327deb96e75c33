"""The tokens of a text, of a prompt, and those that end a generation: one rule each, for all of the project.

A tokenizer may add special tokens: a BOS before a text, an end-of-text (or a language token) after it. A prompt keeps those before
it and loses those after it: a model that continues after an end token writes another text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that carries no loss."""

_PROBES = ("a", "A", "0", ".", "\N{CJK UNIFIED IDEOGRAPH-4E00}", "\n")


class Tokens(NamedTuple):
    """All ids of a text; `start` and `stop` bound those the text itself wrote, the others the tokenizer set around it.

    `offsets[i]` are the characters of token `i`, where they were asked for.
    """

    ids: list[int]
    start: int
    stop: int
    offsets: list[tuple[int, int]] | None = None


def read_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], offsets: bool = False) -> list[Tokens]:
    """Tokenize texts and find which tokens are their own and which the tokenizer added.

    A special token that is written in the text, such as "</s>", is its own. A text that already begins with the special tokens
    that the tokenizer puts in front, as those of a chat template do, gets none added.

    Parameters
    ----------
    tokenizer
        The tokenizer of the model.
    texts
        A list of texts.
    offsets
        Also give the characters of each token; only for a fast tokenizer.

    Returns
    -------
    `Tokens` of each text.
    """
    if isinstance(texts, str):
        raise TypeError(f"read_texts: got a single text {texts[:40]!r}, expected a list of texts.")
    if not texts:
        return []
    how = {"padding": False, "truncation": False, "verbose": False}
    if not tokenizer.is_fast:
        before, behind = _around(tokenizer)
        own = tokenizer(list(texts), add_special_tokens=False, **how)["input_ids"]
        return [
            Tokens(ids, 0, len(ids))
            if before and ids[: len(before)] == before
            else Tokens([*before, *ids, *behind], len(before), len(before) + len(ids))
            for ids in own
        ]
    count = tokens_in_front(tokenizer)
    front = "".join(map(str, tokenizer.convert_ids_to_tokens(tokenizer(_PROBES[0], verbose=False)["input_ids"][:count])))
    begun = [front != "" and text.startswith(front) for text in texts]
    if all(begun):
        encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=offsets, **how)
        characters = encoded["offset_mapping"] if offsets else [None] * len(texts)
        return [Tokens(ids, 0, len(ids), spans) for ids, spans in zip(encoded["input_ids"], characters, strict=True)]
    if any(begun):
        return [read_texts(tokenizer, [text], offsets)[0] for text in texts]
    encoded = tokenizer(list(texts), return_special_tokens_mask=True, return_offsets_mapping=offsets, **how)
    characters = encoded["offset_mapping"] if offsets else [None] * len(texts)
    return [
        Tokens(ids, *_own(tokenizer, mask), spans)
        for ids, mask, spans in zip(encoded["input_ids"], encoded["special_tokens_mask"], characters, strict=True)
    ]


def prompt_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Tokenize `texts` as prompts with `tokenizer`: special tokens before the text stay, those after it are removed.

    The ids of an empty text may be empty.
    """
    return [tokens.ids[: tokens.stop] for tokens in read_texts(tokenizer, texts)]


def tokens_in_front(tokenizer: PreTrainedTokenizerBase) -> int:
    """Number of special tokens that `tokenizer` puts before a text."""
    if not tokenizer.is_fast:
        return len(_around(tokenizer)[0])
    for text in chain(_PROBES, _vocabulary(tokenizer)):
        added = tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"]
        if 0 in added:
            return added.index(0)
    raise ValueError(
        f"got a {type(tokenizer).__name__} whose tokens are all special, expected one that can encode text. "
        "Give the tokenizer of the model."
    )


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """The pieces of the vocabulary, listed only where they are asked for: a real one takes half a second."""
    yield from tokenizer.get_vocab()


def end_tokens(model: TransformerBridge) -> tuple[int, ...]:
    """Sorted ids of the tokens that end a generation of `model`: those of its generation configuration, else of its tokenizer."""
    ends = getattr(getattr(model.original_model, "generation_config", None), "eos_token_id", None)
    ends = model.tokenizer.eos_token_id if ends is None else ends
    return tuple(sorted({int(ends)} if isinstance(ends, int) else {int(end) for end in ends or ()}))


def _own(tokenizer: PreTrainedTokenizerBase, added: Sequence[int]) -> tuple[int, int]:
    """The first of a text's own tokens and the one behind its last; of a text without any, the place between both sides."""
    if 0 in added:
        return added.index(0), len(added) - added[::-1].index(0)
    front = tokens_in_front(tokenizer) if added else 0
    return front, front


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The ids that a slow tokenizer sets in front of a text and behind it."""
    empty = tokenizer.build_inputs_with_special_tokens([])
    other = next(token for token in range(len(empty) + 1) if token not in empty)
    framed = tokenizer.build_inputs_with_special_tokens([other])
    index = framed.index(other)
    return framed[:index], framed[index + 1 :]

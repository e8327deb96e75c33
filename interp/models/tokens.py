"""The tokens of a text, of a prompt that goes on, and those that end what a model writes: one rule each, for everything.

A tokenizer may set tokens of its own around a text: a BOS in front, an end-of-text (or a language's token) behind. What stands in
front belongs to a prompt. What stands behind closes a text, so a prompt goes without it: a model that reads on behind an
end token speaks of another text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

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


def read_texts(tokenizer: Any, texts: Sequence[str], offsets: bool = False) -> list[Tokens]:
    """The ids of each text and which of them are its own. `offsets` (fast tokenizers only) adds each token's characters.

    A control token that is written in the text, such as "</s>", is one of its own. The tokenizer's mask says what it added;
    a slow tokenizer's need not be right, so there it is seen from what it puts around a token.
    """
    if isinstance(texts, str):
        raise TypeError(f"read_texts: a single text {texts[:40]!r} came. Needed: a list of texts.")
    if not texts:
        return []
    how = {"padding": False, "truncation": False, "verbose": False}
    if not tokenizer.is_fast:
        front, behind = _around(tokenizer)
        own = tokenizer(list(texts), add_special_tokens=False, **how)["input_ids"]
        return [Tokens([*front, *ids, *behind], len(front), len(front) + len(ids)) for ids in own]
    found = tokenizer(list(texts), return_special_tokens_mask=True, return_offsets_mapping=offsets, **how)
    places = found["offset_mapping"] if offsets else [None] * len(texts)
    return [
        Tokens(ids, *_own(tokenizer, mask), place)
        for ids, mask, place in zip(found["input_ids"], found["special_tokens_mask"], places, strict=True)
    ]


def prompt_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The ids of texts that go on: what the tokenizer sets in front stays, what it sets behind is taken off.

    A list may be empty: an empty text, and nothing in front of it.
    """
    return [found.ids[: found.stop] for found in read_texts(tokenizer, texts)]


def tokens_in_front(tokenizer: Any) -> int:
    """How many tokens the tokenizer sets in front of a text, seen on the first of some that is not empty to it."""
    if not tokenizer.is_fast:
        return len(_around(tokenizer)[0])
    for text in (*_PROBES, *tokenizer.get_vocab()):
        added = tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"]
        if 0 in added:
            return added.index(0)
    raise ValueError(f"this {type(tokenizer).__name__} writes no text at all. Needed: the tokenizer of the model.")


def end_tokens(model: TransformerBridge) -> tuple[int, ...]:
    """The ids that end what a model writes, in order: what its generation settings say, else its tokenizer's end-of-text."""
    ends = getattr(getattr(model.original_model, "generation_config", None), "eos_token_id", None)
    ends = model.tokenizer.eos_token_id if ends is None else ends
    return tuple(sorted({int(ends)} if isinstance(ends, int) else {int(end) for end in ends or ()}))


def _own(tokenizer: Any, added: Sequence[int]) -> tuple[int, int]:
    """The first of a text's own tokens and the one behind its last; of a text without any, the place between both sides."""
    if 0 in added:
        return added.index(0), len(added) - added[::-1].index(0)
    front = tokens_in_front(tokenizer) if added else 0
    return front, front


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that a slow tokenizer sets in front of a text and behind it."""
    empty = tokenizer.build_inputs_with_special_tokens([])
    other = next(token for token in range(len(empty) + 1) if token not in empty)
    framed = tokenizer.build_inputs_with_special_tokens([other])
    place = framed.index(other)
    return framed[:place], framed[place + 1 :]

"""The token ids of a continuation as they stand right behind its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from interp.models.batches import encode

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge


def continuation(model: TransformerBridge, prompt: str | Sequence[int], answer: str | Sequence[int]) -> tuple[int, ...]:
    """The ids of an answer as they stand right behind the prompt.

    Text is tokenized together with the prompt where that leaves the prompt's own tokens alone, so that an answer gets no
    word start of its own; else by itself, without special tokens.
    """
    if not isinstance(answer, str):
        ids = tuple(int(token) for token in answer)
    else:
        ids = tuple(encode(model, [answer], special=False)[0]) if answer else ()
        if isinstance(prompt, str) and ids:
            before, both = encode(model, [prompt, prompt + answer])
            if len(both) > len(before) and both[: len(before)] == before:
                ids = tuple(both[len(before) :])
    if not ids:
        raise ValueError(f"answer {answer!r} tokenizes to nothing. Needed: an answer of at least one token.")
    return ids

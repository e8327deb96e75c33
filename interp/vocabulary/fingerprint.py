"""Which tokenizer: a hash of everything that decides how text becomes ids."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CALLS = ("padding", "truncation")
"""What a fast tokenizer keeps of its last call."""


def fingerprint_tokenizer(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of everything in `tokenizer` that decides the ids of a text: vocabulary, merges, special tokens and shortening.

    So one model with two tokenizers counts as two models.

    >>> import interp
    >>> tokenizer = interp.load("bundled").tokenizer
    >>> fingerprint_tokenizer(tokenizer) == fingerprint_tokenizer(interp.load("bundled").tokenizer)
    True
    """
    if tokenizer.is_fast:
        own = json.loads(tokenizer.backend_tokenizer.to_str())
        own = {key: value for key, value in own.items() if key not in _CALLS}
    else:
        own = tokenizer.get_vocab()
    shortening = getattr(tokenizer, "shortening", None)
    facts = [own, {key: str(value) for key, value in tokenizer.special_tokens_map.items()}]
    return hashlib.sha256(f"{json.dumps(facts, sort_keys=True)}{shortening and shortening.dropped!r}".encode()).hexdigest()

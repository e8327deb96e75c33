"""Checks of the tokenizer: the tokens it adds, the characters of its tokens, its chat template."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from interp.interventions.edits import tokens_of
from interp.models.checks.verification import CannotAskError, WrongError
from interp.models.tokens import end_tokens
from interp.text.sentences import SENTENCES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from interp.models.load import TransformerBridge


def tokenizer_facts(model: TransformerBridge) -> list[tuple[str, float, Callable[[], float | tuple[float, str]]]]:
    """Checks of the tokenizer of `model`: offsets, added tokens, that a prompt does not end in an end token, chat template."""
    return [
        ("token offsets: each span decodes to its text", 0.0, partial(_offsets, model.tokenizer)),
        ("tokens that the tokenizer adds to a text", math.inf, partial(_added, model.tokenizer)),
        ("no end token stands behind a prompt", 0.0, partial(_open, model)),
        ("chat template", 0.0, partial(_chat, model.tokenizer)),
    ]


def _offsets(tokenizer: Any) -> tuple[float, str]:
    """Number of scripts with a token whose characters differ from what it decodes to."""
    if not tokenizer.is_fast:
        raise CannotAskError("the tokenizer is not a fast one, so it gives no offsets; templates are refused")
    faults: dict[str, str] = {}
    unknown = []
    for code, text in SENTENCES.items():
        encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        groups = _groups(encoded["input_ids"], encoded["offset_mapping"])
        without_unknown = [group for group in groups if tokenizer.unk_token_id not in group[0]]
        if len(without_unknown) < len(groups):
            unknown.append(code)
        for ids, start, stop in without_unknown:
            decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            if _plain(decoded) != _plain(text[start:stop]):
                faults.setdefault(code, f"{code}: {decoded!r} for {text[start:stop]!r}")
        covered = {index for _, start, stop in groups for index in range(start, stop)}
        if missed := [text[index] for index in range(len(text)) if index not in covered and not text[index].isspace()]:
            faults.setdefault(code, f"{code}: no token holds {missed[0]!r}")
    note = f"; unknown tokens in {', '.join(unknown)}" if unknown else ""
    if faults:
        raise WrongError(f"wrong in {len(faults)} of {len(SENTENCES)} scripts ({next(iter(faults.values()))}){note}")
    return 0.0, f"{len(SENTENCES)} scripts{note}"


def _groups(ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> list[tuple[list[int], int, int]]:
    """Tokens with their characters; tokens that share a character (its bytes) are grouped."""
    groups: list[tuple[list[int], int, int]] = []
    for token, (start, stop) in zip(ids, offsets, strict=True):
        if groups and (start < groups[-1][2] or start == stop):
            before, first, last = groups[-1]
            groups[-1] = ([*before, token], first, max(last, stop))
        else:
            groups.append(([token], start, stop))
    return groups


def _plain(text: str) -> str:
    """A text without what a tokenizer may change: outer spaces, compatibility forms, case."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _added(tokenizer: PreTrainedTokenizerBase) -> tuple[float, str]:
    without_special, with_special = (tokenizer("one two", add_special_tokens=special)["input_ids"] for special in (False, True))
    size = len(without_special)
    front = next(
        (index for index in range(len(with_special) - size + 1) if with_special[index : index + size] == without_special), None
    )
    if front is None:
        return 0.0, f"the tokens of the text change when it adds some: {tokenizer.convert_ids_to_tokens(with_special)}"
    sides = {"in front": with_special[:front], "behind": with_special[front + size :]}
    descriptions = [f"{where}: {' '.join(tokenizer.convert_ids_to_tokens(ids))}" for where, ids in sides.items() if ids]
    return 0.0, "; ".join(descriptions) or "none"


def _open(model: TransformerBridge) -> tuple[float, str]:
    ends = set(end_tokens(model))
    last = tokens_of(model, "one two")[-1]
    if last in ends:
        raise WrongError(f"a prompt ends in {model.tokenizer.convert_ids_to_tokens(last)!r}, expected no end token there")
    return 0.0, f"generation ends at {' '.join(map(str, model.tokenizer.convert_ids_to_tokens(sorted(ends)))) or 'no token'}"


def _chat(tokenizer: PreTrainedTokenizerBase) -> tuple[float, str]:
    if not tokenizer.chat_template:
        raise CannotAskError("the tokenizer has none, as for a base model")
    words = "How many languages do you hold?"
    text = tokenizer.apply_chat_template([{"role": "user", "content": words}], tokenize=False, add_generation_prompt=True)
    if words not in text:
        raise WrongError(f"it drops the message of the user: {text[:80]!r}")
    return 0.0, f"renders {text[:80]!r}{' ...' if len(text) > 80 else ''}"

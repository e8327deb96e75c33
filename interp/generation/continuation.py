"""The token ids of a continuation as they stand right behind its prompt: one rule for answers, options and training examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from interp.models.tokens import prompt_ids

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

_LINE = ("\n", ".", '"', "a", "1")  # what the continuation is written behind where the prompt itself melts into it


class Continued(NamedTuple):
    """A prompt's ids and those of what follows it. `melted` where, written as one text, a token would reach over the border."""

    prompt: list[int]
    ids: list[int]
    melted: bool


def continue_prompts(tokenizer: Any, prompts: Sequence[str], continuations: Sequence[str]) -> list[Continued]:
    """The ids of each continuation behind its prompt, whose ids are always those of the prompt alone.

    They are what the tokenized whole adds to the prompt's ids. Where the whole does not begin with these or adds none, as a
    token would reach over the border, they are the continuation's ids in the middle of a line: without the word start that some
    tokenizers set before a text ("Answer: " and "4" give `4`, not `▁4`), so that prompt and continuation spell the
    whole. `ids` is empty where the continuation has no token.
    """
    asked = dict(zip(dict.fromkeys(prompts), prompt_ids(tokenizer, list(dict.fromkeys(prompts))), strict=True))
    whole = prompt_ids(tokenizer, [prompt + more for prompt, more in zip(prompts, continuations, strict=True)])
    found = []
    for prompt, more, both in zip(prompts, continuations, whole, strict=True):
        start = asked[prompt]
        melted = both[: len(start)] != start or (len(both) == len(start) and more != "")
        ids = _in_line(tokenizer, start, more, _spelled(tokenizer, both), prompt[-1:]) if melted else both[len(start) :]
        found.append(Continued(start, ids, melted))
    return found


def continuation(model: TransformerBridge, prompt: str | Sequence[int], answer: str | Sequence[int]) -> tuple[int, ...]:
    """The ids of an answer as they stand right behind the prompt; of an answer given as ids, these.

    Behind a prompt given as ids the answer stands in the middle of a line. Raises `ValueError` where it has no token.
    """
    if not isinstance(answer, str):
        ids = [int(token) for token in answer]
    elif isinstance(prompt, str):
        ids = continue_prompts(model.tokenizer, [prompt], [answer])[0].ids
    else:
        start = [int(token) for token in prompt]
        ids = _in_line(model.tokenizer, start, answer, _spelled(model.tokenizer, start) + answer)
    if not ids:
        raise ValueError(f"got answer {answer!r}, which has no token, expected an answer of at least one token.")
    return tuple(ids)


def _in_line(tokenizer: Any, start: Sequence[int], text: str, whole: str, last: str = "") -> list[int]:
    """The ids of a text in the middle of a line: those behind the first carrier with which they spell the whole."""
    if not text:
        return []
    carriers = list(dict.fromkeys([*_LINE, *([last] if last else [])]))
    written = tokenizer([*carriers, *(carrier + text for carrier in carriers), text], add_special_tokens=False)["input_ids"]
    pairs = zip(written[: len(carriers)], written[len(carriers) : -1], strict=True)
    found = [after[len(before) :] for before, after in pairs if before and after[: len(before)] == before] + written[-1:]
    found = [ids for ids in found if ids]
    return next((ids for ids in found if _spelled(tokenizer, [*start, *ids]) == whole), found[0] if found else [])


def _spelled(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

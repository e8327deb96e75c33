"""The token ids of a continuation after its prompt: one rule for answers, options and training examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from interp.models.tokens import prompt_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from interp.models.load import TransformerBridge

_LINE = ("\n", ".", '"', "a", "1")  # texts to put before the continuation if a token would span the boundary with the prompt


class Continued(NamedTuple):
    """The ids of a prompt and of its continuation; and whether, in one text, a token would span the boundary (`melted`)."""

    prompt: list[int]
    ids: list[int]
    melted: bool


def continue_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], continuations: Sequence[str]) -> list[Continued]:
    """Tokenize each continuation after its prompt, which is tokenized by itself.

    The ids of the continuation are those that the tokenized whole adds to the ids of the prompt. If a token would span both,
    they are the ids of the continuation in the middle of a line, without the word start that some tokenizers put before a text
    ("Answer: " and "4" give `4`, not `▁4`), so that both together spell the whole.

    Parameters
    ----------
    tokenizer
        The tokenizer of the model.
    prompts, continuations
        Texts, one continuation for each prompt. The ids of a continuation without a token are empty.
    """
    prompt_tokens = dict(zip(dict.fromkeys(prompts), prompt_ids(tokenizer, list(dict.fromkeys(prompts))), strict=True))
    joint_tokens = prompt_ids(tokenizer, [prompt + more for prompt, more in zip(prompts, continuations, strict=True)])
    continued = []
    for prompt, more, joint in zip(prompts, continuations, joint_tokens, strict=True):
        start = prompt_tokens[prompt]
        melted = joint[: len(start)] != start or (len(joint) == len(start) and more != "")
        ids = _in_line(tokenizer, start, more, _spelled(tokenizer, joint), prompt[-1:]) if melted else joint[len(start) :]
        continued.append(Continued(start, ids, melted))
    return continued


def continuation(model: TransformerBridge, prompt: str | Sequence[int], answer: str | Sequence[int]) -> tuple[int, ...]:
    """The ids of an `answer` after a `prompt`, for the tokenizer of `model`; an answer given as ids stays as it is.

    After a prompt given as ids, the answer is tokenized as in the middle of a line. Raises `ValueError` if it has no token.
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


def _in_line(tokenizer: PreTrainedTokenizerBase, start: Sequence[int], text: str, target: str, last: str = "") -> list[int]:
    """The ids of a text in the middle of a line: those after the first carrier with which they spell the whole."""
    if not text:
        return []
    carriers = list(dict.fromkeys([*_LINE, *([last] if last else [])]))
    written = tokenizer([*carriers, *(carrier + text for carrier in carriers), text], add_special_tokens=False)["input_ids"]
    pairs = zip(written[: len(carriers)], written[len(carriers) : -1], strict=True)
    candidates = [after[len(before) :] for before, after in pairs if before and after[: len(before)] == before] + written[-1:]
    candidates = [ids for ids in candidates if ids]
    return next((ids for ids in candidates if _spelled(tokenizer, [*start, *ids]) == target), candidates[0] if candidates else [])


def _spelled(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

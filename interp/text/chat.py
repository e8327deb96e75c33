"""Text in a model's own chat template: as the message of a user, to be answered by the assistant."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from interp.text.corpus import ParallelTask

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def in_chat(tokenizer: PreTrainedTokenizerBase, text: str, turns: Sequence[tuple[str, str]] = ()) -> str:
    """Write a text as the user's message, followed by the opening of the assistant's answer, as the model was tuned to read it.

    The template's own special tokens are part of the result; `interp.models.tokens.read_texts` does not add them again.

    Parameters
    ----------
    tokenizer
        The tokenizer of the model, with a chat template.
    text
        The message. Some templates remove blanks around it.
    turns
        Earlier messages of the user, each with the answer of the assistant: few-shot examples. Default: none.

    Raises
    ------
    ValueError
        The tokenizer has no chat template, or the template fails or does not write the message as it is.
    """
    if not tokenizer.chat_template:
        raise ValueError("got a tokenizer without a chat template, expected that of a chat model. Leave chat out.")
    said = [*(part for turn in turns for part in zip(("user", "assistant"), turn, strict=True)), ("user", text)]
    messages = [{"role": role, "content": content} for role, content in said]
    try:
        written = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except (TemplateError, ValueError, TypeError) as error:  # what a template raises, or several templates and none by default
        raise ValueError(
            f"the chat template of this tokenizer refuses {'the turns' if turns else 'a single message'} of a user ({error}). "
            "Leave chat out."
        ) from error
    for _, content in said:
        if content.strip() not in written:
            raise ValueError(
                f"the chat template of this tokenizer does not write the message {content[:40]!r} as it is. Leave chat out."
            )
    return written


def chat_task(tokenizer: PreTrainedTokenizerBase, task: ParallelTask) -> ParallelTask:
    """The same questions, each in the model's chat template (`in_chat`), so that the last token of a prompt is where it answers.

    Parameters
    ----------
    tokenizer
        The tokenizer of the model.
    task
        The questions. Answers and options stay as they are, and follow the opening of the assistant's answer.
    """
    prompts = {code: tuple(in_chat(tokenizer, prompt) for prompt in texts) for code, texts in task.prompts.items()}
    return replace(task, name=f"{task.name} (chat {chat_digest(tokenizer)})", prompts=prompts)


def chat_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """The first digits of a hash of what the chat template of `tokenizer` writes around a message, for signatures.

    It also changes where the template writes the date of today, as that of Llama 3.1 does: the model then reads another text.
    """
    return hashlib.sha256(in_chat(tokenizer, "message").encode()).hexdigest()[:8]

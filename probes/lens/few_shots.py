"""Few-shot prompts: answered examples, then a question that is open, as plain lines or as the turns of a chat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp.text.chat import in_chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_OPENING = re.compile(r"""["'“„«‹「『‘]$""")


@dataclass(frozen=True)
class FewShotPrompt:
    """Examples and a question, each a text that the answer continues.

    Parameters
    ----------
    examples
        Pairs of a question and its answer. The answer includes what closes it, such as a quotation mark.
    question
        The question to answer. It may end with a quotation mark, which the answer follows.
    begun
        The beginning of the answer that is given, if any.

    Example
    -------
    >>> FewShotPrompt((('Haus: "', 'house"'),), 'Hund: "').write()
    'Haus: "house"\\nHund: "'
    """

    examples: tuple[tuple[str, str], ...]
    question: str
    begun: str = ""

    def write(self, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
        """The prompt, up to where the answer begins.

        Parameters
        ----------
        tokenizer
            Write the examples as earlier turns of a chat, in the chat template of this tokenizer: each question is a message of
            the user, each answer one of the assistant. A quotation mark at the end of a question moves to the answer. Default:
            one line each, without a template.

        Raises
        ------
        ValueError
            The tokenizer has no chat template, or it does not write the messages as they are.
        """
        if tokenizer is None:
            return "\n".join([*(asked + answer for asked, answer in self.examples), self.question + self.begun])
        turns = []
        for asked, answer in self.examples:
            message, opening = _message(asked)
            turns.append((message, opening + answer))
        message, opening = _message(self.question)
        return in_chat(tokenizer, message, turns) + opening + self.begun


def _message(question: str) -> tuple[str, str]:
    """A question as a message, and the quotation mark at its end, which begins the answer."""
    opening = _OPENING.search(question)
    return (question[: opening.start()].strip(), opening[0]) if opening else (question.strip(), "")

"""Which tokens of a text are the sentence's own: not the BOS, not the template around it."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interp.languages import Language
from interp.models.tokens import read_texts
from interp.text.chat import in_chat

_FIELDS = ("sentence", "language", "autonym")


@dataclass(frozen=True)
class Span:
    """One tokenized text: its ids up to its last own token, and the half-open range of those that are pooled."""

    ids: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Template:
    """The words around a sentence, `{sentence}` once and `{language}` (English name) or `{autonym}` where wanted.

    With `chat`, a tokenizer, the whole is the user's message in its chat template.
    """

    text: str = "{sentence}"
    chat: Any = None

    def __post_init__(self) -> None:
        try:
            fields = [field for field in string.Formatter().parse(self.text) if field[1] is not None]
        except ValueError as error:
            raise ValueError(f"got template {self.text!r}: {error}. Double a brace that is part of the text.") from None
        names = [name for _, name, _, _ in fields]
        if names.count("sentence") != 1 or set(names) - set(_FIELDS) or any(width or kind for _, _, width, kind in fields):
            raise ValueError(
                f"got template {self.text!r}, expected {{sentence}} once, and no other field but {{language}} or {{autonym}}."
            )

    def around(self, language: Language) -> tuple[str, str]:
        """What stands before and after the sentence in one `language`."""
        mark = "\N{LEFT CEILING}Sentence\N{RIGHT CEILING}"  # in both cases: a chat template that changes one is refused
        filled = self.text.format(sentence=mark, language=language.name, autonym=language.autonym)
        before, _, after = (filled if self.chat is None else in_chat(self.chat, filled)).partition(mark)
        return before, after


def spans(tokenizer: Any, sentences: Sequence[str], around: tuple[str, str] = ("", ""), include_bos: bool = False) -> list[Span]:
    """Tokenize sentences and find the tokens of each: all that share a character with it, without special tokens.

    A token that crosses the border between template and sentence belongs to the sentence. A special token that the tokenizer
    appends is dropped, as no token before it attends to it.

    Parameters
    ----------
    tokenizer
        The tokenizer of the model. With a template it must be a fast one, which gives the characters of each token.
    sentences
        The sentences.
    around
        The text before and after each sentence, from `Template.around`.
    include_bos
        Start the span at the first token of the text.

    Returns
    -------
    One `Span` for each sentence.

    Raises
    ------
    ValueError
        A slow tokenizer was given with a template.
    """
    before, after = around
    framed = bool(before or after)
    if framed and not tokenizer.is_fast:
        raise ValueError(
            f"got a {type(tokenizer).__name__} and a template, expected a fast tokenizer, which gives the characters of each token."
        )
    encoded = read_texts(tokenizer, [before + sentence + after for sentence in sentences], offsets=framed)
    result = []
    for sentence, read in zip(sentences, encoded, strict=True):
        tokens = list(range(read.start, read.stop))
        if read.offsets is not None:
            first, last = len(before), len(before) + len(sentence)
            tokens = [token for token in tokens if read.offsets[token][0] < last and read.offsets[token][1] > first]
        start, stop = (tokens[0], tokens[-1] + 1) if tokens else (0, 0)
        result.append(Span(tuple(read.ids[: read.stop]), 0 if include_bos else start, stop))
    return result

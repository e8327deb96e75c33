"""Prompts whose next word is known in several languages: translation, repetition, cloze.

A line of a word list is written by one format, `{source}: "{word}" - {target}: "{answer}"` as in Wendler et al. (2024): languages
by their own names, words in quotes. A prompt is some lines filled in, then one that stops before the answer. The lines shown
are drawn for each item from the other items.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from interp.languages import language
from interp.text.corpus import ParallelCorpus, ParallelTask
from probes.lens.few_shots import FewShotPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WordTask = Literal["translation", "repetition", "cloze"]
LINE = '{source}: "{word}" - {target}: "{answer}"'
_FIELDS = {"source", "word", "target", "answer"}


@dataclass(frozen=True)
class WordPrompts:
    """A prompt for each item, and the word that follows in every language: `words[code][i]` belongs to `prompts[i]`."""

    task: WordTask
    source: str
    target: str
    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]


def translation_prompts(
    words: ParallelCorpus,
    source: str,
    target: str,
    *,
    shots: int = 4,
    line: str = LINE,
    names: Mapping[str, str] | None = None,
    seed: int = 0,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> WordPrompts:
    """Prompts that ask for the translation of each word, or for the word again if `source` is `target`.

    Parameters
    ----------
    words
        A parallel list of words.
    source, target
        Language of the given word, and language of the answer.
    shots
        Number of few-shot examples, words with other answers.
    line
        Template of one line, with `{source}`, `{word}`, `{target}` and, at the end, `{answer}`.
    names
        Names of the languages in the prompt. Default: the name of each language in itself.
    seed
        Random seed of the examples.
    tokenizer
        Write every prompt as a chat, in the chat template of this tokenizer. Default: plain lines.

    Raises
    ------
    ValueError
        The template lacks a field, or there are too few items for the examples.
    """
    _check_line(line)
    called = {"source": _name(source, names), "target": _name(target, names)}
    asked, answers = words[source], words[target]
    before, _, behind = line.partition("{answer}")
    open_lines = [before.format(**called, word=word) for word in asked]
    closed = [answer + behind.format(**called, word=word) for word, answer in zip(asked, answers, strict=True)]
    task: WordTask = "repetition" if source == target else "translation"
    prompts = _with_shots(open_lines, closed, answers, words.ids, shots, f"{seed}/{source}/{target}", tokenizer)
    return WordPrompts(task, source, target, words.ids, prompts, words.sentences)


def cloze_prompts(
    task: ParallelTask, target: str, *, shots: int = 2, seed: int = 0, tokenizer: PreTrainedTokenizerBase | None = None
) -> WordPrompts:
    """Prompts that ask for the missing word of a sentence of `task` in the language `target`, after `shots` examples by `seed`.

    A quotation mark at the end of a prompt is closed in the examples. With a `tokenizer`, every prompt is a chat, in its chat
    template. Raises `ValueError` if there are too few items.
    """
    answers = {code: tuple(_bare(accepted) for accepted in task.answers[code]) for code in task.languages}
    asked = task.prompts[target]
    closed = [full[0] + ('"' if prompt.endswith('"') else "") for prompt, full in zip(asked, task.answers[target], strict=True)]
    prompts = _with_shots(asked, closed, answers[target], task.ids, shots, f"{seed}/{target}", tokenizer)
    return WordPrompts("cloze", target, target, task.ids, prompts, answers)


def _bare(accepted: Sequence[str]) -> str:
    """The word itself, if the reference answer continues to the end of the sentence."""
    return min((answer.strip() for answer in accepted if answer.strip() in accepted[0]), key=len)


def _with_shots(
    asked: Sequence[str],
    closed: Sequence[str],
    answers: Sequence[str],
    ids: Sequence[str],
    shots: int,
    seed: str,
    tokenizer: PreTrainedTokenizerBase | None,
) -> tuple[str, ...]:
    if not 0 <= shots < len(asked):
        raise ValueError(f"got {shots} shots for {len(asked)} items, expected fewer examples than items.")
    prompts = []
    for row, (question, own) in enumerate(zip(asked, answers, strict=True)):
        others = [at for at, answer in enumerate(answers) if at != row and answer.casefold() != own.casefold()]
        if len(others) < shots:
            raise ValueError(
                f"item {ids[row]}: {len(others)} items have another answer than {own!r}. Use fewer than {shots} shots."
            )
        drawn = random.Random(f"{seed}/{ids[row]}").sample(others, shots)
        prompts.append(FewShotPrompt(tuple((asked[at], closed[at]) for at in drawn), question).write(tokenizer))
    return tuple(prompts)


def _check_line(line: str) -> None:
    try:
        parts = [part for part in string.Formatter().parse(line) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"prompt line {line!r}: {error}. A brace that is meant as text is doubled.") from None
    fields = [name for _, name, _, _ in parts]
    if any(width or kind for _, _, width, kind in parts):
        raise ValueError(f"got prompt line {line!r}, expected fields by name only, without a width or a format.")
    if set(fields) - _FIELDS or not {"word", "answer"} <= set(fields) or fields.index("word") > fields.index("answer"):
        raise ValueError(
            f"got prompt line {line!r}, expected {{word}}, then {{answer}}; the fields are {', '.join(sorted(_FIELDS))}."
        )


def _name(code: str, names: Mapping[str, str] | None) -> str:
    meant = language(code)
    told = {language(spelling).code: name for spelling, name in (names or {}).items()}
    return told.get(meant.code) or meant.autonym or meant.name

"""Answer options that a prompt lists, "(1) Entail", and the same prompt with its options in another order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from interp.text.corpus import ParallelTask

_LINE = re.compile(r"^\((\w)\)[^\S\n]*(\S.*?)[^\S\n]*$", re.MULTILINE)
_WIDE = frozenset("。：？！、）」』】，；")


@dataclass(frozen=True)
class Question:
    """One item: the prompt, the accepted answers, the options, and the index of the right option (`gold`).

    `marks` and `words` are the marks and texts of the options that the prompt lists, in its order; empty if it lists none.
    `options` are the continuations that are scored after the prompt.
    """

    prompt: str
    options: tuple[str, ...] = ()
    gold: int | None = None
    answers: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def questions(task: ParallelTask, code: str, shift: int = 0) -> list[Question]:
    """The items of one language.

    If a prompt lists its options, their marks are scored (" (1"), which mean the same in every language; otherwise their texts.

    Parameters
    ----------
    task
        The task.
    code
        Language of the prompts.
    shift
        Number of positions that the texts of the options move down the list, while the marks stay. The right mark is then another
        one, so copying the mark from a run in the original order is an error.

    Raises
    ------
    ValueError
        There is a shift, and a prompt lists no options.
    """
    items: list[Question] = []
    for prompt, answers, choices in zip(task.prompts[code], task.answers[code], _choices(task, code), strict=True):
        listed = _LINE.findall(prompt)
        if len(listed) >= 2 and _place(listed, answers) is not None:
            items.append(_listed(prompt, answers, shift))
        elif shift:
            raise ValueError(
                f"task {task.name!r}: got prompt {prompt[:60]!r}... without listed options, expected options that can be reordered."
            )
        elif choices:
            items.append(Question(prompt, choices, choices.index(answers[0]), answers))
        else:
            items.append(Question(prompt, (), None, answers))
    return items


def lists_options(task: ParallelTask) -> bool:
    """Whether every prompt of `task` lists its options, in every language."""
    return all(question.marks for code in task.languages for question in questions(task, code))


def _choices(task: ParallelTask, code: str) -> Sequence[tuple[str, ...]]:
    return task.choices[code] if task.choices else [()] * len(task)


def _listed(prompt: str, answers: tuple[str, ...], shift: int) -> Question:
    listed = _LINE.findall(prompt)
    marks, words = tuple(mark for mark, _ in listed), [word for _, word in listed]
    gold = _place(listed, answers) or 0
    n, moved = len(words), iter(words[-(shift % len(words)) :] + words[: -(shift % len(words))] if shift % len(words) else words)
    prompt = _LINE.sub(lambda line: line.group(0).replace(line.group(2), next(moved)), prompt)
    words = [words[(index - shift) % n] for index in range(n)]
    space = "" if prompt[-1].isspace() or prompt[-1] in _WIDE else " "
    return Question(prompt, tuple(f"{space}({mark}" for mark in marks), (gold + shift) % n, answers, marks, tuple(words))


def _place(listed: Sequence[tuple[str, str]], answers: Sequence[str]) -> int | None:
    """Which listed option is the right one: by its text or by its mark."""
    for index, (mark, word) in enumerate(listed):
        if any(answer.strip() in (word, mark, f"({mark})") for answer in answers):
            return index
    return None


def pairs_of(task: ParallelTask, pivot: str, direction: str) -> list[tuple[tuple[str, ...], str]]:
    """The pairs (donor languages, target language) of a task, for `measure_transplant`.

    Parameters
    ----------
    task
        The task.
    pivot
        Reference language.
    direction
        `to`: from the reference language to every other. `from`: from every other to it. `both` of these. `all` ordered pairs.
        `mean`: from all other languages, averaged, to each.

    Raises
    ------
    ValueError
        The task lacks the reference language or a second one, or the direction is unknown.
    """
    others = [code for code in task.languages if code != pivot]
    pairs: Mapping[str, list[tuple[tuple[str, ...], str]]] = {
        "to": [((pivot,), code) for code in others],
        "from": [((code,), pivot) for code in others],
        "all": [((a,), b) for a in task.languages for b in task.languages if a != b],
        "mean": [(tuple(a for a in task.languages if a != b), b) for b in task.languages],
    }
    if direction == "both":
        return [*pairs["to"], *pairs["from"]]
    if direction not in pairs:
        raise ValueError(f"got direction {direction!r}, expected one of to, from, both, all, mean.")
    if pivot not in task.languages or not others:
        raise ValueError(f"task {task.name!r}: got languages {', '.join(task.languages)}, expected {pivot} and at least one other.")
    return pairs[direction]

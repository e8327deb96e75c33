"""Pairs of prompts that differ in one thing, so that the right answer to one is wrong for the other."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from interp.text.corpus import ParallelTask


@dataclass(frozen=True)
class Contrast:
    """A clean and a corrupt prompt for activation patching.

    Parameters
    ----------
    clean, corrupt
        The prompts. Mark the part that differs, as in `The capital of [[France]] is`, to patch it with the anchor `span`.
    answer, wrong
        The right continuation of `clean`, and that of `corrupt`.
    item
        Identifier of the pair. Default: its index.
    language
        FLORES-200 code.
    """

    clean: str
    corrupt: str
    answer: str = ""
    wrong: str = ""
    item: str = ""
    language: str = ""


def contrasts(task: ParallelTask, code: str, seed: int = 0) -> list[Contrast]:
    """Pair each question with another one that has another answer, and mark what differs.

    This is symmetric token replacement (Zhang & Nanda 2024, arXiv 2309.16042): same language and template, other content.

    Parameters
    ----------
    task
        Questions with answers.
    code
        FLORES-200 code of the language.
    seed
        Random seed of the choice of partners (`partners`).

    Returns
    -------
    One pair per question. Questions without a partner are left out.
    """
    pairs = []
    for row, other in partners(task, code, seed):
        clean, corrupt = mark_difference(task.prompts[code][row], task.prompts[code][other])
        answer, wrong = task.answers[code][row][0], task.answers[code][other][0]
        pairs.append(Contrast(clean, corrupt, answer, wrong, task.ids[row], code))
    return pairs


def partners(task: ParallelTask, code: str, seed: int = 0) -> list[tuple[int, int]]:
    """For each item, the most similar prompt that has another answer.

    Parameters
    ----------
    task
        Questions with answers. If it has labels, partners have the same labels.
    code
        FLORES-200 code of the language.
    seed
        Random seed that decides between equally similar prompts.

    Returns
    -------
    Pairs of row indices (item, partner). Items without a partner are left out.
    """
    rng = np.random.default_rng(seed)
    prompts, answers = task.prompts[code], [given[0] for given in task.answers[code]]
    kinds = list(zip(*task.labels.values(), strict=True)) if task.labels else [()] * len(prompts)
    pairs = []
    for row in range(len(prompts)):
        others = [k for k in rng.permutation(len(prompts)).tolist() if answers[k] != answers[row] and kinds[k] == kinds[row]]
        others = [k for k in others if prompts[k] != prompts[row]]  # one question with two answers, as a word of two meanings
        if others:
            pairs.append((row, max(others, key=lambda k: _similarity(prompts[row], prompts[k]))))
    return pairs


def _similarity(one: str, other: str) -> int:
    """The number of characters that two prompts share at their ends, up to 40, which is enough to recognise a template."""
    return min(40, _common(one[::-1], other[::-1]))


def _common(one: str, other: str) -> int:
    """The length of the common prefix of two texts."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _joins(character: str) -> bool:
    """Whether a character is part of a word in a script that separates words by spaces."""
    return unicodedata.category(character)[0] in "LMN" and unicodedata.east_asian_width(character) not in "WF"


def mark_difference(one: str, other: str) -> tuple[str, str]:
    """Mark the part in which two texts (`one`, `other`) differ with [[ and ]], at word boundaries if the script has spaces.

    >>> mark_difference("the cats sat", "the cots sat")
    ('the [[cats]] sat', 'the [[cots]] sat')
    """
    if one == other:
        return one, other
    start = _common(one, other)
    while start and _joins(one[start - 1]):
        start -= 1
    rest = [one[start:][::-1], other[start:][::-1]]
    stop = _common(*rest)
    while stop and _joins(rest[0][stop - 1]):
        stop -= 1
    return _marked(one, start, stop), _marked(other, start, stop)


def _marked(text: str, start: int, stop: int) -> str:
    end = len(text) - stop
    return f"{text[:start]}[[{text[start:end]}]]{text[end:]}" if end > start else text

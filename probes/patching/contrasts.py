"""Pairs of prompts that differ in one thing: what is right after one is wrong after the other."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from interp.text.corpus import ParallelTask


@dataclass(frozen=True)
class Contrast:
    """`answer` is right behind `clean`, `wrong` behind `corrupt`. What differs may be marked, `The capital of [[France]] is`: then
    it can be patched by itself."""

    clean: str
    corrupt: str
    answer: str = ""
    wrong: str = ""
    item: str = ""
    language: str = ""


def contrasts(task: ParallelTask, code: str, seed: int = 0) -> list[Contrast]:
    """Each question against another one of the same language and kind that has another answer; what differs is marked.

    Same language, same template, other content: the symmetric corruption (Zhang & Nanda 2024). Questions of one kind have the
    same label (`task.labels`), or else options or prompts that are most alike. Items without a partner are left out.
    """
    found = []
    for row, other in partners(task, code, seed):
        clean, corrupt = mark_difference(task.prompts[code][row], task.prompts[code][other])
        answer, wrong = task.answers[code][row][0], task.answers[code][other][0]
        found.append(Contrast(clean, corrupt, answer, wrong, task.ids[row], code))
    return found


def partners(task: ParallelTask, code: str, seed: int = 0) -> list[tuple[int, int]]:
    """For each item another with another answer, of the same kind where kinds are known, else with the most similar prompt."""
    rng = np.random.default_rng(seed)
    prompts, answers = task.prompts[code], [given[0] for given in task.answers[code]]
    kinds = list(zip(*task.labels.values(), strict=True)) if task.labels else [()] * len(prompts)
    found = []
    for row in range(len(prompts)):
        others = [k for k in rng.permutation(len(prompts)).tolist() if answers[k] != answers[row] and kinds[k] == kinds[row]]
        if others:
            found.append((row, max(others, key=lambda k: _alike(prompts[row], prompts[k]))))
    return found


def _alike(one: str, other: str) -> int:
    """How many characters two prompts share at their ends, at most as many as tell a template from another."""
    return min(40, _common(one[::-1], other[::-1]))


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    return next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _joins(character: str) -> bool:
    """Whether a character belongs to a word that spaces end."""
    return unicodedata.category(character)[0] in "LMN" and unicodedata.east_asian_width(character) not in "WF"


def mark_difference(one: str, other: str) -> tuple[str, str]:
    """Both texts with the part in which they differ between [[ and ]], cut at words where the script has spaces."""
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

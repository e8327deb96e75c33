"""What goes wrong in a translation, told from the text alone: copied, in another language, too short, too long, repeating.

Two sets of rules. "published" are those of mFTI's `compute_error_ratio.py` with what is wrong in them, to compare with the
paper; "corrected" mean the same errors and leave out what is none. Every rule is asked of every output (several may hold);
`first` is the first that holds, in the published order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from interp.languages import language
from probes.translation.language_id import Judge, by_script
from probes.translation.published_errors import contains_repeat, has_lengths, is_lost
from probes.translation.text_scores import UNSPACED, exact_match, normalise, sentence_bleu, units

Error = Literal["repeats", "pattern", "copy", "off_target", "short", "long"]
ERRORS: tuple[Error, ...] = get_args(Error)
"""In the published order: oscillation (n-gram, pattern), source copy, off-target, under- and over-translation."""
NONE = "none"
Rules = Literal["published", "corrected"]

BRACKETS = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True)
class Limits:
    """Where an error begins. The published rules have `brackets`, `copied`, `shortest` and `longest` too, at these very values."""

    copies: int = 3
    """Equal copies in a row of some n-gram (words, or characters where a script writes no spaces)."""
    letters: int = 5
    """Equal copies in a row of some letters inside one word."""
    brackets: int = 1
    """More [..] than so many; corrected: and more than the source or the reference has."""
    copied: float = 50.0
    """Sentence BLEU with the source, 0 to 100."""
    halves: int = 10
    """Letters from which a half of an output is asked for its language by itself."""
    shortest: float = 0.5
    """Length against the reference's, in words or characters."""
    longest: float = 2.0


def classify(
    table: pd.DataFrame, rules: Rules = "corrected", judge: Judge = by_script, limits: Limits | None = None
) -> pd.DataFrame:
    """Which errors each output has: a truth value for every one of `ERRORS`, and `first` (or "none").

    `table` has `source, target, text, reference, hypothesis`, one output a row, as every table of translations here. No error
    is not yet right: a fluent mistranslation has none.

    When it misleads: `by_script` takes German for English; an output without a letter has no language, so is never off
    target; lengths are of units against one reference.
    """
    limits = limits or Limits()
    parts = []
    for (source, target), part in table.groupby(["source", "target"], sort=False):
        texts, references, said = (part[name].astype(str).to_list() for name in ("text", "reference", "hypothesis"))
        find = _published if rules == "published" else _corrected
        found = find(texts, references, said, str(source), str(target), judge, limits)
        parts.append(pd.DataFrame(found, index=part.index, columns=list(ERRORS)))
    flags = pd.concat(parts).reindex(table.index)
    return flags.assign(first=flags.idxmax(axis=1).where(flags.any(axis=1), NONE))


def _published(
    texts: list[str], references: list[str], said: list[str], source: str, target: str, judge: Judge, limits: Limits
) -> dict[str, list[bool]]:
    return {
        "repeats": [contains_repeat(one, target) for one in said],
        "pattern": [len(BRACKETS.findall(one)) > limits.brackets for one in said],
        "copy": [sentence_bleu(one, text) > limits.copied for one, text in zip(said, texts, strict=True)],
        "off_target": is_lost(said, source, target, judge),
        "short": has_lengths(said, references, target, below=limits.shortest),
        "long": has_lengths(said, references, target, above=limits.longest),
    }


def _corrected(
    texts: list[str], references: list[str], said: list[str], source: str, target: str, judge: Judge, limits: Limits
) -> dict[str, list[bool]]:
    triples = list(zip(texts, references, said, strict=True))
    counted = [(len(units(one, target)), len(units(reference, target))) for _, reference, one in triples]
    return {
        "repeats": [bool(repeats(one, target, limits) - repeats(reference, target, limits)) for _, reference, one in triples],
        "pattern": [_brackets(one) > max(limits.brackets, _brackets(text), _brackets(gold)) for text, gold, one in triples],
        "copy": [_is_copy(*triple, source, target, limits) for triple in triples],
        "off_target": _off_target(said, references, target, judge, limits),
        "short": [own < limits.shortest * gold for own, gold in counted],
        "long": [own > limits.longest * gold for own, gold in counted],
    }


def repeats(text: str, code: str, limits: Limits | None = None) -> set[tuple[str, ...]]:
    """The n-grams that stand so often in a row that a text oscillates; those of digits alone are none (1,000,000,000)."""
    limits = limits or Limits()
    said = units(text, code)
    found = _in_a_row(said, limits.copies)
    if language(code).script not in UNSPACED:
        found |= {gram for word in said for gram in _in_a_row(list(word), limits.letters)}
    return {gram for gram in found if not all(unit.isdigit() for unit in gram)}


def _in_a_row(said: Sequence[str], copies: int) -> set[tuple[str, ...]]:
    """Every n-gram with so many copies in a row: places where a unit equals the one n before, (copies - 1) n of them on end."""
    found = set()
    for n in range(1, len(said) // copies + 1):
        run = 0
        for place in range(n, len(said)):
            run = run + 1 if said[place] == said[place - n] else 0
            if run == (copies - 1) * n:
                found.add(tuple(said[place - n + 1 : place + 1]))
    return found


def _brackets(text: str) -> int:
    return len(BRACKETS.findall(text))


def _is_copy(text: str, reference: str, said: str, source: str, target: str, limits: Limits) -> bool:
    """Like the source, and more so than like the reference: a name that is the same in both languages is no copy."""
    if exact_match(said, [reference]) or not normalise(said):
        return False
    alike = sentence_bleu(said, text, source)
    return exact_match(said, [text]) == 1 or (alike > limits.copied and alike > sentence_bleu(said, reference, target))


def _off_target(said: list[str], references: list[str], target: str, judge: Judge, limits: Limits) -> list[bool]:
    """Not in the target language as a whole, or in a half that is long enough to tell; where the reference would pass."""
    asked: list[tuple[int, str]] = []
    for row, (one, reference) in enumerate(zip(said, references, strict=True)):
        if not _letters(one) or exact_match(one, [reference]):
            continue
        middle = _middle(one, target)
        halves = [part for part in (one[:middle], one[middle:]) if _letters(part) >= limits.halves]
        asked += [(row, part) for part in (one, *halves)]
    passes = judge(references, target) if asked else []
    verdicts = judge([part for _, part in asked], target) if asked else []
    lost = {row for (row, _), inside in zip(asked, verdicts, strict=True) if not inside}
    return [row in lost and bool(passes[row]) for row in range(len(said))]


def _letters(text: str) -> int:
    return sum(letter.isalpha() for letter in text)


def _middle(text: str, code: str) -> int:
    """Where to cut a text in two: at the space nearest to the middle, or anywhere where a script writes none."""
    middle = len(text) // 2
    if language(code).script in UNSPACED:
        return middle
    spaces = [place for place, letter in enumerate(text) if letter.isspace()]
    return min(spaces, key=lambda place: abs(place - middle), default=middle)

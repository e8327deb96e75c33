"""Translation errors that show in the text alone: copied, in another language, too short, too long, repeating.

Two sets of rules. "published" are those of mFTI's released `compute_error_ratio.py`, faults included, to compare with the paper;
"corrected" mean the same errors without those faults. Every rule is applied to every output, and several may hold; `first` is
the first that holds, in the published order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from interp.text.numbers import is_unspaced
from probes.translation.language_id import Judge, by_script
from probes.translation.normalisation import normalise, units
from probes.translation.published_errors import contains_repeat, has_brackets, has_lengths, is_lost
from probes.translation.text_scores import exact_match, sentence_bleu

Error = Literal["repeats", "pattern", "copy", "off_target", "short", "long"]
ERRORS: tuple[Error, ...] = get_args(Error)
"""In the published order: oscillation (n-gram, pattern), source copy, off-target, under- and over-translation."""
NONE = "none"
Rules = Literal["published", "corrected"]

BRACKETS = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True)
class Limits:
    """The thresholds of the errors. The published rules have `copied`, `shortest` and `longest`, at these values."""

    copies: int = 3
    """Equal copies in a row of an n-gram of words, or of characters where a script writes no spaces."""
    letters: int = 5
    """Equal copies in a row of an n-gram of letters inside a word, of a Latin word in Chinese text too."""
    brackets: int = 1
    """Most [..] in an output that are no error; in the corrected rules also as many as the source or the reference has."""
    copied: float = 50.0
    """Sentence BLEU with the source, 0 to 100, above which an output is a copy of it."""
    halves: int = 10
    """Fewest letters in half of an output for its language to be judged by itself."""
    shortest: float = 0.5
    """Length, as a share of the reference's, in words or characters, below which an output is too short."""
    longest: float = 2.0
    """The same, above which it is too long."""


def classify(
    table: pd.DataFrame, rules: Rules = "corrected", judge: Judge = by_script, limits: Limits | None = None
) -> pd.DataFrame:
    """Which errors does each translation have?

    Parameters
    ----------
    table
        One output a row: `source, target` (FLORES codes), `text, reference, hypothesis`; the table of a `TranslationReport`.
    rules
        "corrected", or "published" to compare with mFTI (Zhang et al. 2024).
    judge
        Which texts are in a language, for `off_target`. `by_script` takes German for English: give `learn_languages(...).judge`
        or `by_identifier` where languages share a script.
    limits
        Thresholds; None is `Limits()`.

    Returns
    -------
    pd.DataFrame
        In the rows of `table`, a truth value for each of `ERRORS`, and `first`: the first error that holds, or "none".

    Notes
    -----
    A translation without these errors need not be right: a fluent mistranslation has none. An output without letters has no
    language, so it is never off target. Lengths are compared with one reference.

    Examples
    --------
    >>> import pandas as pd, probes
    >>> row = {"source": "eng_Latn", "target": "deu_Latn", "text": "a cat", "reference": "eine Katze", "hypothesis": "a cat"}
    >>> probes.classify(pd.DataFrame([row]))["first"].item()
    'copy'
    """
    limits = limits or Limits()
    parts = []
    for (source, target), part in table.groupby(["source", "target"], sort=False):
        texts, references, outputs = (part[name].astype(str).to_list() for name in ("text", "reference", "hypothesis"))
        apply = _published if rules == "published" else _corrected
        errors = apply(texts, references, outputs, str(source), str(target), judge, limits)
        parts.append(pd.DataFrame(errors, index=part.index, columns=list(ERRORS)))
    flags = pd.concat(parts).reindex(table.index)
    return flags.assign(first=flags.idxmax(axis=1).where(flags.any(axis=1), NONE))


def _published(
    texts: list[str], references: list[str], outputs: list[str], source: str, target: str, judge: Judge, limits: Limits
) -> dict[str, list[bool]]:
    return {
        "repeats": [contains_repeat(output, target) for output in outputs],
        "pattern": [has_brackets(output) for output in outputs],
        "copy": [sentence_bleu(output.strip(), text.strip()) > limits.copied for output, text in zip(outputs, texts, strict=True)],
        "off_target": is_lost(outputs, source, target, judge),
        "short": has_lengths(outputs, references, target, below=limits.shortest),
        "long": has_lengths(outputs, references, target, above=limits.longest),
    }


def _corrected(
    texts: list[str], references: list[str], outputs: list[str], source: str, target: str, judge: Judge, limits: Limits
) -> dict[str, list[bool]]:
    triples = list(zip(texts, references, outputs, strict=True))
    lengths = [(len(units(output, target)), len(units(reference, target))) for _, reference, output in triples]
    return {
        "repeats": [bool(repeats(output, target, limits) - repeats(gold, target, limits)) for _, gold, output in triples],
        "pattern": [_brackets(output) > max(limits.brackets, _brackets(text), _brackets(gold)) for text, gold, output in triples],
        "copy": [_is_copy(*triple, source, target, limits) for triple in triples],
        "off_target": _off_target(outputs, references, target, judge, limits),
        "short": [own < limits.shortest * gold for own, gold in lengths],
        "long": [own > limits.longest * gold for own, gold in lengths],
    }


def repeats(text: str, code: str, limits: Limits | None = None) -> set[tuple[str, ...]]:
    """The n-grams that a text repeats so often in a row that it oscillates.

    `text` is in the language `code`; `limits` says how many copies are too many. N-grams of digits alone do not count
    (1,000,000,000).
    """
    limits = limits or Limits()
    words = units(text, code)
    grams = _in_a_row(words, limits.copies)
    grams |= {gram for word in words for gram in _in_a_row(list(word), limits.letters)}
    return {gram for gram in grams if not all(unit.isdigit() or unit == "." for unit in gram)}


def _in_a_row(sequence: Sequence[str], copies: int) -> set[tuple[str, ...]]:
    """Every n-gram with so many copies in a row, which is where (copies - 1) n units on end equal the one n before."""
    grams = set()
    for n in range(1, len(sequence) // copies + 1):
        run = 0
        for end in range(n, len(sequence)):
            run = run + 1 if sequence[end] == sequence[end - n] else 0
            if run == (copies - 1) * n:
                grams.add(tuple(sequence[end - n + 1 : end + 1]))
    return grams


def _brackets(text: str) -> int:
    return len(BRACKETS.findall(text))


def _is_copy(text: str, reference: str, output: str, source: str, target: str, limits: Limits) -> bool:
    """More like the source than like the reference: a name that is the same in both languages is no copy."""
    if exact_match(output, [reference], target) or not normalise(output):
        return False
    similarity = sentence_bleu(output, text, source)
    closer = similarity > sentence_bleu(output, reference, target)
    return exact_match(output, [text]) == 1 or (similarity > limits.copied and closer)


def _off_target(outputs: list[str], references: list[str], target: str, judge: Judge, limits: Limits) -> list[bool]:
    """Not in the target language, as a whole or in a half long enough to tell, where the judge accepts the reference."""
    parts: list[tuple[int, str]] = []
    for row, (output, reference) in enumerate(zip(outputs, references, strict=True)):
        if not _letters(output) or exact_match(output, [reference], target):
            continue
        middle = _middle(output, target)
        halves = [half for half in (output[:middle], output[middle:]) if _letters(half) >= limits.halves]
        parts += [(row, part) for part in (output, *halves)]
    accepted = judge(references, target) if parts else []
    in_target = judge([part for _, part in parts], target) if parts else []
    lost = {row for (row, _), inside in zip(parts, in_target, strict=True) if not inside}
    return [row in lost and bool(accepted[row]) for row in range(len(outputs))]


def _letters(text: str) -> int:
    return sum(letter.isalpha() for letter in text)


def _middle(text: str, code: str) -> int:
    """Where to cut a text in two: at the space nearest to the middle, or in the middle where the script writes no spaces."""
    middle = len(text) // 2
    if is_unspaced(code):
        return middle
    spaces = [index for index, letter in enumerate(text) if letter.isspace()]
    return min(spaces, key=lambda index: abs(index - middle), default=middle)

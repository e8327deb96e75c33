"""What a reader understood of a text, before any model is run on it: languages, lengths, repeats, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median

from interp.languages import language
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.damaged import DAMAGED
from interp.text.formats.keys import BY_POSITION
from interp.text.numbers import number_of
from interp.text.questions.gold import BY_CUSTOM

FEW = 30
"""Fewer items than this give intervals that hold almost anything."""
_MANY, _FAR = 0.2, 3.0


@dataclass(frozen=True)
class LanguageSurvey:
    """The texts of one language.

    `origin` is the column or file they are from; `characters`, `shortest` and `longest` the median and the extreme lengths;
    `repeated` the texts that occur before in the same language; `copied` those that are the first language's, letter by letter;
    `foreign` the share of letters that are in no script of the language; `far` the ids of items whose length is more than three
    times off what the first language's text has it be.
    """

    code: str
    name: str
    origin: str
    characters: float
    shortest: int
    longest: int
    repeated: int
    copied: int
    foreign: float
    far: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """The first question of a task in a language (`code`): its `item`, `prompt`, accepted `answers` and `options`."""

    code: str
    item: str
    prompt: str
    answers: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True)
class TextSurvey:
    """What was understood of a text: its size, its `languages`, what the reader noted, and `warnings` of what looks wrong.

    `documents` and `options` (the numbers of options that questions have) are None where there are none. Of questions, `gold` says
    how often the right answer is at each place among the options of the first language, or is a number or words, and `examples` has
    one question in every language; both are empty for sentences.
    """

    name: str
    items: int
    documents: int | None
    options: tuple[int, ...] | None
    labels: Mapping[str, int]
    languages: tuple[LanguageSurvey, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    gold: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()


def survey(text: ParallelCorpus | ParallelTask) -> TextSurvey:
    """Describe a corpus, or the prompts of a task (`text`).

    Example
    -------
    >>> import interp
    >>> found = survey(interp.ParallelCorpus("pets", {"en": ("a cat", "a dog"), "de": ("eine Katze", "a dog")}))
    >>> found.items, [own.copied for own in found.languages], found.warnings[0]
    (2, [0, 1], 'deu_Latn: 1 of 2 texts are those of eng_Latn, letter by letter')
    """
    texts = text.sentences if isinstance(text, ParallelCorpus) else text.prompts
    first = next(iter(texts.values()))
    found = tuple(_language(code, own, first, text.ids, text.origins.get(code, "")) for code, own in texts.items())
    counts = {len(own) for columns in getattr(text, "choices", {}).values() for own in columns}
    documents = len(set(text.documents)) if text.documents is not None else None
    return TextSurvey(
        text.name,
        len(text),
        documents,
        tuple(sorted(counts)) if counts else None,
        {name: len(set(values)) for name, values in text.labels.items()},
        found,
        tuple(line for line in text.notes if not _is_doubtful(line)),
        (*(line for line in text.notes if _is_doubtful(line)), *_of_languages(found, len(text)), *_of_items(len(text), documents)),
        *((_gold(text), _examples(text)) if isinstance(text, ParallelTask) else ()),
    )


def _language(code: str, texts: Sequence[str], first: Sequence[str], ids: Sequence[str], origin: str) -> LanguageSurvey:
    lengths = [len(text) for text in texts]
    ratios = [length / len(other) for length, other in zip(lengths, first, strict=True)]
    usual = median(ratios)
    far = tuple(own for own, ratio in zip(ids, ratios, strict=True) if not usual / _FAR <= ratio <= usual * _FAR)
    return LanguageSurvey(
        code,
        language(code).name,
        origin,
        float(median(lengths)),
        min(lengths),
        max(lengths),
        len(texts) - len(set(texts)),
        0 if texts is first else sum(own == other for own, other in zip(texts, first, strict=True)),
        _foreign(code, texts),
        far if len(texts) > 2 else (),
    )


def _is_doubtful(note: str) -> bool:
    """Whether a note of the reader says that something was taken for granted, or is wrong."""
    return note == BY_POSITION or BY_CUSTOM in note or DAMAGED in note


def _gold(task: ParallelTask) -> dict[str, int]:
    """How often the right answer is at each place among the options of the first language, or a number, or words."""
    code = task.languages[0]
    if task.choices:
        places = [options.index(own[0]) for own, options in zip(task.answers[code], task.choices[code], strict=True)]
        return {f"option {place + 1}": count for place, count in sorted(Counter(places).items())}
    kinds = Counter("words" if number_of(own[0], code) is None else "number" for own in task.answers[code])
    return dict(kinds.most_common())


def _examples(task: ParallelTask) -> tuple[Example, ...]:
    options = {code: task.choices[code][0] if task.choices else () for code in task.languages}
    return tuple(Example(code, task.ids[0], task.prompts[code][0], task.answers[code][0], options[code]) for code in task.languages)


def _foreign(code: str, texts: Sequence[str]) -> float:
    """The share of letters in no script of a language; 0 where there are no letters."""
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(_script(letter) for letter in text if letter.isalpha())
    own = sum(letters[name] for name in (*language(code).letter_scripts, "Zyyy", "Zinh"))
    return 1 - own / letters.total() if letters else 0.0


@lru_cache(maxsize=65536)
def _script(letter: str) -> str:
    from fontTools.unicodedata import script

    return str(script(letter))


def _of_languages(found: Sequence[LanguageSurvey], items: int) -> list[str]:
    first, warnings = found[0].code, []
    for own in found:
        if own.copied > _MANY * items:
            warnings.append(f"{own.code}: {own.copied} of {items} texts are those of {first}, letter by letter")
        if own.foreign > 0.5:
            warnings.append(
                f"{own.code}: {own.foreign:.0%} of the letters are not in its script: is it another language or script?"
            )
        if own.repeated:
            warnings.append(f"{own.code}: {own.repeated} of {items} texts occur before: no measure can tell them apart")
        if own.far and len(own.far) > 0.01 * items:
            count = f"{len(own.far)} of {items} texts are 3 times longer or shorter than beside {first}"
            warnings.append(f"{own.code}: {count}, such as item {own.far[0]!r}: are the lines in step?")
    return warnings


def _of_items(items: int, documents: int | None) -> list[str]:
    warnings = [f"{items} items: intervals of so few hold almost anything"] if items < FEW else []
    if documents is not None and documents < min(items, FEW):
        warnings.append(f"{documents} documents: intervals resample documents, so they are as wide as of so few")
    return warnings

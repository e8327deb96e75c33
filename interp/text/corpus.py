"""Parallel text in memory: the same sentences, or the same questions, in several languages."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TypedDict, TypeVar

from interp.languages import Language, in_other_script, language, languages
from interp.provenance import CorpusIdentity


@dataclass(frozen=True)
class ParallelCorpus:
    """The same sentences in several languages: item i of every language is a translation of item i of every other.

    Parameters
    ----------
    name
        Name of the corpus, for signatures and messages.
    sentences
        The sentences by language, in any spelling; the keys become FLORES-200 codes. Equally many in every language, none empty.
    ids
        Identifiers of the items, all different. Default: their row numbers.
    documents
        The document of each item, if known. Statistics then resample documents instead of sentences.
    labels
        Labels of the items by name (topic, concept type), one per item, for probes.
    origins, notes
        The column or file that each language was read from, and what the reader noted. They do not make two corpora different.

    Raises
    ------
    ValueError
        The languages have different numbers of sentences, a sentence is empty, or an id occurs twice.

    Example
    -------
    >>> import interp
    >>> corpus = interp.ParallelCorpus("pets", {"en": ("a cat", "a dog"), "de": ("eine Katze", "ein Hund")})
    >>> corpus["German"]
    ('eine Katze', 'ein Hund')
    >>> corpus.select(limit=1).sentences["eng_Latn"]
    ('a cat',)
    """

    name: str
    sentences: Mapping[str, tuple[str, ...]]
    ids: tuple[str, ...] = ()
    documents: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        _freeze(self, "sentences")
        _number(self, self.sentences)
        _check_texts(self, "sentences")
        _describe(self)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, spelling: str) -> tuple[str, ...]:
        """The sentences of one language, in any spelling. Raises `ValueError` if the corpus lacks it."""
        return self.sentences[_find_language(self.name, self.sentences, spelling).code]

    def __repr__(self) -> str:
        return f"ParallelCorpus {self.name!r}: {len(self)} sentences in {_listed(self.languages)}"

    def __reduce__(self) -> tuple[type[ParallelData], tuple[object, ...]]:
        return _reduced(self)

    @property
    def languages(self) -> tuple[str, ...]:
        """FLORES-200 codes of the languages."""
        return tuple(self.sentences)

    @cached_property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash of all ids and sentences: equal for equal text, whatever its source."""
        return CorpusIdentity(self.name, _hash(self.ids, self.sentences), len(self))

    def select(self, languages: Sequence[str] | None = None, limit: int | None = None, seed: int | None = None) -> ParallelCorpus:
        """Select languages and items.

        Parameters
        ----------
        languages
            Languages in any spelling. Default: all.
        limit
            Number of items. Default: all.
        seed
            If given, the items are a random subset, in their order; else they are the first ones.

        Raises
        ------
        ValueError
            A language is missing, or `limit` is less than 1.
        """
        rows = _rows(len(self), limit, seed)
        codes = _codes(self.name, self.sentences, languages)
        return replace(self, sentences={code: _take(self.sentences[code], rows) for code in codes}, **_described(self, rows))


@dataclass(frozen=True)
class ParallelTask:
    """The same questions in several languages, with answers and options.

    Parameters
    ----------
    name
        Name of the task, for signatures and messages.
    prompts
        The prompts by language, in any spelling; the keys become FLORES-200 codes.
    answers
        The accepted answers of each item, by language. The first is the reference.
    choices
        The options of each item, by language; empty for open questions.
    ids, labels, origins, notes
        As in `ParallelCorpus`.
    documents
        The paragraph that each question is about, if known. Statistics then resample paragraphs.

    Raises
    ------
    ValueError
        The languages or numbers of prompts, answers and options differ, a prompt is empty, an id occurs twice, or an item has no
        answer, one option, the same option twice, or none that is its first answer.

    Example
    -------
    >>> import interp
    >>> task = interp.ParallelTask(
    ...     "capitals", {"en": ("The capital of Peru is",)}, {"en": (("Lima",),)}, {"en": (("Lima", "Rome"),)}
    ... )
    >>> task.choices["eng_Latn"][0]
    ('Lima', 'Rome')
    """

    name: str
    prompts: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[tuple[str, ...], ...]]
    choices: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    documents: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for part in ("prompts", "answers", "choices"):
            _freeze(self, part)
        _number(self, self.prompts)
        _check_texts(self, "prompts")
        for part in ("answers", "choices"):
            columns = getattr(self, part)
            if (columns or part == "answers") and set(columns) != set(self.prompts):
                raise ValueError(
                    f"task {self.name!r}: got {part} in {sorted(columns)} but prompts in {sorted(self.prompts)}, "
                    "expected the same languages."
                )
            _check_lengths(self, part, columns)
        _check_choices(self)
        _describe(self)

    def __repr__(self) -> str:
        return f"ParallelTask {self.name!r}: {len(self)} questions in {_listed(self.languages)}"

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[type[ParallelData], tuple[object, ...]]:
        return _reduced(self)

    @property
    def languages(self) -> tuple[str, ...]:
        """FLORES-200 codes of the languages."""
        return tuple(self.prompts)

    @cached_property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash of all ids, prompts, answers and options."""
        return CorpusIdentity(self.name, _hash(self.ids, self.prompts, self.answers, self.choices), len(self))

    def select(self, languages: Sequence[str] | None = None, limit: int | None = None, seed: int | None = None) -> ParallelTask:
        """Select languages and items.

        Parameters
        ----------
        languages
            Languages in any spelling. Default: all.
        limit
            Number of items. Default: all.
        seed
            If given, the items are a random subset, in their order; else they are the first ones.

        Raises
        ------
        ValueError
            A language is missing, or `limit` is less than 1.
        """
        rows = _rows(len(self), limit, seed)
        codes = _codes(self.name, self.prompts, languages)
        return replace(
            self,
            prompts={code: _take(self.prompts[code], rows) for code in codes},
            answers={code: _take(self.answers[code], rows) for code in codes},
            choices={code: _take(self.choices[code], rows) for code in codes if self.choices},
            **_described(self, rows),
        )


ParallelData = ParallelCorpus | ParallelTask
Value = TypeVar("Value")


def _listed(codes: Sequence[str], most: int = 6) -> str:
    """The first few `codes`, and how many there are where not all are named."""
    more = f", ... ({len(codes)} languages)" if len(codes) > most else ""
    return ", ".join(codes[:most]) + more


def _freeze(data: ParallelData, part: str) -> None:
    columns: dict[str, tuple[object, ...]] = {}
    for lang, (spelling, values) in zip(languages(getattr(data, part)), getattr(data, part).items(), strict=True):
        nested = part in ("answers", "choices")
        if isinstance(values, str) or (nested and any(isinstance(value, str) for value in values)):
            expected = "a sequence of strings per item" if nested else "a sequence with one string per item"
            raise ValueError(f"{data.name!r}: got a single string for {part} in {spelling}, expected {expected}.")
        columns[lang.code] = tuple(map(tuple, values)) if nested else tuple(values)
    object.__setattr__(data, part, MappingProxyType(columns))


def _number(data: ParallelData, columns: Mapping[str, tuple[object, ...]]) -> None:
    if not columns:
        raise ValueError(f"{data.name!r}: got no language, expected at least one, with its sentences.")
    ids = tuple(data.ids) or tuple(str(row) for row in range(len(next(iter(columns.values())))))
    if not ids:
        raise ValueError(f"{data.name!r}: got no item, expected at least one in every language.")
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise ValueError(f"{data.name!r}: got id {twice!r} twice. Use each id once.")
    object.__setattr__(data, "ids", ids)


def _check_texts(data: ParallelData, part: str) -> None:
    _check_lengths(data, part, getattr(data, part))
    for code, texts in getattr(data, part).items():
        for row, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                got = "an empty text" if isinstance(text, str) else f"a {type(text).__name__}"
                raise ValueError(f"{data.name!r}: got {got} for item {data.ids[row]!r} of {part} in {code}, expected text.")


def _check_lengths(data: ParallelData, part: str, columns: Mapping[str, tuple[object, ...]]) -> None:
    for code, values in columns.items():
        if len(values) != len(data.ids):
            first = next(iter(columns))
            other = f"{len(data.ids)} ids" if len(columns[first]) == len(values) else f"{len(columns[first])} {part} in {first}"
            kind = "corpus" if isinstance(data, ParallelCorpus) else "task"
            raise ValueError(
                f"{kind} {data.name!r}: got {other} but {len(values)} in {code}, expected the same number in every language."
            )


def _check_choices(task: ParallelTask) -> None:
    """Refuse an item without an answer, with one option or the same option twice, with a right answer that is no option, or with
    another number of options than in the first language: its accuracy would say nothing.
    """
    counts = [len(options) for options in next(iter(task.choices.values()), ())]
    for code, accepted in task.answers.items():
        for row, answers in enumerate(accepted):
            options = task.choices[code][row] if task.choices else ()
            fault = _fault_of(answers, options, counts[row] if counts else 0)
            if fault:
                raise ValueError(
                    f"task {task.name!r}: got {fault[0]} for item {task.ids[row]!r} in {code}, expected {fault[1]}. "
                    "Correct it, or remove the item from every language."
                )


def _fault_of(answers: Sequence[str], options: Sequence[str], count: int) -> tuple[str, str] | None:
    """What is wrong with the answers and options of one item, and what was expected; `count` is the number of options elsewhere."""
    if not answers or not all(isinstance(text, str) and text.strip() for text in answers):
        return (f"answers {answers!r}" if answers else "no answer"), "text"
    if not all(isinstance(option, str) for option in options):
        return f"options {list(options)!r}", "text"
    plain = [option.strip() for option in options]
    twice = next((option for n, option in enumerate(options) if plain[n] in plain[:n]), None)
    if len(options) == 1 or twice is not None:
        got = f"option {twice!r} twice" if twice is not None else f"the single option {options[0]!r}"
        return got, "two or more different options"
    if len(options) != count:
        return f"{len(options)} options", f"{count} as in the first language"
    if options and answers[0] not in options:
        return f"answer {answers[0]!r}", f"one of its options {list(options)!r}"
    return None


def _describe(data: ParallelData) -> None:
    """Check and freeze the documents and labels, one per item."""
    columns = dict(data.labels) if data.documents is None else {**data.labels, "documents": data.documents}
    for column, values in columns.items():
        if len(values) != len(data.ids):
            raise ValueError(
                f"{data.name!r}: got {len(values)} values of {column!r} for {len(data.ids)} items, expected one per item."
            )
    object.__setattr__(data, "documents", None if data.documents is None else tuple(data.documents))
    object.__setattr__(data, "labels", MappingProxyType({name: tuple(values) for name, values in data.labels.items()}))
    object.__setattr__(data, "origins", MappingProxyType(dict(data.origins)))
    object.__setattr__(data, "notes", tuple(data.notes))


class _Described(TypedDict):
    ids: tuple[str, ...]
    documents: tuple[str, ...] | None
    labels: dict[str, tuple[str, ...]]


def _described(data: ParallelData, rows: range | list[int]) -> _Described:
    return {
        "ids": _take(data.ids, rows),
        "documents": None if data.documents is None else _take(data.documents, rows),
        "labels": {name: _take(values, rows) for name, values in data.labels.items()},
    }


def _reduced(data: ParallelData) -> tuple[type[ParallelData], tuple[object, ...]]:
    """How to pickle: the read-only views of dicts become dicts."""
    values = [getattr(data, name) for name in data.__dataclass_fields__]
    return type(data), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)


def _find_language(name: str, columns: Mapping[str, tuple[object, ...]], spelling: str | Language) -> Language:
    lang = language(spelling)
    if lang.code not in columns:
        suggestion = in_other_script(lang.code, columns)
        raise ValueError(f"corpus {name!r} has no {lang.code} ({lang.name}); it has {', '.join(sorted(columns))}.{suggestion}")
    return lang


def _codes(name: str, columns: Mapping[str, tuple[object, ...]], spellings: Sequence[str] | None) -> list[str]:
    if spellings is None:
        return list(columns)
    if isinstance(spellings, str):
        raise ValueError(f"got languages={spellings!r}, expected a list: languages=[{spellings!r}].")
    return [_find_language(name, columns, lang).code for lang in languages(spellings)]


def _rows(n: int, limit: int | None, seed: int | None) -> range | list[int]:
    if limit is not None and limit < 1:
        raise ValueError(f"got limit {limit}, expected at least 1.")
    if limit is None or limit >= n:
        return range(n)
    return range(limit) if seed is None else sorted(random.Random(seed).sample(range(n), limit))


def _take(values: tuple[Value, ...], rows: range | list[int]) -> tuple[Value, ...]:
    return tuple(values[row] for row in rows)


def _hash(ids: tuple[str, ...], *parts: Mapping[str, tuple[object, ...]]) -> str:
    digest = hashlib.sha256(repr(ids).encode())
    for part in parts:
        for code in sorted(part):
            digest.update(repr((code, part[code])).encode())
    return digest.hexdigest()

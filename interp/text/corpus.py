"""Parallel text as a value: the same sentences, or the same questions, in several languages. No reading, no writing."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from interp.languages import Language, language, languages, nearest
from interp.provenance import CorpusIdentity


@dataclass(frozen=True)
class ParallelCorpus:
    """The same sentences in several languages: item `i` of every language is a translation of item `i` of every other.

    `sentences[code]` is a tuple of equal length in every language, keyed by FLORES code. `ids` names the items (defaults
    to their row numbers); `documents`, where given, names the text each came from, so that statistics resample texts.
    `labels[name]` holds one label an item (topic, concept type) for probes.
    """

    name: str
    sentences: Mapping[str, tuple[str, ...]]
    ids: tuple[str, ...] = ()
    documents: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _freeze(self, "sentences")
        _number(self, self.sentences)
        _check_texts(self, "sentences")
        _describe(self)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, spelling: str) -> tuple[str, ...]:
        """The sentences of one language, in any spelling of it."""
        return self.sentences[_have(self.name, self.sentences, spelling).code]

    def __reduce__(self) -> tuple[Any, ...]:
        return _thawed(self)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.sentences)

    @cached_property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash of every id and sentence: equal for equal text, whatever file it came from."""
        return CorpusIdentity(self.name, _hash(self.ids, self.sentences), len(self))

    def select(self, languages: Sequence[str] | None = None, limit: int | None = None, seed: int | None = None) -> ParallelCorpus:
        """Some languages and the first `limit` items, or a random `limit` of them (kept in order) where a seed is given."""
        rows = _rows(len(self), limit, seed)
        codes = _codes(self.name, self.sentences, languages)
        return replace(self, sentences={code: _take(self.sentences[code], rows) for code in codes}, **_described(self, rows))


@dataclass(frozen=True)
class ParallelTask:
    """The same questions in several languages: what is asked, what is right, and what there is to choose from.

    `prompts[code][i]` is the question, `answers[code][i]` the accepted answers (the first is the reference) and
    `choices[code][i]` the options, empty for open questions. Keyed by FLORES code; `ids`, `documents` (the paragraph a
    question is about) and `labels` as in `ParallelCorpus`.
    """

    name: str
    prompts: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[tuple[str, ...], ...]]
    choices: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    documents: tuple[str, ...] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in ("prompts", "answers", "choices"):
            _freeze(self, part)
        _number(self, self.prompts)
        _check_texts(self, "prompts")
        for part in ("answers", "choices"):
            columns = getattr(self, part)
            if (columns or part == "answers") and set(columns) != set(self.prompts):
                raise ValueError(f"task {self.name!r}: {part} in {sorted(columns)} but prompts in {sorted(self.prompts)}.")
            _check_lengths(self, part, columns)
        _describe(self)

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[Any, ...]:
        return _thawed(self)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.prompts)

    @cached_property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash of every id, prompt, answer and choice."""
        return CorpusIdentity(self.name, _hash(self.ids, self.prompts, self.answers, self.choices), len(self))

    def select(self, languages: Sequence[str] | None = None, limit: int | None = None, seed: int | None = None) -> ParallelTask:
        """Some languages and the first `limit` items, or a random `limit` of them (kept in order) where a seed is given."""
        rows = _rows(len(self), limit, seed)
        codes = _codes(self.name, self.prompts, languages)
        return replace(
            self,
            prompts={code: _take(self.prompts[code], rows) for code in codes},
            answers={code: _take(self.answers[code], rows) for code in codes},
            choices={code: _take(self.choices[code], rows) for code in codes if self.choices},
            **_described(self, rows),
        )


Noun = ParallelCorpus | ParallelTask


def _freeze(noun: Noun, part: str) -> None:
    columns: dict[str, tuple] = {}
    for meant, (spelling, values) in zip(languages(getattr(noun, part)), getattr(noun, part).items(), strict=True):
        nested = part in ("answers", "choices")
        if isinstance(values, str) or (nested and any(isinstance(value, str) for value in values)):
            needed = "a sequence of strings an item" if nested else "a sequence with one string an item"
            raise ValueError(f"{noun.name!r}: {part} in {spelling} hold a bare string. Needed: {needed}.")
        columns[meant.code] = tuple(map(tuple, values)) if nested else tuple(values)
    object.__setattr__(noun, part, MappingProxyType(columns))


def _number(noun: Noun, columns: Mapping[str, tuple]) -> None:
    if not columns:
        raise ValueError(f"{noun.name!r} has no language. Needed: at least one, with its sentences.")
    ids = tuple(noun.ids) or tuple(str(row) for row in range(len(next(iter(columns.values())))))
    if not ids:
        raise ValueError(f"{noun.name!r} has no item. Needed: at least one in every language.")
    if len(set(ids)) != len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise ValueError(f"{noun.name!r}: id {twice!r} stands twice. Needed: one id an item.")
    object.__setattr__(noun, "ids", ids)


def _check_texts(noun: Noun, part: str) -> None:
    _check_lengths(noun, part, getattr(noun, part))
    for code, texts in getattr(noun, part).items():
        for row, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                what = "empty" if isinstance(text, str) else f"a {type(text).__name__}"
                raise ValueError(f"{noun.name!r}: item {noun.ids[row]!r} of {part} in {code} is {what}. Needed: text.")


def _check_lengths(noun: Noun, part: str, columns: Mapping[str, tuple]) -> None:
    for code, values in columns.items():
        if len(values) != len(noun.ids):
            first = next(iter(columns))
            other = f"{len(noun.ids)} ids" if len(columns[first]) == len(values) else f"{len(columns[first])} {part} in {first}"
            kind = "corpus" if isinstance(noun, ParallelCorpus) else "task"
            raise ValueError(
                f"{kind} {noun.name!r}: {other} but {len(values)} in {code}. "
                f"A parallel {kind} needs the same number in every language."
            )


def _describe(noun: Noun) -> None:
    """Freeze what is known of the items whatever their language, one value an item."""
    columns = dict(noun.labels) if noun.documents is None else {**noun.labels, "documents": noun.documents}
    for what, values in columns.items():
        if len(values) != len(noun.ids):
            raise ValueError(f"{noun.name!r}: {len(values)} {what} for {len(noun.ids)} items. Needed: one an item.")
    object.__setattr__(noun, "documents", None if noun.documents is None else tuple(noun.documents))
    object.__setattr__(noun, "labels", MappingProxyType({name: tuple(values) for name, values in noun.labels.items()}))


def _described(noun: Noun, rows: range | list[int]) -> dict[str, Any]:
    return {
        "ids": _take(noun.ids, rows),
        "documents": None if noun.documents is None else _take(noun.documents, rows),
        "labels": {name: _take(values, rows) for name, values in noun.labels.items()},
    }


def _thawed(noun: Noun) -> tuple[Any, ...]:
    """How to make an equal noun in another process: read-only views of dicts do not travel, dicts do."""
    values = [getattr(noun, name) for name in noun.__dataclass_fields__]
    return type(noun), tuple(dict(value) if isinstance(value, MappingProxyType) else value for value in values)


def _have(name: str, columns: Mapping[str, tuple], spelling: str | Language) -> Language:
    meant = language(spelling)
    if meant.code not in columns:
        near = nearest(meant.code, columns, n=5)
        raise ValueError(f"corpus {name!r} has no {meant.code} ({meant.name}); it has {', '.join(sorted(columns))}.{near}")
    return meant


def _codes(name: str, columns: Mapping[str, tuple], wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        return list(columns)
    if isinstance(wanted, str):
        raise ValueError(f"languages={wanted!r} is one string. Needed: a list, [{wanted!r}].")
    return [_have(name, columns, found).code for found in languages(wanted)]


def _rows(n: int, limit: int | None, seed: int | None) -> range | list[int]:
    if limit is not None and limit < 1:
        raise ValueError(f"limit {limit}: needed at least 1.")
    if limit is None or limit >= n:
        return range(n)
    return range(limit) if seed is None else sorted(random.Random(seed).sample(range(n), limit))


def _take(values: tuple, rows: range | list[int]) -> tuple:
    return tuple(values[row] for row in rows)


def _hash(ids: tuple[str, ...], *parts: Mapping[str, tuple]) -> str:
    digest = hashlib.sha256(repr(ids).encode())
    for part in parts:
        for code in sorted(part):
            digest.update(repr((code, part[code])).encode())
    return digest.hexdigest()

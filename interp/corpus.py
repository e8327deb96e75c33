"""Parallel text as a value: the same sentences, or the same questions, in several languages. No reading, no writing."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

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
        _check_lengths(self.name, "sentences", self.sentences)
        columns = {**self.labels, **({"documents": self.documents} if self.documents else {})}
        for what, values in columns.items():
            if len(values) != len(self.ids):
                raise ValueError(f"corpus {self.name!r}: {len(values)} {what} for {len(self.ids)} items. Needed: one an item.")
        object.__setattr__(self, "labels", MappingProxyType({k: tuple(v) for k, v in self.labels.items()}))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, spelling: str) -> tuple[str, ...]:
        """The sentences of one language, in any spelling of it."""
        return self.sentences[_have(self.name, self.sentences, spelling).code]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.sentences)

    @property
    def identity(self) -> CorpusIdentity:
        """Name, size and a hash of every id and sentence: equal for equal text, whatever file it came from."""
        return CorpusIdentity(self.name, _hash(self.ids, self.sentences), len(self))

    def select(self, languages: Sequence[str] | None = None, limit: int | None = None, seed: int | None = None) -> ParallelCorpus:
        """Some languages and the first `limit` items, or a random `limit` of them (kept in order) where a seed is given."""
        rows = _rows(len(self), limit, seed)
        codes = _codes(self.name, self.sentences, languages)
        return replace(
            self,
            sentences={code: _take(self.sentences[code], rows) for code in codes},
            ids=_take(self.ids, rows),
            documents=_take(self.documents, rows) if self.documents else None,
            labels={name: _take(values, rows) for name, values in self.labels.items()},
        )


@dataclass(frozen=True)
class ParallelTask:
    """The same questions in several languages: what is asked, what is right, and what there is to choose from.

    `prompts[code][i]` is the question, `answers[code][i]` the accepted answers (the first is the reference) and
    `choices[code][i]` the options, empty for open questions. Keyed by FLORES code, as in `ParallelCorpus`.
    """

    name: str
    prompts: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[tuple[str, ...], ...]]
    choices: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in ("prompts", "answers", "choices"):
            _freeze(self, part)
        _number(self, self.prompts)
        for part in ("prompts", "answers", "choices"):
            columns = getattr(self, part)
            if columns and set(columns) != set(self.prompts):
                raise ValueError(f"task {self.name!r}: {part} in {sorted(columns)} but prompts in {sorted(self.prompts)}.")
            _check_lengths(self.name, part, columns or {"": self.ids}, len(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.prompts)

    @property
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
            ids=_take(self.ids, rows),
        )


def _freeze(noun: ParallelCorpus | ParallelTask, part: str) -> None:
    given = getattr(noun, part)
    codes = [found.code for found in languages(given)]
    object.__setattr__(noun, part, MappingProxyType(dict(zip(codes, map(tuple, given.values()), strict=True))))


def _number(noun: ParallelCorpus | ParallelTask, columns: Mapping[str, tuple]) -> None:
    if not columns:
        raise ValueError(f"{noun.name!r} has no language. Needed: at least one, with its sentences.")
    if not noun.ids:
        object.__setattr__(noun, "ids", tuple(str(row) for row in range(len(next(iter(columns.values()))))))
    else:
        object.__setattr__(noun, "ids", tuple(noun.ids))
    if len(set(noun.ids)) != len(noun.ids):
        twice = next(i for i in noun.ids if noun.ids.count(i) > 1)
        raise ValueError(f"{noun.name!r}: id {twice!r} stands twice. Needed: one id an item.")
    if not noun.ids:
        raise ValueError(f"{noun.name!r} has no item. Needed: at least one in every language.")


def _check_lengths(name: str, part: str, columns: Mapping[str, tuple], n: int | None = None) -> None:
    first, *others = columns
    expected = len(columns[first]) if n is None else n
    for code in [first, *others]:
        if len(columns[code]) != expected:
            raise ValueError(
                f"corpus {name!r}: {expected} {part} in {first or 'the ids'} but {len(columns[code])} in {code}. "
                "A parallel corpus needs the same number in every language."
            )


def _have(name: str, columns: Mapping[str, tuple], spelling: str) -> Language:
    meant = language(spelling)
    if meant.code not in columns:
        near = nearest(meant.code, columns, n=5)
        raise ValueError(f"corpus {name!r} has no {meant.code} ({meant.name}); it has {', '.join(sorted(columns))}.{near}")
    return meant


def _codes(name: str, columns: Mapping[str, tuple], wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        return list(columns)
    return [_have(name, columns, found.code).code for found in languages(wanted)]


def _rows(n: int, limit: int | None, seed: int | None) -> range | list[int]:
    if limit is None or limit >= n:
        return range(n)
    if limit < 1:
        raise ValueError(f"limit {limit}: needed at least 1.")
    return range(limit) if seed is None else sorted(random.Random(seed).sample(range(n), limit))


def _take(values: tuple, rows: range | list[int]) -> tuple:
    return tuple(values[row] for row in rows)


def _hash(ids: tuple[str, ...], *parts: Mapping[str, tuple]) -> str:
    digest = hashlib.sha256(repr(ids).encode())
    for part in parts:
        for code in sorted(part):
            digest.update(repr((code, part[code])).encode())
    return digest.hexdigest()

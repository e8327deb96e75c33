"""Parallel text and questions from a function of your own, where no format of this project fits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol, runtime_checkable

from interp.languages import by_code
from interp.own_code import Group, OwnCode, own_code
from interp.text.asked import Asked
from interp.text.corpus import ParallelCorpus, ParallelTask

Source = str | Path | Callable[..., object]


@runtime_checkable
class Reader(Protocol):
    """A reader of your own for parallel sentences: any function that takes these two by name.

    Example
    -------
    >>> import interp
    >>> def two_words(languages, split):
    ...     return {"eng_Latn": ["cat", "dog"], "deu_Latn": ["Katze", "Hund"]}
    >>> corpus = interp.read(two_words, languages=["de"], limit=1)
    >>> corpus.languages, corpus["deu_Latn"]
    (('deu_Latn',), ('Katze',))
    """

    def __call__(self, *, languages: Sequence[str] | None, split: str | None) -> ParallelCorpus | Mapping[str, Sequence[str]]:
        """The same sentences in every language: a corpus, or a list for each code.

        Parameters
        ----------
        languages
            FLORES-200 codes that are asked for; None means all. More may be given: they are left out.
        split
            What `--split` says.
        """
        ...


@runtime_checkable
class TaskReader(Protocol):
    """A reader of your own for questions: any function that takes these two by name.

    Example
    -------
    >>> import interp
    >>> def sums(languages, split):
    ...     return interp.ParallelTask("sums", {"eng_Latn": ("1+1=",)}, {"eng_Latn": (("2",),)})
    >>> interp.read_task(sums).answers["eng_Latn"]
    (('2',),)
    """

    def __call__(self, *, languages: Sequence[str] | None, split: str | None) -> ParallelTask:
        """The same questions in every language, with their answers; `languages` and `split` as for a `Reader`."""
        ...


def read_own(source: Source, asked: Asked) -> ParallelCorpus | None:
    """The corpus that a function of your own gives, or None where `source` is none: a file, a name of `interp.read`.

    `asked` is what is asked of `interp.read`. Raises `ValueError` where the function fails or gives no corpus, or two texts of one
    language.
    """
    own = _own(source, "interp.readers")
    if own is None:
        return None
    given = _called(own, asked, "reader")
    if isinstance(given, Mapping):
        given = ParallelCorpus(own.name, _by_code(own, {code: _listed(own, code, each) for code, each in given.items()}))
    if not isinstance(given, ParallelCorpus):
        what = type(given).__name__
        task = ' Questions are read by read_task(), "interp read --questions".' if isinstance(given, ParallelTask) else ""
        raise ValueError(
            f"reader {own.name!r}: got a {what}, expected a ParallelCorpus or a list of sentences for each language.{task}"
        )
    return given.select(languages=asked.codes, limit=asked.limit)


def read_own_task(source: Source, asked: Asked) -> ParallelTask | None:
    """The same for questions: `source` and `asked` are those of `interp.read_task`."""
    own = _own(source, "interp.tasks")
    if own is None:
        return None
    given = _called(own, asked, "task")
    if not isinstance(given, ParallelTask):
        text = (
            ' Sentences are read by read(), "interp read" without --questions.'
            if isinstance(given, ParallelCorpus | Mapping)
            else ""
        )
        raise ValueError(f"task {own.name!r}: got a {type(given).__name__}, expected a ParallelTask.{text}")
    return given.select(languages=asked.codes, limit=asked.limit)


def _own(source: Source, group: Group) -> OwnCode | None:
    if isinstance(source, Path) or (isinstance(source, str) and Path(source).exists()):
        return None
    return own_code(source, group)


def _called(own: OwnCode, asked: Asked, what: str) -> object:
    asked.refuse_others(f"{what} {own.name!r}", (), (), "a function of your own, which has no columns")
    try:
        inspect.signature(own.call).bind(languages=None, split=None)
    except TypeError:
        got = inspect.signature(own.call)
        raise ValueError(f"{what} {own.name!r}: got a function of {got}, expected one of (languages, split).") from None
    try:
        return own.call(languages=None if asked.codes is None else list(asked.codes), split=asked.split)
    except Exception as error:  # whatever the function raises
        raise ValueError(f"{what} {own.name!r}: it failed with {type(error).__name__}: {error}.") from error


def _listed(own: OwnCode, code: str, sentences: object) -> tuple[str, ...]:
    """The sentences of a language; a text would be read letter by letter, and a set or a dict has no order to be parallel in."""
    if isinstance(sentences, str | bytes | Mapping | AbstractSet) or not isinstance(sentences, Iterable):
        what = "text" if isinstance(sentences, str) else type(sentences).__name__
        raise ValueError(f"reader {own.name!r}: got a {what} for {code}, expected a list of sentences.")
    return tuple(sentences)


def _by_code(own: OwnCode, given: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The sentences by FLORES-200 code. Raises `ValueError` where two keys mean one language, as "en" and "en-GB" do."""
    try:
        return by_code(given)
    except ValueError as error:
        raise ValueError(f"reader {own.name!r}: {error}") from None

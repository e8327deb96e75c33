"""Files of questions, one a language, as a task: prompts filled into a template, accepted answers, options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from interp.files.checks import short_repr
from interp.languages import language
from interp.text.corpus import ParallelTask
from interp.text.formats.aligned import align, labels, select, value
from interp.text.formats.file_names import ROW_ENDINGS, place
from interp.text.formats.folder import choose, groups, wanted
from interp.text.formats.global_opinion_qa import is_opinion, read_opinions
from interp.text.formats.lines import at, text_of
from interp.text.formats.rows import Row, rows
from interp.text.formats.tables import label
from interp.text.templates import Template, Wording, fill, wordings

MASK = "<mask>"
Readers = dict[str, Callable[[], Iterator[Row]]]


class Question(NamedTuple):
    """What is asked of one item, what is right (the reference first), and what there is to choose from."""

    prompt: str
    answers: tuple[str, ...]
    choices: tuple[str, ...]


def read_questions(
    source: Path, name: str, languages: Sequence[str] | None, template: Template | None, limit: int | None, split: str | None
) -> ParallelTask:
    """A task from a folder with a file a language, or one such file: rows in the manner of XQuAD, XNLI, XCOPA, MGSM, BMLAMA
    (or GlobalOpinionQA, see `read_opinions`).

    Items must have the same ids in every language. Labels that are codes ("1") become the words of `templates.json`; label
    words ("entailment" in each language, with `label_en`) are collected from the whole file, whatever the limit. A cloze
    (`<mask>`) without a template of your own is cut there: the prompt is what stands before, and every option ends with
    what stands after, so that whole sentences are compared.
    """
    readers, contexts = _readers(source, split)
    sample = next(next(iter(readers.values()))(), None)
    if sample is None:
        raise ValueError(f"{at(source)}: no item in {next(iter(readers))}. Needed: a row an item.")
    if is_opinion(sample):
        return read_opinions(name, readers, languages, partial(wordings, template, source), limit)
    readers = wanted(source, name, readers, languages)
    found = align(name, {code: read() for code, read in readers.items()}, limit)
    found = {code: _joined(table, contexts.get(code)) for code, table in found.items()}
    first = list(next(iter(found.values())).values())
    asking = wordings(template, source, first[0], found)
    asked = {code: _asked(table.values(), asking[code], readers[code], template) for code, table in found.items()}
    return ParallelTask(
        name,
        {code: tuple(one.prompt for one in questions) for code, questions in asked.items()},
        {code: tuple(one.answers for one in questions) for code, questions in asked.items()},
        {code: tuple(one.choices for one in questions) for code, questions in asked.items()}
        if next(iter(asked.values()))[0].choices
        else {},
        tuple(next(iter(found.values()))),
        tuple(label(value(row, "pid")) for row in first) if "pid" in first[0].values else None,
        labels(first),
    )


def _readers(source: Path, split: str | None) -> tuple[Readers, dict[str, Path]]:
    """What reads the questions of each language, and where the paragraphs are that they are about."""
    if source.is_dir():
        known, _ = groups(source, split)
        group = next((group for group in known if group.part == "questions"), None) or choose(source, split, None)
        about = next((other.files for other in known if other.part == "paragraphs" and group.part == "questions"), {})
        if group.ending not in ROW_ENDINGS:
            raise ValueError(f"{at(source)}: lines of text. Needed: rows with questions (.jsonl, .json); read() takes lines.")
        rest = None if split in (group.part, group.ending) else split
        return {code: partial(_selected, path, rest) for code, path in group.files.items()}, dict(about)
    placed = place(source)
    if placed:
        return {placed.code: partial(_selected, source, split)}, {}
    return _by_language(source, split), {}


def _selected(path: Path, split: str | None) -> Iterator[Row]:
    return select(rows(path), split, at(path))


def _by_language(path: Path, split: str | None) -> Readers:
    """One file with all languages, by its field `language` (as XNLI's own files have it)."""
    tables: dict[str, list[Row]] = {}
    for row in _selected(path, split):
        try:
            code = language(text_of(value(row, "language"), f"{row.where}, language")).code
        except ValueError as error:
            raise ValueError(
                f"{row.where}: {error} Name the file after its language (eng_Latn.jsonl), or give each row one."
            ) from None
        tables.setdefault(code, []).append(row)
    if not tables:
        raise ValueError(f"{at(path)}: no row. Needed: a row an item.")
    return {code: partial(iter, table) for code, table in tables.items()}


def _joined(table: Mapping[str, Row], about: Path | None) -> dict[str, Row]:
    """Questions with the paragraph (`context`) that they are about."""
    if about is None:
        return dict(table)
    texts = {label(value(row, "pid")): value(row, "context") for row in rows(about)}
    lost = next((row for row in table.values() if label(value(row, "pid")) not in texts), None)
    if lost:
        raise ValueError(
            f"{lost.where}: no paragraph {short_repr(lost.values['pid'])} in {at(about)}. Needed: the paragraph of every question."
        )
    return {i: Row(row.where, {**row.values, "context": texts[label(row.values["pid"])]}) for i, row in table.items()}


def _asked(table: Iterable[Row], wording: Wording, read: Callable[[], Iterator[Row]], template: Template | None) -> list[Question]:
    items = list(table)
    sample = items[0].values
    words = wording.words
    if "label_en" in sample and "answer" in sample:
        words = _words((str(value(row, "label_en")), text_of(value(row, "answer"), f"{row.where}, answer")) for row in read())
    elif "label" in sample and "choice1" not in sample and not words:
        words = _words((str(value(row, "label")),) * 2 for row in read())
    cloze = template is None and MASK in str(sample.get("prompt"))
    return [_cloze(row) if cloze else Question(fill(wording.template, row), *_right(row, words, wording.template)) for row in items]


def _words(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The word of every label, in the order of the labels."""
    return dict(sorted(dict(pairs).items()))


def _right(row: Row, words: Mapping[str, str], template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The accepted answers, and the options."""
    if "candidates" in row.values:
        choices = _texts(row, "candidates")
        return _among(row, text_of(value(row, "answer"), f"{row.where}, answer"), choices), choices
    if "choice1" in row.values:
        choices = tuple(
            text_of(value(row, field), f"{row.where}, {field}") for field in row.values if field in ("choice1", "choice2")
        )
        index = value(row, "label")
        if isinstance(index, bool) or index not in range(len(choices)):
            raise ValueError(f"{row.where}: label {short_repr(index)}. Needed: 0 for choice1 or 1 for choice2.")
        return (choices[index],), choices
    if words:
        key = str(value(row, "label_en" if "label_en" in row.values else "label"))
        if key not in words:
            raise ValueError(
                f"{row.where}: label {short_repr(key)} has no word; there are {short_repr(list(words))}. Add it to label_words."
            )
        return (words[key], *([f"({key})"] if f"({key})" in template else [])), tuple(words.values())
    if "answers" in row.values:
        return _texts(row, "answers"), ()
    answer = value(row, "answer")
    return (text_of(answer if isinstance(answer, str) else str(answer), f"{row.where}, answer"),), ()


def _cloze(row: Row) -> Question:
    """The sentence up to the mask, and every candidate with the rest of the sentence; the space before the mask goes along."""
    text = text_of(value(row, "prompt"), f"{row.where}, prompt")
    before, mask, after = text.partition(MASK)
    prompt = before.rstrip(" ")
    if not mask or not prompt or MASK in after:
        raise ValueError(
            f"{row.where}: prompt {short_repr(text)}. Needed: one {MASK} with text before it, or a template of your own."
        )
    candidates = _texts(row, "candidates")
    answer = _among(row, text_of(value(row, "answer"), f"{row.where}, answer"), candidates)[0]
    space = before[len(prompt) :]
    return Question(prompt, (f"{space}{answer}{after}", answer), tuple(f"{space}{one}{after}" for one in candidates))


def _among(row: Row, answer: str, choices: Sequence[str]) -> tuple[str, ...]:
    if answer not in choices:
        raise ValueError(
            f"{row.where}: answer {short_repr(answer)} is none of {short_repr(list(choices))}. Needed: one of the candidates."
        )
    return (answer,)


def _texts(row: Row, field: str) -> tuple[str, ...]:
    """Texts in a list, or in objects with a `text` as SQuAD writes answers."""
    given: Any = value(row, field)
    if not isinstance(given, list) or not given:
        raise ValueError(f"{row.where}: {field} {short_repr(given)}. Needed: a list of texts.")
    return tuple(text_of(one.get("text") if isinstance(one, dict) else one, f"{row.where}, {field}") for one in given)

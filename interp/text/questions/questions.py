"""Read files of questions, one per language, as a task: prompts from a template, accepted answers, options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.corpus import ParallelTask
from interp.text.folders.groups import wanted
from interp.text.formats.aligned import align, document_field, labels, own_name, value
from interp.text.formats.lines import at, text_of
from interp.text.formats.rows import Row, rows
from interp.text.formats.tables import label
from interp.text.questions.global_opinion_qa import is_opinion, read_opinions
from interp.text.questions.readers import readers_of
from interp.text.questions.templates import Template, Wording, fill, wordings

MASK = "<mask>"


_OPTIONS = (("choice", "label", 0), ("mc_answer", "correct_answer_num", 1), ("sentence_quiz", "answer_right_ending", 1),
            ("option", "answer", 1))  # fmt: skip
"""Numbered options of XCOPA, Belebele, XStoryCloze and XWinograd: how their fields begin, which is right, the first number."""
_LISTS = ("choices", "options")
"""Fields that hold the options of a question as a list."""
_NO_LABEL = (None, "", "-", -1, "-1")


class Question(NamedTuple):
    """The prompt of one item, its accepted answers (the reference first), its options, and its gold label, which is the same in
    every language; None where it is not coded."""

    prompt: str
    answers: tuple[str, ...]
    choices: tuple[str, ...]
    gold: str | None = None


def read_questions(
    source: Path,
    name: str,
    languages: Sequence[str] | None,
    template: Template | None,
    limit: int | None,
    split: str | None,
    columns: Mapping[str, str] | None = None,
) -> ParallelTask:
    """Read a task from a folder with one file per language, or from one such file.

    The rows are in the format of XQuAD, XNLI, XCOPA, MGSM, Belebele, XStoryCloze, XWinograd, Global-MMLU, BMLAMA or GlobalOpinionQA
    (`read_opinions`). Items must have the same ids and the same gold labels in every language. Labels that are codes ("1") become
    the words of `templates.json`. Label words ("entailment" in each language, with `label_en`) are collected from the whole file,
    whatever the limit. A cloze (`<mask>`) without a template is split at the mask: the prompt is the text before it, and every
    option ends with the text after it, so that whole sentences are compared.

    Parameters
    ----------
    source
        The folder or file.
    name
        Name of the task.
    languages
        Languages in any spelling. Default: all.
    template
        Prompt template with field names in braces, for all languages or by language. Default: `templates.json` in the folder, or
        the fields of the item, one per line.
    limit
        Read at most so many items.
    split
        A group of files, or the rows whose field `split` or `part` has this value.
    columns
        The field of the "ids", where its name does not say so, and the regional variant of a language that has several.

    Raises
    ------
    ValueError
        The questions or their gold labels are not the same in every language, or a row is malformed.
    """
    asked = Asked(languages, limit, split, columns or {})
    readers, contexts = readers_of(source, asked)
    sample = next(next(iter(readers.values()))(), None)
    if sample is None:
        raise ValueError(f"{at(source)}: got no item in {next(iter(readers))}, expected one row per item.")
    if is_opinion(sample):
        asked.refuse_others(at(source), (), readers, "questions that are paired by their English text")
        return read_opinions(name, readers, languages, partial(wordings, template, source), limit)
    asked.refuse_others(at(source), ("ids", "documents"), readers, "questions, whose texts the template names")
    readers = wanted(source, name, readers, asked)
    tables = align(name, {code: read() for code, read in readers.items()}, limit, asked.roles.get("ids"))
    tables = {code: _with_contexts(table, contexts.get(code)) for code, table in tables.items()}
    first = list(next(iter(tables.values())).values())
    asking = wordings(template, source, first[0], tables)
    questions_of = {code: _questions(table.values(), asking[code], readers[code], template) for code, table in tables.items()}
    _check_gold(tables, questions_of)
    chosen = asked.roles.get("documents")
    about = (
        own_name(first[0], chosen, "documents")
        if chosen
        else ("pid" if "pid" in first[0].values else document_field(first[0], "question"))
    )
    return ParallelTask(
        name,
        {code: tuple(question.prompt for question in questions) for code, questions in questions_of.items()},
        {code: tuple(question.answers for question in questions) for code, questions in questions_of.items()},
        {code: tuple(question.choices for question in questions) for code, questions in questions_of.items()}
        if next(iter(questions_of.values()))[0].choices
        else {},
        tuple(next(iter(tables.values()))),
        tuple(label(value(row, about)) for row in first) if about else None,
        labels(first),
    )


def _check_gold(tables: Mapping[str, Mapping[str, Row]], questions_of: Mapping[str, Sequence[Question]]) -> None:
    """Refuse an item whose gold label or number of options differs between languages: then it is not the same question."""
    first = next(iter(tables))
    for code, table in tables.items():
        for item, question, other in zip(table, questions_of[code], questions_of[first], strict=True):
            if None not in (question.gold, other.gold) and question.gold != other.gold:
                raise ValueError(
                    f"{table[item].where}: got gold label {short_repr(question.gold)} for item {short_repr(item)}, expected "
                    f"{short_repr(other.gold)} as in {first} at {tables[first][item].where}. Correct one, or remove the item from "
                    "every language."
                )
            if None not in (question.gold, other.gold) and len(question.choices) != len(other.choices):
                raise ValueError(
                    f"{table[item].where}: got {len(question.choices)} options for item {short_repr(item)}, expected "
                    f"{len(other.choices)} as in {first} at {tables[first][item].where}. Correct one, or remove the item from "
                    "every language."
                )


def _with_contexts(table: Mapping[str, Row], about: Path | None) -> dict[str, Row]:
    """Add to questions the paragraph (`context`) that they are about."""
    if about is None:
        return dict(table)
    texts = {label(value(row, "pid")): value(row, "context") for row in rows(about)}
    alone = next((row for row in table.values() if label(value(row, "pid")) not in texts), None)
    if alone:
        raise ValueError(
            f"{alone.where}: got paragraph id {short_repr(value(alone, 'pid'))}, expected one of {at(about)}. "
            "Add the paragraph there."
        )
    return {i: Row(row.where, {**row.values, "context": texts[label(value(row, "pid"))]}) for i, row in table.items()}


def _questions(
    table: Iterable[Row], wording: Wording, read: Callable[[], Iterator[Row]], template: Template | None
) -> list[Question]:
    items = list(table)
    sample = items[0].values
    words = wording.words
    if "label_en" in sample and "answer" in sample:
        words = _words((str(_label(row, "label_en")), text_of(value(row, "answer"), f"{row.where}, answer")) for row in read())
    elif "label" in sample and _numbered(items[0]) is None and not words:
        words = _words((str(_label(row, "label")),) * 2 for row in read())
    cloze = template is None and MASK in str(sample.get("prompt"))
    return [
        _cloze(row) if cloze else Question(fill(wording.template, row), *_answers(row, words, wording.template)) for row in items
    ]


def _words(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The word of every label, in the order of the labels."""
    return dict(sorted(dict(pairs).items()))


def _answers(row: Row, words: Mapping[str, str], template: str) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """The accepted answers, the options, and the gold label."""
    if "candidates" in row.values:
        choices = _texts(row, "candidates")
        return _among(row, text_of(value(row, "answer"), f"{row.where}, answer"), choices), choices, None
    if numbered := _numbered(row):
        return _chosen(row, *numbered)
    if listed := next((field for field in _LISTS if isinstance(row.values.get(field), list) and "answer" in row.values), None):
        return _listed(row, listed)
    if words:
        field = "label_en" if "label_en" in row.values else "label"
        key = str(_label(row, field))
        if key not in words:
            raise ValueError(
                f"{row.where}: got label {short_repr(key)}, expected one of {short_repr(list(words))}. Add its word to label_words."
            )
        return (words[key], *([f"({key})"] if f"({key})" in template else [])), tuple(words.values()), key
    if "answers" in row.values:
        return _texts(row, "answers"), (), None
    answer = _label(row, "answer")
    text = text_of(answer if isinstance(answer, str) else str(answer), f"{row.where}, answer")
    return (text,), (), _number(text)


def _numbered(row: Row) -> tuple[list[str], str, list[str]] | None:
    """The fields of numbered or lettered options, the field of the right one, and how it may name them; None if there are none."""
    for start, gold, first in _OPTIONS:
        named = [field for field in row.values if re.fullmatch(rf"{start}\d+", field)]
        if named and gold in row.values:
            fields = sorted(named, key=lambda field: (len(field), field))
            return fields, gold, [str(place) for place in range(first, first + len(fields))]
    lettered = sorted(field for field in row.values if re.fullmatch("option_[a-z]", field))
    bare = sorted(field for field in row.values if re.fullmatch("[A-Z]", field))
    lettered = lettered or (bare if len(bare) > 1 and bare == list(ascii_uppercase[: len(bare)]) else [])
    return (lettered, "answer", [field[-1].upper() for field in lettered]) if lettered and "answer" in row.values else None


def _chosen(row: Row, fields: Sequence[str], gold: str, places: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    choices = tuple(text_of(value(row, field), f"{row.where}, {field}") for field in fields)
    index = str(_label(row, gold)).upper()
    if index not in places:
        expected = ", ".join(f"{place} for {field}" for place, field in zip(places, fields, strict=True))
        raise ValueError(f"{row.where}: got {gold} {short_repr(row.values[gold])}, expected {expected}.")
    return (choices[places.index(index)],), choices, index


def _listed(row: Row, field: str) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    """The answer among a list of options: one of their texts, a letter (A is the first), or a whole number (0 is the first)."""
    choices, answer = _texts(row, field), _label(row, "answer")
    letters = list(ascii_uppercase[: len(choices)])
    by_text = choices.index(answer) if answer in choices else None
    places = range(len(choices)) if isinstance(answer, int) and not isinstance(answer, bool) else letters
    by_place = [*places].index(answer) if answer in places else None
    if by_text is not None and by_place in (None, by_text):
        return (choices[by_text],), choices, None
    if by_text is not None or by_place is None:
        expected = (
            "one that is not also the letter of another option" if by_text is not None else "one of its options or their letter"
        )
        raise ValueError(f"{row.where}: got answer {short_repr(answer)}, expected {expected}: {short_repr(list(choices))}.")
    return (choices[by_place],), choices, letters[by_place]


def _label(row: Row, field: str) -> object:
    """The gold label of a row. Raises `ValueError` where there is none."""
    own = value(row, field)
    if own in _NO_LABEL:
        raise ValueError(f"{row.where}: got {field} {own!r}, which is no gold label. Remove the item from every language.")
    return own


def _number(answer: str) -> str | None:
    """A whole number in one spelling, so that it can be compared between languages; None for any other answer.

    >>> _number("1,250"), _number("12 euros")
    ('1250', None)
    """
    return answer.replace(",", "") if re.fullmatch(r"-?(\d+|\d{1,3}(,\d{3})+)", answer) else None


def _cloze(row: Row) -> Question:
    """The sentence up to the mask as the prompt, and each candidate with the rest of the sentence (and the space before it)."""
    text = text_of(value(row, "prompt"), f"{row.where}, prompt")
    before, mask, after = text.partition(MASK)
    prompt = before.rstrip(" ")
    if not mask or not prompt or MASK in after:
        raise ValueError(
            f"{row.where}: got prompt {short_repr(text)}, expected one {MASK} with text before it. "
            "For other prompts give a template."
        )
    candidates = _texts(row, "candidates")
    answer = _among(row, text_of(value(row, "answer"), f"{row.where}, answer"), candidates)[0]
    space = before[len(prompt) :]
    return Question(prompt, (f"{space}{answer}{after}", answer), tuple(f"{space}{candidate}{after}" for candidate in candidates))


def _among(row: Row, answer: str, choices: Sequence[str]) -> tuple[str, ...]:
    if answer not in choices:
        raise ValueError(f"{row.where}: got answer {short_repr(answer)}, expected one of {short_repr(list(choices))}.")
    return (answer,)


def _texts(row: Row, field: str) -> tuple[str, ...]:
    """The texts in a list, or in a list of objects with a `text`, as the answers of SQuAD."""
    entries = value(row, field)
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{row.where}: got {field} {short_repr(entries)}, expected a list of texts.")
    return tuple(text_of(entry.get("text") if isinstance(entry, dict) else entry, f"{row.where}, {field}") for entry in entries)

"""Read files of questions, one per language, as a task: prompts from a template, accepted answers, options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.corpus import ParallelTask
from interp.text.folders.groups import wanted
from interp.text.formats.aligned import document_field, labels, own_name, value
from interp.text.formats.pairing import align
from interp.text.formats.tables import label
from interp.text.notes import note
from interp.text.numbers import number_of
from interp.text.questions.accepted import accepted_answers, answer_field, check_open
from interp.text.questions.agreement import Question, check_gold, with_numbers
from interp.text.questions.fields import named
from interp.text.questions.global_opinion_qa import is_opinion, read_opinions
from interp.text.questions.gold import gold_fields, no_gold, place_of, ways_of
from interp.text.questions.options import field_of, options_of
from interp.text.questions.places import Way, is_none
from interp.text.questions.readers import Readers, readers_of
from interp.text.questions.templates import Template, Wording, fill, wordings
from interp.text.raw.lines import at, text_of
from interp.text.raw.rows import Row, rows

MASK = "<mask>"


class Reading(NamedTuple):
    """How the answers of a task are read: the `ways` of each field that says an option, or the field of accepted answers (`open`).

    Both are None where labels stand for words.
    """

    ways: Mapping[str, Way] | None
    open: str | None


def read_questions(source: Path, name: str, asked: Asked, template: Template | None) -> ParallelTask:
    """Read a task from a folder with one file per language, or from one such file.

    The rows are in the format of XQuAD, XNLI, XCOPA, MGSM, Belebele, XStoryCloze, XWinograd, Global-MMLU, ARC, TriviaQA, BMLAMA,
    GlobalOpinionQA (`read_opinions`) or alike: `options`, `gold` and `accepted` here say which fields are options and answers.
    Items must have the same ids and the same gold labels in every language. Labels that are codes ("1") become the words of
    `templates.json`. Label words ("entailment" in each language, with `label_en`), and whether options are numbered from 0 or 1,
    are found in the whole file, whatever the limit and the split. A cloze (`<mask>`) without a template is split at the mask: the
    prompt is the text before it, and every option ends with the text after it, so that whole sentences are compared.

    Parameters
    ----------
    source
        The folder or file.
    name
        Name of the task.
    asked
        The languages; how many items; the split, a group of files or the rows whose field `split` or `part` has this value; and as
        columns the fields of the "ids" and the "documents", where their names do not say so, and the regional variant of a language
        that has several.
    template
        Prompt template with field names in braces, for all languages or by language. Default: `templates.json` in the folder, or
        the fields of the item, one per line.

    Raises
    ------
    ValueError
        The questions or their gold labels are not the same in every language, or a row is malformed.
    """
    readers, contexts = readers_of(source, asked)
    sample = next(next(iter(readers.values()))(), None)
    if sample is None:
        raise ValueError(
            f"{at(source)}: got no item in {next(iter(readers))}, expected one row per item. The first line of a table is its "
            "header: question and answer."
        )
    if is_opinion(sample):
        asked.refuse_others(at(source), (), readers, "questions that are paired by their English text")
        return read_opinions(name, readers, asked, partial(wordings, template, source))
    asked.refuse_others(at(source), ("ids", "documents"), readers, "questions, whose texts the template names")
    readers = wanted(source, name, readers, asked)
    tables = align(name, {code: read() for code, read in readers.items()}, asked.limit, asked.roles.get("ids"))
    tables = {code: _named(_with_contexts(table, contexts.get(code))) for code, table in tables.items()}
    first = list(next(iter(tables.values())).values())
    asking = wordings(template, source, first[0], tables)
    files = _whole_files(source, asked, readers)
    whole = (_whole(files[code] if asked.limit or asked.split else None, table.values()) for code, table in tables.items())
    reading = _reading(tables, chain.from_iterable(whole), asking)
    questions_of = {
        code: _questions(table.values(), asking[code], files[code], template, code, reading) for code, table in tables.items()
    }
    check_gold(tables, questions_of)
    questions_of = {code: with_numbers(code, questions, questions_of) for code, questions in questions_of.items()}
    usual = "pid" if "pid" in first[0].values else document_field(first[0], "question")
    about = own_name(first[0], asked.roles["documents"], "documents") if "documents" in asked.roles else usual
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


def _reading(tables: Mapping[str, Mapping[str, Row]], whole: Iterator[Row], asking: Mapping[str, Wording]) -> Reading:
    """How the answers are read, in the same way in every language; `whole` are the rows of all, those behind the limit too."""
    sample = next(iter(next(iter(tables.values())).values()))
    if options_of(sample) is not None:
        return Reading(ways_of(whole, gold_fields(sample)), None)
    field = answer_field(sample)
    labelled = "label" in sample.values and (field is None or any(wording.words for wording in asking.values()))
    if labelled or "label_en" in sample.values:
        return Reading(None, None)
    for table in tables.values():
        check_open(list(table.values()), field)
    return Reading(None, field)


def _whole_files(source: Path, asked: Asked, readers: Readers) -> Readers:
    """What reads all rows of the files, those of other splits too."""
    if asked.split is None:
        return readers
    with suppress(ValueError):
        return readers | readers_of(source, asked, whole=True)[0]
    return readers


def _whole(read: Callable[[], Iterator[Row]] | None, table: Iterable[Row]) -> Iterator[Row]:
    """All rows of a language, `table` and those that `read` gives behind the limit or in other splits. A fault there is not met."""
    known = set()
    for row in table:
        known.add(row.where)
        yield row
    with suppress(ValueError):
        for row in map(named, read() if read else ()):
            if row.where not in known and options_of(row) is not None:
                yield row


def _with_contexts(table: Mapping[str, Row], about: Path | None) -> dict[str, Row]:
    """Add to questions the paragraph (`context`) that they are about."""
    if about is None:
        return dict(table)
    texts = {label(value(row, "pid")): value(row, "context") for row in rows(about)}
    alone = next((row for row in table.values() if label(value(row, "pid")) not in texts), None)
    if alone:
        raise ValueError(
            f"{alone.where}: got paragraph id {short_repr(alone.values['pid'])}, expected one of {at(about)}. "
            "Add the paragraph there."
        )
    return {i: Row(row.where, {**row.values, "context": texts[label(row.values["pid"])]}) for i, row in table.items()}


def _named(table: Mapping[str, Row]) -> dict[str, Row]:
    return {item: named(row) for item, row in table.items()}


def _questions(
    table: Iterable[Row],
    wording: Wording,
    read: Callable[[], Iterator[Row]],
    template: Template | None,
    code: str,
    reading: Reading,
) -> list[Question]:
    items = list(table)
    sample = items[0].values
    cloze = template is None and MASK in str(sample.get("prompt")) and "candidates" in sample
    words = {} if reading.ways or reading.open else _label_words(items, wording, read)
    return [_cloze(row, reading.ways or {}) if cloze else _question(row, wording, words, code, reading) for row in items]


def _label_words(items: Sequence[Row], wording: Wording, read: Callable[[], Iterator[Row]]) -> Mapping[str, str]:
    """The word of every label: of `templates.json`, of the field `answer` beside `label_en`, or the label itself."""
    sample = items[0]
    if "label_en" in sample.values and "answer" in sample.values:
        pairs = _labelled_rows(items, read, "label_en")
        return _words((_label(row, "label_en"), text_of(value(row, "answer"), f"{row.where}, answer")) for row in pairs)
    if wording.words:
        return wording.words
    words = _words((_label(row, "label"),) * 2 for row in _labelled_rows(items, read, "label"))
    if any(word.lstrip("-").isdigit() for word in words):
        note(f"labels {', '.join(words)} stand for themselves: `label_words` in templates.json gives them words")
    return words


def _labelled_rows(items: Sequence[Row], read: Callable[[], Iterator[Row]], field: str) -> Iterator[Row]:
    """The rows of the file that have a label in `field`; of the `items` themselves all."""
    own = {row.where for row in items}
    for row in map(named, read()):
        given = row.values.get(field)
        if row.where in own or not is_none(given):
            yield row


def _question(row: Row, wording: Wording, words: Mapping[str, str], code: str, reading: Reading) -> Question:
    prompt = fill(wording.template, row)
    if reading.ways is not None:
        return _chosen(row, prompt, reading.ways)
    if reading.open is not None:
        field = field_of(row, reading.open) or reading.open
        alone = isinstance(value(row, field), str | int | float)
        answers = accepted_answers(row, field)
        number = [number_of(answers[0], None), number_of(answers[0], code)] if alone and len(answers) == 1 else []
        return Question(prompt, answers, (), tuple(dict.fromkeys(one for one in number if one is not None)))
    return Question(prompt, *_labelled(row, words, wording.template))


def _words(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The word of every label, in the order of the labels."""
    return dict(sorted(dict(pairs).items()))


def _labelled(row: Row, words: Mapping[str, str], template: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], int]:
    """The word of the label as the answer, and the words of all labels as the options."""
    field = "label_en" if "label_en" in row.values else "label"
    key = _label(row, field)
    if key not in words:
        raise ValueError(
            f"{row.where}: got label {short_repr(key)}, expected one of {short_repr(list(words))}. Add its word to label_words."
        )
    answers = (words[key], *([f"({key})"] if f"({key})" in template else []))
    return answers, tuple(words.values()), (key,), list(words).index(key)


def _chosen(row: Row, prompt: str, ways: Mapping[str, Way]) -> Question:
    """A question with options, and the right ones as its answers."""
    options = options_of(row)
    if options is None:
        raise ValueError(f"{row.where}: got fields {short_repr(list(row.values))}, expected options as in the first row.")
    places, said = place_of(row, options, ways)
    return Question(prompt, tuple(options.texts[n] for n in places), options.texts, said, places[0])


def _label(row: Row, field: str) -> str:
    """The gold label of a row; 1.0, as pandas writes whole numbers beside an empty cell, is 1. Raises `ValueError` without one."""
    own = value(row, field)
    if is_none(own):
        raise no_gold(row, field)
    return re.sub(r"\A(-?\d+)\.0+\Z", r"\1", str(own))


def _cloze(row: Row, ways: Mapping[str, Way]) -> Question:
    """The sentence up to the mask as the prompt, and each candidate with the rest of the sentence (and the space before it)."""
    text = text_of(value(row, "prompt"), f"{row.where}, prompt")
    before, mask, after = text.partition(MASK)
    prompt = before.rstrip(" ")
    if not mask or not prompt or MASK in after:
        raise ValueError(
            f"{row.where}: got prompt {short_repr(text)}, expected one {MASK} with text before it. "
            "For other prompts give a template."
        )
    own = _chosen(row, prompt, ways)
    space, answer = before[len(prompt) :], own.answers[0]
    choices = tuple(f"{space}{candidate}{after}" for candidate in own.choices)
    return own._replace(answers=(f"{space}{answer}{after}", answer), choices=choices)

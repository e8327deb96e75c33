"""Which fields of a question are its options, and which own labels those have.

One field may hold them (`choices`, `options`, ...): as a list of texts, as texts with labels (ARC, CommonsenseQA), by label
({"A": ...}), or as any of these written into a cell. Or each has a field of its own, numbered or lettered: `choice1` (XCOPA),
`mc_answer1` (Belebele), `option_a` (Global-MMLU), `optionA`, `answer_1`, `opa` (MedMCQA), `A`. Or there are wrong answers beside
the right one: `distractor1` (SciQ), `Incorrect Answer 1` (GPQA). The texts may begin with their labels: "A. x", "① x" (M3Exam).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from string import ascii_lowercase
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.questions.written_labels import written_labels
from interp.text.questions.written_lists import listed
from interp.text.raw.lines import text_of
from interp.text.raw.rows import Row

_LISTS = ("choices", "options", "candidates", "endings", "alternatives", "answer_choices", "answer_options", "possible_answers",
          "multiple_choice_options", "option_list", "choice_list")  # fmt: skip
_STARTS = ("option", "choice", "mc_answer", "sentence_quiz", "ending", "alternative", "candidate", "answer_choice", "answer_option",
           "answer", "ans", "sol", "solution", "opt", "op",
           "prompt_option")  # fmt: skip
_NUMBERED = re.compile(rf"(?P<start>{'|'.join(sorted(_STARTS, key=len, reverse=True))})_?(?P<label>\d{{1,2}}|[a-z])")
_TEXTS = ("text", "texts", "choices", "options", "choice", "option", "value", "content")
_LABELS = ("label", "labels", "key", "keys", "letter", "id", "idx")
_WRONG = re.compile(r"(?:distractor|incorrect_answer|wrong_answer|incorrect_option|wrong_option)s?_?\d{0,2}")
_RIGHT = ("correct_answer", "answer", "best_answer", "correct_option", "right_answer", "correct")
_FROM_0 = frozenset({("choice", "label"), ("sol", "label"), ("ending", "label")})
"""How fields of options begin, and which is right, where a published format counts from 0 whatever the names: XCOPA, PIQA, SWAG."""


class Options(NamedTuple):
    """The `texts` of the options of a question, their own `labels` where they have some, and the `fields` that hold them.

    `start` is how those fields begin, where each has one. `written` are the labels that the texts begin with.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None
    fields: tuple[str, ...]
    start: str = ""
    written: tuple[str, ...] | None = None

    def counted_from_0(self, gold: str) -> bool:
        """Whether a published format counts these options from 0 in the field `gold`, though their names begin with 1."""
        return (self.start, folded(gold)) in _FROM_0


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """The `name` of a field in small letters, its words divided by _.

    >>> folded("answerKey"), folded("Correct Answer"), folded("optionA"), folded("A")
    ('answer_key', 'correct_answer', 'option_a', 'a')
    """
    return re.sub(r"[\s_.\-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:100].strip())).strip("_").casefold()


def by_folded(fields: Iterable[str]) -> dict[str, str]:
    """The first of the `fields` of each `folded` name."""
    return {folded(field): field for field in reversed(list(fields))}


def field_of(row: Row, name: str) -> str | None:
    """The field of a `row` that is called `name`, in whatever case and with whatever signs between its words; None if none is."""
    return name if name in row.values else next((field for field in row.values if folded(field) == folded(name)), None)


def options_of(row: Row) -> Options | None:
    """The options of the question in a `row`; None where it has none.

    Raises `ValueError` where some field holds options in a form that is not known, or a numbered one is missing.

    >>> options_of(Row("a:1", {"question": "?", "Option A": "yes", "Option B": "no"}))
    Options(texts=('yes', 'no'), labels=('A', 'B'), fields=('Option A', 'Option B'), start='option', written=None)
    """
    held = _holders(tuple(row.values))
    for field in held.lists:
        if row.values[field] is not None:
            return _with_written(row, _in_one(row, field))
    if held.several:
        return _with_written(row, _in_several(row, held.start, held.several))
    wrong = [field for field in held.wrong if not _is_blank(row.values[field])]
    return _beside_wrong(row, held.right, wrong) if wrong and held.right is not None else None


def _with_written(row: Row, options: Options) -> Options:
    """The options with the labels that their texts begin with. Raises `ValueError` where their own are others of that series."""
    written = written_labels(options.texts)
    if written is None or options.labels is None:
        return options._replace(labels=options.labels or written, written=written)
    own = [label.casefold() for label in options.labels]
    for label, other, text in zip(own, written, options.texts, strict=True):
        if other in own and label != other:
            raise ValueError(
                f"{row.where}: got option {short_repr(text)} with the label {label.upper()}, expected {other.upper()} as it "
                "begins. Correct one."
            )
    return options._replace(written=written)


class _Holders(NamedTuple):
    """Fields that may hold all options, that hold one each (`several`, by label), and those of wrong answers and the right one."""

    lists: tuple[str, ...]
    start: str
    several: Mapping[str, str]
    wrong: tuple[str, ...]
    right: str | None


@lru_cache(maxsize=256)
def _holders(fields: tuple[str, ...]) -> _Holders:
    names = by_folded(fields)
    families: dict[str, dict[str, str]] = {}
    for name, field in names.items():
        found = _NUMBERED.fullmatch(name)
        if found:
            families.setdefault(found["start"], {})[found["label"]] = field
        elif re.fullmatch(r"[a-z]|\d", name):
            families.setdefault("", {})[name] = field
    start, several = next(
        ((start, own) for start in (*_STARTS, "") if len(own := families.get(start, {})) > 1
         and (start or {"a", "b"} <= own.keys() or {"1", "2"} <= own.keys())), ("", {}))  # fmt: skip
    wrong = tuple(field for field in fields if _WRONG.fullmatch(folded(field)))
    right = next((names[name] for name in _RIGHT if name in names), None)
    return _Holders(tuple(names[name] for name in _LISTS if name in names), start, several, wrong, right)


def _beside_wrong(row: Row, right: str, wrong: Sequence[str]) -> Options:
    """The right answer and those that are said to be wrong, as in SciQ and GPQA."""
    held = {field: row.values[field] for field in (right, *wrong)}
    if len(wrong) == 1:
        held[wrong[0]] = listed(held[wrong[0]])  # one field that holds several
    given = [(field, entry) for field, value in held.items() for entry in (value if isinstance(value, list) else [value])]
    return Options(tuple(_text(entry, f"{row.where}, {field}") for field, entry in given), None, tuple(wrong))


def _in_several(row: Row, start: str, fields: Mapping[str, str]) -> Options:
    """Options that have a field each, by their label. Empty ones at the end are none."""
    labels = sorted(fields, key=lambda label: (label.isalpha(), int(label) if label.isdigit() else 0, label))
    due = list(ascii_lowercase) if labels[0].isalpha() else [str(n) for n in range(0 if "0" in fields else 1, 100)]
    if labels != due[: len(labels)]:
        missing = next(label for label in due if label not in fields)
        raise ValueError(
            f"{row.where}: got options {', '.join(fields[label] for label in labels)}, expected each in turn: there is none of "
            f"{missing.upper()}. Add it, or rename the fields."
        )
    while len(labels) > 2 and _is_blank(row.values.get(fields[labels[-1]])):
        labels.pop()
    own = tuple(fields[label] for label in labels)
    return Options(
        tuple(_text(row.values[field], f"{row.where}, {field}") for field in own), tuple(map(str.upper, labels)), own, start
    )


def _in_one(row: Row, field: str) -> Options:
    """Options that one field holds."""
    value, where = listed(row.values[field]), f"{row.where}, {field}"
    labels: object = None
    if isinstance(value, dict):
        texts = _part(value, _TEXTS)
        labels = (
            _part(value, _LABELS) if isinstance(texts, list) else [label for label, text in value.items() if not _is_blank(text)]
        )
        value = texts if isinstance(texts, list) else [text for text in value.values() if not _is_blank(text)]
    elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        keys = [_part(entry, _LABELS) for entry in value]
        value, labels = [_part(entry, _TEXTS) for entry in value], None if None in keys else keys
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where}: got {short_repr(value)}, expected a list of options, or an option for each label.")
    options = tuple(_text(entry, where) for entry in value)
    if labels is None:
        return Options(options, None, (field,))
    own = tuple(str(label).strip() for label in labels) if isinstance(labels, list) else ()
    if len(own) != len(options) or len({*map(str.casefold, own)}) < len(own):
        raise ValueError(f"{where}: got labels {short_repr(labels)} of {len(options)} options, expected a different one for each.")
    return Options(options, own, (field,))


def _part(value: Mapping[object, object], names: Sequence[str]) -> object:
    """What a dictionary has under one of the `names`."""
    return next((listed(own) for name in names for key, own in value.items() if str(key).casefold() == name), None)


def _is_blank(value: object) -> bool:
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _text(value: object, where: str) -> str:
    """An option as text: a number is one too."""
    if value is None:
        raise ValueError(f"{where}: got null, expected an option. Fill it, or remove the item from every language.")
    return text_of(str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value, where)

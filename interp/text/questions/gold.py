"""Which option is right: what the field of the answer says, in the one way that fits every question.

An answer may be the text of an option, an option's own label, a letter (A is the first), a number from 0 or from 1, or a mark for
each option ([0, 1, 0]). One row often fits several ways, so all rows of all languages are looked at: a 0 says that they count
from 0, the number of options that they count from 1. Where no row says it they count from 0, as the Hugging Face Hub's labels do,
and that is noted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.formats.aligned import value
from interp.text.notes import note
from interp.text.questions.options import Options, by_folded, field_of, folded, options_of
from interp.text.questions.places import WAYS, Way, entries_of, is_none, places_of, said_of
from interp.text.raw.rows import Row

ANSWERS = (
    "answer", "answers", "answer_key", "answerkey", "answer_index", "answer_idx", "correct_answer", "correct_answers",
    "correct", "correct_answer_num", "correct_answer_index", "correct_answer_idx", "correct_option", "correct_choice",
    "correct_index", "correct_idx", "correct_label", "answer_right_ending", "right_answer", "answer_label",
    "answer_letter", "answer_text", "gold", "gold_answer", "gold_label", "gold_index", "gold_idx", "cop", "ground_truth",
    "expected_answer", "solution", "key", "label", "label_index", "target",
)  # fmt: skip
"""Names of the field of the answer (`options.folded`), the likeliest first."""
BY_CUSTOM = "by custom"
"""What a note says where numbers of options are read from 0 and nothing in the file shows that they are."""
_UNSURE = frozenset({"label", "target", "key", "solution", "answer_text"})
"""Names that may be of another thing where another field has the answer."""


class Place(NamedTuple):
    """Which options (`places`) are right, and what the answer is called (`said`): its label or number, and its place where labels
    only say that; nothing where it is a text."""

    places: tuple[int, ...]
    said: tuple[str, ...]


@dataclass
class _Tally:
    """How many rows a field of answers has, in how many it can be read each way, where two differ, and if options have labels."""

    rows: int = 0
    fits: Counter[Way] = field(default_factory=Counter)
    differ: dict[frozenset[Way], str] = field(default_factory=dict)
    typed: set[type] = field(default_factory=set)
    from_0: bool = False
    labelled: bool = False

    def add(self, row: Row, options: Options, name: str) -> None:
        left = [way for way in WAYS if self.fits[way] == self.rows] or WAYS  # the others are out already
        found = {way: places_of(options, row.values[name], way) for way in left}
        fitting = [way for way in left if found[way]]
        self.rows += 1
        self.fits.update(fitting)
        self.typed.update(type(entry) for entry in entries_of(row.values[name]))
        self.from_0 = options.counted_from_0(name)
        self.labelled |= options.labels is not None
        for n, way in enumerate(fitting):
            for other in fitting[n + 1 :]:
                if found[way] != found[other]:
                    self.differ.setdefault(frozenset((way, other)), row.where)


def gold_fields(row: Row) -> list[str]:
    """The fields of a `row` that may hold its answer, the likeliest first.

    >>> gold_fields(Row("a:1", {"Question": "?", "label": 1, "answerKey": "A"}))
    ['answerKey', 'label']
    """
    names = by_folded(row.values)
    return [names[name] for name in ANSWERS if name in names]


def ways_of(rows: Iterable[Row], names: Sequence[str]) -> dict[str, Way]:
    """How the answers in each of the fields `names` are read, those of all `rows`; the first is the answer itself.

    A field whose answers never are an option is left out, if another's are.

    Raises
    ------
    ValueError
        The answers of no field are options, some of a field are and some are not, or two ways to read them give different options.
    """
    tallies = {name: _Tally() for name in names}
    table = list(rows)
    for row in table:
        options = options_of(row)
        for name in names:
            own = field_of(row, name)
            if options is not None and own is not None and own not in options.fields and not is_none(row.values[own]):
                tallies[name].add(row, options, own)
    told = [name for name, tally in tallies.items() if tally.fits]
    read = {name: _chosen(name, tallies[name], table) for n, name in enumerate(told) if n == 0 or folded(name) not in _UNSURE}
    if not read:
        _refuse(table, names)
    for name, way in read.items():
        _note_numbers(name, way, tallies[name])
    return read


def place_of(row: Row, options: Options, ways: Mapping[str, Way]) -> Place:
    """Which of its `options` the answer of a `row` says are right.

    `ways` are those of `ways_of`. Raises `ValueError` where there is no answer, it is no option, or two fields say different ones.
    """
    fields = {name: field_of(row, name) for name in ways}
    first, *others = ways
    given = value(row, fields[first] or first)
    places = places_of(options, given, ways[first])  # before is_none: "-1" and "-" may be options
    if not places and is_none(given):
        raise no_gold(row, first)
    if not places:
        raise _no_option(row, options, first, ways[first])
    for name in others:
        other = row.values.get(fields[name] or name)
        if not is_none(other) and places_of(options, other, ways[name]) != places:
            raise ValueError(
                f"{row.where}: got {first} {short_repr(given)} and {name} {short_repr(other)}, expected one option. "
                "Correct one, or leave out the field that is not the answer."
            )
    return Place(places, said_of(options, places, ways[first]))


def no_gold(row: Row, name: str) -> ValueError:
    """The error that the field `name` of a `row` holds no answer."""
    return ValueError(
        f"{row.where}: got {name} {row.values.get(name)!r}, which is no gold label. Remove the item from every language."
    )


def _chosen(name: str, tally: _Tally, table: Sequence[Row]) -> Way:
    """The one way to read the answers of a field."""
    known = [way for way in WAYS if way != "label" or tally.labelled]
    ways = [way for way in known if tally.fits[way] == tally.rows]
    if not ways:
        return max(known, key=lambda way: tally.fits[way])
    if "label" in ways and not (tally.from_0 and "from 0" in ways):
        ways = [way for way in ways if way in ("label", "text")]
    elif "from 0" in ways:
        ways = [way for way in ways if way in ("from 0", "text")]
    clash = tally.differ.get(frozenset(ways)) if len(ways) > 1 else None
    if clash and not (ways[0].startswith("from") and tally.typed == {str}):
        row = next(row for row in table if row.where == clash)
        raise ValueError(
            f"{row.where}: got {name} {short_repr(row.values[name])}, expected one that is not also the letter of another option "
            f"or its label or number: {short_repr(list(_texts_of(row)))}. Give the option itself."
        )
    return "text" if clash else ways[0]


def _note_numbers(name: str, way: Way, tally: _Tally) -> None:
    if way not in ("from 0", "from 1"):
        if tally.fits["from 0"]:
            note(f"{name} is the {way} of an option, not its place from 0")
    elif way == "from 1":
        note(f"{name} counts the options from 1: it is never 0, and somewhere the number of options")
    elif tally.fits["from 1"] < tally.rows:
        note(f"{name} counts the options from 0")
    else:
        note(f"{name} counts the options from 0, {BY_CUSTOM}: no answer says so, as none is 0 or the number of options")


def _texts_of(row: Row) -> tuple[str, ...]:
    options = options_of(row)
    return options.texts if options else ()


def _refuse(table: Sequence[Row], names: Sequence[str]) -> None:
    """Say that no field says which option is right."""
    row = table[0]
    options = options_of(row)
    names = [name for name in names if options and name not in options.fields]
    if not options or not names:
        raise ValueError(
            f"{row.where}: got options but no answer in fields {short_repr(list(row.values))}, expected 'answer' among them: an "
            "option, its letter, or its number from 0."
        )
    given = next((name for name in names if not is_none(row.values.get(name))), None)
    if given is None:
        raise no_gold(row, names[0])
    raise _no_option(row, options, given, "text")


def _no_option(row: Row, options: Options, name: str, way: Way) -> ValueError:
    """What an answer that is no option should have been."""
    if way == "label" and options.labels and len(options.fields) > 1:
        expected = ", ".join(f"{label} for {own}" for label, own in zip(options.labels, options.fields, strict=False))
    elif way == "letter":
        expected = f"a letter from A to {ascii_uppercase[: len(options.texts)][-1]}, as the others"
    elif way == "label" and options.labels:
        expected = f"one of the labels {', '.join(options.labels)}"
    elif way.startswith("from"):
        first = int(way == "from 1")
        expected = f"{first} to {len(options.texts) - 1 + first}, as the others count the options {way}"
    else:
        expected = f"one of its options or their letter or number: {short_repr(list(options.texts))}"
    return ValueError(f"{row.where}: got {name} {short_repr(row.values[name])}, expected {expected}. Correct it.")

"""Which option is right: what the field of the answer says, in the one way that fits every question.

An answer may be the text of an option, an option's own label, a letter (A is the first), a number from 0 or from 1, or a mark for
each option ([0, 1, 0]). One row often fits several ways, so all rows of all languages are looked at: a 0 says that they count
from 0, the number of options that they count from 1. Where no row says it they count from 0, as the Hugging Face Hub's labels do,
and that is noted.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Literal, NamedTuple

from interp.files.checks import short_repr
from interp.text.formats.rows import Row
from interp.text.notes import note
from interp.text.questions.options import Options, field_of, folded, options_of
from interp.text.questions.written_lists import listed

Way = Literal["text", "label", "letter", "from 0", "from 1", "marks"]
WAYS: tuple[Way, ...] = ("marks", "label", "letter", "from 0", "from 1", "text")
ANSWERS = (
    "answer", "answers", "answer_key", "answerkey", "answer_index", "answer_idx", "correct_answer", "correct_answers",
    "correct", "correct_answer_num", "correct_answer_index", "correct_answer_idx", "correct_option", "correct_choice",
    "correct_index", "correct_idx", "correct_label", "answer_right_ending", "right_answer", "answer_label",
    "answer_letter", "answer_text", "gold", "gold_answer", "gold_label", "gold_index", "gold_idx", "cop", "ground_truth",
    "expected_answer", "solution", "key", "label", "label_index", "target",
)  # fmt: skip
"""Names of the field of the answer (`options.folded`), the likeliest first."""
_UNSURE = frozenset({"label", "target", "key", "solution", "answer_text"})
"""Names that may be of another thing where another field has the answer."""
_NONE = (None, "", "-", -1, "-1")
_MARKED = re.compile(r"[(\[{]?\s*(?P<label>[^\W_]{1,3})\s*[)\]}.:]*")


class Place(NamedTuple):
    """Which options (`places`) are right, and what the answer is called (`said`): its label or number, and its place where labels
    only say that; nothing where it is a text."""

    places: tuple[int, ...]
    said: tuple[str, ...]


@dataclass
class _Tally:
    """How many rows a field of answers has, in how many it can be read each way, and where two ways differ."""

    rows: int = 0
    fits: Counter[Way] = field(default_factory=Counter)
    differ: dict[frozenset[Way], str] = field(default_factory=dict)
    typed: set[type] = field(default_factory=set)
    from_0: bool = False

    def add(self, row: Row, options: Options, name: str) -> None:
        found = {way: _places(options, row.values[name], way) for way in WAYS}
        fitting = [way for way in WAYS if found[way]]
        self.rows += 1
        self.fits.update(fitting)
        self.typed.update(type(entry) for entry in _entries(row.values[name]))
        self.from_0 = options.counted_from_0(name)
        for n, way in enumerate(fitting):
            for other in fitting[n + 1 :]:
                if found[way] != found[other]:
                    self.differ.setdefault(frozenset((way, other)), row.where)


def gold_fields(row: Row) -> list[str]:
    """The fields of a `row` that may hold its answer, the likeliest first.

    >>> gold_fields(Row("a:1", {"Question": "?", "label": 1, "answerKey": "A"}))
    ['answerKey', 'label']
    """
    names = {folded(name): name for name in reversed(list(row.values))}
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
    own = fields[first]
    if own is None:
        raise ValueError(
            f"{row.where}: got fields {short_repr(list(row.values))}, expected {first!r} among them. "
            "Give every row the same fields."
        )
    given = row.values[own]
    if is_none(given):
        raise no_gold(row, first)
    places = _places(options, given, ways[first])
    if not places:
        raise _no_option(row, options, first, ways[first])
    for name in others:
        other = row.values.get(fields[name] or name)
        if not is_none(other) and _places(options, other, ways[name]) != places:
            raise ValueError(
                f"{row.where}: got {first} {short_repr(given)} and {name} {short_repr(other)}, expected one option. "
                "Correct one, or leave out the field that is not the answer."
            )
    return Place(places, _said(options, places, ways[first]))


def no_gold(row: Row, name: str) -> ValueError:
    """The error that the field `name` of a `row` holds no answer."""
    return ValueError(
        f"{row.where}: got {name} {row.values.get(name)!r}, which is no gold label. Remove the item from every language."
    )


def is_none(value: object) -> bool:
    """Whether a `value` is no answer: null, nothing, or the -1 that hides the answers of a test set."""
    return value != value or (not isinstance(value, list | dict | bool) and value in _NONE) or value in ([], {})


def _said(options: Options, places: Sequence[int], way: Way) -> tuple[str, ...]:
    """What the answer is called, so that it can be compared between languages; nothing where it is the text of an option."""
    own = [label.upper() for label in options.labels or ()]
    names = {"letter": ascii_uppercase, "from 0": range(99), "from 1": range(1, 99), "label": own}.get(way)
    if names is None:
        return ()
    said = ", ".join(str(names[place]) for place in places)
    in_order = own in (list(ascii_uppercase[: len(own)]), [str(n + 1) for n in range(len(own))]) or not "".join(own).isascii()
    return (said, f"options {places}") if way == "label" and in_order else (said,)


def _entries(value: object) -> list[object]:
    """The answers in a field: itself, or those of a list."""
    value = listed(value)
    if isinstance(value, dict):
        value = next((value[key] for key in ("text", "value", "answer") if key in value), value)
    return list(value) if isinstance(value, list) else [value]


def _places(options: Options, value: object, way: Way) -> tuple[int, ...]:
    """The options that an answer says, read in one way; none where it cannot be."""
    entries = _entries(value)
    if len(entries) > 1 and len(entries) == len(options.texts) and all(entry in (0, 1) for entry in entries):
        return tuple(n for n, entry in enumerate(entries) if entry) if way == "marks" else ()
    places = [_place(options, entry, way) for entry in entries]
    return () if None in places else tuple(dict.fromkeys(place for place in places if place is not None))


def _place(options: Options, value: object, way: Way) -> int | None:
    if isinstance(value, bool):
        value = str(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float) or way == "marks":
        return None
    written = str(value).strip()
    if way == "text":
        return _index([_plain(text) for text in options.texts], _plain(written), [text.strip() for text in options.texts], written)
    if way == "label" and folded(written) in (names := [folded(own) for own in options.fields]) and len(names) > 1:
        return names.index(folded(written))
    found = _MARKED.fullmatch(unicodedata.normalize("NFKC", re.sub(r"(?<=\d)\.0+\Z", "", written)))
    if not found:
        return None
    name = _digits(found["label"].casefold())
    if way == "label":
        own = [_digits(label.casefold()) for label in options.labels or ()]
        return own.index(name) if name in own else _index(own, written.casefold())
    if way == "letter":
        places = list(ascii_uppercase[: len(options.texts)].casefold())
    else:
        places = [str(n + (way == "from 1")) for n in range(len(options.texts))]
    return places.index(name) if name in places else None


def _index(texts: Sequence[str], written: str, exact: Sequence[str] = (), exactly: str = "") -> int | None:
    """The place of a text as it is written, or else in any case, if it is there once."""
    if exactly in exact:
        return list(exact).index(exactly)
    return list(texts).index(written) if list(texts).count(written) == 1 else None


def _digits(name: str) -> str:
    """A label that is a number in digits of any script, in those of English."""
    return str(int(name)) if name.isdecimal() else name


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _chosen(name: str, tally: _Tally, table: Sequence[Row]) -> Way:
    """The one way to read the answers of a field."""
    ways = [way for way in WAYS if tally.fits[way] == tally.rows]
    if not ways:
        return max(WAYS, key=lambda way: tally.fits[way])
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
        note(f"{name} counts the options from 0, by custom: no answer says so, as none is 0 or the number of options")


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
        expected = f"a letter from A to {ascii_uppercase[len(options.texts) - 1]}, as the others"
    elif way == "label" and options.labels:
        expected = f"one of the labels {', '.join(options.labels)}"
    elif way.startswith("from"):
        first = int(way == "from 1")
        expected = f"{first} to {len(options.texts) - 1 + first}, as the others count the options {way}"
    else:
        expected = f"one of its options or their letter or number: {short_repr(list(options.texts))}"
    return ValueError(f"{row.where}: got {name} {short_repr(row.values[name])}, expected {expected}. Correct it.")

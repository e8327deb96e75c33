"""One answer, read in one way: which options it says are right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Literal

from interp.text.questions.options import Options, folded
from interp.text.questions.written_lists import listed

Way = Literal["text", "label", "letter", "from 0", "from 1", "marks"]
WAYS: tuple[Way, ...] = ("marks", "label", "letter", "from 0", "from 1", "text")
"""How an answer may say an option: by its text, its own label, a letter, a number, or a mark for each option ([0, 1, 0])."""
_NONE = (None, "", "-", -1, "-1")
_MARKED = re.compile(r"[(\[{]?\s*(?P<label>[^\W_]{1,3})\s*[)\]}.:]*")


def is_none(value: object) -> bool:
    """Whether a `value` is no answer: null, nothing, or the -1 that hides the answers of a test set."""
    return value != value or (not isinstance(value, list | dict | bool) and value in _NONE) or value in ([], {})


def said_of(options: Options, places: Sequence[int], way: Way) -> tuple[str, ...]:
    """What an answer is called, so that it can be compared between languages; nothing where it is the text of an option.

    Parameters
    ----------
    options, places, way
        The options, those that the answer says, and how it was read.

    Returns
    -------
    Its label or number, and its place where the labels only count. Options without labels, among others with some, have A, B, ...
    and 1, 2, ....
    """
    if way == "label" and options.labels is None:
        lettered = ", ".join(ascii_uppercase[place : place + 1] or str(place + 1) for place in places)
        return lettered, ", ".join(str(place + 1) for place in places), f"options {places}"
    own, from_1 = [label.upper() for label in options.labels or ()], range(1, len(options.texts) + 1)
    names = {"letter": ascii_uppercase, "from 0": range(len(from_1)), "from 1": from_1, "marks": from_1, "label": own}.get(way)
    if names is None:
        return ()
    said = ", ".join(str(names[place]) for place in places)
    in_order = own in (list(ascii_uppercase[: len(own)]), [str(n + 1) for n in range(len(own))]) or not "".join(own).isascii()
    return (said, f"options {places}") if way == "label" and in_order else (said,)


def entries_of(value: object) -> list[object]:
    """The answers in a field: its `value`, or those of a list."""
    value = listed(value)
    if isinstance(value, dict):
        value = next((value[key] for key in ("text", "value", "answer") if key in value), value)
    return list(value) if isinstance(value, list) else [value]


def places_of(options: Options, value: object, way: Way) -> tuple[int, ...]:
    """Which of the `options` an answer (`value`) says, read in one `way`; none where it cannot be.

    >>> places_of(Options(("yes", "no"), None, ("choices",)), "(B)", "letter")
    (1,)
    """
    entries = entries_of(value)
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
        exact = [text.strip() for text in options.texts]
        return exact.index(written) if written in exact else _alone(list(map(_plain, exact)), _plain(written))
    if way == "label" and folded(written) in (names := [folded(own) for own in options.fields]) and len(names) > 1:
        return names.index(folded(written))
    found = _MARKED.fullmatch(unicodedata.normalize("NFKC", re.sub(r"(?<=\d)\.0+\Z", "", written)))
    if not found:
        return None
    name = _digits(found["label"].casefold())
    if way == "label":
        if options.labels is None:
            return next((n for n in range(len(options.texts)) if name in (ascii_uppercase[n : n + 1].casefold(), str(n + 1))), None)
        own = [_digits(label.casefold()) for label in options.labels]
        if options.written and name in options.written and name not in own:
            return options.written.index(name)
        return own.index(name) if name in own else _alone(own, written.casefold())
    if way == "letter":
        places = list(ascii_uppercase[: len(options.texts)].casefold())
    else:
        places = [str(n + (way == "from 1")) for n in range(len(options.texts))]
    return places.index(name) if name in places else None


def _alone(texts: list[str], written: str) -> int | None:
    """The place of a text that is there once."""
    return texts.index(written) if texts.count(written) == 1 else None


def _digits(name: str) -> str:
    """A label that is a number in digits of any script, in those of English."""
    return str(int(name)) if name.isdecimal() else name


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())

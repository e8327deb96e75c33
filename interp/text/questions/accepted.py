"""The accepted answers of a question without options, in the forms that published files have them in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import inf
from string import ascii_uppercase

from interp.files.checks import short_repr
from interp.text.questions.gold import ANSWERS, no_gold
from interp.text.questions.options import by_folded, folded
from interp.text.questions.written_lists import listed
from interp.text.raw.lines import text_of
from interp.text.raw.rows import Row

NAMES = (
    "answer_number", "answers", "answer", "accepted_answers", "correct_answers", "correct_answer", "gold_answers",
    "gold_answer", "gold", "correct", "right_answer", "expected_answer", "ground_truth", "answer_text", "target",
    "solution", "a",
)  # fmt: skip
"""Names of the field of the accepted answers (`options.folded`), the likeliest first."""
_OF_OPTIONS = frozenset(ANSWERS) - {*NAMES, "label", "key"}
_WORKED = re.compile(r"\A(?:.*\n)?\s*####\s*(?=\S[^\n]*\s*\Z)", re.DOTALL)
_INSIDE = re.compile(r"(?:^|\W)\(?[A-Da-d1-4][).:]")


def answer_field(row: Row) -> str | None:
    """The field of a `row` that holds its accepted answers; None where it has none.

    >>> answer_field(Row("a:1", {"Question": "?", "Correct Answer": "yes"}))
    'Correct Answer'
    """
    names = by_folded(row.values)
    found = [names[name] for name in NAMES if name in names]
    return next((name for name in found if not _is_nothing(row.values[name])), found[0] if found else None)


def accepted_answers(row: Row, name: str) -> tuple[str, ...]:
    """The accepted answers of a `row` from its field `name`, the reference first, each once.

    A text or number is one; a list is several, of texts or of objects with a `text` (SQuAD); an object has a list of `text` (SQuAD
    from the Hub), or a `text` or `value` and its `aliases` (MKQA, TriviaQA). Of a worked solution it is what stands behind "####"
    (GSM8K).

    Raises
    ------
    ValueError
        There is none, or it is of another form.

    Example
    -------
    >>> accepted_answers(Row("a:1", {"answer": {"value": "four", "aliases": ["four", "4"]}}), "answer")
    ('four', '4')
    """
    where, value = f"{row.where}, {name}", row.values[name]
    found = listed(value)
    if isinstance(value, str) and not _are_texts(found):
        found = value
    texts = _texts(found, where)
    if not texts:
        raise no_gold(row, name)
    return tuple(dict.fromkeys(texts))


def check_open(rows: Sequence[Row], name: str | None) -> None:
    """Refuse the answers of `rows`, in the field `name`, that are of options which were not found."""
    row = rows[0]
    among = next((field for field in row.values if folded(field) in _OF_OPTIONS), None)
    if name is None and among is None:
        raise ValueError(
            f"{row.where}: got fields {short_repr(list(row.values))}, expected 'answer' among them. "
            "Rename the field of the accepted answers."
        )
    if name is None:
        raise _lost(row, f"{among} {short_repr(row.values[among or ''])} but no options")
    if all(str(each.values.get(name)).strip().casefold() in ("true", "false") for each in rows):
        raise ValueError(
            f"{row.where}: got {name} {row.values[name]!r}, expected words of the language. Call the field 'label', and give the "
            "words for True and False in templates.json (label_words)."
        )
    said = [_name(each.values.get(name)) for each in rows]
    letters = all(one is not None and one in ascii_uppercase[:10] for one in said)
    asked = any(_INSIDE.search(str(value)) for value in row.values.values())
    if letters and len(rows) > 1 and not asked:
        raise _lost(row, f"{name} {short_repr(row.values[name])} but no options, as in every row")
    for field in row.values:
        if field != name and all(_may_be_options(each.values.get(field), each.values.get(name)) for each in rows):
            raise _lost(row, f"{name} {short_repr(row.values[name])} and a list {field!r} that it may be of")


def _lost(row: Row, got: str) -> ValueError:
    return ValueError(
        f"{row.where}: got {got}, expected the options in a field 'choices', or in option_a, option_b, ... Rename the fields "
        f"({short_repr(list(row.values))}), or give the answer as text."
    )


def _name(value: object) -> str | None:
    """The letter that an answer is; None where it is more than one."""
    found = re.fullmatch(r"\(?\s*([A-Z])\s*[).:]?", value.strip()) if isinstance(value, str) else None
    return found[1] if found else None


def _may_be_options(value: object, answer: object) -> bool:
    """Whether a list may hold the options of an `answer`: it is one of them, or the place of one."""
    texts = listed(value)
    if (
        not isinstance(texts, list)
        or len(texts) < 2
        or not all(isinstance(text, str) for text in texts)
        or isinstance(answer, list)
    ):
        return False
    said = str(answer).strip()
    return said in texts or (said.isdecimal() and int(said[:9]) <= len(texts)) or _name(answer) is not None


def _texts(value: object, where: str) -> list[str]:
    if _is_nothing(value):
        return []
    if isinstance(value, Mapping):
        named = {folded(str(key)): own for key, own in value.items()}
        if "value" in named:
            return [*_texts(named["value"], where), *_texts(named.get("aliases"), where)]
        if "text" in named or "texts" in named:
            return [*_texts(named.get("text", named.get("texts")), where), *_texts(named.get("aliases"), where)]
    if isinstance(value, list):
        return [text for entry in value for text in _texts(entry, where)]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value in (inf, -inf):
        raise ValueError(f"{where}: got {short_repr(value)}, expected an answer in words, a number, or a list of accepted answers.")
    return [text_of(_WORKED.sub("", str(value)), where)]


def _are_texts(value: object) -> bool:
    """Whether a list or dictionary that was written into a cell is one of answers, and no answer that is written so, [1, 2]."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(entry, str) or _are_texts(entry) for entry in value)
    return isinstance(value, dict) and any(folded(str(key)) in ("text", "texts", "value") for key in value)


def _is_nothing(value: object) -> bool:
    return value is None or value != value or value == "" or (value in ([], {}) if isinstance(value, list | dict) else False)

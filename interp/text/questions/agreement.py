"""Whether questions are the same in every language: their gold labels, and the number of their options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.notes import note
from interp.text.raw.rows import Row


class Question(NamedTuple):
    """The prompt of one item, its accepted answers (the reference first), its options, and its gold label, which is the same in
    every language: a label, or the numbers that the answer may be; none where it is not coded.

    `place` is that of the right option, from 0.
    """

    prompt: str
    answers: tuple[str, ...]
    choices: tuple[str, ...]
    gold: tuple[str, ...] = ()
    place: int | None = None


def check_gold(tables: Mapping[str, Mapping[str, Row]], questions_of: Mapping[str, Sequence[Question]]) -> None:
    """Refuse an item whose gold label or number of options differs between languages: then it is not the same question.

    `tables` are the rows, and `questions_of` the questions, of each language. Right answers that are at another place among the
    options than in the first language are noted.
    """
    first, moved = next(iter(tables)), Counter[str]()
    for code, table in tables.items():
        for item, question, other in zip(table, questions_of[code], questions_of[first], strict=True):
            if question.gold and other.gold and not {*question.gold} & {*other.gold}:
                raise ValueError(
                    f"{table[item].where}: got gold label {short_repr(question.gold[0])} for item {short_repr(item)}, expected "
                    f"{short_repr(other.gold[0])} as in {first} at {tables[first][item].where}. Correct one, or remove the item "
                    "from every language."
                )
            if len(question.choices) != len(other.choices):
                raise ValueError(
                    f"{table[item].where}: got {len(question.choices)} options for item {short_repr(item)}, expected "
                    f"{len(other.choices)} as in {first} at {tables[first][item].where}. Correct one, or remove the item from "
                    "every language."
                )
            moved[code] += question.place != other.place
    for code, count in moved.items():
        if count:
            note(f"{count} of {len(tables[code])} answers are not at the place among the options that they have in {first}", code)


def with_numbers(code: str, questions: Sequence[Question], questions_of: Mapping[str, Sequence[Question]]) -> list[Question]:
    """The `questions` of a language `code`, with the number that an answer is where only others show it: 2,125 in German.

    `questions_of` are those of every language.
    """
    found, own = [], list[Question]()
    for place, question in enumerate(questions):
        agreed = set.intersection(*(set(others[place].gold) or {*question.gold} for others in questions_of.values()))
        two = len(question.gold) > 1 and not question.choices
        if two and len(agreed) == 1 and question.gold[1] not in agreed:
            note("numbers are written as in English, as the other languages show: both readings are accepted", code)
            question = question._replace(answers=(*question.answers, *agreed))
        elif two:
            own.append(question)
        found.append(question)
    if own:
        example, read = own[0].answers[0], own[0].gold[1]
        note(f"{len(own)} numbers such as {example} are read as {read}, as the language writes them, and not as in English", code)
    return found

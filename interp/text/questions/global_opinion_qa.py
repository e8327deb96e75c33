"""GlobalOpinionQA as in XTransplant (arXiv 2412.12686): each language asks about its own countries, with English beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from string import ascii_uppercase

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.corpus import ParallelTask
from interp.text.formats.aligned import PIVOT, labels, value
from interp.text.formats.keys import identifier
from interp.text.formats.pairing import shared
from interp.text.questions.templates import Wording, fill
from interp.text.raw.lines import text_of
from interp.text.raw.rows import Row


def is_opinion(sample: Row) -> bool:
    """Whether a row `sample` is a survey question with the share of each answer."""
    return isinstance(sample.values.get("label"), list) and PIVOT in sample.values


def read_opinions(
    name: str,
    readers: Mapping[str, Callable[[], Iterator[Row]]],
    asked: Asked,
    asking: Callable[[Row, Sequence[str]], Mapping[str, Wording]],
) -> ParallelTask:
    """Read survey questions in a language and, if English is wanted too, the same questions in English.

    The options are the letters "(A)", "(B)", ... in every language. The answer is the most frequent one in the country. Questions
    are joined by their English text; those that not every language has are left out and logged. Two languages other than English
    rarely share any, because they ask about different countries.

    Parameters
    ----------
    name
        Name of the task.
    readers
        What reads the rows of each language, by FLORES-200 code.
    asked
        The languages, and how many questions.
    asking
        Gives the prompt template of each language, from a sample row.

    Raises
    ------
    ValueError
        A language is missing, no question is shared, or the shares of the answers are malformed.
    """
    codes = list(readers if asked.codes is None else asked.codes)
    non_english = [code for code in codes if code != "eng_Latn"] or codes
    missing = [code for code in non_english if code not in readers]
    if missing:
        raise ValueError(f"task {name!r} has no {missing[0]}; it has {', '.join(readers)}.")
    tables = {code: _by_english(islice(readers[code](), asked.limit if len(non_english) == 1 else None)) for code in non_english}
    questions = list(shared(name, tables)[non_english[0]].values())[: asked.limit]
    keys = [value(row, PIVOT) for row in questions]
    wording = asking(questions[0], codes)
    rows = {code: [tables[code][key] for key in keys] if code in tables else list(map(_in_english, questions)) for code in codes}
    options = tuple(tuple(f"({letter})" for letter in ascii_uppercase[: len(_shares(row))]) for row in questions)
    best = tuple((choices[_shares(row).index(max(_shares(row)))],) for row, choices in zip(questions, options, strict=True))
    return ParallelTask(
        name,
        {code: tuple(fill(wording[code].template, row) for row in rows[code]) for code in codes},
        dict.fromkeys(codes, best),
        dict.fromkeys(codes, options),
        tuple(identifier(value(row, "id"), row.where) for row in questions),
        labels=labels(questions),
    )


def _in_english(row: Row) -> Row:
    return Row(row.where, {**row.values, "prompt": value(row, PIVOT)})


def _by_english(rows: Iterable[Row]) -> dict[str, Row]:
    table: dict[str, Row] = {}
    for row in rows:
        key = text_of(value(row, PIVOT), f"{row.where}, {PIVOT}")
        if key in table:
            raise ValueError(
                f"{row.where}: got an English question that is also at {table[key].where}, expected each question once."
            )
        table[key] = row
    return table


def _shares(row: Row) -> list[int | float]:
    shares = value(row, "label")
    fit = isinstance(shares, list) and 2 <= len(shares) <= len(ascii_uppercase)
    if not fit or not all(isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1 for share in shares):
        raise ValueError(
            f"{row.where}: got label {short_repr(shares)}, expected the share of each option: 2 to 26 numbers from 0 to 1."
        )
    return shares

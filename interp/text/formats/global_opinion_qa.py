"""GlobalOpinionQA as XTransplant (arXiv 2412.12686) has it: every language asks about its own countries, beside English."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from string import ascii_uppercase

from interp.files.checks import short_repr
from interp.languages import languages as several
from interp.text.corpus import ParallelTask
from interp.text.formats.aligned import PIVOT, labels, shared, value
from interp.text.formats.lines import text_of
from interp.text.formats.rows import Row
from interp.text.formats.tables import identifier
from interp.text.templates import Wording, fill


def is_opinion(sample: Row) -> bool:
    """Whether a row is a survey question with the share of every answer."""
    return isinstance(sample.values.get("label"), list) and PIVOT in sample.values


def read_opinions(
    name: str,
    readers: Mapping[str, Callable[[], Iterator[Row]]],
    languages: Sequence[str] | None,
    asking: Callable[[Row, Sequence[str]], Mapping[str, Wording]],
    limit: int | None,
) -> ParallelTask:
    """Survey questions in a language and, where English is asked for too, the same questions in English.

    The options are letters, "(A)", in every language; the answer is the one most of the country's people gave. Languages
    are joined by the English question: those that not every language asks are left out and counted in the log, and as
    countries differ that is all of them for two languages other than English.
    """
    codes = [found.code for found in several(languages if languages is not None else readers)]
    own = [code for code in codes if code != "eng_Latn"] or codes
    lacking = [code for code in own if code not in readers]
    if lacking:
        raise ValueError(f"task {name!r} has no {lacking[0]}; it has {', '.join(readers)}.")
    tables = {code: _by_english(islice(readers[code](), limit if len(own) == 1 else None)) for code in own}
    asked = list(shared(name, tables)[own[0]].values())[:limit]
    keys = [value(row, PIVOT) for row in asked]
    wording = asking(asked[0], codes)
    rows = {code: [tables[code][key] for key in keys] if code in tables else list(map(_in_english, asked)) for code in codes}
    options = tuple(tuple(f"({letter})" for letter in ascii_uppercase[: len(_shares(row))]) for row in asked)
    best = tuple((choices[_shares(row).index(max(_shares(row)))],) for row, choices in zip(asked, options, strict=True))
    return ParallelTask(
        name,
        {code: tuple(fill(wording[code].template, row) for row in rows[code]) for code in codes},
        dict.fromkeys(codes, best),
        dict.fromkeys(codes, options),
        tuple(identifier(value(row, "id"), row.where) for row in asked),
        labels=labels(asked),
    )


def _in_english(row: Row) -> Row:
    return Row(row.where, {**row.values, "prompt": row.values[PIVOT]})


def _by_english(given: Iterable[Row]) -> dict[str, Row]:
    table: dict[str, Row] = {}
    for row in given:
        key = text_of(value(row, PIVOT), f"{row.where}, {PIVOT}")
        if key in table:
            raise ValueError(f"{row.where}: the English question stands at {table[key].where} too. Needed: a question once.")
        table[key] = row
    return table


def _shares(row: Row) -> list[int | float]:
    shares = value(row, "label")
    fit = isinstance(shares, list) and 2 <= len(shares) <= len(ascii_uppercase)
    if not fit or not all(isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1 for share in shares):
        raise ValueError(f"{row.where}: label {short_repr(shares)}. Needed: the share of each option, 2 to 26 numbers from 0 to 1.")
    return shares

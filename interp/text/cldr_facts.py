"""Facts that CLDR knows, told and asked in 100+ languages: which currency, language and continent a territory has, what comes next.

The relation is a sign, not words, so that a fact reads alike in every language: `Deutsch: "Frankreich" ¤ Deutsch: "Euro"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import get_args

from babel.core import get_global
from babel.languages import get_official_languages

from interp.bundled import FACTS_SEEN
from interp.languages import language
from interp.text import cldr
from interp.text.corpus import ParallelTask

RELATIONS = {"currency-of": "¤", "language-of": "💬", "continent-of": "🌍", "next": "→"}
"""The sign between subject and answer of a fact: a symbol."""


@lru_cache(maxsize=1024)
def facts(code: str) -> Mapping[str, tuple[str, str, str]]:
    """Everything CLDR knows that has a name in one language: id -> (subject, relation sign, answer)."""
    named = cldr.entries("names", code)
    pairs = {i: (subject, answer) for i, (subject, answer) in _fact_ids().items() if subject in named and answer in named}
    return {i: (named[subject], RELATIONS[i.split(":")[0]], named[answer]) for i, (subject, answer) in pairs.items()}


@lru_cache(maxsize=1)
def _fact_ids() -> dict[str, tuple[str, str]]:
    """Fact id -> (id of the subject, id of the answer)."""
    zones = get_global("territory_zones")
    found: dict[str, tuple[str, str]] = {}
    for place in cldr.concepts()["territory"]:
        if place.isdigit():
            continue
        subject = f"territory:{place}"
        found[f"currency-of:{place}"] = (subject, f"currency:{cldr.currency_of(place)}")
        found[f"language-of:{place}"] = (subject, f"language:{get_official_languages(place)[0].split('_')[0]}")
        area = zones.get(place, ["/"])[0].split("/")[0]
        if area in cldr.CONTINENTS:
            found[f"continent-of:{place}"] = (subject, f"territory:{cldr.CONTINENTS[area]}")
    found |= {f"next:m{number}": (f"month:{number}", f"month:{number % 12 + 1}") for number in range(1, 13)}
    found |= {f"next:w{number}": (f"weekday:{number}", f"weekday:{(number + 1) % 7}") for number in range(7)}
    return found


def read_task(
    languages: Sequence[str] | None = None,
    split: str = "all",
    relations: Iterable[str] = tuple(RELATIONS),
    options: int = 4,
) -> ParallelTask:
    """Facts as questions: `Deutsch: "Frankreich" ¤ Deutsch: "`, answer `Euro`, with `options` answers to choose from.

    A fact was told to the bundled model in a language if the fixed number of its id lies below `FACTS_SEEN[code]`, so what
    it was told in one language it was told in every better-served one. `split="heldout"` are the facts it was told in none
    of the languages but English, `"train"` those it was told in all of them. Wrong options answer the same relation of
    other subjects and stand in the same order in every language.
    """
    if split not in get_args(cldr.Split):
        raise ValueError(f"split {split!r} of cldr:facts: needed one of {', '.join(get_args(cldr.Split))}.")
    codes = cldr.wanted_codes("names", languages)
    tables = {code: facts(code) for code in codes}
    kept = set(relations)
    ids = [i for i in _fact_ids() if i.split(":")[0] in kept and all(i in table for table in tables.values())]
    if split != "all":
        shares = [FACTS_SEEN.get(code, 0.0) for code in codes if code != "eng_Latn"] or [1.0]
        ids = [i for i in ids if (cldr.uniform(i) >= max(shares) if split == "heldout" else cldr.uniform(i) < min(shares))]
    chosen = {i: _options(i, _answers_like(i, ids), options) for i in ids}
    return ParallelTask(
        "cldr:facts" + ("" if split == "all" else f"/{split}"),
        prompts={code: tuple(fact_prompt(code, *table[i][:2]) for i in ids) for code, table in tables.items()},
        answers={code: tuple((table[i][2],) for i in ids) for code, table in tables.items()},
        choices={code: tuple(tuple(cldr.entries("names", code)[o] for o in chosen[i]) for i in ids) for code in codes},
        ids=tuple(ids),
    )


def fact_prompt(code: str, subject: str, sign: str) -> str:
    """A fact up to its answer, as the bundled model reads it."""
    name = language(code).autonym
    return f'{name}: "{subject}" {sign} {name}: "'


def _answers_like(identifier: str, ids: Sequence[str]) -> list[str]:
    """The distinct answers (ids of names) to the same relation of the same kind of subject."""
    pairs = _fact_ids()
    group = identifier.split(":")[0], pairs[identifier][0].split(":")[0]
    return list(dict.fromkeys(pairs[i][1] for i in ids if (i.split(":")[0], pairs[i][0].split(":")[0]) == group))


def _options(identifier: str, answers: Sequence[str], n: int) -> list[str]:
    gold = _fact_ids()[identifier][1]
    wrong = sorted((answer for answer in answers if answer != gold), key=lambda answer: cldr.uniform(f"{identifier}|{answer}"))
    return sorted([gold, *wrong[: n - 1]], key=lambda answer: cldr.uniform(f"{answer}|{identifier}"))

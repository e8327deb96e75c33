"""Facts from CLDR as questions in over 100 languages: the currency, language and continent of a territory, the next month or
weekday.

The relation is a symbol, not words, so that a fact has the same form in every language: `Deutsch: "Frankreich" ¤ Deutsch: "Euro"`.
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
"""The symbol between the subject and the answer, by relation."""


@lru_cache(maxsize=1024)
def facts(code: str) -> Mapping[str, tuple[str, str, str]]:
    """All facts with names in one language (a FLORES-200 `code`): (subject, symbol of the relation, answer) by id."""
    names = cldr.entries("names", code)
    pairs = {i: (subject, answer) for i, (subject, answer) in _fact_ids().items() if subject in names and answer in names}
    return {i: (names[subject], RELATIONS[i.split(":")[0]], names[answer]) for i, (subject, answer) in pairs.items()}


@lru_cache(maxsize=1)
def _fact_ids() -> dict[str, tuple[str, str]]:
    """The ids of the subject and of the answer, by id of the fact."""
    zones = get_global("territory_zones")
    pairs: dict[str, tuple[str, str]] = {}
    for territory in cldr.concepts()["territory"]:
        if territory.isdigit():
            continue
        subject = f"territory:{territory}"
        pairs[f"currency-of:{territory}"] = (subject, f"currency:{cldr.currency_of(territory)}")
        pairs[f"language-of:{territory}"] = (subject, f"language:{get_official_languages(territory)[0].split('_')[0]}")
        area = zones.get(territory, ["/"])[0].split("/")[0]
        if area in cldr.CONTINENTS:
            pairs[f"continent-of:{territory}"] = (subject, f"territory:{cldr.CONTINENTS[area]}")
    pairs |= {f"next:m{number}": (f"month:{number}", f"month:{number % 12 + 1}") for number in range(1, 13)}
    pairs |= {f"next:w{number}": (f"weekday:{number}", f"weekday:{(number + 1) % 7}") for number in range(7)}
    return pairs


def read_task(
    languages: Sequence[str] | None = None,
    split: str = "all",
    relations: Iterable[str] = tuple(RELATIONS),
    options: int = 4,
) -> ParallelTask:
    """Read facts as questions: `Deutsch: "Frankreich" ¤ Deutsch: "`, with the answer `Euro`.

    Parameters
    ----------
    languages
        Languages in any spelling. Default: all that CLDR has.
    split
        `heldout`: the facts that the bundled model was trained on in none of the languages except English. `train`: those that it
        was trained on in all of them. Default: `all`.
    relations
        The relations to ask about: `currency-of`, `language-of`, `continent-of`, `next`.
    options
        Number of options. Wrong options are answers to the same relation for other subjects, in the same order in every language.

    Raises
    ------
    ValueError
        The split or a language is not available.

    Notes
    -----
    The bundled model was trained on a fact in a language if `uniform(id)` is below `FACTS_SEEN[code]`. So a fact that it saw in one
    language it also saw in every language with a larger share.
    """
    if split not in get_args(cldr.Split):
        raise ValueError(f"got split {split!r} of cldr:facts, expected one of {', '.join(get_args(cldr.Split))}.")
    codes = cldr.wanted_codes("names", languages)
    tables = {code: facts(code) for code in codes}
    chosen_relations = set(relations)
    everything = [i for i in _fact_ids() if i.split(":")[0] in chosen_relations and all(i in table for table in tables.values())]
    ids = everything
    if split != "all":
        shares = [FACTS_SEEN.get(code, 0.0) for code in codes if code != "eng_Latn"] or [1.0]
        ids = [i for i in ids if (cldr.uniform(i) >= max(shares) if split == "heldout" else cldr.uniform(i) < min(shares))]
    answers = {i: _answers_like(i, ids) for i in ids}
    chosen = {i: _options(i, own if len(own) > 1 else _answers_like(i, everything), options) for i, own in answers.items()}
    return ParallelTask(
        "cldr:facts" + ("" if split == "all" else f"/{split}"),
        prompts={code: tuple(fact_prompt(code, *table[i][:2]) for i in ids) for code, table in tables.items()},
        answers={code: tuple((table[i][2],) for i in ids) for code, table in tables.items()},
        choices={code: tuple(tuple(cldr.entries("names", code)[o] for o in chosen[i]) for i in ids) for code in codes},
        ids=tuple(ids),
    )


def fact_prompt(code: str, subject: str, sign: str) -> str:
    """A fact (the `sign` of a `subject`) up to its answer, in the language `code`, as in the bundled model's training text."""
    name = language(code).autonym
    return f'{name}: "{subject}" {sign} {name}: "'


def _answers_like(identifier: str, ids: Sequence[str]) -> list[str]:
    """The different answers (ids of names) to the same relation for the same kind of subject."""
    pairs = _fact_ids()
    group = identifier.split(":")[0], pairs[identifier][0].split(":")[0]
    return list(dict.fromkeys(pairs[i][1] for i in ids if (i.split(":")[0], pairs[i][0].split(":")[0]) == group))


def _options(identifier: str, answers: Sequence[str], n: int) -> list[str]:
    gold = _fact_ids()[identifier][1]
    distractors = sorted(
        (answer for answer in answers if answer != gold), key=lambda answer: cldr.uniform(f"{identifier}|{answer}")
    )
    return sorted([gold, *distractors[: n - 1]], key=lambda answer: cldr.uniform(f"{answer}|{identifier}"))

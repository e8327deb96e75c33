"""Parallel names, dates, number words and phrases in over 100 languages, without a download.

The text is Unicode CLDR data from Babel, and the number words of num2words. The ids of the items (`territory:FR`, `date:03-05`,
`number:42`) are the same in every language.

When it misleads: this is a lexicon of a few hundred concepts, not prose. Call results on it lexical.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, get_args

import num2words
from babel import Locale, UnknownLocaleError, localedata
from babel.core import get_global
from babel.dates import format_skeleton, format_timedelta
from babel.languages import get_official_languages
from babel.lists import format_list
from babel.localedata import locale_identifiers
from babel.numbers import get_territory_currencies
from babel.units import format_unit

from interp.languages import Language, language, languages
from interp.text.corpus import ParallelCorpus

Kind = Literal["names", "dates", "numbers", "phrases"]
Split = Literal["all", "train", "heldout"]

UNITS = {
    "length-kilometer": "km", "length-meter": "m", "length-centimeter": "cm", "length-mile": "mi", "mass-kilogram": "kg",
    "mass-gram": "g", "mass-tonne": "t", "volume-liter": "l", "duration-second": "s", "duration-minute": "min",
    "duration-hour": "h", "duration-day": "d", "duration-week": "wk", "duration-month": "mo", "duration-year": "y",
    "energy-joule": "J", "power-watt": "W", "electric-volt": "V", "electric-ampere": "A", "area-hectare": "ha",
}  # fmt: skip

CONTINENTS = {"Europe": "150", "Asia": "142", "Africa": "002", "America": "019", "Australia": "009", "Pacific": "009"}
_Unit = Literal["minute", "hour", "day", "week", "month", "year"]
_SECONDS: dict[_Unit, int] = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
_NUM2WORDS = {"kaz": "kz", "nob": "no"}
_HELD_OUT = 0.1


def available() -> tuple[str, ...]:
    """The codes of the languages for which CLDR has almost all names. `read_corpus` reads them by default."""
    return _available()


def read_corpus(kind: str, languages: Sequence[str] | None = None, split: str = "all") -> ParallelCorpus:
    """Read the items of one kind that every language has, without items that are written the same as another one.

    Parameters
    ----------
    kind
        `names`, `dates`, `numbers` or `phrases`.
    languages
        Languages in any spelling. Default: `available()`.
    split
        `heldout` is a fixed tenth of the concepts, by the hash of the id, whose translations the bundled model never saw in
        training. `train` is the rest. Default: `all`.

    Raises
    ------
    ValueError
        The kind, the split or a language is not available.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"got cldr:{kind}, expected one of {', '.join('cldr:' + known for known in (*get_args(Kind), 'facts'))}.")
    if split not in get_args(Split):
        raise ValueError(f"got split {split!r} of cldr:{kind}, expected one of {', '.join(get_args(Split))}.")
    tables = {code: entries(kind, code) for code in wanted_codes(kind, languages)}
    ids = [i for i in _shared(tables) if split == "all" or held_out(i) == (split == "heldout")]
    name = f"cldr:{kind}" + ("" if split == "all" else f"/{split}")
    return ParallelCorpus(
        name,
        {code: tuple(table[i] for i in ids) for code, table in tables.items()},
        ids=tuple(ids),
        labels={"type": tuple(i.split(":")[0] for i in ids)},
    )


def held_out(identifier: str, share: float = _HELD_OUT) -> bool:
    """Whether an item is held out: `uniform(identifier)` is below `share`. It depends on nothing but the id."""
    return uniform(identifier) < share


def uniform(identifier: str) -> float:
    """A fixed number in [0, 1) for an id (`identifier`)."""
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:6], "big") / 2**48


@lru_cache(maxsize=1024)
def entries(kind: str, code: str) -> Mapping[str, str]:
    """All items of one `kind` in one language (a FLORES-200 `code`): text by id."""
    makers = {"names": _names, "dates": _dates, "numbers": _numbers, "phrases": _phrases}
    return {i: text for i, text in makers[kind](language(code)).items() if text}


@lru_cache(maxsize=1024)
def _locale(lang: Language) -> Locale:
    """A locale that shares no data with another one.

    Babel writes resolved aliases into data that all locales share: without this, Italian weekdays are in Swahili if Swahili was
    loaded first.
    """
    localedata._cache.clear()
    try:
        locale = Locale.parse(lang.tag, sep="-")
        assert locale._data is not None
        return locale
    except (UnknownLocaleError, ValueError):
        raise ValueError(
            f"cldr has no data for {lang.code} ({lang.name}). interp.text.cldr.available() lists its languages."
        ) from None


@lru_cache(maxsize=1)
def concepts() -> dict[str, tuple[str, ...]]:
    """The ids of all names, by kind: territories with a one-word English name, their languages and their currencies."""
    english = _locale(language("eng_Latn"))
    territories = sorted(
        code
        for code in get_global("territory_currencies")
        if re.fullmatch(r"[^\W\d_]+", english.territories.get(code, "")) and get_official_languages(code) and currency_of(code)
    )
    spoken = {get_official_languages(territory)[0].split("_")[0] for territory in territories}
    return {
        "territory": (*territories, *sorted(set(CONTINENTS.values()))),
        "language": tuple(sorted(tag for tag in spoken if re.fullmatch(r"[^\W\d_]+", english.languages.get(tag, "")))),
        "currency": tuple(sorted({currency_of(territory) for territory in territories})),
    }


def currency_of(territory: str) -> str:
    """The ISO 4217 code of the currency of a `territory` ("FR"); empty if it has none."""
    currencies = get_territory_currencies(territory)
    return currencies[0] if currencies else ""


def _names(lang: Language) -> dict[str, str]:
    locale, ids = _locale(lang), concepts()
    names = {f"territory:{code}": locale.territories.get(code, "") for code in ids["territory"]}
    names |= {f"language:{tag}": locale.languages.get(tag, "") for tag in ids["language"]}
    names |= {f"currency:{code}": locale.currencies.get(code, "") for code in ids["currency"]}
    names |= {f"month:{number}": text for number, text in locale.months["stand-alone"]["wide"].items()}
    names |= {f"weekday:{number}": text for number, text in locale.days["stand-alone"]["wide"].items()}
    display = locale._data["unit_display_names"]
    for unit, short in UNITS.items():
        forms = display.get(unit, {})
        names[f"unit:{short}"] = forms.get("long") or forms.get("short") or ""
    return {i: text for i, text in names.items() if text != i.split(":")[1]}


def _dates(lang: Language) -> dict[str, str]:
    locale = _locale(lang)
    days = [date(2024, 1, 1) + timedelta(days=offset) for offset in range(366)]
    dated = {f"date:{day:%m-%d}": format_skeleton("MMMMd", day, locale=locale) for day in days}
    for unit, seconds in _SECONDS.items():
        for count in (*range(-10, 0), *range(1, 11)):
            dated[f"relative:{count:+d} {unit}"] = format_timedelta(
                timedelta(seconds=count * seconds), granularity=unit, threshold=1000, add_direction=True, locale=locale
            )
    return dated


def _numbers(lang: Language) -> dict[str, str]:
    converter = num2words.CONVERTER_CLASSES.get(_NUM2WORDS.get(lang.code[:3], lang.tag.split("-")[0]))
    if converter is None or lang.script != language(lang.tag.split("-")[0]).script:
        return {}
    return {f"number:{number}": str(converter.to_cardinal(number)) for number in range(101)}


def _phrases(lang: Language) -> dict[str, str]:
    locale, names = _locale(lang), _names(lang)
    phrases = {f"amount:{count} {short}": _amount(count, unit, locale) for unit, short in UNITS.items() for count in range(2, 13)}
    territories = [i for i in names if i.startswith("territory:") and not i[-1].isdigit()]
    for index, first in enumerate(territories):
        for second in (territories[index * 7 % len(territories)], territories[(index * 31 + 11) % len(territories)]):
            if first != second:
                pair = f"{first[10:]}+{second[10:]}"
                phrases[f"and:{pair}"] = format_list([names[first], names[second]], locale=locale)
                phrases[f"or:{pair}"] = format_list([names[first], names[second]], style="or", locale=locale)
    return phrases


def _amount(count: int, unit: str, locale: Locale) -> str:
    """An amount in words, "3 kilometres". CLDR has a long form only if it differs from the short one; empty if it has neither."""
    for length in ("long", "short"):
        text = format_unit(count, unit, length=length, locale=locale)
        if unit not in text:
            return text
    return ""


def _shared(tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    first, *others = tables.values()
    ids = [i for i in first if all(i in table for table in others)]
    for table in tables.values():
        first_id: dict[str, str] = {}
        for i in ids:
            first_id.setdefault(table[i].casefold(), i)
        ids = [i for i in ids if first_id[table[i].casefold()] == i]
    return ids


def wanted_codes(kind: str, spellings: Sequence[str] | None) -> list[str]:
    """The codes of languages in any `spellings` (None: all). Raises `ValueError` if one has no items of the `kind`."""
    codes = [lang.code for lang in languages(spellings)] if spellings is not None else list(_available())
    if spellings is None:
        return [code for code in codes if entries(kind, code)]
    for code in codes:
        if not entries(kind, code):
            raise ValueError(f"cldr:{kind} has no {code} ({language(code).name}). Leave it out, or choose cldr:names.")
    return codes


@lru_cache(maxsize=1)
def _available() -> tuple[str, ...]:
    english = entries("names", "eng_Latn")
    codes = set()
    for tag in sorted(locale_identifiers()):
        try:
            lang = language(tag)
            if lang.tag != tag.replace("_", "-") or lang.code in codes:
                continue
            table = entries("names", lang.code)
        except (ValueError, KeyError):
            continue
        translated = [i for i in english if i in table and (lang.code == "eng_Latn" or table[i] != english[i])]
        if len(table) >= 0.9 * len(english) and len(translated) >= 0.4 * len(english):
            codes.add(lang.code)
    return tuple(sorted(codes))

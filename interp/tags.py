"""The parts of a language tag (BCP 47, RFC 5646) or of a POSIX locale: language, script and region.

A part that is no known one makes the tag unreadable: none is passed over, as "zh-yue" is Cantonese and not Chinese. The registries
are those that langcodes (IANA subtags) and Babel (CLDR) carry.
"""

from __future__ import annotations

import re
from functools import lru_cache
from string import ascii_uppercase
from typing import NamedTuple

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:-(?P<extended>[a-z]{3}))?(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|\d{3}))?"
    r"(?P<variants>(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*)(?:-[a-wyz\d](?:-[a-z\d]{2,8})+)*(?:-x(?:-[a-z\d]{1,8})+)?",
    re.IGNORECASE | re.ASCII,
)
_LOCALE = re.compile(
    r"(?P<tag>[a-z_]+)(?:\.(?:utf|iso|koi|euc|gb|big|s?jis|shift|cp|windows|tis|ansi|armscii|georgian|pt|rk|tcvn)[\w-]*)?(?:@(?P<modifier>\w+))?",
    re.IGNORECASE | re.ASCII,
)
_NO_REGION = frozenset({"ZZ", *(f"X{letter}" for letter in ascii_uppercase if letter != "K")})
"""Codes that ISO 3166 leaves to users: they name no region; "en_XX" is the English of mBART, "AR-XY" the Arabic of MMMLU."""
_MODIFIERS = {"iqtelif": "Latn", "latn": "Latn", "cyrl": "Cyrl", "shaw": "Shaw", "shahmukhi": "Arab"}
"""Modifiers of POSIX locales that mean a script and are no name of it."""
_ROMANISATIONS = frozenset({"pinyin", "wadegile", "tongyong", "jyutping", "pehoeji", "tailo", "hepburn", "heploc", "alalc97"})
"""Variants of the IANA registry that write a language in Latin script."""
_NO_SCRIPT = frozenset({"euro", "preeuro", "valencia", "saaho", "abegede", "posix", "modern"})
"""Modifiers of POSIX locales that mean no script."""
_GLOTTOCODE = re.compile(r"(?P<tag>[a-z]{3}[_-][A-Z][a-z]{3})[_-][a-z]{4}\d{4}")
"""The variety of a language that FLORES+ names behind its code, "apc_Arab_nort3139"."""


class Tag(NamedTuple):
    """A language subtag with the script and the region that were given with it."""

    language: str
    script: str | None
    region: str | None


def parse_tag(spelling: str) -> Tag | None:
    """The parts of a `spelling`: a tag, a POSIX locale, or a language with the name of its script; None if a part is unknown.

    >>> parse_tag("zh-yue-HK")
    Tag(language='yue', script=None, region='HK')
    >>> parse_tag("sr_RS.UTF-8@latin"), parse_tag("kor_Hangul")
    (Tag(language='sr', script='Latn', region='RS'), Tag(language='kor', script='Hang', region=None))
    """
    if ("." in spelling or "@" in spelling) and (locale := _LOCALE.fullmatch(spelling)):
        found, modifier = parse_tag(locale["tag"]), (locale["modifier"] or "").casefold()
        script = _script_of(modifier)
        if modifier and script is None and modifier not in _NO_SCRIPT:
            return None
        return found and found._replace(script=found.script or script)
    if variety := _GLOTTOCODE.fullmatch(spelling):
        return parse_tag(variety["tag"])
    text = _without_old_form(spelling.replace("_", "-"))
    if match := _TAG.fullmatch(text):
        language = _own_language(match["language"].lower(), match["extended"])
        variants = match["variants"].lower().split("-")[1:]
        if language and _is_region(match["region"]) and all(map(_is_variant, variants)):
            region = match["region"] and match["region"].upper()
            script = match["script"] or (None if _ROMANISATIONS.isdisjoint(variants) else "Latn")
            return Tag(language, script and script.title(), None if region in _NO_REGION else region)
    language, _, written = text.partition("-")
    script = scripts().get(written.casefold())
    return Tag(language.lower(), script, None) if script and re.fullmatch(r"[A-Za-z]{2,3}", language) else None


@lru_cache(maxsize=1)
def scripts() -> dict[str, str]:
    """ISO 15924 code by casefolded English name, "cyrillic" -> "Cyrl", for scripts that text is written in."""
    from babel import Locale

    by_name = {name.casefold(): code for code, name in Locale("en").scripts.items() if code[0] not in "QZ"}
    return by_name | {"simplified": "Hans", "traditional": "Hant"}


def names_variety(spelling: str) -> bool:
    """Whether a `spelling` names a variety of its language by its glottocode, "apc_Arab_nort3139"."""
    return _GLOTTOCODE.fullmatch(spelling) is not None


@lru_cache(maxsize=512)
def region_named(name: str) -> str | None:
    """The code of the region of this `name` or code, "United Kingdom" or "UK" -> "GB"; None if it is none.

    >>> region_named("UK"), region_named("Brazil"), region_named("Latin")
    ('GB', 'BR', None)
    """
    from babel import Locale
    from langcodes.data_dicts import TERRITORY_REPLACEMENTS

    names = Locale("en").territories
    replaced = {old.upper(): new for old, new in TERRITORY_REPLACEMENTS.items()}
    by_name = {own.casefold(): code for code, own in names.items()} | {"usa": "US"}
    code = replaced.get(name.strip().upper(), name.strip().upper())
    return code if code in names else by_name.get(name.strip().casefold())


def macrolanguage(subtag: str) -> str | None:
    """The macrolanguage that a language belongs to, "yue" -> "zh"; None if it belongs to none. `subtag` is its BCP 47 subtag."""
    from langcodes.data_dicts import MACROLANGUAGES

    return MACROLANGUAGES.get(subtag)


def _without_old_form(tag: str) -> str:
    """The tag that replaces a grandfathered one of the registry, "i-klingon" -> "tlh"; any other tag as it is."""
    from langcodes.data_dicts import LANGUAGE_REPLACEMENTS

    whole = tag.lower()
    if "-" not in whole or whole.startswith("und-"):
        return tag
    return LANGUAGE_REPLACEMENTS.get(whole, tag).partition("-x-")[0]


def _own_language(language: str, extended: str | None) -> str | None:
    """The language that an extended subtag names within its macrolanguage; None if it is of no such macrolanguage."""
    if extended is None:
        return language
    import langcodes

    extended = extended.lower()
    return extended if macrolanguage(extended) == langcodes.Language.get(language).language else None


def _is_region(region: str | None) -> bool:
    from babel import Locale
    from langcodes.data_dicts import TERRITORY_REPLACEMENTS

    known = (Locale("en").territories, {name.upper() for name in TERRITORY_REPLACEMENTS}, _NO_REGION)
    return region is None or any(region.upper() in names for names in known)


def _is_variant(variant: str) -> bool:
    import langcodes

    return variant == "posix" or langcodes.Language.make(language="en", variants=[variant]).is_valid()


def _script_of(modifier: str) -> str | None:
    """The script that the modifier of a locale means, "latin"; None for one that means none, such as "euro"."""
    return _MODIFIERS.get(modifier) or scripts().get(modifier) or ("Latn" if modifier.endswith("latin") else None)

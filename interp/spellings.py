"""Spellings that are taken for a language they do not mean: country codes, and names that two languages share.

They are never read as the language that a registry lists under them. A message says which language may be meant.
"""

from __future__ import annotations

_SHARED = {
    "egyptian": ("Egyptian Arabic", "arz_Arab", "Ancient Egyptian", "egy_Egyp"),
    "isindebele": ("North Ndebele", "nde_Latn", "South Ndebele", "nbl_Latn"),
    "pidgin": ("Nigerian Pidgin", "pcm_Latn", "Tok Pisin", "tpi_Latn"),
}
"""Names, in any case, of two languages each."""
_WRITINGS = {"pinyin": ("Chinese", "zho_Latn")}
"""Ways to write a language, though a registry has a small language of the name."""
_MSA = ("Modern Standard Arabic", "arb_Arab", "Malay", "zsm_Latn")
_COUNTRIES = {
    "cn": ("Chinese", "zho_Hans"), "jp": ("Japanese", "jpn_Jpan"), "cz": ("Czech", "ces_Latn"), "gr": ("Greek", "ell_Grek"),
    "dk": ("Danish", "dan_Latn"), "vn": ("Vietnamese", "vie_Latn"), "ua": ("Ukrainian", "ukr_Cyrl"), "sp": ("Spanish", "spa_Latn"),
    "kz": ("Kazakh", "kaz_Cyrl"), "chs": ("Chinese", "zho_Hans"), "cht": ("Chinese", "zho_Hant"), "zhs": ("Chinese", "zho_Hans"),
    "zht": ("Chinese", "zho_Hant"), "jap": ("Japanese", "jpn_Jpan"),
}  # fmt: skip
"""Codes that people write for a language, mostly of a country, though no registry of languages has them."""
_IN_FILES = {"kr": ("Korean", "kor_Hang", "Kanuri", "knc_Latn")}
_IN_COLUMNS = {
    "mt": ("Maltese", "mlt_Latn", "a machine translation", ""),
    "male": ("Malay", "zsm_Latn", "a gender", ""),
    "se": ("Northern Sami", "sme_Latn", "Swedish", "swe_Latn"),
}
"""Codes that are clear where a language is asked for, and not as the name of a file or column."""


def is_unclear(spelling: str) -> bool:
    """Whether a `spelling` is no clear language though a registry may list it.

    >>> is_unclear("MSA"), is_unclear("msa"), is_unclear("Egyptian"), is_unclear("cn")
    (True, False, True, True)
    """
    return spelling == "MSA" or any(spelling.casefold() in names for names in (_SHARED, _COUNTRIES, _WRITINGS))


def is_unclear_name(name: str, column: bool = False) -> bool:
    """Whether the `name` of a file, or of a `column`, is no clear language: "kr" may be Korean, "mt" a machine translation."""
    spelled = name.strip().casefold()
    return is_unclear(name.strip()) or spelled in _IN_FILES or (column and spelled in _IN_COLUMNS)


def meant_by(spelling: str) -> str:
    """What an unclear `spelling` may mean, for a message; empty if nothing is known.

    >>> meant_by("cn"), meant_by("kr")
    ("'cn' is no code of a language: write zho_Hans for Chinese", 'it may be Korean (kor_Hang) or Kanuri (knc_Latn)')
    """
    spelled = spelling.strip().casefold()
    if country := _COUNTRIES.get(spelled):
        return f"{spelling.strip()!r} is no code of a language: write {country[1]} for {country[0]}"
    if writing := _WRITINGS.get(spelled):
        return f"{spelling.strip()!r} is a way to write {writing[0]}: write {writing[1]} for that"
    shared = _may_be(spelling)
    if shared is None:
        return ""
    one, code, other, other_code = shared
    return f"it may be {one} ({code}) or {other}" + (f" ({other_code})" if other_code else "")


def likely_meant(spelling: str) -> str | None:
    """The likeliest language of an unclear `spelling`, as FLORES-200 code; None if nothing is known."""
    shared, country = _may_be(spelling), _COUNTRIES.get(spelling.strip().casefold())
    return shared[1] if shared else country and country[1]


def _may_be(spelling: str) -> tuple[str, str, str, str] | None:
    """The two things that a spelling may mean, each with its code."""
    return _MSA if spelling.strip() == "MSA" else {**_SHARED, **_IN_FILES, **_IN_COLUMNS}.get(spelling.strip().casefold())

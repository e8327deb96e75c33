"""Which language is meant: any usual spelling becomes one `Language`.

Corpora, papers and tokenizers spell languages differently ("zh", "zho_Hans", "zh-CN", "Chinese"). Everything in this
project is keyed by the FLORES-200 spelling, ISO 639-3 and ISO 15924 joined by an underscore: `zho_Hans`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import langcodes

# FLORES-200 names one individual language where BCP 47 prefers the macrolanguage.
_INDIVIDUAL = {
    "ar": "arb", "ay": "ayr", "az": "azj", "fa": "pes", "ff": "fuv", "gn": "grn", "kr": "knc", "ku": "kmr", "lv": "lvs",
    "mg": "plt", "mn": "khk", "ms": "zsm", "nb": "nob", "ne": "npi", "no": "nob", "om": "gaz", "or": "ory", "ps": "pbt",
    "qu": "quy", "sq": "als", "sw": "swh", "uz": "uzn", "yi": "ydd",
}  # fmt: skip
_MACRO = {individual: macro for macro, individual in _INDIVIDUAL.items() if macro != "no"}
_RIGHT_TO_LEFT = frozenset({"Arab", "Hebr", "Thaa", "Nkoo", "Syrc", "Adlm"})
_CODE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


@dataclass(frozen=True, order=True)
class Language:
    """One written language. `code` ("zho_Hans") is the key used everywhere; the rest is derived from it."""

    code: str

    @property
    def script(self) -> str:
        """ISO 15924 script, "Hans"."""
        return self.code[4:]

    @property
    def tag(self) -> str:
        """BCP 47 tag, "zh-Hans"; the script is left out where it goes without saying ("de")."""
        return _macrolanguage(self.code[:3], self.script).simplify_script().to_tag()

    @property
    def name(self) -> str:
        """English name, "Chinese (Simplified)"."""
        return _macrolanguage(self.code[:3], self.script).simplify_script().display_name("en")

    @property
    def autonym(self) -> str:
        """The language's name in itself, "Deutsch"."""
        return _macrolanguage(self.code[:3], self.script).simplify_script().autonym()

    @property
    def rtl(self) -> bool:
        """Whether the script runs from right to left."""
        return self.script in _RIGHT_TO_LEFT

    def __str__(self) -> str:
        return self.code


def _macrolanguage(alpha3: str, script: str) -> langcodes.Language:
    return langcodes.Language.get(f"{_MACRO.get(alpha3, alpha3)}-{script}")


@lru_cache(maxsize=4096)
def language(spelling: str) -> Language:
    """The language meant by a code, tag or English name.

    "zho_Hans", "zh", "zh-CN" and "Chinese" all give `Language("zho_Hans")`. Where no script is given it is the likely
    one. Raises `ValueError`, naming the nearest languages, where nothing is meant.
    """
    if _CODE.fullmatch(spelling) and langcodes.Language.get(spelling[:3]).is_valid():
        return Language(spelling)
    tag = spelling.strip().replace("_", "-")
    try:
        found = langcodes.Language.get(tag)
        if not (tag and found.language and found.is_valid()):
            raise ValueError
    except ValueError:
        try:
            found = langcodes.find(spelling.strip())
        except LookupError:
            raise ValueError(_unknown(spelling)) from None
    full = found.maximize()
    try:
        alpha3 = _INDIVIDUAL.get(full.language or "", "") or found.to_alpha3()
    except LookupError:
        raise ValueError(_unknown(spelling)) from None
    script = full.script
    if alpha3 == "und" or script is None:
        raise ValueError(_unknown(spelling))
    return Language(f"{alpha3}_{script}")


def languages(spellings: Iterable[str]) -> tuple[Language, ...]:
    """Several languages in the order given. Raises `ValueError` where two spellings mean the same one."""
    found: dict[Language, str] = {}
    for spelling in spellings:
        meant = language(spelling)
        if meant in found:
            raise ValueError(
                f"languages {found[meant]!r} and {spelling!r} both mean {meant.code} ({meant.name}). Give each language once."
            )
        found[meant] = spelling
    return tuple(found)


def nearest(word: str, known: Iterable[str], n: int = 3) -> str:
    """'Did you mean ...' for an error message; empty where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=n, cutoff=0.5)
    return f" Did you mean {', '.join(near)}?" if near else ""


def _unknown(spelling: str) -> str:
    from babel import Locale

    names = {name: tag for tag, name in Locale("en").languages.items()}
    near = nearest(spelling, [*names, *names.values()])
    return (
        f"unknown language {spelling!r}. Needed: a FLORES code (deu_Latn), a language tag (de, zh-CN) "
        f"or an English name (German).{near}"
    )

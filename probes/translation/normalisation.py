"""When two written answers are the same, and what the units of a text are: the one rule of exact match, F1 and containment.

`normalise` makes these alike, in every language:

- *Forms of a letter*: NFKC, so that full-width and presentation forms are ordinary letters and a letter with its marks is one
  composed letter whichever way it was typed. NFKC alone would make 102 of 10² and 31/2 of 3½: what it adds to a digit is set apart.
- *Case*: Unicode case folding, twice, as folding may undo the composition. In Turkish, Azerbaijani and Crimean Tatar I is the
  capital of ı, and İ of i; elsewhere İ is an I.
- *What is not seen*: format characters (joiners, bidi marks, soft hyphen, BOM), variation selectors, the tatweel that stretches a
  word, and the points of Arabic and Hebrew, which writers mostly leave out. Vowel signs and tone marks stay.
- *Digits* of any script are 0 to 9. Inside a number, groups are joined (1,000; 1 000; 1,00,000) and the decimal sign is a point.
  A sign before three digits is a decimal comma or a group, as CLDR says of the language; without a language, as in English.
  Zeros that end a fraction are left out: 2.50 is 2.5.
- *Minus* (-, −, –) belongs to a number that it stands directly before, where the text begins, or after a space, an opening bracket
  or quote, or currency: -5 is not 5. After a number it is a range, as in 1990-1995, and after a letter a hyphen, as in F-16.
- *Other punctuation and symbols* (Unicode P and S, so currency and percent signs too) are spaces: ١٨ is 18, €18 and 18 %. So are
  those of which NFKC makes letters: ₨, ™, №, and an accent alone (´). A letter, word or unit in one character (ⓐ, ㎏, ℃) is its
  letters.

Articles stay: only released scripts take some away (`probes.translation.published_answers`).

`units` are the words of that, divided at spaces. In languages written without spaces the division is mixed, as MLQA's script does
it for Chinese: a letter of such a script (Han, kana, Thai, ...) is a unit with its marks; numbers and words of others stay whole.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from interp.languages import language

RULE = 3
"""The version of this rule: part of the keys of scores that rest on it, which are computed again where it has changed."""
UNSPACED = frozenset({"Hans", "Hant", "Hani", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Yiii", "Bopo"})
"""Scripts of languages that are written without spaces between words."""
_ALONE = frozenset({"Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Yiii"})
_DOTLESS = frozenset({"tur", "azj", "crh"})
_COMMA = """
afr als ast azj bel bos bul cat ces dan deu ell epo est eus fao fin fra fuv glg hat hrv hun hye ind isl ita jav kab kat kaz kea kin
kir kmr lao lij lin lit ltz lvs mkd nld nno nob pbt pol por ron run rus sag slk slv spa srd srp ssw sun swe tat tgk tso tuk tur tzm
ukr uzn vec vie wol
"""
DECIMAL_COMMA = frozenset(_COMMA.split())
"""Languages (ISO 639-3) whose decimal sign is a comma, by the CLDR of Babel 2.18."""
_UNSEEN = re.compile("[\u034f\u0640\u07fa\u115f\u1160\u17b4\u17b5\u180a-\u180f\u20e3\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef"
                     "\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")  # fmt: skip
"""Joiners and selectors that Unicode does not count as format characters; tatweel; points of Arabic; points of Hebrew."""
_SPACES = "\u00a0\u2007\u2009\u202f"
_GROUPING = f"'’٬{_SPACES}"
_ABBREVIATIONS = frozenset("℀℁℅℆№℠℡™℻🅪🅫🅬")
_CURRENCY, _SYMBOL = "¤", "|"
"""What stands for any currency sign, and for any other that is to be a space."""
_SIGN = re.compile(rf"[-–﹣]{_CURRENCY}*(?=\d)")
_NUMBER = re.compile(rf"\d+(?:[.,٫ {_GROUPING}]\d+)+")


@lru_cache(maxsize=200_000)
def normalise(text: str, code: str | None = None) -> str:
    """`text` without the differences that the rule of this module forgets.

    `code` is its language, for dotted and dotless I and for the decimal sign; None is as in English.

    >>> normalise("  Der ＥＵＲＯ, 1.000 €!", "deu_Latn"), normalise("١٨٪", "arb_Arab")
    ('der euro 1000', '18')
    """
    short = code[:3] if code else "eng"
    seen = _plain_numbers("".join(map(_seen, text)), short in DECIMAL_COMMA)
    letters = unicodedata.normalize("NFKC", seen)
    if short in _DOTLESS:
        letters = letters.replace("İ", "i").replace("I", "ı")
    folded = unicodedata.normalize("NFKC", letters.replace("İ", "i").casefold()).replace("i\u0307", "i")
    folded = _UNSEEN.sub("", folded)
    return " ".join("".join(_spaced(folded, index) for index in range(len(folded))).split())


def units(text: str, code: str) -> list[str]:
    """The units of a `text` in the language `code`, in order: what F1, containment and lengths count.

    >>> units("1954年的iPhone。", "zho_Hans"), units("don't stop", "eng_Latn")
    (['1954', '年', '的', 'iphone'], ['don', 't', 'stop'])
    """
    words = normalise(text, code).split()
    return [part for word in words for part in _mixed(word)] if language(code).script in UNSPACED else words


def answer_key(text: str, code: str | None = None) -> str:
    """What makes two answers in the language `code` the same: the units of the `text`, whatever their spaces.

    Without a language it is the normalised text; where nothing is left of a text, itself: "+" is not "-".
    """
    return (" ".join(units(text, code)) if code else normalise(text)) or text.strip()


def _seen(letter: str) -> str:
    """A character as a number needs it: digits as 0 to 9, what is not seen as nothing, one sign for all of a kind."""
    if "\uff01" <= letter <= "\uffee":  # full and half width: a comma there may be inside a number
        letter = unicodedata.normalize("NFKC", letter) if unicodedata.category(letter) != "Sk" else _SYMBOL
    category = unicodedata.category(letter)
    if category == "Nd":
        return str(unicodedata.decimal(letter))
    if category == "Sc":
        return _CURRENCY
    if category == "Sk" or letter in _ABBREVIATIONS:
        return _SYMBOL
    return "" if category == "Cf" or (category == "Cc" and not letter.isspace()) else letter


def _plain_numbers(text: str, comma: bool) -> str:
    """The `text` with its numbers in one form, 1000.5; `comma` says that a comma is the decimal sign of the language."""
    apart = re.sub(r"(?<=\d)(?=\D)", lambda at: " " if unicodedata.category(text[at.start()]) == "No" else "", text)
    plain = apart.replace("−", "-")
    signed = _SIGN.sub(lambda at: " −" if _opens(plain[max(0, at.start() - 9) : at.start()]) else at[0], plain)
    return _NUMBER.sub(lambda found: _plain_number(found.group(), comma), signed)


def _opens(before: str) -> bool:
    """Whether a sign after the characters `before` is that of a number, not of a range or a word."""
    if not before or unicodedata.category(before[-1]) in ("Ps", "Pi", "Sc") or before[-1] in "\"'":
        return True
    return before[-1].isspace() and not re.search(rf"[\d%°){_CURRENCY}] *\Z", before)


def _plain_number(written: str, comma: bool) -> str:
    group, point = (rf"\.{_GROUPING} ", ",٫") if comma else (rf",{_GROUPING}", ".٫")
    grouped = rf"\d{{1,3}}(?P<by>[{group}])\d{{3}}(?:(?P=by)\d{{3}})*"
    grouped += "" if comma else r"|\d{1,2}(?:,\d\d)+,\d{3}"
    if whole := re.fullmatch(rf"(?P<whole>{grouped})(?:[{point}](?P<part>\d+))?", written):
        return _decimal(re.sub(r"\D", "", whole["whole"]), whole["part"] or "")
    if decimal := re.fullmatch(r"(\d+)[.,٫](\d+)", written):
        return _decimal(decimal[1], decimal[2])
    return re.sub(r"\D", " ", written)


def _decimal(whole: str, part: str) -> str:
    return f"{whole}.{part}".rstrip("0").removesuffix(".")


def _spaced(text: str, index: int) -> str:
    """The character at `index`, or a space for punctuation and symbols, except the minus and the point of a number."""
    letter = text[index]
    if unicodedata.category(letter)[0] not in "PS":
        return letter
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if letter == "−" and before in ("", " ") and after.isdecimal():
        return "-"
    return letter if letter == "." and before.isdecimal() and after.isdecimal() else " "


def _mixed(word: str) -> list[str]:
    """A word as letters that stand alone, each with its marks, and runs of all others."""
    found: list[str] = []
    run = False
    for letter in word:
        if found and unicodedata.category(letter)[0] == "M":
            found[-1] += letter
        elif _stands_alone(letter):
            found.append(letter)
            run = False
        else:
            found = [*found[:-1], found[-1] + letter] if run else [*found, letter]
            run = True
    return found


@lru_cache(maxsize=65_536)
def _stands_alone(letter: str) -> bool:
    from fontTools.unicodedata import script_extension

    return not letter.isdecimal() and not _ALONE.isdisjoint(script_extension(letter))

"""How numbers are written, and one spelling of each, so that ١٬٢٣٤٫٥ and 1,234.5 are the same number.

- *Digits* of every script are 0 to 9.
- *Groups and decimal sign.* Of two different signs the last is the decimal sign (1,500.50; 1.000,5; 1'000.5), and a sign that comes
  more than once makes groups (1,234,567; 1.234.567; 12,34,567), in every language. ٫ is a decimal sign and ٬, ' and a space make
  groups of three. A single comma or point is a decimal sign (3,5; 0.500; .5 is 0.5), except before exactly three digits, where both
  are written: there the CLDR of the language decides. So 70,000 is seventy thousand in English and Hindi, and seventy in German and
  French; 70.000 the reverse. A language that CLDR does not know is read as English.
- *Zeros* that end a fraction are left out: 2.50 is 2.5.
- *Dates and versions* stay in their parts, 3 10 2020: so does 3.10. where the short date of CLDR has points, as in German.
- *Minus* (-, −, –) belongs to a number that it stands directly before, unless a word, a number or a closing bracket is before it:
  F-16 is a name, and 1990-1995, 10 -5 and 5€-10€ are ranges. Behind the letters of scripts without spaces (は-5) it is a minus.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from interp.languages import language

MINUS = "−"
"""The sign of a negative number in `plain_numbers`, whichever was written."""
CURRENCY, SYMBOL = "¤", "|"
"""What stands for any currency sign, and for another sign that is to be a space."""
_ALONE = frozenset({"Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Yiii"})
_ABBREVIATIONS = frozenset("℀℁℅℆№℠℡™℻🅪🅫🅬")
_SPACE = " \u00a0\u2007\u2009\u202f"
_POINT, _GROUP = ".,،٫", "'’٬"
_RAISED = "⁻₋"
_SIGN = re.compile(rf"(?:[-‐‑‒–﹣➖]|[−{_RAISED}] ?){CURRENCY}*(?=[.٫]?\d|[⁰¹²³⁴-⁹₀-₉∞√π])")
_QUOTES = re.compile(rf"[\"'“”„‘’«»‹›{CURRENCY}]+\Z")
_NUMBER = re.compile(
    rf"(?<![\d{_POINT}])(?<!\d[{_SPACE}])\d{{1,3}}(?:[{_SPACE}]\d{{3}})+(?![{_SPACE}]?\d)(?:[{_POINT}]\d+)?"  # 1 000,5
    rf"|(?<![\w{_POINT}])(?P<part>[{_POINT}])\d+(?![{_POINT}]?\d)"  # .5
    rf"|(?<!\d)\d+(?:[{_POINT}{_GROUP}]\d+)+"
)


class Convention(NamedTuple):
    """How a language writes numbers: whether its decimal sign is a comma, and whether its short dates have points, 3.10."""

    comma: bool
    dotted_dates: bool


@lru_cache(maxsize=1024)
def convention(code: str | None) -> Convention:
    """What the CLDR says of the language `code`, in Latin digits; as English where CLDR does not know it, or without a language.

    >>> convention("deu_Latn"), convention("gsw_Latn").comma, convention("arb_Arab").comma
    (Convention(comma=True, dotted_dates=True), False, False)
    """
    from babel import Locale, UnknownLocaleError

    try:
        locale = Locale.parse(language(code).tag if code else "en", sep="-")
    except (UnknownLocaleError, ValueError):
        return Convention(comma=False, dotted_dates=False)
    symbols = locale.number_symbols
    return Convention(symbols.get("latn", symbols).get("decimal") == ",", "." in locale.date_formats["short"].pattern)


def plain_numbers(text: str, code: str | None) -> str:
    """The `text` with every number in one spelling, "−1000.5"; `code` is its language, None as English.

    What is not seen (format characters) is left out; a currency sign becomes `CURRENCY`, and other signs that are none of letters
    become `SYMBOL`.

    >>> plain_numbers("1.000,5 km, -.5", "deu_Latn"), plain_numbers("٧٠٬٠٠٠", "arb_Arab")
    ('1000.5 km,  −0.5', '70000')
    """
    seen = "".join(map(_seen, text))
    apart = re.sub(r"(?<=\d)(?=\D)", lambda at: _between(seen[at.start()]), seen)
    signed = _SIGN.sub(
        lambda at: f" {MINUS}" if at[0][0] in _RAISED or _opens(apart[max(0, at.start() - 16) : at.start()]) else at[0], apart
    )
    return _NUMBER.sub(lambda found: _plain_number(found, convention(code)), signed)


def number_of(text: str, code: str | None) -> str | None:
    """The number that a `text` in the language `code` is, in one spelling; None for any other text.

    >>> number_of("1,250", "eng_Latn"), number_of("١٬٢٥٠", "arb_Arab"), number_of("12 euros", "eng_Latn")
    ('1250', '1250', None)
    """
    plain = plain_numbers(unicodedata.normalize("NFKC", text), code).replace(CURRENCY, " ").strip()
    found = re.fullmatch(rf"({MINUS}?)0*(\d+(?:\.\d+)?)", plain)
    return found[1].replace(MINUS, "-") + found[2] if found else None


@lru_cache(maxsize=65_536)
def stands_alone(letter: str) -> bool:
    """Whether a `letter` is of a script that is written without spaces between words (Han, kana, Thai, ...)."""
    from fontTools.unicodedata import script_extension

    return not letter.isdecimal() and not _ALONE.isdisjoint(script_extension(letter))


def is_unspaced(code: str) -> bool:
    """Whether the language `code` is written in a script without spaces between words."""
    return language(code).letter_scripts <= _ALONE


def _seen(letter: str) -> str:
    """A character as a number needs it: digits as 0 to 9, what is not seen as nothing, one sign for all of a kind."""
    if "\uff01" <= letter <= "\uffee":  # full and half width: a comma there may be inside a number
        letter = unicodedata.normalize("NFKC", letter) if unicodedata.category(letter) != "Sk" else SYMBOL
    category = unicodedata.category(letter)
    if category == "Nd":
        return str(unicodedata.decimal(letter))
    if category == "Sc":
        return CURRENCY
    if (category == "Sk" and letter not in "^`") or letter in _ABBREVIATIONS:
        return SYMBOL
    return "" if category == "Cf" or (category == "Cc" and not letter.isspace()) else letter


def _between(after: str) -> str:
    """What parts a digit from the character `after` it: 10⁵ is 10^5, and 3½ is 3 ½."""
    if after in "⁰¹²³⁴⁵⁶⁷⁸⁹⁻":
        return "^"
    return " " if unicodedata.category(after) == "No" else ""


def _opens(before: str) -> bool:
    """Whether a minus after the characters `before` is that of a number, not of a range or a word."""
    words = before.rstrip(_SPACE)
    if words != before:
        return not re.search(rf"[\d%‰°){CURRENCY}]\Z", words)
    bare = _QUOTES.sub("", before)
    if not bare or bare[-1].isspace():
        return True
    last = bare[-1]
    if unicodedata.category(last)[0] in "LM":
        return stands_alone(last)
    return not last.isalnum() and unicodedata.category(last) not in ("Pe", "Pd") and last not in f"%‰°{MINUS}"


def _plain_number(found: re.Match[str], own: Convention) -> str:
    written = found[0].replace("،", ",")
    if found["part"]:
        return _decimal("0", written[1:]) if written[0] != "," or own.comma else found[0]
    if own.dotted_dates and _is_date(written) and found.string[found.end() : found.end() + 1] == ".":
        return written.replace(".", " ")
    signs = re.sub(r"\d", "", written)
    last, others = signs[-1], signs[:-1]
    whole, _, part = written.rpartition(last)
    if last == "٫" or (last in ".," and others and last not in others):
        return _decimal(re.sub(r"\D", "", whole), part) if _is_whole(whole) else _in_parts(written)
    if last in ".," and not others and not (_is_whole(written) and (last == ",") != own.comma):
        return _decimal(whole, part)
    return re.sub(r"\D", "", written) if _is_whole(written) else _in_parts(written)


def _is_whole(written: str) -> bool:
    """Whether a number is written with groups of one kind, or with none."""
    three = r"[1-9]\d{0,2}(?P<by>\D)\d{3}(?:(?P=by)\d{3})*"
    return re.fullmatch(rf"\d+|{three}|[1-9]\d?(?:,\d\d)+,\d{{3}}", written) is not None


def _is_date(written: str) -> bool:
    day, _, month = written.partition(".")
    return day.isdigit() and month.isdigit() and 1 <= int(day) <= 31 and 1 <= int(month) <= 12 and len(month) <= 2


def _in_parts(written: str) -> str:
    return re.sub(r"\D", " ", written)


def _decimal(whole: str, part: str) -> str:
    return f"{whole}.{part}".rstrip("0").removesuffix(".")

"""Which signs of a written answer are part of it, and which only stand around it.

Part of it are signs that make another answer: relations (<5, x ≥ 2), operations (3 × 4, 5 + 3, 2/3, 10^5), + and # behind a
letter or number (C++, F#, 18+), + and - behind a short name (Rh-, Cl−, A+), per mille, primes behind a number (5″), ♭, ♀, card
suits, and the rest of Unicode's mathematical signs. Around it stand all others: quotes, brackets, currency, per cent and degrees,
=, ~ and ≈, arrows, a plus before a number, Markdown (**5**, > 5 words) and tags (<b>5</b>).
"""

from __future__ import annotations

import re
import unicodedata

from interp.text.numbers import MINUS

_KEPT = frozenset("‰‱♭♮♀♂♠♥♦♣♤♡♢♧")
_PASSED = frozenset(f"=~|¬+<>{MINUS}≈∼≃≅≒⁄∕∗∙⋅")
_SAME = {
    "<=": "≤", ">=": "≥", "!=": "≠", "≦": "≤", "≧": "≥", "⩽": "≤", "⩾": "≥", "⁄": "/", "∕": "/", "♯": "#", "✕": "×", "✖": "×",
    "∶": ":",
}  # fmt: skip
_ALIKE = re.compile("|".join(sorted(map(re.escape, _SAME), key=len, reverse=True)))
_AROUND = re.compile(r"</?[a-z][a-z0-9]{0,15}(?: [^<>]*=[^<>]*)?/?>|<\|[^<>]*\|>|[-=]+>|<-+|>{2,}|<{2,}")
_TIMES = re.compile(r"(?<=\d)\*(?=\d)")
_FRACTION = re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])")
_SHORT = re.compile(r"(?<![^\W_])[^\W\d_][^\W_]{0,2}\+?\Z|(?<![^\W_])[^\W_]?[^\W\d_]\+?\Z")


def without_punctuation(text: str) -> str:
    """`text` with spaces for signs that are not part of the answer, and around those that are. Minus and point of a number stay.

    >>> without_punctuation("c++, rh- (!)").split(), without_punctuation("<5").split(), without_punctuation("**5**").split()
    (['c', '+', '+', 'rh', '-'], ['<', '5'], ['5'])
    """
    plain = _ALIKE.sub(lambda found: _SAME[found[0]], _AROUND.sub(" ", text))
    plain = _FRACTION.sub(r"\1⁄\2", _TIMES.sub("×", plain))
    return "".join(_seen(plain, index) for index in range(len(plain)))


def _seen(text: str, index: int) -> str:
    letter = text[index]
    if unicodedata.category(letter)[0] not in "PS":
        return letter
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if letter == MINUS and before in ("", " ") and (after.isdecimal() or after in [*"∞√π"]):
        return "-"
    if letter in ".⁄" and before.isdecimal() and after.isdecimal():
        return letter
    if letter in f"-‐‑–{MINUS}":
        return " - " if not after.isalnum() and after != letter and _is_short(text[max(0, index - 5) : index]) else " "
    return f" {letter} " if _is_meant(text, index) else " "


def _is_meant(text: str, index: int) -> bool:
    """Whether the sign at `index` makes another answer."""
    letter, before, after = text[index], text[:index], text[index + 1 :]
    if letter in "<>":
        return _has_sides(before, after) or re.match(rf" ?[{MINUS}.]?\d", after) is not None
    if letter == "+":
        operator = re.search(r"\d +\Z", before) or (before.endswith(" ") and after.startswith(" ") and _has_sides(before, after))
        return bool(re.search(r"[^\W_)]\)?\+*\Z", before) or operator)
    if letter == "#":
        return before[-1:].isalpha()
    if letter == "^":
        return bool(re.search(r"\d\Z", before) and re.match(rf" ?{MINUS}?\d", after))
    if letter in "′″‴":
        return re.search("[0-9]′*\\Z", before) is not None
    return letter in _KEPT or (unicodedata.category(letter) == "Sm" and letter not in _PASSED and not "←" <= letter <= "⇿")


def _has_sides(before: str, after: str) -> bool:
    return before.rstrip()[-1:].isalnum() and after.lstrip()[:1].isalnum()


def _is_short(before: str) -> bool:
    """Whether what stands `before` a sign is a short name in letters that have capitals, as Rh, Cl or A."""
    found = _SHORT.search(before)
    return found is not None and any(letter.upper() != letter for letter in found[0])

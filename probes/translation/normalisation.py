"""When two written answers are the same, and what the units of a text are: the one rule of exact match, F1 and containment.

`normalise` makes these alike, in every language:

- *Forms of a letter*: NFKC, so that full-width and presentation forms are ordinary letters and a letter with its marks is one
  composed letter whichever way it was typed. NFKC alone would make 102 of 10² and 31/2 of 3½: what it adds to a digit is set
  apart. So are letters of one alphabet that keyboards have twice (`probes.translation.same_letters`): ي and ی, ك and ک in Persian
  and Urdu.
- *Case*: Unicode case folding, twice, as folding may undo the composition. In Turkish, Azerbaijani and Crimean Tatar I is the
  capital of ı, and İ of i; elsewhere İ is an I.
- *What is not seen*: format characters (joiners, bidi marks, soft hyphen, BOM), variation selectors, the tatweel that stretches a
  word, and the points of Arabic and Hebrew, which writers mostly leave out. Vowel signs and tone marks stay.
- *Numbers* have one spelling, by the rule of `interp.text.numbers`: digits, groups, decimal sign, minus. A unit of measure is a
  word of its own: 5km is 5 km.
- *Punctuation and most symbols* (Unicode P and S) are spaces. So are those of which NFKC makes letters: ₨, ™, №, and an accent
  alone (´). A letter, word or unit in one character (ⓐ, ㎏, ℃) is its letters. Signs that make another answer stay as words
  (`probes.translation.signs`): C++ and C#, Rh+ and Rh-, <5 and >5, 5‰.

Currency, percent and degree signs are spaces too: €18 and 18 are the same answer, and 18 % and 18. But where both answers have
such a sign and share none, €18 and $18, they differ (`same_answer`).

Articles stay: only released scripts take some away (`probes.translation.published_answers`).

`units` are the words of the normalised text, divided at spaces. In languages written without spaces the division is mixed, as
MLQA's script does it for Chinese: a letter of such a script (Han, kana, Thai, ...) is a unit with its marks; numbers and words of
others stay whole.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from interp.text.numbers import is_unspaced, plain_numbers, stands_alone
from probes.translation.same_letters import one_letter
from probes.translation.signs import without_punctuation

RULE = 5
"""The version of this rule: part of the keys of scores that rest on it, which are computed again where it has changed."""
_DOTLESS = frozenset({"tur", "azj", "crh"})
_UNSEEN = re.compile("[\u034f\u0640\u07fa\u115f\u1160\u17b4\u17b5\u180a-\u180f\u20e3\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef"
                     "\u064b-\u0652\u0670\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")  # fmt: skip
"""Joiners and selectors that Unicode does not count as format characters; tatweel; points of Arabic; points of Hebrew."""
_FORMULA = re.compile(r"(?<!\S)\$([^$\s]+)\$(?!\w)")
"""A formula of TeX, whose dollars are no currency: $18$."""
_MEASURE = re.compile(r"(-?\d+(?:\.\d+)?)(\D+)")


@lru_cache(maxsize=200_000)
def normalise(text: str, code: str | None = None) -> str:
    """`text` without the differences that the rule of this module forgets.

    `code` is its language, for letters and numbers; None is as in English.

    >>> normalise("  Der ＥＵＲＯ, 1.000 €!", "deu_Latn"), normalise("١٨٪", "arb_Arab")
    ('der euro 1000', '18')
    """
    short = code[:3] if code else "eng"
    letters = unicodedata.normalize("NFKC", plain_numbers(text, code))
    if short in _DOTLESS:
        letters = letters.replace("İ", "i").replace("I", "ı")
    folded = unicodedata.normalize("NFKC", letters.replace("İ", "i").casefold()).replace("i\u0307", "i")
    words = without_punctuation(one_letter(_UNSEEN.sub("", folded), code)).split()
    return " ".join(f"{found[1]} {found[2]}" if (found := _MEASURE.fullmatch(word)) else word for word in words)


def units(text: str, code: str) -> list[str]:
    """The units of a `text` in the language `code`, in order: what F1, containment and lengths count.

    >>> units("1954年的iPhone。", "zho_Hans"), units("don't stop", "eng_Latn")
    (['1954', '年', '的', 'iphone'], ['don', 't', 'stop'])
    """
    words = normalise(text, code).split()
    return [part for word in words for part in _mixed(word)] if is_unspaced(code) else words


def same_answer(said: str, gold: str, code: str | None = None) -> bool:
    """Whether `said` is the answer `gold` in the language `code`: the same units, whatever their spaces, and no other amount.

    Without a language the normalised texts are compared; where nothing is left of a text, itself: "!" is not "?".

    >>> same_answer("5 km", "5km", "eng_Latn"), same_answer("€18", "18", "eng_Latn"), same_answer("€18", "$18", "eng_Latn")
    (True, True, False)
    """
    return _answer_key(said, code) == _answer_key(gold, code) and not amounts_differ(said, gold)


def amounts_differ(said: str, gold: str) -> bool:
    """Whether `said` and `gold` both have currency, percent or degree signs, and share none: "€18" and "$18", "18 %" and "18 ₽"."""
    one, other = amounts(said), amounts(gold)
    return bool(one) and bool(other) and one.isdisjoint(other)


def amounts(text: str) -> frozenset[str]:
    """The currency, percent and degree signs of a `text`, each once, in one form.

    >>> sorted(amounts("＄5, ٥٪"))
    ['$', '%']
    """
    plain = [unicodedata.normalize("NFKC", letter) if letter > "\uff00" else letter for letter in _FORMULA.sub(r"\1", text)]
    return frozenset(
        "%" if letter in "%٪" else letter for letter in plain if letter in "%٪°" or unicodedata.category(letter) == "Sc"
    )


def _answer_key(text: str, code: str | None) -> str:
    return (" ".join(units(text, code)) if code else normalise(text)) or text.strip()


def _mixed(word: str) -> list[str]:
    """A word as letters that stand alone, each with its marks, and runs of all others."""
    found: list[str] = []
    run = False
    for letter in word:
        if found and unicodedata.category(letter)[0] == "M":
            found[-1] += letter
        elif stands_alone(letter):
            found.append(letter)
            run = False
        else:
            found = [*found[:-1], found[-1] + letter] if run else [*found, letter]
            run = True
    return found

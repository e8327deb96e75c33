"""Letters that one alphabet has once and Unicode twice: a word typed on another keyboard is the same word.

Persian and Urdu have one ye and one kaf, which an Arabic keyboard types as ي and ك. Arabic itself has ي and ى, so there only what
it lacks (ک, ی) becomes its own. Pashto and Uyghur have several ye, Sindhi several kaf: those stay. Romanian ş is ș. The
apostrophes that Unicode counts as letters (ʻ, ʼ) are apostrophes, as Ukrainian, Uzbek and Hausa are typed with both. Letters of
Malayalam and Bengali that were once spelled with a virama are. Vietnamese and the South Slavic languages have đ and no ð, whose
capitals look the same. Thai and Lao signs over a letter are typed in any order, and แ as two เ.
"""

from __future__ import annotations

import re

_EVERYWHERE = str.maketrans({
    "ʻ": "'", "ʼ": "'", "ʽ": "'", "ˈ": "'", "ꞌ": "'",
    "ൺ": "ണ്", "ൻ": "ന്", "ർ": "ര്", "ൽ": "ല്", "ൾ": "ള്", "ൿ": "ക്", "ৎ": "ত্",
})  # fmt: skip
_PERSIAN = {"ي": "ی", "ى": "ی", "ك": "ک", "ۀ": "ه\u0654"}
_URDU = _PERSIAN | {"ه": "ہ", "ە": "ہ"}
_ARABIC = {"ک": "ك", "ی": "ي"}
_KAF = {"ك": "ک"}
_STROKE = {"ð": "đ", "ɖ": "đ"}
_ROMANIAN = {"ş": "ș", "ţ": "ț"}
_OF_LANGUAGE = {
    **dict.fromkeys(("pes", "prs", "fas", "azb", "ckb", "glk", "mzn", "lrc", "bal", "bgn", "bqi", "haz"), _PERSIAN),
    **dict.fromkeys(("urd", "kas", "pnb", "skr", "hno"), _URDU),
    **dict.fromkeys(("pbt", "pus", "pst", "uig"), _KAF),
    "snd": {},
    **dict.fromkeys(("vie", "hrv", "bos", "srp", "cnr", "hbs"), _STROKE),
    **dict.fromkeys(("ron", "rup", "ruo"), _ROMANIAN),
}
_TONE, _ABOVE, _RING, _AA = (
    "\u0e48-\u0e4b\u0ec8-\u0ecb",
    "\u0e31\u0e34-\u0e37\u0eb1\u0eb4-\u0eb7\u0ebb",
    "\u0e4d\u0ecd",
    "\u0e32\u0eb2",
)
_LATE_TONE = re.compile(f"([{_RING}][{_AA}]?)([{_TONE}])")
"""A tone behind the ring of ำ, or behind ำ: it belongs before it. One before a vowel over the letter belongs behind that."""
_EARLY_TONE = re.compile(f"([{_TONE}])([{_ABOVE}])")
_TABLES = {short: str.maketrans(letters) for short, letters in _OF_LANGUAGE.items()}
_OTHER_ARABIC = str.maketrans(_ARABIC)


def one_letter(text: str, code: str | None) -> str:
    """`text` in the language `code` with each letter of its alphabet in one form; None as in a language of none of these.

    >>> [one_letter("علي", code) == one_letter(other, code) for code, other in (("urd_Arab", "علی"), ("arb_Arab", "على"))]
    [True, False]
    """
    plain = text.translate(_EVERYWHERE).replace("เเ", "แ").replace("ເເ", "ແ")
    plain = _EARLY_TONE.sub(r"\2\1", _LATE_TONE.sub(r"\2\1", plain))
    if code is None:
        return plain
    table = _TABLES.get(code[:3])
    if table is None:
        return plain.translate(_OTHER_ARABIC) if code.endswith("_Arab") else plain
    return plain.translate(table)

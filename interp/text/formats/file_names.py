"""Which language a file or a column is in, by its name alone."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from interp.languages import FLORES200, meant

_FULL = re.compile(r"[a-z]{3}[_-][A-Z][a-z]{3}")
_PAIR = re.compile(r"([A-Za-z]{2,3}(?:_[A-Za-z]+)?)-([A-Za-z]{2,3}(?:_[A-Za-z]+)?)")
TEXT_ENDINGS = ("txt", "dev", "devtest", "test", "train", "valid")
ROW_ENDINGS = ("jsonl", "json", "csv", "tsv")


class Place(NamedTuple):
    """What a file's name says: its language, the other language where the file is half of a pair, and what is left."""

    code: str
    partner: str | None
    part: str
    ending: str


@lru_cache(maxsize=8192)
def spelled(name: str) -> str | None:
    """The FLORES code that a name clearly spells, or None.

    Clearly: with its script ("xal_Cyrl"), or a language of FLORES-200 or CLDR. "key", "doc" and "ids" are ISO 639-3 codes of
    small languages too, and mean none here.
    """
    from babel import localedata

    code = meant(name)
    if code is None:
        return None
    clear = code in FLORES200 or _FULL.fullmatch(name) or localedata.exists(name.replace("-", "_"))
    return code if clear and name == name.strip() else None


def place(path: Path, endings: Collection[str] = (*TEXT_ENDINGS, *ROW_ENDINGS)) -> Place | None:
    """Where a file belongs: `eng_Latn.devtest`, `xquad.en.json`, `questions.eng_Latn.jsonl`, `deu.clean.csv`,
    or half of a pair: `afr_Latn.eng_Latn.txt` (the English of the Afrikaans pair), `tatoeba.afr-eng.afr` (Moses).
    """
    *stem, ending = path.name.split(".")
    halves = pair(stem[-1]) if stem else None
    own = spelled(ending)
    if halves and own and own in halves:
        return Place(own, halves[own == halves[0]], ".".join(stem[:-1]), "")
    found = [
        (index, code)
        for index, (token, code) in enumerate(zip(stem, map(spelled, stem), strict=True))
        if code and not (ending in ROW_ENDINGS and pair(token))
    ]
    if ending not in endings or not found:
        return None
    index, code = found[-1]
    if len(found) == len(stem) == 2:
        return Place(code, found[0][1], "", ending)
    return Place(code, None, ".".join([*stem[:index], *stem[index + 1 :]]), ending)


def pair(name: str) -> tuple[str, str] | None:
    """The two languages of "bul_Cyrl-cat_Latn" or "af-en"; None where a region is meant, "pt-BR"."""
    match = _PAIR.fullmatch(name)
    if not match or match[2].isupper():
        return None
    one, other = map(spelled, match.groups())
    return (one, other) if one and other and one != other else None

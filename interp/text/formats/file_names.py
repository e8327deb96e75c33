"""The language of a file or a column, from its name."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from interp.languages import FLORES200, resolve

_FULL = re.compile(r"[a-z]{3}[_-][A-Z][a-z]{3}")
_PAIR = re.compile(r"([A-Za-z]{2,3}(?:_[A-Za-z]+)?)-([A-Za-z]{2,3}(?:_[A-Za-z]+)?)")
TEXT_ENDINGS = ("txt", "dev", "devtest", "test", "train", "valid")
ROW_ENDINGS = ("jsonl", "json", "csv", "tsv")


class FileName(NamedTuple):
    """The parts of a file name: `code`, its language; `partner`, the other language if the file is half of a pair; `part`, the rest
    of the name, which files of one corpus share; and `ending`."""

    code: str
    partner: str | None
    part: str
    ending: str


@lru_cache(maxsize=8192)
def language_code(name: str) -> str | None:
    """The FLORES-200 code of a `name` that clearly means a language, or None.

    A name is clear if it includes the script ("xal_Cyrl"), or means a language of FLORES-200 or CLDR. "key", "doc" and "ids" are
    also ISO 639-3 codes of small languages, but are not taken as such here.

    >>> language_code("zh-CN"), language_code("key")
    ('zho_Hans', None)
    """
    from babel import localedata

    code = resolve(name)
    if code is None:
        return None
    clear = code in FLORES200 or _FULL.fullmatch(name) or localedata.exists(name.replace("-", "_"))
    return code if clear and name == name.strip() else None


def parse_file_name(path: Path, endings: Collection[str] = (*TEXT_ENDINGS, *ROW_ENDINGS)) -> FileName | None:
    """Parse the name of a file of one language, `path`; None if the name has no language, or an ending that is not in `endings`.

    Examples: `eng_Latn.devtest`, `xquad.en.json`, `questions.eng_Latn.jsonl`, `deu.clean.csv`; and halves of a pair of languages,
    `afr_Latn.eng_Latn.txt` (the English of the Afrikaans pair) and `tatoeba.afr-eng.afr` (Moses).

    >>> from pathlib import Path
    >>> parsed = parse_file_name(Path("questions.eng_Latn.jsonl"))
    >>> parsed.code, parsed.part
    ('eng_Latn', 'questions')
    """
    *stem, ending = path.name.split(".")
    halves = language_pair(stem[-1]) if stem else None
    own = language_code(ending)
    if halves and own and own in halves:
        return FileName(own, halves[own == halves[0]], ".".join(stem[:-1]), "")
    codes = [
        (index, code)
        for index, (token, code) in enumerate(zip(stem, map(language_code, stem), strict=True))
        if code and not (ending in ROW_ENDINGS and language_pair(token))
    ]
    if ending not in endings or not codes:
        return None
    index, code = codes[-1]
    if len(codes) == len(stem) == 2:
        return FileName(code, codes[0][1], "", ending)
    return FileName(code, None, ".".join([*stem[:index], *stem[index + 1 :]]), ending)


def language_pair(name: str) -> tuple[str, str] | None:
    """The two languages of a `name` such as "bul_Cyrl-cat_Latn" or "af-en"; None for a language with its region, "pt-BR".

    >>> language_pair("af-en"), language_pair("pt-BR")
    (('afr_Latn', 'eng_Latn'), None)
    """
    match = _PAIR.fullmatch(name)
    if not match or match[2].isupper():
        return None
    source, target = map(language_code, match.groups())
    return (source, target) if source and target and source != target else None

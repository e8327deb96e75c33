"""The language of a file or a column, from its name."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from interp.languages import FLORES200, resolve
from interp.spellings import is_unclear_name
from interp.tags import region_named
from interp.text.raw.lines import printable_name, stem
from interp.text.raw.shards import without_number

_FULL = re.compile(r"[a-z]{3}[_-][A-Z][a-z]{3}(?![^_-])")
_PAIR = re.compile(r"([A-Za-z]{2,3}(?:_[A-Za-z]+)?)-([A-Za-z]{2,3}(?:_[A-Za-z]+)?)")
_LANGUAGES = frozenset(code[:3] for code in FLORES200)
_LONGEST_NAME = 100
_TEXT_WORDS = frozenset(
    {"text", "texts", "sentence", "sentences", "sent", "translation", "translations", "translated", "source", "target", "src",
     "tgt", "trg", "ref", "reference", "original", "orig", "lang", "language", "segment", "seg", "string", "content", "value",
     "line", "word", "words"}
)  # fmt: skip
TEXT_ENDINGS = ("txt", "dev", "devtest", "test", "train", "valid")
ROW_ENDINGS = ("jsonl", "ndjson", "json", "csv", "tsv", "tab", "parquet")
_PACKED = frozenset({"gz", "xz", "7z"})
_SPLITS = frozenset({*TEXT_ENDINGS, "validation", "val", "eval"} - {"txt"})
_BEHIND = _SPLITS | {"sentences", "text", "texts"}
"""What may stand behind a language in one word of a file name: "en_test", "deu_sentences" of Tatoeba."""
_MLQA = re.compile(r"(?P<before>.*context)-(?P<context>[a-z]{2})(?P<between>-question)-(?P<question>[a-z]{2})")
"""MLQA names the languages of the paragraph and of the question, "test-context-de-question-de.json"."""
_STEPS = frozenset({"tok", "clean", "true", "tc", "lc", "bpe", "sp", "min", "raw", "norm", "filt", "dedup"})
"""What was done to a text, before its language: "train.tok.en" of Moses is English and not Toki Pona."""
_MADE = frozenset({"mt", "ht", "bt"})
"""How a translation was made: by a machine, a human, or back from it."""
_SIDE = re.compile(r"(?:^|[-_.])(?:src|ref|source|reference|target|tgt|trg)(?:-(?P<number>\d+))?$")
"""What names the side of a translation and no corpus: the files of NTREX are "newstest2019-src.eng" and "newstest2019-ref.deu"."""


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

    A name is clear if it includes the script ("xal_Cyrl"), begins with a clear code ("zh-min-nan"), or means a language of
    FLORES-200 or CLDR. "key", "doc" and "ids" are also ISO 639-3 codes of small languages, but are not taken as such here.

    >>> language_code("zh-CN"), language_code("key")
    ('zho_Hans', None)
    """
    from babel import localedata

    code = resolve(name)
    if code is None or is_unclear_name(name) or is_marked(name):
        return None
    clear = code[:3] in _LANGUAGES or _FULL.match(name) or localedata.exists(name.replace("-", "_"))
    begin = re.match("[a-z]{2,3}(?=[-_.@])", name)
    return code if name == name.strip() and (clear or (begin and language_code(begin[0]))) else None


@lru_cache(maxsize=8192)
def column_language(name: str) -> str | None:
    """The FLORES-200 code of the language that the `name` of a column means, words for "text" in it or not; None if it means none.

    >>> column_language("text_en"), column_language("English "), column_language("sentence_deu_Latn"), column_language("score_en")
    ('eng_Latn', 'eng_Latn', 'deu_Latn', None)
    """
    own = own_words(name)
    if len(own) == 1 and " " in name.strip() and re.fullmatch("[A-Z][a-z]", own[0]):
        return None  # "My translations", "No text"
    if is_unclear_name(name, column=True) or (len(own) == 1 and is_unclear_name(own[0], column=True)):
        return None
    if is_marked(name.strip()):
        return None
    if code := language_code(name.strip()):
        return code
    if not own or len(own) > 3:
        return None
    spelled = ("_".join(own), " ".join(own), f"{own[0]} ({' '.join(own[1:])})")
    together = next((code for code in map(language_code, spelled) if code), None)
    each = {language_code(word) for word in own}
    return together or (each.pop() if len(each) == 1 else None)


@lru_cache(maxsize=8192)
def is_marked(name: str) -> bool:
    """Whether a `name` may be of two languages, or says how a text was made before its language, as "mt_de" does for German of a
    machine: Turkish and German are likelier in "tr_de" than the Turkish of Germany, of which CLDR has no locale, and English and
    German in "en_de" than the English of Germany.

    >>> [is_marked(name) for name in ("mt_de", "en_de", "pt_br", "sv_fi", "en_ca", "mt-MT")]
    [True, True, False, False, False, False]
    """
    from babel.core import get_global
    from babel.localedata import locale_identifiers

    both = re.fullmatch(r"([a-z]{2})[_-]([a-z]{2})", name)
    if both is None or both[1] == both[2] or resolve(both[2]) is None:
        return False
    there = get_global("likely_subtags").get(f"und_{both[2].upper()}", "").partition("_")[0]
    if both[1] == "en" and there == both[2]:
        return True
    return not any(re.fullmatch(rf"{both[1]}(_[A-Z][a-z]{{3}})?_{both[2].upper()}", known) for known in locale_identifiers())


def own_words(name: str) -> list[str]:
    """The words in the `name` of a column, less those for "text".

    >>> own_words("sentence_deu_Latn"), own_words("textEn")
    (['deu', 'Latn'], ['En'])
    """
    words = re.findall(r"[^\s_\-.:/()\[\]|]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", name) if len(name) <= _LONGEST_NAME else "")
    return [word for word in words if word.casefold() not in _TEXT_WORDS]


def parse_file_name(path: Path, endings: Collection[str] = (*TEXT_ENDINGS, *ROW_ENDINGS)) -> FileName | None:
    """Parse the name of a file of one language, `path`; None if the name has no language, or an ending that is not in `endings`.

    Examples: `eng_Latn.devtest`, `xquad.en.json`, `questions.eng_Latn.jsonl`, `deu.clean.csv`, `mgsm_de.tsv`,
    `newstest2019-ref.deu.txt`, `train.en`, each with or without `.gz`; and halves of a pair of languages,
    `afr_Latn.eng_Latn.txt` (the English of the Afrikaans pair) and `tatoeba.afr-eng.afr` (Moses).

    >>> from pathlib import Path
    >>> parsed = parse_file_name(Path("questions.eng_Latn.jsonl"))
    >>> parsed.code, parsed.part
    ('eng_Latn', 'questions')
    """
    name = path.name.removesuffix(path.suffix) if path.suffix.lower() == ".gz" else path.name
    *stem, ending = without_number(name).split(".")
    named = [token for token in stem if token not in _STEPS]
    halves = language_pair(named[-1]) if named else None
    own = language_code(ending)
    if halves and own and own in halves:
        return FileName(own, halves[own == halves[0]], ".".join(token for token in stem if token != named[-1]), "")
    if own and stem and ending not in endings and not any(map(language_code, named)):
        return FileName(own, None, _SIDE.sub("", ".".join(stem)), "")
    ending = ending.lower() if ending.lower() in ROW_ENDINGS or ending.lower() == "txt" else ending
    codes = [
        (index, code)
        for index, (token, code) in enumerate(zip(stem, map(language_code, stem), strict=True))
        if code and not (ending in ROW_ENDINGS and language_pair(token))
    ]
    codes = [(index, code) for index, code in codes if stem[index] not in _STEPS | _MADE] or codes
    if ending not in endings:
        return None
    if not codes:
        return _inside(stem, ending)
    index, code = codes[-1]
    if len(codes) == len(stem) == 2:
        return FileName(code, codes[0][1], "", ending)
    return FileName(code, None, _SIDE.sub("", ".".join([*stem[:index], *stem[index + 1 :]])), ending)


def rare_file_name(path: Path) -> FileName | None:
    """The parts of the name of `path` if it has a rare code before the ending, "newstest2019-ref.ton.txt"; else None.

    It is a language only beside files of the same name in clear languages.
    """
    *stem, ending = path.name.removesuffix(".gz").split(".")
    code = resolve(stem[-1]) if len(stem) > 1 and re.fullmatch(r"[a-z]{3}(?:[_-][A-Z][a-z]{3})?", stem[-1]) else None
    return FileName(code, None, _SIDE.sub("", ".".join(stem[:-1])), ending) if code else None


def ending_name(path: Path) -> FileName | None:
    """The parts of the name of `path` if its ending is a language, whatever stands before it, "kde.sh.en" or "it.de"; else None.

    It is one only beside a file of the same name that ends with another.
    """
    before, _, own = without_number(path.name.removesuffix(".gz")).rpartition(".")
    code = language_code(own) if own not in (*TEXT_ENDINGS, *ROW_ENDINGS) else None
    return FileName(code, None, before, "") if code and before else None


def folder_name(name: str) -> tuple[str, str] | None:
    """The language that the `name` of a folder says, and the rest of it; None if it says none.

    >>> folder_name("de"), folder_name("xquad.de"), folder_name("MLQA.ar.de"), folder_name("MLQA.de.de")
    (('deu_Latn', ''), ('deu_Latn', 'xquad'), ('deu_Latn', 'MLQA.ar'), ('deu_Latn', 'MLQA'))
    """
    if code := language_code(name):
        return code, ""
    *before, own = name.split(".")
    code = language_code(own) if before else None
    return (code, ".".join(token for token in before if language_code(token) != code)) if code else None


def is_by_machine(part: str) -> bool:
    """Whether the `part` of a file name that is no language says that a machine translated the text."""
    return "mt" in re.split("[._-]", part.casefold())


def is_second(path: Path) -> bool:
    """Whether the file `path` is another translation into its language, numbered as in "newstest2019-ref-2.spa.txt"."""
    return any((side := _SIDE.search(token)) and side["number"] for token in path.name.split("."))


def codes_named(path: Path) -> set[str]:
    """The languages that the name of the file `path` may name, as FLORES-200 codes; that of a program, "run.sh", names none.

    >>> from pathlib import Path
    >>> codes_named(Path("fra_Latn.txt.bz2")), codes_named(Path("run.sh"))
    ({'fra_Latn'}, set())
    """
    *stem, ending = path.name.split(".")
    program = stem and len(ending) < 3 and ending.lower() not in _PACKED
    return {code for token in (() if program else (*stem, ending)) if (code := language_code(token))}


def file_tag(path: Path) -> str:
    """How the name of the file `path` spells its language, "fra-CA" in "newstest2019-ref.fra-CA.txt".

    >>> from pathlib import Path
    >>> file_tag(Path("newstest2019-ref.fra-CA.txt")), file_tag(Path("mgsm_de.tsv"))
    ('fra-CA', 'de')
    """
    parsed = parse_file_name(path)
    pieces = [
        rest for token in path.name.split(".") for rest in (token, *(rest for _, rest in _cuts(token)), token.partition("_")[0])
    ]
    own = next((piece for piece in pieces if parsed and language_code(piece) == parsed.code), None)
    return own or (path.parent.name if folder_name(path.parent.name) else path.name)


def _inside(stem: list[str], ending: str) -> FileName | None:
    """The parts of a name whose language is part of a word: "mgsm_de", "en_test"."""
    for index, token in enumerate(stem):
        if (mlqa := _MLQA.fullmatch(token)) and (code := language_code(mlqa["question"])):
            other = "" if mlqa["context"] == mlqa["question"] else f"-{mlqa['context']}"
            part = f"{mlqa['before']}{other}{mlqa['between']}"
            return FileName(code, None, ".".join([*stem[:index], part, *stem[index + 1 :]]), ending)
        cuts = [] if language_pair(token) else [*_cuts(token), *((other, own) for own, other in _cuts(token) if other in _BEHIND)]
        for other, own in cuts:
            if (code := language_code(own)) and not _names_another(other, code):
                return FileName(code, None, ".".join([*stem[:index], other, *stem[index + 1 :]]), ending)
    return None


def _names_another(word: str, code: str) -> bool:
    """Whether a `word` of a file name ends with another language than that of `code`; "mt" and "ht" say how it was translated."""
    last = re.split("[_-]", word)[-1]
    return last not in _MADE and len(last) < 4 and language_code(last) not in (None, code)


def _cuts(token: str) -> list[tuple[str, str]]:
    """A word cut in two at each "_" and "-"."""
    return [(token[: cut.start()], token[cut.end() :]) for cut in re.finditer("[_-]", token)]


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


def file_pair(path: Path) -> tuple[str, str] | None:
    """The two languages in the name of the file `path`, "train.en-de.tsv"; None if it names none, or several pairs.

    >>> from pathlib import Path
    >>> file_pair(Path("news.en-de.csv"))
    ('eng_Latn', 'deu_Latn')
    """
    found = [pair for part in stem(path).split(".") if (pair := language_pair(part))]
    return found[0] if len(found) == 1 else None


def pair_part(path: Path) -> str:
    """What the name of a file of a pair of languages, `path`, says besides: "train" for "train.en-de.tsv"."""
    return ".".join(part for part in stem(path).split(".") if language_pair(part) is None)


def is_split_name(name: str) -> bool:
    """Whether a `name` is that of a split, "train"."""
    return name.casefold() in _SPLITS


def says_split(name: str, split: str | None) -> bool:
    """Whether the `name` of a file, without its ending, says that it is of a `split`; never where none is asked for.

    >>> says_split("wmt.en-de.train", "train"), says_split("trainer", "train")
    (True, False)
    """
    return split is not None and split in (name, *re.split(r"[._-]", name))


def column_tag(name: str) -> str:
    """How the `name` of a column spells its language, "en-GB" in "text_en-GB".

    >>> column_tag("text_en-GB"), column_tag("English"), column_tag("English (UK)")
    ('en-GB', 'English', 'eng-GB')
    """
    spoken = re.fullmatch(r"(.+?)\s*[(\[](.+)[)\]]\s*", name[:_LONGEST_NAME])
    code, region = (column_language(spoken[1]), region_named(spoken[2])) if spoken else (None, None)
    if code and region:
        return f"{code[:3]}-{region}"
    return name.strip() if language_code(name.strip()) else "-".join(own_words(name)) or name


def origin(path: Path) -> str:
    """The name of the file `path` for notes, with its folder where that says the language, "de/test.txt"."""
    name = printable_name(path)
    return f"{path.parent.name}/{name}" if parse_file_name(path) is None and folder_name(path.parent.name) else name

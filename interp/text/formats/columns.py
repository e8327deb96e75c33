"""What each column of a table is: the text of a language, the id, the document, or a label.

Names come first, then what stands in the column: a column of numbers, dates, addresses or codes is no language, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from interp.files.checks import short_repr
from interp.languages import language, nearest, resolve
from interp.languages import languages as resolve_all
from interp.text.choices import ROLES, option
from interp.text.formats.file_names import column_language

Kind = Literal["text", "numbers", "yes or no", "addresses", "codes", "nothing"]
_SURE_IDS = ("id", "ids", "key", "idx", "sentence_id", "sent_id", "item_id", "text_id", "example_id", "question_id", "segment_id",
             "guid", "uuid", "uid", "qid", "tuid", "pid")  # fmt: skip
ID_COLUMNS = (*_SURE_IDS, "index", "row", "row_id", "line", "no", "no.", "nr", "nr.", "num", "number", "n", "#", "")
"""Names of an id column, in any case, the likeliest first."""
_ID_ENDING = re.compile(r"(?:^|.*[\s_.-])(?:id|ids|idx|key|no|nr|num|number|uuid|guid)\.?|.*[a-z](?:ID|Id)")
"""Names that may be of an id column, if different values stand in it."""
DOCUMENT_COLUMNS = ("document", "documents", "doc", "doc_id", "docid", "document_id", "url", "uri", "link", "article_id")
"""Names of the column of the document that a sentence is from, in any case, the likeliest first."""
LABEL_COLUMNS = frozenset(
    {"category", "codepoints", "comment", "comments", "concept", "domain", "genre", "has_hyperlink", "has_image", "label", "note",
     "notes", "part", "register", "remark", "remarks", "score", "sib200_category", "source", "source_line", "split", "title",
     "topic", "type"}
)  # fmt: skip
PAIRS = (("source", "target"), ("src", "tgt"), ("src", "trg"), ("source", "translation"), ("src", "ref"), ("source", "reference"),
         ("original", "translation"), ("sentence1", "sentence2"), ("text1", "text2"))  # fmt: skip
"""Names of the two columns of a bitext that say no language."""
_SIDES = {"source": "source", "src": "source", "target": "target", "tgt": "target", "trg": "target"}
MOST_COLUMNS = 5_000
"""Maximum number of columns, more than there are languages: every name is looked up, and a hostile header must not take hours."""
_NUMBER = re.compile(r"[#№(]?\s*[-+−±]?[\d.,:'’\s/-]*\d(?:[eE][-+]?\d+)?\s*[%‰)\].°]?|nan|-?inf", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:[a-z][a-z+.-]*://|www\.)\S+", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?:[T ]\d.*)?")
_CODE = re.compile(r"[\x21-\x7e]*\d[\x21-\x7e]*")
_MARK = re.compile(r"[!-~]|[!-~]+[\d_:/.#-][!-~]+|[!-~]*\d[!-~]*")
"""A word that is an id wherever it may stand: a single character, or several parts ("doc-a")."""
_YES_OR_NO = frozenset({"true", "false"})
_NO_VALUE = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})


class Layout(NamedTuple):
    """The role of each column: the text of a language, the id, the document, or a label."""

    texts: dict[str, str]
    id: str | None
    document: str | None
    labels: tuple[str, ...]


def plan(
    columns: Sequence[str],
    languages: Sequence[str] | None,
    where: str,
    sample: Sequence[Mapping[str, object]] = (),
    chosen: Mapping[str, str] | None = None,
    pair: tuple[str, str] | None = None,
) -> Layout:
    """The role of each column.

    Parameters
    ----------
    columns
        The names of the columns.
    languages
        Languages in any spelling. Default: every language that a column clearly is.
    where
        The file and line, for messages.
    sample
        The first rows, whose values say more than the names.
    chosen
        The column of a language (in any spelling), of the "ids" or of the "documents". The other languages that a column clearly is
        are read too.
    pair
        The languages of a bitext whose columns are called source and target, by the name of its file.

    Raises
    ------
    ValueError
        A language has no column or several, or a column may be a language that would be left out. The message says which option
        settles it.

    Example
    -------
    >>> plan(["ID", "text_en", "de "], None, "a.tsv:1").texts
    {'eng_Latn': 'text_en', 'deu_Latn': 'de '}
    """
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"{where}: got {len(columns)} columns, expected one per language, and at most {MOST_COLUMNS}.")
    kinds = {column: kind_of(row.get(column) for row in sample) for column in columns}
    texts, roles = _chosen(columns, chosen or {}, where)
    asked = [lang.code for lang in resolve_all(languages)] if languages is not None else None
    free = [column for column in columns if column not in {*texts.values(), *roles.values()}]
    named = _named(free, kinds, asked)
    if asked is None and not texts:
        _refuse_sentences(free, sample, where)
        texts = _all_of(columns, named, kinds, where, pair or said_pair(columns, sample))
    elif asked is None:
        _refuse_sentences(free, sample, where)
        texts = texts | {code: _one_of(code, named, columns, where) for code in named if code not in texts}
    else:
        texts = {code: texts.get(code) or _one_of(code, named, columns, where) for code in asked}
    left = [column for column in columns if column not in texts.values()]
    ids = [column for column in id_columns(left) if column not in roles.values() and _may_be_id(column, kinds, sample)]
    row_id = roles.get("ids") or next(iter(ids), None)
    document = roles.get("documents") or next((column for column in document_columns(left) if column != row_id), None)
    other_texts = {column for found in named.values() for column in found if kinds[column] in ("text", "nothing")}
    empty = {column for column in left if is_unnamed(column) and kinds[column] == "nothing"}
    labels = tuple(column for column in left if column not in {row_id, document, *other_texts, *empty})
    return Layout(texts, row_id, document, labels)


def described(layout: Layout, kinds: Mapping[str, Kind]) -> str:
    """The roles of the columns in words, for a note: `layout`, and what stands in each column (`kinds`)."""
    renamed = [f"{short_repr(column)} is {code}" for code, column in layout.texts.items() if column != code]
    same = len(layout.texts) - len(renamed)
    parts = [*renamed, *([f"{same} columns are named by their code"] if same else [])]
    parts += [f"ids are {short_repr(layout.id)}"] if layout.id is not None else []
    parts += [f"documents are {short_repr(layout.document)}"] if layout.document is not None else []
    parts += [f"{short_repr(column)} ({kinds.get(column, 'text')}) is a label" for column in layout.labels]
    return "columns: " + ", ".join(parts)


def id_columns(columns: Iterable[str], sure: bool = False) -> list[str]:
    """Those of `columns` that are named like ids, the likeliest first; only those of a usual name if `sure`.

    >>> id_columns(["Key", "en", "pairID", "ID"])
    ['ID', 'Key', 'pairID']
    """
    listed = _by_name(columns, ID_COLUMNS)
    if sure:
        return [column for column in listed if column.strip().casefold() in _SURE_IDS]
    return [*listed, *(column for column in columns if column not in listed and _ID_ENDING.fullmatch(column.strip()))]


def is_id_name(column: str) -> bool:
    """Whether a `column` is named like ids."""
    return bool(id_columns([column]))


def document_columns(columns: Iterable[str]) -> list[str]:
    """Those of `columns` that hold the document of a sentence, the likeliest first.

    >>> document_columns(["en", "URL"])
    ['URL']
    """
    return _by_name(columns, DOCUMENT_COLUMNS)


def is_unnamed(column: str) -> bool:
    """Whether a `column` had no name in the header."""
    return re.fullmatch(r"column \d+|\s*|unnamed: \d+", column.casefold()) is not None


def kind_of(values: Iterable[object]) -> Kind:
    """What the `values` of a column are.

    >>> kind_of(["1", "2", None]), kind_of(["http://a.example/1"]), kind_of(["Hallo", "Welt"])
    ('numbers', 'addresses', 'text')
    """
    given = [value for value in values if value is not None and str(value).strip().casefold() not in _NO_VALUE]
    if not given:
        return "nothing"
    if all(isinstance(value, bool) or str(value).strip().casefold() in _YES_OR_NO for value in given):
        return "yes or no"
    texts = [str(value).strip() for value in given]
    if all(_NUMBER.fullmatch(text) or _DATE.fullmatch(text) for text in texts):
        return "numbers"
    if all(map(_ADDRESS.fullmatch, texts)):
        return "addresses"
    repeated = len(texts) >= 3 and len(set(texts)) * 3 <= len(texts)
    short = all(len(text) <= 12 and text.isascii() and not any(map(str.isspace, text)) for text in texts)
    return "codes" if (repeated and short) or (len(texts) >= 2 and all(map(_CODE.fullmatch, texts))) else "text"


def _chosen(columns: Sequence[str], chosen: Mapping[str, str], where: str) -> tuple[dict[str, str], dict[str, str]]:
    """The columns chosen for languages, by code, and for other roles."""
    texts: dict[str, str] = {}
    roles: dict[str, str] = {}
    for spelling, name in chosen.items():
        found = [column for column in columns if column == name] or [
            column for column in columns if column.strip().casefold() == name.strip().casefold()
        ]
        if len(found) != 1:
            raise ValueError(
                f"{where}: got column {short_repr(name)} for {spelling}, expected one of {short_repr(list(columns))}."
                f"{nearest(name, columns)}"
            )
        role = spelling.strip().casefold()
        kept, key = (roles, role) if role in ROLES else (texts, language(spelling).code)
        if key in kept or found[0] in (*texts.values(), *roles.values()):
            raise ValueError(f"{where}: got {short_repr(dict(chosen))}, expected each language and each column once.")
        kept[key] = found[0]
    return texts, roles


def _named(columns: Iterable[str], kinds: Mapping[str, Kind], asked: Collection[str] | None) -> dict[str, list[str]]:
    """The columns named after each language. Where no languages are asked for, those that hold no text are left out."""
    named: dict[str, list[str]] = {}
    for column in columns:
        code = column_language(column)
        name = column.strip().casefold()
        if code is None or (asked is None and (name in _SURE_IDS or (is_id_name(column) and kinds[column] != "text"))):
            continue
        named.setdefault(code, []).append(column)
    for code, found in named.items():
        texts = [column for column in found if kinds[column] in ("text", "nothing")]
        named[code] = texts if texts or asked is None else found
    return {code: found for code, found in named.items() if found}


def _refuse_sentences(columns: Iterable[str], sample: Sequence[Mapping[str, object]], where: str) -> None:
    """Refuse a column of words that is named like ids and like a language: "id" may be Indonesian."""
    for column in columns:
        code = column_language(column) if column.strip().casefold() in _SURE_IDS else None
        values = [str(row.get(column)).strip() for row in sample]
        if code and kind_of(values) == "text" and not all(map(_MARK.fullmatch, values)):
            raise ValueError(
                f"{where}: got words in column {short_repr(column)}, which may be {language(code).name} or ids. Say which: "
                f"{option({language(code).name.casefold(): column})}, or {option({'ids': column})}."
            )


def _one_of(code: str, named: Mapping[str, Sequence[str]], columns: Sequence[str], where: str) -> str:
    found = named.get(code, ())
    if len(found) != 1:
        got = f"columns {' and '.join(map(short_repr, found))} that both mean {code}" if found else f"no column for {code}"
        raise ValueError(
            f"{where}: got {got}, expected one column per language. It has {short_repr(sorted(columns))}. "
            f"Say which it is with {option({code: found[0] if found else 'NAME'})}."
        )
    return found[0]


def _all_of(
    columns: Sequence[str], named: Mapping[str, Sequence[str]], kinds: Mapping[str, Kind], where: str, pair: tuple[str, str] | None
) -> dict[str, str]:
    """The column of every language there is. Raises where a column may be one that would be left out."""
    texts = {code: _one_of(code, named, columns, where) for code in named}
    bitext = _bitext(columns)
    if not texts and bitext and pair:
        return dict(zip(pair, bitext, strict=True))
    doubtful = [column for column in columns if column not in texts.values() and _doubtful(column, kinds[column], len(texts))]
    if texts and not doubtful:
        return texts
    open_columns = bitext or [column for column in doubtful if kinds[column] == "text"] or doubtful or list(columns)
    alike = (column for column in doubtful if column_language(column) or (texts and language_alike(column)))
    first = next(alike, open_columns[0])
    reason = f"is named after a language and holds {kinds[first]}" if column_language(first) else "is no known language"
    free = (one for one in ("english", "german") if language(one).code not in texts)
    if code := column_language(first):
        examples = texts or {code: first}
    elif texts and (meant := language_alike(first)):
        examples = {**texts, meant.casefold(): first}
    else:
        examples = {**texts, **dict(zip(free, open_columns, strict=False))}
    raise ValueError(
        f"{where}: got column {short_repr(first)}, which {reason}, expected one column per language (recognised: "
        f"{', '.join(texts) or 'none'}; columns: {short_repr(list(columns))}). Say which is which, such as {option(examples)}."
    )


def _doubtful(column: str, kind: Kind, languages: int) -> bool:
    """Whether a column may be a language that nobody named: its name is nearly one, or too few others are languages."""
    name = column.strip().casefold()
    if is_id_name(column) or name in DOCUMENT_COLUMNS or is_unnamed(column):
        return False
    if kind not in ("text", "nothing"):
        return languages < 2 and column_language(column) is not None
    if name in LABEL_COLUMNS:
        return languages < 2 and kind == "text" and any(name in names for names in PAIRS)
    return languages < 2 or bool(language_alike(column))


def language_alike(column: str) -> str | None:
    """The language that a `column` may be meant for, though it is no clear name of one: a rare code, a slip of the pen, or a
    language with something unknown in brackets.

    >>> language_alike("Germn"), language_alike("author")
    ('German', None)
    """
    from babel import Locale

    name = column.strip()
    names = list(Locale("en").languages.values())
    close = nearest(name, names, n=1) if len(name) > 4 and name[0].isupper() else ""
    found = close.removeprefix(" Did you mean ").removesuffix("?") or None
    if found and abs(len(found) - len(name)) <= 1 and found[0] == name[0]:
        return found
    spoken = re.match(r"(.{3,60}?)\s*[(\[]", name)
    return spoken[1] if spoken and resolve(spoken[1]) else _rare(name)


def _rare(name: str) -> str | None:
    return resolve(name) if re.fullmatch(r"[a-z]{3}([_-][A-Z][a-z]{3})?", name) else None


def said_pair(columns: Sequence[str], sample: Sequence[Mapping[str, object]]) -> tuple[str, str] | None:
    """The languages of a bitext, by code, that two of its `columns` say in every row of a `sample`.

    >>> said_pair(["source_lang", "targetLang"], [{"source_lang": "en", "targetLang": "de"}])
    ('eng_Latn', 'deu_Latn')
    """
    said = [{str(row.get(column)) for row in sample} for column in language_columns(columns)]
    codes = [resolve(*values) for values in said if len(values) == 1]
    source, target = codes if len(codes) == 2 else (None, None)
    return (source, target) if source and target and source != target else None


def language_columns(columns: Sequence[str]) -> list[str]:
    """The two `columns` that say the languages of a bitext, that of the source first; none if there are not both.

    >>> language_columns(["text", "tgt_language", "src_language"])
    ['src_language', 'tgt_language']
    """
    sides = {side: column for column in columns if (side := _side(column, {"lang", "language"})) and _side(column) is None}
    return [sides["source"], sides["target"]] if len(sides) == 2 else []


def _side(column: str, words: Collection[str] = ("string", "text", "sentence", "segment")) -> str | None:
    """Whether a column is called source or target, with some of the `words` or none."""
    cut = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column[:100]))
    sides = [_SIDES[word.casefold()] for word in cut if word.casefold() in _SIDES]
    rest = {word.casefold() for word in cut} - _SIDES.keys()
    return sides[0] if len(sides) == 1 and rest <= set(words) else None


def _bitext(columns: Sequence[str]) -> tuple[str, str] | None:
    by_name = {column.strip().casefold(): column for column in columns}
    sides = {side: column for column in columns if (side := _side(column))}
    if len(sides) == 2 and not any(one in by_name and other in by_name for one, other in PAIRS):
        return sides["source"], sides["target"]
    return next(((by_name[one], by_name[other]) for one, other in PAIRS if one in by_name and other in by_name), None)


def _may_be_id(column: str, kinds: Mapping[str, Kind], sample: Sequence[Mapping[str, object]]) -> bool:
    """Whether a column named like ids holds some: a likely name is enough, a number of a row must be different in each."""
    if column.strip().casefold() in _SURE_IDS:
        return True
    values = [str(row.get(column)) for row in sample]
    return kinds[column] in ("numbers", "codes") and len(set(values)) == len(values)


def _by_name(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    written = {("" if is_unnamed(column) else column.strip().casefold()): column for column in reversed(list(columns))}
    return [written[name] for name in names if name in written]

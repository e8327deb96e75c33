"""What each column of a table is: the text of a language, the id, the document, or a label.

Names come first, then what stands in the column: a column of numbers, dates, addresses or codes is no language, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.languages import language, nearest, resolve
from interp.spellings import meant_by
from interp.text.asked import Asked
from interp.text.choices import ROLES, option
from interp.text.formats.cells import Kind, kind_of, kinds_of
from interp.text.formats.column_names import (
    DOCUMENT_COLUMNS,
    PAIRS,
    SURE_IDS,
    bitext_columns,
    document_columns,
    id_columns,
    is_id_name,
    is_unnamed,
    language_alike,
    language_columns,
)
from interp.text.formats.headers import by_number, example, first_row_is, is_no_header, no_header, repeats_itself
from interp.text.raw.file_names import column_language, column_tag, own_words

LABEL_COLUMNS = frozenset(
    {"category", "codepoints", "comment", "comments", "concept", "domain", "genre", "has_hyperlink", "has_image", "label", "note",
     "notes", "part", "register", "remark", "remarks", "score", "sib200_category", "source", "source_line", "split", "title",
     "topic", "type"}
)  # fmt: skip
MOST_COLUMNS = 5_000
"""Maximum number of columns, more than there are languages: every name is looked up, and a hostile header must not take hours."""
_MARK = re.compile(r"[!-~]|[!-~]+[\d_:/.#-][!-~]+|[!-~]*\d[!-~]*")
"""A word that is an id wherever it may stand: a single character, or several parts ("doc-a")."""


class Layout(NamedTuple):
    """The role of each column: the text of a language, the id, the document, or a label."""

    texts: dict[str, str]
    id: str | None
    document: str | None
    labels: tuple[str, ...]


def plan(
    columns: Sequence[str],
    asked: Asked,
    where: str,
    sample: Sequence[Mapping[str, object]] = (),
    pair: tuple[str, str] | None = None,
    headed: bool = True,
) -> Layout:
    """The role of each column.

    Parameters
    ----------
    columns
        The names of the columns.
    asked
        The languages (default: every language that a column clearly is), and the columns of some of them, of the "ids" or of the
        "documents". The other languages that a column clearly is are read too.
    where
        The file and line, for messages.
    sample
        The first rows, whose values say more than the names.
    pair
        The languages of a bitext whose columns are called source and target, by the name of its file.
    headed
        The names of the columns are no first row, which may be one of text.

    Raises
    ------
    ValueError
        A language has no column or several, or a column may be a language that would be left out. The message says which option
        settles it.

    Example
    -------
    >>> plan(["ID", "text_en", "de "], Asked(), "a.tsv:1").texts
    {'eng_Latn': 'text_en', 'deu_Latn': 'de '}
    """
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"{where}: got {len(columns)} columns, expected one per language, and at most {MOST_COLUMNS}.")
    kinds = kinds_of(columns, sample)
    asked.refuse_others(where, ("ids", "documents"), None, "a table with a column for each language")
    pair = pair or said_pair(columns, sample)
    numbers = example([columns, *([str(cell) for cell in row.values()] for row in sample)], pair or ("english", "german"))
    if not headed and not asked.columns and repeats_itself(columns, sample):
        raise no_header(where, columns, numbers)
    texts, roles = _chosen(columns, asked.columns, where)
    free = [column for column in columns if column not in {*texts.values(), *roles.values()}]
    named = _named(free, kinds, asked.codes)
    if asked.codes is None:
        _refuse_sentences(free, sample, where)
    if asked.codes is None and not texts:
        texts = _all_of(columns, named, kinds, where, pair, asked, sample, None if headed else numbers)
    elif asked.codes is None:
        texts = texts | {code: _one_of(code, named, columns, where, asked) for code in named if code not in texts}
    else:
        texts = {code: texts.get(code) or _one_of(code, named, columns, where, asked) for code in asked.codes}
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
    parts = [*renamed, *([f"{same} named by their code"] if same else [])]
    parts += [f"ids are {short_repr(layout.id)}"] if layout.id is not None else []
    parts += [f"documents are {short_repr(layout.document)}"] if layout.document is not None else []
    parts += [f"{short_repr(column)} ({kinds.get(column, 'text')}) is a label" for column in layout.labels]
    return "columns: " + ", ".join(parts)


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
        if found[0] in (*texts.values(), *roles.values()):
            raise ValueError(f"{where}: got {short_repr(dict(chosen))}, expected each language and each column once.")
        kept[key] = found[0]
    return texts, roles


def _named(columns: Iterable[str], kinds: Mapping[str, Kind], asked: Collection[str] | None) -> dict[str, list[str]]:
    """The columns named after each language. Where no languages are asked for, those that hold no text are left out."""
    named: dict[str, list[str]] = {}
    for column in columns:
        code = column_language(column)
        name = column.strip().casefold()
        if code is None or (asked is None and (name in SURE_IDS or (is_id_name(column) and kinds[column] != "text"))):
            continue
        named.setdefault(code, []).append(column)
    for code, found in named.items():
        texts = [column for column in found if kinds[column] in ("text", "nothing")]
        named[code] = texts if texts or asked is None else found
    return {code: found for code, found in named.items() if found}


def _refuse_sentences(columns: Iterable[str], sample: Sequence[Mapping[str, object]], where: str) -> None:
    """Refuse a column of words that is named like ids and like a language: "id" may be Indonesian."""
    for column in columns:
        code = column_language(column) if column.strip().casefold() in SURE_IDS else None
        values = [str(row.get(column)).strip() for row in sample]
        if code and kind_of(values) == "text" and not all(map(_MARK.fullmatch, values)):
            raise ValueError(
                f"{where}: got words in column {short_repr(column)}, which may be {language(code).name} or ids. Say which: "
                f"{option({language(code).name.casefold(): column})}, or {option({'ids': column})}."
            )


def _one_of(code: str, named: Mapping[str, Sequence[str]], columns: Sequence[str], where: str, asked: Asked) -> str:
    """The column of a language: the only one, or of several that of the variant that was asked for."""
    found = named.get(code, ())
    tags = {column_tag(column): column for column in found}
    if asked.codes is not None and len(tags) == len(found):
        fitting = asked.fitting(code, [*tags])
        found = [tags[fitting[0]]] if len(fitting) == 1 else found
        tags = {column_tag(column): column for column in found}
    if len(found) == 1:
        return tags[asked.variant(code, [*tags], where)]
    got = f"columns {' and '.join(map(short_repr, found))} that both mean {code}" if found else f"no column for {code}"
    raise ValueError(
        f"{where}: got {got}, expected one column per language. It has {short_repr(sorted(columns))}. "
        f"Say which it is with {option({code: found[0] if found else 'NAME'})}."
    )


def _all_of(
    columns: Sequence[str],
    named: Mapping[str, Sequence[str]],
    kinds: Mapping[str, Kind],
    where: str,
    pair: tuple[str, str] | None,
    asked: Asked,
    sample: Sequence[Mapping[str, object]],
    numbers: Mapping[str, int] | None,
) -> dict[str, str]:
    """The column of every language there is. Raises where a column may be one that would be left out."""
    texts = {code: _one_of(code, named, columns, where, asked) for code in named}
    two = (columns[0], columns[1]) if len(columns) == 2 and pair and first_row_is(columns, pair) == "names" else None
    bitext = bitext_columns(columns)
    if not texts and pair and (bitext or two):
        return dict(zip(pair, bitext or two or (), strict=True))
    no_names = numbers is not None and len(texts) < 2 and is_no_header(columns, texts)
    _refuse_languages_in_rows(columns, sample, where, texts, no_names)
    if numbers and no_names:
        raise no_header(where, columns, numbers)
    doubtful = [column for column in columns if column not in texts.values() and _doubtful(column, kinds[column], len(texts))]
    if texts and not doubtful:
        return texts
    open_columns = bitext or [column for column in doubtful if kinds[column] == "text"] or doubtful or list(columns)
    alike = (column for column in doubtful if column_language(column) or (texts and language_alike(column)))
    first = next(alike, open_columns[0])
    told = next((meaning for word in (first, *own_words(first)) if (meaning := meant_by(word))), None)
    reason = f"is named after a language and holds {kinds[first]}" if column_language(first) else "is no known language"
    reason = f"is no clear language: {told}" if told else reason
    free = (one for one in ("english", "german") if language(one).code not in texts)
    if code := column_language(first):
        examples = {**texts, code: first}
    elif texts and (meant := language_alike(first)):
        examples = {**texts, meant if "_" in meant else meant.casefold(): first}
    else:
        examples = {**texts, **dict(zip(free, open_columns, strict=False))}
    raise ValueError(
        f"{where}: got column {short_repr(first)}, which {reason}, expected one column per language (recognised: "
        f"{', '.join(texts) or 'none'}; columns: {short_repr(list(columns))}). Say which is which, such as {option(examples)}."
        + (f" To leave it out, name the languages: --languages {' '.join(texts)}." if len(texts) > 1 else "")
        + (f" {by_number(numbers)}" if numbers and not texts and len(columns) > 1 else "")
    )


def _refuse_languages_in_rows(
    columns: Sequence[str], sample: Sequence[Mapping[str, object]], where: str, texts: Mapping[str, str], no_names: bool
) -> None:
    """Refuse a table whose rows say their language in a column of another name: as one language it would be all of them."""
    for column in columns if not texts or no_names else ():
        said = {str(row.get(column)).strip() for row in sample}
        codes = {column_language(value) for value in said}
        if None not in codes and len(codes) > 1 and column not in language_columns(columns):
            todo = "write a first line of names, 'language' and 'text' among them" if no_names else "call the column 'language'"
            raise ValueError(
                f"{where}: got {' and '.join(sorted(said)[:3])} in column {short_repr(column)}, expected columns of languages. If "
                f"each row is of the language that it says, {todo}."
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


def said_pair(columns: Sequence[str], sample: Sequence[Mapping[str, object]]) -> tuple[str, str] | None:
    """The languages of a bitext, by code, that two of its `columns` say in every row of a `sample`.

    >>> said_pair(["source_lang", "targetLang"], [{"source_lang": "en", "targetLang": "de"}])
    ('eng_Latn', 'deu_Latn')
    """
    said = [{str(row.get(column)) for row in sample} for column in language_columns(columns)]
    codes = [resolve(*values) for values in said if len(values) == 1]
    source, target = codes if len(codes) == 2 else (None, None)
    return (source, target) if source and target and source != target else None


def _may_be_id(column: str, kinds: Mapping[str, Kind], sample: Sequence[Mapping[str, object]]) -> bool:
    """Whether a column named like ids holds some: a likely name is enough, a number of a row must be different in each."""
    if column.strip().casefold() in SURE_IDS:
        return True
    values = [str(row.get(column)) for row in sample]
    return kinds[column] in ("numbers", "codes") and len(set(values)) == len(values)

"""What the names of columns say: that they hold ids, documents, or the sides of a bitext, or may be meant for a language."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from interp.languages import resolve
from interp.spellings import likely_meant
from interp.text.raw.file_names import own_words

_ALIKE = 0.76
"""How alike a name and a slip of the pen are at least: "Germn" is German, "Speaker" is not Selayar."""
SURE_IDS = ("id", "ids", "key", "idx", "sentence_id", "sent_id", "item_id", "text_id", "example_id", "question_id", "segment_id",
             "guid", "uuid", "uid", "qid", "tuid", "pid", "sid", "cid", "rid", "seg_id", "utt_id", "line_id", "src_id",
             "tgt_id", "sample_id", "record_id")  # fmt: skip
ID_COLUMNS = (*SURE_IDS, "index", "row", "row_id", "line", "no", "no.", "nr", "nr.", "num", "number", "n", "#", "")
"""Names of an id column, in any case, the likeliest first."""
_ID_ENDING = re.compile(r"(?:^|.*[\s_.-])(?:id|ids|idx|key|no|nr|num|number|uuid|guid)\.?|.*[a-z](?:ID|Id)")
"""Names that may be of an id column, if different values stand in it."""
DOCUMENT_COLUMNS = ("document", "documents", "doc", "doc_id", "docid", "document_id", "url", "uri", "link", "article_id")
"""Names of the column of the document that a sentence is from, in any case, the likeliest first."""
PAIRS = (("source", "target"), ("src", "tgt"), ("src", "trg"), ("source", "translation"), ("src", "ref"), ("source", "reference"),
         ("original", "translation"), ("sentence1", "sentence2"), ("text1", "text2"))  # fmt: skip
"""Names of the two columns of a bitext that say no language."""
SPLIT_COLUMNS = ("split", "part", "subset", "partition")
"""Names of the column of the split that a row is of, in any case."""
PLACE_COLUMNS = ("book", "chapter", "section", "story", "story_id", "episode", "page", "act", "scene", "passage_id", "paragraph_id",
                 "dialogue_id", "conversation_id")  # fmt: skip
"""Names of columns of a larger unit, in which ids may begin anew."""
_UNITS = "words? tokens? char chars characters? bytes? syllables? letters? pieces? subwords?"
_MEASURE = re.compile(
    rf"(?:.*_)?(?:{'|'.join(_UNITS.split())})_(?:no|nr|num|number|n|count)|(?:no|nr|num|number|n|count)_(?:of_)?"
    rf"(?:{'|'.join(_UNITS.split())})|(?:.*_)?(?:size|rank|length|len|score|rating|rate|count|counts|frequency|freq|level|difficulty|width|height|"
    r"age|year|price|votes|likes|quality|similarity|probability|prob)(?:_.*)?"
)
"""Names of what counts or measures an item."""
_SHARED = re.compile(
    r"(?:.*_)?(?:answers?|label|gold|correct|target|solution|option|choice|class|category|cat|topic|domain|genre|cluster|group|type|"
    r"user|author|speaker|worker|annotator|translator|rater|model|system|lang|language|country|source|fold|batch|split)"
    r"_(?:id|ids|idx|key|no|nr|num|number)"
)
"""Names of numbers that several items share: of their answer, their topic or who wrote them."""
_SIDES = {"source": "source", "src": "source", "target": "target", "tgt": "target", "trg": "target"}


def id_columns(columns: Iterable[str], sure: bool = False) -> list[str]:
    """Those of `columns` that are named like ids, the likeliest first; only those of a usual name if `sure`.

    >>> id_columns(["Key", "en", "pairID", "ID"])
    ['ID', 'Key', 'pairID']
    """
    listed = _by_name(columns, ID_COLUMNS)
    if sure:
        return [column for column in listed if column.strip().casefold() in SURE_IDS]
    others = [column for column in columns if column not in listed and not is_measure(column)]
    return [*listed, *(column for column in others if _ID_ENDING.fullmatch(column.strip()))]


def is_measure(column: str) -> bool:
    """Whether a `column` is named like what counts, measures or sorts items; it identifies none, though its values may differ.

    >>> [is_measure(name) for name in ("word_num", "answerNumber", "topic_id", "rank", "question_number", "sentence_id")]
    [True, True, True, True, False, False]
    """
    words = re.findall(r"[a-z]+|\d+", divided(column).casefold())
    return any(pattern.fullmatch("_".join(words)) for pattern in (_MEASURE, _SHARED))


def divided(column: str) -> str:
    """The name of a `column` with _ before each capital behind a small letter: "answerKey" is answer_Key."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column[:100])


def is_id_name(column: str) -> bool:
    """Whether a `column` is named like ids."""
    return bool(id_columns([column]))


def document_columns(columns: Iterable[str]) -> list[str]:
    """Those of `columns` that hold the document of a sentence, the likeliest first.

    >>> document_columns(["en", "URL"])
    ['URL']
    """
    return _by_name(columns, DOCUMENT_COLUMNS)


def split_columns(columns: Iterable[str]) -> list[str]:
    """Those of `columns` that hold the split of a row, "split" or "part" in any case."""
    return _by_name(columns, SPLIT_COLUMNS)


def place_columns(columns: Iterable[str]) -> list[str]:
    """Those of `columns` that hold a larger unit, in which ids may begin anew: the document, the split, the chapter."""
    return [*document_columns(columns), *split_columns(columns), *_by_name(columns, PLACE_COLUMNS)]


def named(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The first of `columns` that has one of the `names`, in any case; None if none has.

    >>> named(["ID", "Text"], ("sentence", "text"))
    'Text'
    """
    return next(iter(_by_name(columns, names)), None)


def is_unnamed(column: str) -> bool:
    """Whether a `column` had no name in the header."""
    return re.fullmatch(r"column \d+|\s*|unnamed: \d+|__index_level_\d+__", column.casefold()) is not None


def language_alike(column: str) -> str | None:
    """The language that a `column` may be meant for, though it is no clear name of one: a rare code, a slip of the pen, or a
    language with something unknown in brackets, or a code that is used for it.

    >>> language_alike("Germn"), language_alike("author"), language_alike("cn")
    ('German', None, 'zho_Hans')
    """
    from babel import Locale

    if meant := next((meant for word in (column, *own_words(column)) if (meant := likely_meant(word))), None):
        return meant
    name = column.strip()
    names = list(Locale("en").languages.values())
    close = get_close_matches(name[:100], names, n=1, cutoff=_ALIKE) if len(name) > 4 and name[0].isupper() else []
    if close and close[0][0] == name[0]:
        return close[0]
    spoken = re.match(r"(.{3,60}?)\s*[(\[]", name)
    return spoken[1] if spoken and resolve(spoken[1]) else _rare(name)


def _rare(name: str) -> str | None:
    return resolve(name) if re.fullmatch(r"[a-z]{3}([_-][A-Z][a-z]{3})?", name) else None


def language_columns(columns: Sequence[str]) -> list[str]:
    """The two `columns` that say the languages of a bitext, that of the source first; none if there are not both.

    >>> language_columns(["text", "tgt_language", "src_language"])
    ['src_language', 'tgt_language']
    """
    sides = {side: column for column in columns if (side := _side(column, {"lang", "language"})) and _side(column) is None}
    return [sides["source"], sides["target"]] if len(sides) == 2 else []


def _side(column: str, words: Collection[str] = ("string", "text", "sentence", "segment")) -> str | None:
    """Whether a column is called source or target, with some of the `words` or none."""
    cut = re.findall(r"[^\W_]+", divided(column))
    sides = [_SIDES[word.casefold()] for word in cut if word.casefold() in _SIDES]
    rest = {word.casefold() for word in cut} - _SIDES.keys()
    return sides[0] if len(sides) == 1 and rest <= set(words) else None


def bitext_columns(columns: Sequence[str]) -> tuple[str, str] | None:
    """The two of `columns` that are called the source and the target of a bitext, in any of the usual ways; None if none are.

    >>> bitext_columns(["target_text", "source_text"]), bitext_columns(["original", "translation"])
    (('source_text', 'target_text'), ('original', 'translation'))
    """
    by_name = {column.strip().casefold(): column for column in columns}
    sides = {side: column for column in columns if (side := _side(column))}
    if len(sides) == 2 and not any(one in by_name and other in by_name for one, other in PAIRS):
        return sides["source"], sides["target"]
    return next(((by_name[one], by_name[other]) for one, other in PAIRS if one in by_name and other in by_name), None)


def _by_name(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    written = {("" if is_unnamed(column) else column.strip().casefold()): column for column in reversed(list(columns))}
    return [written[name] for name in names if name in written]

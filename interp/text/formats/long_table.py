"""A table whose rows say their language, one row per sentence and language."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from interp.languages import in_other_script
from interp.text.asked import Asked
from interp.text.choices import has_region, same_tag
from interp.text.corpus import ParallelCorpus
from interp.text.formats.aligned import corpus_of_units
from interp.text.formats.row_language import code_of, tag_of
from interp.text.formats.splits import select
from interp.text.notes import note
from interp.text.raw.file_names import says_split
from interp.text.raw.lines import at, printable_name, stem
from interp.text.raw.rows import Row, rows


def read_long(path: Path, name: str, asked: Asked) -> ParallelCorpus:
    """Read a corpus from a table whose rows say their language.

    Of regional variants ("pt-BR", "pt-PT") the one without a region is taken, or the one that is asked for.

    Parameters
    ----------
    path
        The file.
    name, asked
        As in `read_aligned`, which also says what is raised. Default languages: all that rows say.
    """
    tables = by_language(path, asked)
    if asked.codes is not None and (missing := [code for code in asked.codes if code not in tables]):
        raise ValueError(f"{name!r} has no {missing[0]}; {at(path)} has {', '.join(tables)}.{in_other_script(missing[0], tables)}")
    asked.refuse_others(at(path), ("ids", "documents", "text"), tables, "a table whose rows say their language")
    note("rows say their language, one row per sentence and language", printable_name(path))
    codes = list(tables) if asked.codes is None else asked.codes
    origins = {code: f"rows of {printable_name(path)} with {tables[code][0]}" for code in codes}
    return corpus_of_units(name, {code: iter(tables[code][1]) for code in codes}, origins, asked)


def by_language(path: Path, asked: Asked) -> dict[str, tuple[str, list[Row]]]:
    """The rows of the file `path` by FLORES-200 code, of each language the variant that is `asked` for, with how they spell it.

    Raises `ValueError` where several variants may be meant.
    """
    tables: dict[str, dict[str, list[Row]]] = {}
    split = None if says_split(stem(path), asked.split) else asked.split
    for row in select(rows(path), split, at(path)):
        own = tables.setdefault(code_of(row), {})
        own.setdefault(_spelling(tag_of(row), own), []).append(row)
    chosen: dict[str, tuple[str, list[Row]]] = {}
    for code, spelled in tables.items():
        tag = asked.variant(code, list(spelled), at(path)) if asked.wants(code) else next(iter(spelled))
        chosen[code] = tag, spelled[tag]
        for other in spelled.keys() - {tag} if asked.wants(code) else ():
            note(f"{other} was left out: {code} is {tag}")
    return chosen


def _spelling(tag: str, known: Collection[str]) -> str:
    """The first spelling of a `tag` among those `known` of its language: "German" and "de" are one, "de" and "de-AT" are not."""
    same = (one for one in known if same_tag(one, tag) or not (has_region(one) or has_region(tag)))
    return next(same, tag)

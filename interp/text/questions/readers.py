"""What reads the questions of each language: a file for each, or one file whose rows say their language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from interp.text.asked import Asked
from interp.text.folders.groups import choose, groups, inner_folders, is_named, only_table
from interp.text.formats.long_table import by_language
from interp.text.formats.one_language import selected
from interp.text.formats.row_language import says_language
from interp.text.notes import took
from interp.text.raw.file_names import ROW_ENDINGS, folder_name, origin, parse_file_name, says_split
from interp.text.raw.lines import at, stem
from interp.text.raw.rows import Row

Readers = dict[str, Callable[[], Iterator[Row]]]


def readers_of(source: Path, asked: Asked, whole: bool = False) -> tuple[Readers, dict[str, Path]]:
    """What reads the questions of each language of a `source`, and the files of the paragraphs that they are about.

    Of what is `asked`, the split chooses files or rows, and the languages and columns the regional variants. With
    `whole` the rows of other splits in the same file are read too. Raises `ValueError` where the source has no questions, or a row
    says another language than its file.
    """
    split = asked.split
    if source.is_dir():
        inner = inner_folders(source)
        if split in inner:
            return readers_of(inner[split], asked.without_split(), whole)
        if len(inner) == 1 and not any(map(is_named, source.iterdir())):
            return readers_of(next(iter(inner.values())), asked, whole)
        if table := only_table(source, asked):
            return readers_of(table, asked, whole)
        all_groups, _ = groups(source, asked)
        group = next((group for group in all_groups if group.part == "questions"), None) or choose(source, asked)
        about = next((other.files for other in all_groups if other.part == "paragraphs" and group.part == "questions"), {})
        if group.ending not in ROW_ENDINGS:
            raise ValueError(
                f"{at(source)}: got lines of text, expected rows with questions (.jsonl, .json). read() reads lines of text."
            )
        named_so = says_split(group.part, split) or split == group.ending
        row_split = None if named_so or whole else split
        for code, path in group.files.items():
            took(code, origin(path))
        return {code: partial(selected, code, path, row_split) for code, path in group.files.items()}, dict(about)
    parsed = parse_file_name(source)
    if parsed:
        row_split = None if whole or says_split(stem(source), split) else split
        return {parsed.code: partial(selected, parsed.code, source, row_split)}, {}
    own = folder_name(source.absolute().parent.name)
    if own and not says_language(source):
        row_split = None if whole or says_split(stem(source), split) else split
        return {own[0]: partial(selected, own[0], source, row_split)}, {}
    tables = by_language(source, replace(asked, split=None) if whole else asked)
    if not tables:
        raise ValueError(f"{at(source)}: got no row, expected one row per item.")
    return {code: partial(iter, own) for code, (_, own) in tables.items()}, {}

"""A folder with one file per language, as in FLORES-200, and perhaps files that describe the items."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from interp.files.checks import short_repr
from interp.languages import in_other_script, language
from interp.languages import languages as resolve_all
from interp.text.corpus import ParallelCorpus
from interp.text.formats.aligned import read_aligned
from interp.text.formats.file_names import ROW_ENDINGS, TEXT_ENDINGS, language_pair, parse_file_name
from interp.text.formats.lines import at, lines
from interp.text.formats.side_files import describe
from interp.text.formats.tables import read_table

log = logging.getLogger(__name__)
T = TypeVar("T")
SIDE_FILES = frozenset({"ids", "meta", "keys", "readme", "source", "license", "licence", "notice"})


class Group(NamedTuple):
    """Files with the same text in different languages, by FLORES-200 code. `part` is what their names share ("questions")."""

    part: str
    ending: str
    files: Mapping[str, Path]


def read_folder(folder: Path, name: str, languages: Sequence[str] | None, limit: int | None, split: str | None) -> ParallelCorpus:
    """Read a corpus from a folder.

    The folder has one file per language (`eng_Latn.txt`, `eng.devtest`, `xquad.en.json`), or one or two files per pair of
    languages. `ids.txt` gives the ids of the items, one per line. `meta.tsv` or `keys.tsv` describe them: a column with the id,
    one with the document (or URL), and the others become labels.

    Parameters
    ----------
    folder
        The folder.
    name
        Name of the corpus.
    languages
        Languages in any spelling. Default: all.
    limit
        Read at most so many items.
    split
        A subfolder, an ending ("devtest") or what the file names share ("questions").

    Raises
    ------
    ValueError
        The files are not parallel, or the folder has no corpus or several.

    Example
    -------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for code, text in (("eng_Latn", "Hello"), ("deu_Latn", "Hallo")):
    ...         _ = Path(folder, f"{code}.txt").write_text(text + "\\n")
    ...     corpus = read_folder(Path(folder), "greetings", None, None, None)
    >>> corpus["de"]
    ('Hallo',)
    """
    inner = {entry.name: entry for entry in folder.iterdir() if entry.is_dir()}
    if split in inner:
        return read_folder(inner[split], f"{name}/{split}", languages, limit, None)
    tables, halves = pairs(folder)
    if tables or halves:
        codes = _one_pair(folder, {*tables, *halves}, languages)
        name = f"{name}/{'-'.join(sorted(codes))}"
        if codes in tables:
            return read_table(tables[codes], name, languages, limit)
        return ParallelCorpus(name, read_lines(name, wanted(folder, name, halves[codes], languages), limit))
    group = choose(folder, split, languages)
    name = name if split is None else f"{name}/{split}"
    files = wanted(folder, name, group.files, languages)
    if group.ending in ROW_ENDINGS:
        return read_aligned(files, name, limit, None if split in (group.part, group.ending) else split)
    return describe(ParallelCorpus(name, read_lines(name, files, limit)), folder, limit)


def read_one(path: Path, code: str, name: str, limit: int | None, split: str | None) -> ParallelCorpus:
    """Read a corpus from one file `path` of one language `code`. `name`, `limit` and `split` are as in `read_folder`."""
    if path.suffix[1:] in ROW_ENDINGS:
        return read_aligned({code: path}, name, limit, split)
    return ParallelCorpus(name, read_lines(name, {code: path}, limit))


def read_lines(name: str, files: Mapping[str, Path], limit: int | None) -> dict[str, tuple[str, ...]]:
    """The first `limit` lines of the `files` of every language. Raises `ValueError`, with `name`, if they are not parallel."""
    texts = {code: tuple(text for _, text in islice(lines(path), limit)) for code, path in files.items()}
    empty = {code: [number for number, text in enumerate(lines_of, 1) if not text.strip()] for code, lines_of in texts.items()}
    counts = {code: len(texts[code]) - len(empty[code]) for code in texts}
    usual = Counter(counts.values()).most_common(1)[0][0]
    for code, count in counts.items():
        if count == usual and not empty[code]:
            continue
        other = next((code for code in counts if counts[code] == usual), code)
        line = empty[code][0] if empty[code] else min(len(texts[code]), len(texts[other])) + 1
        problem = f"line {line} of {code} is {'empty' if empty[code] else 'missing' if count < usual else 'extra'}"
        raise ValueError(
            f"corpus {name!r}: got {usual} sentences in {other} but {count} in {code}, expected the same number in every language; "
            f"{problem}. Correct {at(files[code], line)}, or remove that line from every language."
        )
    return texts


def choose(folder: Path, split: str | None, languages: Sequence[str] | None) -> Group:
    """The group of files that `split` selects, or the only one.

    Parameters
    ----------
    folder
        The folder with the files.
    split
        An ending ("devtest") or what the file names share ("questions").
    languages
        The languages wanted. If none are named, a file with an unclear name is an error.

    Raises
    ------
    ValueError
        There is no such group, there are several, or the name of a file is no clear language.
    """
    all_groups, unnamed = groups(folder, split)
    fitting = [group for group in all_groups if split is None or split in (group.part, group.ending)]
    fitting = fitting or [group for group in all_groups if group.ending in ROW_ENDINGS]
    without_part = [group for group in fitting if not group.part]
    if len(without_part) == 1 < len(fitting):
        fitting, others = without_part, [path.name for group in fitting if group.part for path in group.files.values()]
        log.info("%s: left out %s; split= chooses them", at(folder), ", ".join(others))
    if len(fitting) != 1:
        inner = {entry.name for entry in folder.iterdir() if entry.is_dir()}
        choices = ", ".join(map(short_repr, sorted({group.part or group.ending for group in all_groups} | inner)[:12]))
        got = "several corpora" if fitting else f"no file named after a language{f' and {short_repr(split)}' if split else ''}"
        expected = "one file per language, such as eng_Latn.txt" + (f"; split= chooses one of {choices}" if choices else "")
        raise ValueError(f"{at(folder)}: got {got}, expected {expected}.")
    _refuse_unclear_names(unnamed, fitting[0], languages)
    return fitting[0]


def groups(folder: Path, split: str | None) -> tuple[list[Group], list[Path]]:
    """Group the files of a `folder` by the parts of their names that are no language, and list the files without a language.

    `split` is an additional file ending. Raises `ValueError` for a broken link, and for two files of one language.
    """
    grouped: dict[tuple[str, str], dict[str, Path]] = {}
    unnamed: list[Path] = []
    if odd := next((entry for entry in sorted(folder.iterdir()) if not entry.is_file() and not entry.is_dir()), None):
        raise ValueError(f"{at(odd)}: got a broken link or a special file, expected a regular file. Repair or remove it.")
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        parsed = parse_file_name(path, (*TEXT_ENDINGS, *ROW_ENDINGS, *([split] if split else [])))
        if parsed is None:
            unnamed.append(path)
            continue
        files = grouped.setdefault((parsed.part, parsed.ending), {})
        if parsed.code in files:
            names = f"{files[parsed.code].name} and {path.name}"
            raise ValueError(f"{at(folder)}: got two files of {parsed.code}, {names}, expected one file per language.")
        files[parsed.code] = path
    return [Group(part, ending, files) for (part, ending), files in grouped.items()], unnamed


def pairs(folder: Path) -> tuple[dict[frozenset[str], Path], dict[frozenset[str], dict[str, Path]]]:
    """The files of a `folder` by pair of languages: tables and pairs of text files.

    A table has two columns (`bul_Cyrl-cat_Latn.tsv`); a pair of text files is `x.af-en.af` and `x.af-en.en`, or `afr.eng.txt` and
    `eng.afr.txt`.
    """
    tables: dict[frozenset[str], Path] = {}
    halves: dict[frozenset[str], dict[str, Path]] = {}
    alone: dict[str, Path] = {}
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file()):
        parsed, pair = parse_file_name(path), language_pair(path.stem) if path.suffix == ".tsv" else None
        if pair:
            tables[frozenset(pair)] = path
        elif parsed and parsed.partner:
            halves.setdefault(frozenset({parsed.code, parsed.partner}), {})[parsed.code] = path
        elif parsed and not parsed.part:
            alone[parsed.code] = path
    for codes, files in halves.items():
        files.update({code: alone[code] for code in codes - files.keys() if code in alone})
    return {} if alone else tables, {codes: files for codes, files in halves.items() if len(files) == 2}


def wanted(folder: Path, name: str, files: Mapping[str, T], languages: Sequence[str] | None) -> dict[str, T]:
    """The `files` (or readers), by code, of `languages` in that order; all if it is None.

    `folder` and `name` (of the corpus) are for the `ValueError` that is raised for a language without a file.
    """
    if languages is None:
        return dict(files)
    chosen = resolve_all(languages)
    for lang in chosen:
        if lang.code not in files:
            suggestion = in_other_script(lang.code, files)
            raise ValueError(
                f"{name!r} has no {lang.code} ({lang.name}); {at(folder)} has {len(files)} languages.{suggestion} "
                "Leave it out of languages, or add its file."
            )
    return {lang.code: files[lang.code] for lang in chosen}


def _one_pair(folder: Path, available: Collection[frozenset[str]], languages: Sequence[str] | None) -> frozenset[str]:
    if languages is None and len(available) == 1:
        return next(iter(available))
    chosen = frozenset(lang.code for lang in resolve_all(languages or ()))
    if chosen not in available:
        example = sorted(min(available, key=sorted))
        raise ValueError(
            f"{at(folder)}: got {' and '.join(sorted(chosen)) or 'no languages'}, expected one of its {len(available)} pairs, such "
            f"as languages={example}. The folder has pairs of languages, not one text in all of them."
        )
    return chosen


def _refuse_unclear_names(unnamed: Sequence[Path], group: Group, languages: Sequence[str] | None) -> None:
    """Refuse a file like the others whose name is no clear language: it may be a language that would be left out."""
    for path in unnamed if languages is None else ():
        stem = path.name.removesuffix(f".{group.ending}").removeprefix(f"{group.part}.")
        if path.suffix == f".{group.ending}" and not any(word in stem.lower() for word in SIDE_FILES):
            try:
                reason = f"a rare language; name its script too, {language(stem)}."
            except ValueError as error:
                reason = str(error)
            raise ValueError(
                f"{at(path)}: got the file name {short_repr(stem)}, expected a clear language: {reason} "
                "Rename it, or give languages=[...]."
            )

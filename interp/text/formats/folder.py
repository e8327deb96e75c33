"""A folder with a file a language, as FLORES-200 has it, and with files that say more about the items."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from interp.files.checks import short_repr
from interp.languages import language, nearest
from interp.languages import languages as several
from interp.text.corpus import ParallelCorpus
from interp.text.formats.aligned import read_aligned
from interp.text.formats.file_names import ROW_ENDINGS, TEXT_ENDINGS, pair, place
from interp.text.formats.lines import at, lines
from interp.text.formats.side_files import describe
from interp.text.formats.tables import read_table

log = logging.getLogger(__name__)
T = TypeVar("T")
SIDE_FILES = frozenset({"ids", "meta", "keys", "readme", "source", "license", "licence", "notice"})


class Group(NamedTuple):
    """Files that say the same in different languages, by FLORES code. `part` is what their names share, "questions"."""

    part: str
    ending: str
    files: Mapping[str, Path]


def read_folder(folder: Path, name: str, languages: Sequence[str] | None, limit: int | None, split: str | None) -> ParallelCorpus:
    """The corpus in a folder: one file a language (`eng_Latn.txt`, `eng.devtest`, `xquad.en.json`), or one file or two a pair.

    `split` is a folder inside it, an ending ("devtest") or what the names share ("questions"). `ids.txt` names the items,
    a line each; `meta.tsv` or `keys.tsv` describe them: its id and document (or URL) column are taken as that, the others
    as labels.
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
    """The corpus in one file of one language."""
    if path.suffix[1:] in ROW_ENDINGS:
        return read_aligned({code: path}, name, limit, split)
    return ParallelCorpus(name, read_lines(name, {code: path}, limit))


def read_lines(name: str, files: Mapping[str, Path], limit: int | None) -> dict[str, tuple[str, ...]]:
    """The first `limit` lines of every file, or an error that names the line at which they stop being parallel."""
    found = {code: tuple(text for _, text in islice(lines(path), limit)) for code, path in files.items()}
    empty = {code: [number for number, text in enumerate(texts, 1) if not text.strip()] for code, texts in found.items()}
    counts = {code: len(found[code]) - len(empty[code]) for code in found}
    usual = Counter(counts.values()).most_common(1)[0][0]
    for code, count in counts.items():
        if count == usual and not empty[code]:
            continue
        other = next((code for code in counts if counts[code] == usual), code)
        line = empty[code][0] if empty[code] else min(len(found[code]), len(found[other])) + 1
        lost = f"line {line} of {code} is {'empty' if empty[code] else 'missing' if count < usual else 'too much'}"
        raise ValueError(
            f"corpus {name!r}: {usual} sentences in {other} but {count} in {code}. A parallel corpus needs the same number of "
            f"lines in every language; {lost}. Mend {at(files[code], line)}, or leave that line out in every language."
        )
    return found


def choose(folder: Path, split: str | None, languages: Sequence[str] | None) -> Group:
    """The group of files that `split` means, or the only one. Raises `ValueError` where there are none or several."""
    known, lost = groups(folder, split)
    fitting = [group for group in known if split is None or split in (group.part, group.ending)]
    fitting = fitting or [group for group in known if group.ending in ROW_ENDINGS]
    plain = [group for group in fitting if not group.part]
    if len(plain) == 1 < len(fitting):
        fitting, others = plain, [path.name for group in fitting if group.part for path in group.files.values()]
        log.info("%s: left out %s; split= chooses them", at(folder), ", ".join(others))
    if len(fitting) != 1:
        inner = {entry.name for entry in folder.iterdir() if entry.is_dir()}
        choices = ", ".join(map(short_repr, sorted({group.part or group.ending for group in known} | inner)[:12]))
        came = "several corpora" if fitting else f"no file named after a language{f' and {short_repr(split)}' if split else ''}"
        needed = "a file a language, such as eng_Latn.txt" + (f"; split= chooses one of {choices}" if choices else "")
        raise ValueError(f"{at(folder)}: {came}. Needed: {needed}.")
    _refuse_strange(lost, fitting[0], languages)
    return fitting[0]


def groups(folder: Path, split: str | None) -> tuple[list[Group], list[Path]]:
    """The files that belong together by their names, and those whose names spell no language."""
    found: dict[tuple[str, str], dict[str, Path]] = {}
    lost: list[Path] = []
    if odd := next((entry for entry in sorted(folder.iterdir()) if not entry.is_file() and not entry.is_dir()), None):
        raise ValueError(f"{at(odd)} is a broken link or no plain file. Needed: a file; mend it, or take it away.")
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")):
        placed = place(path, (*TEXT_ENDINGS, *ROW_ENDINGS, *([split] if split else [])))
        if placed is None:
            lost.append(path)
            continue
        files = found.setdefault((placed.part, placed.ending), {})
        if placed.code in files:
            both = f"{files[placed.code].name} and {path.name}"
            raise ValueError(f"{at(folder)}: {both} are both {placed.code}. Needed: one file a language.")
        files[placed.code] = path
    return [Group(part, ending, files) for (part, ending), files in found.items()], lost


def pairs(folder: Path) -> tuple[dict[frozenset[str], Path], dict[frozenset[str], dict[str, Path]]]:
    """The two-column tables (`bul_Cyrl-cat_Latn.tsv`) and the pairs of text files (`x.af-en.af`, `afr.eng.txt`) of a folder."""
    tables: dict[frozenset[str], Path] = {}
    halves: dict[frozenset[str], dict[str, Path]] = {}
    alone: dict[str, Path] = {}
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file()):
        placed, both = place(path), pair(path.stem) if path.suffix == ".tsv" else None
        if both:
            tables[frozenset(both)] = path
        elif placed and placed.partner:
            halves.setdefault(frozenset({placed.code, placed.partner}), {})[placed.code] = path
        elif placed and not placed.part:
            alone[placed.code] = path
    for codes, files in halves.items():
        files.update({code: alone[code] for code in codes - files.keys() if code in alone})
    return {} if alone else tables, {codes: files for codes, files in halves.items() if len(files) == 2}


def wanted(folder: Path, name: str, files: Mapping[str, T], languages: Sequence[str] | None) -> dict[str, T]:
    """The files of the languages asked for, in that order; all of them where none is named."""
    if languages is None:
        return dict(files)
    asked = several(languages)
    for found in asked:
        if found.code not in files:
            near = nearest(found.code, files, n=5)
            raise ValueError(
                f"{name!r} has no {found.code} ({found.name}); {at(folder)} holds {len(files)} languages.{near} "
                "Leave it out of languages, or add its file."
            )
    return {found.code: files[found.code] for found in asked}


def _one_pair(folder: Path, known: Collection[frozenset[str]], languages: Sequence[str] | None) -> frozenset[str]:
    if languages is None and len(known) == 1:
        return next(iter(known))
    asked = frozenset(found.code for found in several(languages or ()))
    if asked not in known:
        example = sorted(min(known, key=sorted))
        raise ValueError(
            f"{at(folder)}: {len(known)} pairs of languages, not one text in all of them; "
            f"{'and '.join(f'{code} ' for code in sorted(asked)) or 'no pair '}came. Needed: languages={example} or another pair."
        )
    return asked


def _refuse_strange(lost: Sequence[Path], group: Group, languages: Sequence[str] | None) -> None:
    """A file beside the others whose name spells no language is a language left out, not nothing."""
    for path in lost if languages is None else ():
        stem = path.name.removesuffix(f".{group.ending}").removeprefix(f"{group.part}.")
        if path.suffix == f".{group.ending}" and not any(word in stem.lower() for word in SIDE_FILES):
            try:
                reason = f"a rare language; name its script too, {language(stem)}."
            except ValueError as error:
                reason = str(error)
            raise ValueError(
                f"{at(path)}: the file's name {short_repr(stem)} is no clear language: {reason} Rename it, or give languages=[...]."
            )

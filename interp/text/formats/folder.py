"""A folder with one file per language, as in FLORES-200, and perhaps files that describe the items."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from interp.files.checks import short_repr
from interp.languages import in_other_script, language
from interp.languages import languages as resolve_all
from interp.text.choices import Variants, has_region, told_apart, variants
from interp.text.corpus import ParallelCorpus
from interp.text.formats.aligned import read_aligned
from interp.text.formats.file_names import (
    ROW_ENDINGS,
    TEXT_ENDINGS,
    codes_named,
    file_tag,
    is_second,
    language_code,
    language_pair,
    parse_file_name,
    rare_file_name,
)
from interp.text.formats.lines import at, ending, lines, printable_name, stem
from interp.text.formats.side_files import describe
from interp.text.formats.tables import read_table
from interp.text.notes import note, took

log = logging.getLogger(__name__)
T = TypeVar("T")
SIDE_FILES = frozenset({"ids", "meta", "keys", "readme", "source", "license", "licence", "notice"})


_ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


class Group(NamedTuple):
    """Files with the same text in different languages, by FLORES-200 code. `part` is what their names share ("questions").
    `unclear` are the files of languages of which there are several."""

    part: str
    ending: str
    files: Mapping[str, Path]
    unclear: Mapping[str, Sequence[Path]]


def read_folder(
    folder: Path,
    name: str,
    languages: Sequence[str] | None,
    limit: int | None,
    split: str | None,
    columns: Mapping[str, str] | None = None,
) -> ParallelCorpus:
    """Read a corpus from a folder.

    The folder has one file per language (`eng_Latn.txt`, `eng.devtest`, `xquad.en.json`, `train.en`), or a folder per language with
    files of the same name (`en/test.tsv`), or one or two files per pair of languages. `ids.txt` gives the ids of the items, one per
    line. `meta.tsv` or `keys.tsv` describe them: a column with the id, one with the document (or URL), and the others become
    labels. Of regional variants (`fra.txt`, `fra-CA.txt`) the one without a region is taken, or the one that is asked for.

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
    columns
        The regional variant of a language, such as {"fra_Latn": "fra-CA"}; in files of rows, the fields of the "text", the "ids"
        and the "documents".

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
    inner = _inner(folder)
    if split in inner:
        return read_folder(inner[split], f"{name}/{split}", languages, limit, None, columns)
    if len(inner) == 1 and split is None and not any(map(parse_file_name, folder.iterdir())):
        ((below, only),) = inner.items()
        return read_folder(only, f"{name}/{below}", languages, limit, None, columns)
    tables, halves = pairs(folder)
    if tables or halves:
        codes = _one_pair(folder, {*tables, *halves}, languages)
        name = f"{name}/{'-'.join(sorted(codes))}"
        if codes in tables:
            return read_table(tables[codes], name, languages, limit, columns)
        return ParallelCorpus(name, read_lines(name, wanted(folder, name, halves[codes], languages), limit))
    group = choose(folder, split, languages, columns)
    name = name if split is None else f"{name}/{split}"
    files = wanted(folder, name, group.files, languages)
    if group.ending in ROW_ENDINGS:
        return read_aligned(files, name, limit, None if split in (group.part, group.ending) else split, columns)
    return describe(ParallelCorpus(name, read_lines(name, files, limit)), folder, limit)


def _inner(folder: Path) -> dict[str, Path]:
    """The folders inside, less hidden ones and what a Mac adds to an archive."""
    return {one.name: one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._"}


def read_one(
    path: Path, code: str, name: str, limit: int | None, split: str | None, columns: Mapping[str, str] | None = None
) -> ParallelCorpus:
    """Read a corpus from one file `path` of one language `code`. `name`, `limit`, `split` and `columns` are as in `read_folder`."""
    if ending(path) in ROW_ENDINGS:
        return read_aligned({code: path}, name, limit, split, columns)
    return ParallelCorpus(name, read_lines(name, {code: path}, limit))


def read_lines(name: str, files: Mapping[str, Path], limit: int | None) -> dict[str, tuple[str, ...]]:
    """The first `limit` lines of the `files` of every language. Raises `ValueError`, with `name`, if they are not parallel."""
    texts = {code: tuple(text for _, text in islice(lines(path), limit)) for code, path in files.items()}
    for code, path in files.items():
        took(code, printable_name(path))
        if line := next((row for row, text in enumerate(texts[code], 1) if not text.strip()), 0):
            raise ValueError(
                f"corpus {name!r}: line {line} of {code} is empty, expected a sentence in every line. Fill {at(path, line)}, or "
                "remove that line from every language."
            )
    counts = {code: len(own) for code, own in texts.items()}
    numbers = Counter(counts.values())
    usual = max(numbers, key=lambda count: (numbers[count], count))
    other = next(code for code in counts if counts[code] == usual)
    for code, count in counts.items():
        if count != usual:
            line = min(count, usual) + 1
            problem = f"line {line} of {code} is {'missing' if count < usual else 'extra'}"
            apart = parting(texts[other], texts[code])
            hint = f" They seem to part near line {apart}." if apart else ""
            raise ValueError(
                f"corpus {name!r}: got {usual} sentences in {other} but {count} in {code}, expected the same number in every "
                f"language; {problem}.{hint} Correct {at(files[code], apart or line)}, or remove that line from every language."
            )
    return texts


def parting(one: Sequence[str], other: Sequence[str]) -> int | None:
    """The line, from 1, near which `one` and its translation `other` part, if one of them has a single line more and the lengths of
    lines tell where.

    >>> lines = [10, 80, 30, 60, 20, 90]
    >>> parting(["x" * n for n in lines], ["x" * n for n in [*lines[:3], 45, *lines[3:]]])
    4
    """
    short, long = sorted(([math.log1p(len(text)) for text in texts] for texts in (one, other)), key=len)
    if len(long) != len(short) + 1 or not short:
        return None
    before = [0.0, *accumulate(abs(a - b) for a, b in zip(short, long, strict=False))]
    after = [*accumulate((abs(a - b) for a, b in zip(reversed(short), reversed(long), strict=False)), initial=0.0)]
    costs = [before[place] + after[len(short) - place] for place in range(len(long))]
    best = min(range(len(long)), key=costs.__getitem__)
    return best + 1 if costs[-1] > 2 * costs[best] + 0.5 else None


def choose(folder: Path, split: str | None, languages: Sequence[str] | None, columns: Mapping[str, str] | None = None) -> Group:
    """The group of files that `split` selects, or the only one.

    Parameters
    ----------
    folder
        The folder with the files.
    split
        An ending ("devtest") or what the file names share ("questions").
    languages
        The languages wanted. If none are named, a file with an unclear name is an error.
    columns
        The regional variant of a language that has several.

    Raises
    ------
    ValueError
        There is no such group, there are several, or the name of a file is no clear language.
    """
    all_groups, unnamed = groups(folder, split, variants(languages, columns))
    fitting = [group for group in all_groups if split is None or split in (group.part, group.ending)]
    fitting = fitting or [group for group in all_groups if group.ending in ROW_ENDINGS]
    without_part = [group for group in fitting if not group.part]
    if len(without_part) == 1 < len(fitting):
        fitting = without_part
    if len(fitting) != 1:
        choices = ", ".join(
            map(short_repr, sorted({group.part or group.ending for group in all_groups} | _inner(folder).keys())[:12])
        )
        got = "several corpora" if fitting else f"no file named after a language{f' and {short_repr(split)}' if split else ''}"
        expected = "one file per language, such as eng_Latn.txt" + (f"; split= chooses one of {choices}" if choices else "")
        packed = next((path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in _ARCHIVES), "")
        raise ValueError(f"{at(folder)}: got {got}, expected {expected}." + (f" Unpack {packed} first." if packed else ""))
    _refuse_several(folder, fitting[0], variants(languages, columns))
    _refuse_unclear_names(unnamed, fitting[0], languages)
    _note_left_out(fitting[0], [*unnamed, *(path for group in all_groups for path in group.files.values())], languages)
    return fitting[0]


def groups(folder: Path, split: str | None, choice: Variants | None = None) -> tuple[list[Group], list[Path]]:
    """Group the files of a `folder` by the parts of their names that are no language, and list the files without a language.

    `split` is an additional file ending; `choice` are the languages and regional variants that are wanted. Raises `ValueError` for
    a broken link, and for a folder named like a file of a language.
    """
    choice = choice or variants(None, None)
    grouped: dict[tuple[str, str], dict[str, list[Path]]] = {}
    unnamed: list[Path] = []
    endings = (*TEXT_ENDINGS, *ROW_ENDINGS, *([split] if split else []))
    for path in sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "~$"))):
        parsed = parse_file_name(path, endings)
        if (
            not path.is_file()
            and (parsed or not path.is_dir())
            and (parsed is None or choice.codes is None or parsed.code in choice.codes)
        ):
            kind = "folder" if path.is_dir() else "broken link or a special file"
            raise ValueError(f"{at(path)}: got a {kind}, expected a regular file. Repair, rename or remove it.")
        if parsed is not None and path.is_file():
            grouped.setdefault((parsed.part, parsed.ending), {}).setdefault(parsed.code, []).append(path)
        elif path.is_file():
            unnamed.append(path)
    for code, path in _in_language_folders(folder, endings):
        grouped.setdefault((stem(path), ending(path)), {}).setdefault(code, []).append(path)
    for path in list(unnamed):
        rare = rare_file_name(path)
        if rare and rare.part and len(grouped.get((rare.part, rare.ending), ())) > 1:
            grouped[rare.part, rare.ending].setdefault(rare.code, []).append(path)
            unnamed.remove(path)
    unnamed += [path for key, files in grouped.items() if not key[1] and len(files) == 1 for own in files.values() for path in own]
    grouped = {key: files for key, files in grouped.items() if key[1] or len(files) > 1}  # "run.sh" alone is no Serbian
    return [_group(part, kind, files, choice) for (part, kind), files in grouped.items()], unnamed


def _in_language_folders(folder: Path, endings: Collection[str]) -> list[tuple[str, Path]]:
    """The files in folders that are named after languages, two at least, as "en/test.tsv" and "de/test.tsv"."""
    inner = {code: path for name, path in sorted(_inner(folder).items()) if (code := language_code(name))}
    found = [(code, path) for code, one in inner.items() for path in sorted(one.iterdir()) if path.is_file()]
    fitting = [(code, path) for code, path in found if path.name[0] not in ".~" and ending(path) in endings]
    return fitting if len(inner) > 1 else []


def _group(part: str, kind: str, found: Mapping[str, Sequence[Path]], choice: Variants) -> Group:
    """The files of one corpus, of each language the variant that is wanted."""
    files: dict[str, Path] = {}
    unclear: dict[str, Sequence[Path]] = {}
    for code, all_paths in found.items():
        paths = [path for path in all_paths if not is_second(path)] or all_paths
        for path in all_paths if choice.codes is None or code in choice.codes else ():
            if path not in paths:
                note(f"{printable_name(path)} was left out: it is a second translation into {code}")
        by_tag = {file_tag(path): path for path in paths}
        chosen = choice.pick(code, list(by_tag))
        if len(chosen) == 1 and len(by_tag) == len(paths):
            files[code] = by_tag[chosen[0]]
            for tag in sorted(by_tag.keys() - set(chosen)) if choice.codes is None or code in choice.codes else ():
                note(f"{tag} was left out: {code} is {chosen[0]}")
        else:
            unclear[code] = paths
    return Group(part, kind, files, unclear)


def _note_left_out(group: Group, others: Sequence[Path], languages: Sequence[str] | None) -> None:
    """Note the files, among `others`, of languages that the corpus lacks."""
    asked = {lang.code for lang in resolve_all(languages)} if languages is not None else None
    for path in others:
        parsed = parse_file_name(path)
        codes = {parsed.code} if parsed and parsed.ending else codes_named(path)
        lacking = codes - group.files.keys() - group.unclear.keys()
        if path not in group.files.values() and (lacking if asked is None else lacking & asked):
            like = next(iter(group.files.values())).name if group.files else "eng_Latn.txt"
            note(f"left out: its name is not like {like}", printable_name(path))


def _refuse_several(folder: Path, group: Group, choice: Variants) -> None:
    """Refuse a language of which there are several files, or not the one that was chosen, if it is wanted."""
    for code, paths in group.unclear.items():
        if choice.codes is None or code in choice.codes:
            names, tags = " and ".join(path.name for path in paths), [file_tag(path) for path in paths]
            if not choice.pick(code, tags):
                raise ValueError(f"{at(folder)}: got {choice.chosen[code]!r} for {code}, expected one of {', '.join(tags)}.")
            how = f": {told_apart(code, tags)}" if all(map(has_region, tags)) else ", expected one file per language."
            raise ValueError(f"{at(folder)}: got {'two' if len(paths) == 2 else len(paths)} files of {code}, {names}{how}")


def pairs(folder: Path) -> tuple[dict[frozenset[str], Path], dict[frozenset[str], dict[str, Path]]]:
    """The files of a `folder` by pair of languages: tables and pairs of text files.

    A table has two columns (`bul_Cyrl-cat_Latn.tsv`); a pair of text files is `x.af-en.af` and `x.af-en.en`, or `afr.eng.txt` and
    `eng.afr.txt`.
    """
    tables: dict[frozenset[str], Path] = {}
    halves: dict[frozenset[str], dict[str, Path]] = {}
    alone: dict[str, Path] = {}
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.name[0] not in ".~"):
        parsed, pair = parse_file_name(path), language_pair(stem(path)) if ending(path) == "tsv" else None
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
        spelled = stem(path).removeprefix(f"{group.part}.")
        if group.ending and ending(path) == group.ending and not any(word in spelled.lower() for word in SIDE_FILES):
            try:
                reason = f"a rare language; name its script too, {language(spelled)}."
            except ValueError as error:
                reason = str(error)
            raise ValueError(
                f"{at(path)}: got the file name {short_repr(spelled)}, expected a clear language: {reason} "
                "Rename it, or give languages=[...]."
            )

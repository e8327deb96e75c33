"""The files of a folder that are one corpus: one file per language, with names that differ in nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from interp.files.checks import short_repr
from interp.languages import in_other_script, language
from interp.spellings import meant_by
from interp.text.asked import Asked
from interp.text.choices import has_region, option, told_apart
from interp.text.notes import note
from interp.text.raw.file_names import (
    ROW_ENDINGS,
    TEXT_ENDINGS,
    codes_named,
    ending_name,
    file_pair,
    file_tag,
    folder_name,
    is_by_machine,
    is_marked,
    is_second,
    is_split_name,
    origin,
    parse_file_name,
    rare_file_name,
    says_split,
)
from interp.text.raw.lines import at, ending, printable_name, stem
from interp.text.raw.shards import pieces_of, together, without_number

T = TypeVar("T")
SIDE_FILES = frozenset({"ids", "meta", "keys", "readme", "source", "license", "licence", "notice", "about"})
_ARCHIVES = frozenset({".zip", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"})


class Group(NamedTuple):
    """Files with the same text in different languages, by FLORES-200 code. `part` is what their names share ("questions").
    `unclear` are the files of languages of which there are several."""

    part: str
    ending: str
    files: Mapping[str, Path]
    unclear: Mapping[str, Sequence[Path]]


def choose(folder: Path, asked: Asked) -> Group:
    """The group of files that the split selects, or the only one.

    Parameters
    ----------
    folder
        The folder with the files.
    asked
        The split: an ending ("devtest") or what the file names share ("questions"). The languages: if none are named, a file with
        an unclear name is an error. The columns: the regional variant of a language that has several.

    Raises
    ------
    ValueError
        There is no such group, there are several, or the name of a file is no clear language.
    """
    split = asked.split
    all_groups, unnamed = groups(folder, asked)
    fitting = [group for group in all_groups if split is None or split in (group.part, group.ending)]
    fitting = fitting or [group for group in all_groups if says_split(group.part, split)]
    fitting = fitting or [group for group in all_groups if group.ending in ROW_ENDINGS]
    without_part = [group for group in fitting if not group.part]
    if len(without_part) == 1 < len(fitting):
        fitting = without_part
    if len(fitting) != 1:
        named = {group.part or group.ending for group in all_groups if group.part or len(all_groups) > 1} - {""}
        choices = ", ".join(map(short_repr, sorted((named | inner_folders(folder).keys()) - {split})[:12]))
        got = "several corpora" if fitting else f"no file named after a language{f' and {short_repr(split)}' if split else ''}"
        expected = "one file per language, such as eng_Latn.txt" + (f"; split= chooses one of {choices}" if choices else "")
        expected += f". Leave the split {short_repr(split)} out" if split and all_groups and not choices else ""
        packed = next((printable_name(path) for path in sorted(folder.iterdir()) if path.suffix.lower() in _ARCHIVES), "")
        todo = f" Unpack {packed} first." if packed else _tables(unnamed) if not all_groups and not choices else ""
        raise ValueError(f"{at(folder)}: got {got}, expected {expected}.{todo}")
    _refuse_several(folder, fitting[0], asked)
    _refuse_unclear_names(unnamed, fitting[0], asked)
    _note_left_out(folder, fitting[0], [*unnamed, *(path for group in all_groups for path in group.files.values())], asked)
    for path in fitting[0].files.values() if is_by_machine(fitting[0].part) else ():
        note("the name says that a machine translated it", printable_name(path))
    kinds = {ending(path) for path in fitting[0].files.values()}
    if len(kinds) > 1 and fitting[0].ending in ROW_ENDINGS:
        note(f"files of {', '.join(sorted(kinds))} are read together: no language is in two of them")
    return fitting[0]


def only_table(folder: Path, asked: Asked) -> Path | None:
    """The table of all languages in a `folder` that has no file of one language: that of the split that is `asked` for, or one in
    several pieces; None where it is another one file, which its user can name, or several."""
    all_groups, unnamed = groups(folder, asked)
    named = [path for path in unnamed if not any(word in stem(path).lower() for word in SIDE_FILES)]
    tables = [path for path in named if ending(path) in ROW_ENDINGS]
    fitting = [path for path in tables if asked.split is None or says_split(without_number(stem(path)), asked.split)]
    alone = len(fitting) == 1 and not all_groups
    return (
        fitting[0] if alone and (asked.split is not None or pieces_of(fitting[0]) != fitting or folder_name(folder.name)) else None
    )


def is_named(path: Path) -> bool:
    """Whether `path` is a file named after a language, or a folder named as such a file is: "deu_Latn.txt", not "xquad.de"."""
    parsed = parse_file_name(path)
    return parsed is not None and (path.is_file() or bool(parsed.ending))


def _tables(unnamed: Sequence[Path]) -> str:
    """What to do with a folder of tables, for a message; empty for any other folder."""
    named = [path for path in unnamed if not any(word in stem(path).lower() for word in SIDE_FILES)]
    tables = [path for path in named if ending(path) in (*ROW_ENDINGS, "tmx")]
    if len(tables) > 1:
        return f" Give one of its files: {', '.join(map(at, tables[:4]))}."
    return f" Give the file itself: {at(tables[0])}." if tables else ""


def groups(folder: Path, asked: Asked) -> tuple[list[Group], list[Path]]:
    """Group the files of a `folder` by the parts of their names that are no language, and list the files without a language.

    `asked` says the languages and regional variants that are wanted, and a split that may be a file ending too. Raises `ValueError`
    for a broken link, and for a folder named like a file of a language.
    """
    grouped: dict[tuple[str, str], dict[str, list[Path]]] = {}
    unnamed: list[Path] = []
    endings = (*TEXT_ENDINGS, *ROW_ENDINGS, *([asked.split] if asked.split else []))
    for path in together(sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "~$")))):
        parsed = parse_file_name(path, endings)
        named = parsed and (parsed.ending or not path.is_dir())  # "xquad.de" is a folder of a language
        if not pieces_of(path)[0].is_file() and (named or not path.is_dir()) and (parsed is None or asked.wants(parsed.code)):
            kind = "folder" if path.is_dir() else "broken link or a special file"
            raise ValueError(f"{at(path)}: got a {kind}, expected a regular file. Repair, rename or remove it.")
        if parsed is not None and pieces_of(path)[0].is_file():
            grouped.setdefault((parsed.part, parsed.ending), {}).setdefault(parsed.code, []).append(path)
        elif pieces_of(path)[0].is_file():
            unnamed.append(path)
    for code, of_folder, path in _in_language_folders(folder, endings):
        parsed = parse_file_name(path, endings)
        own = parsed.part if parsed and parsed.code == code else without_number(stem(path))
        part = ".".join(filter(None, (of_folder, own)))
        grouped.setdefault((part, ending(path)), {}).setdefault(code, []).append(path)
    for path in list(unnamed):
        rare = rare_file_name(path)
        if rare and rare.part and len(grouped.get((rare.part, rare.ending), ())) > 1:
            grouped[rare.part, rare.ending].setdefault(rare.code, []).append(path)
            unnamed.remove(path)
    _add_ending_names(grouped, unnamed)
    programs = {key for key, files in grouped.items() if not key[1] and len(files) == 1 and not is_split_name(key[0])}
    unnamed += [path for key in programs for own in grouped[key].values() for path in own]  # "run.sh" alone is no Serbian
    grouped = {key: files for key, files in grouped.items() if key not in programs}
    grouped = _with_rows_together(grouped, asked.split)
    return [_group(part, kind, files, asked) for (part, kind), files in grouped.items()], unnamed


def _with_rows_together(
    grouped: Mapping[tuple[str, str], dict[str, list[Path]]], split: str | None
) -> dict[tuple[str, str], dict[str, list[Path]]]:
    """The groups, those of rows in several formats as one ("en.csv" and "de.jsonl") where no language is in two of them."""
    together: dict[tuple[str, str], dict[str, list[Path]]] = {}
    for part in dict.fromkeys(part for part, _ in grouped):
        kinds = [kind for own, kind in grouped if own == part]
        tables = [kind for kind in kinds if kind in ROW_ENDINGS]
        codes = [code for kind in tables for code in grouped[part, kind]]
        if len(tables) > 1 and len(set(codes)) == len(codes) and split not in tables:
            together[part, tables[0]] = {code: paths for kind in tables for code, paths in grouped[part, kind].items()}
            kinds = [kind for kind in kinds if kind not in tables]
        together |= {(part, kind): grouped[part, kind] for kind in kinds}
    return together


def _add_ending_names(grouped: dict[tuple[str, str], dict[str, list[Path]]], unnamed: list[Path]) -> None:
    """Move the `unnamed` files of one name that end with different languages, "it.de" and "it.en", to the files of languages."""
    ends: dict[str, list[tuple[str, Path]]] = {}
    for path in unnamed:
        if found := ending_name(path):
            ends.setdefault(found.part, []).append((found.code, path))
    for part, own in ends.items():
        if len({code for code, _ in own} | set(grouped.get((part, ""), ()))) > 1:
            for code, path in own:
                grouped.setdefault((part, ""), {}).setdefault(code, []).append(path)
                unnamed.remove(path)


def _in_language_folders(folder: Path, endings: Collection[str]) -> list[tuple[str, str, Path]]:
    """The files in folders that are named after languages, two at least, as "en/test.tsv" and "de/test.tsv", with the language and
    the rest of the folder's name, "xquad" of "xquad.de"."""
    inner = [(*named, path) for name, path in sorted(inner_folders(folder).items()) if (named := folder_name(name))]
    found = [
        (code, part, path)
        for code, part, one in inner
        for path in together(sorted(one.iterdir()))
        if pieces_of(path)[0].is_file() and path.name[0] not in ".~" and ending(path) in endings
    ]
    return found if len({code for code, _, _ in inner}) > 1 else []


def _group(part: str, kind: str, found: Mapping[str, Sequence[Path]], asked: Asked) -> Group:
    """The files of one corpus, of each language the variant that is wanted."""
    files: dict[str, Path] = {}
    unclear: dict[str, Sequence[Path]] = {}
    for code, all_paths in found.items():
        paths = [path for path in all_paths if not is_second(path)] or all_paths
        for path in all_paths if asked.wants(code) else ():
            if path not in paths:
                note(f"{printable_name(path)} was left out: it is a second translation into {code}")
        by_name = [path for path in all_paths if asked.chosen.get(code) in (path.name, stem(path))]
        for path in all_paths if len(by_name) == 1 and asked.wants(code) else ():
            if path not in by_name:
                note(f"{printable_name(path)} was left out: {code} is {asked.chosen[code]}")
        paths = by_name if len(by_name) == 1 else paths
        by_tag = {asked.chosen[code] if by_name == [path] else file_tag(path): path for path in paths}
        chosen = asked.fitting(code, list(by_tag))
        if len(chosen) == 1 and len(by_tag) == len(paths):
            if asked.wants(code):
                asked.variant(code, list(by_tag), at(by_tag[chosen[0]].parent))
            files[code] = by_tag[chosen[0]]
            for tag in sorted(by_tag.keys() - set(chosen)) if asked.wants(code) else ():
                note(f"{tag} was left out: {code} is {chosen[0]}")
        else:
            unclear[code] = paths
    return Group(part, kind, files, unclear)


def _note_left_out(folder: Path, group: Group, others: Iterable[Path], asked: Asked) -> None:
    """Note the files, among `others`, of languages that the corpus lacks, and the folders inside of which it has no file."""
    like = origin(next(iter(group.files.values()))) if group.files else "eng_Latn.txt"
    known = group.files.keys() | group.unclear.keys()
    for path in others:
        parsed = parse_file_name(path)
        pair = file_pair(path) if parsed is None else None
        codes = {parsed.code} if parsed and parsed.ending else codes_named(path) or set(pair or ())
        if path.parent != folder and (own := folder_name(path.parent.name)):
            codes = {own[0]}
        lacking = codes - known if pair is None else codes
        if path not in group.files.values() and any(map(asked.wants, lacking)):
            note(f"left out: its name is not like {like}", origin(path))
    used = {path.parent for path in [*group.files.values(), *(path for own in group.unclear.values() for path in own)]}
    splits = set() if asked.split is None else {asked.split}
    for name, path in sorted(inner_folders(folder).items()):
        code = (folder_name(name) or (None, ""))[0]
        unread = code is not None and code not in known and asked.wants(code) and any(path.iterdir())
        if path not in used and name not in splits and (unread or (code is None and _has_text(path))):
            note("left out: a folder beside the files that were read", f"{name}/")


def _has_text(folder: Path) -> bool:
    """Whether a folder has files of text or rows."""
    return any(one.is_file() and ending(one) in (*TEXT_ENDINGS, *ROW_ENDINGS) for one in folder.iterdir())


def inner_folders(folder: Path) -> dict[str, Path]:
    """The folders inside `folder`, less hidden ones and what a Mac adds to an archive."""
    return {one.name: one for one in folder.iterdir() if one.is_dir() and one.name[0] not in "._"}


def _refuse_several(folder: Path, group: Group, asked: Asked) -> None:
    """Refuse a language of which there are several files, or not the one that was chosen, if it is wanted."""
    for code, paths in group.unclear.items():
        if asked.wants(code):
            names, tags = " and ".join(map(origin, paths)), [file_tag(path) for path in paths]
            if not asked.fitting(code, tags):
                raise ValueError(f"{at(folder)}: got {asked.chosen[code]!r} for {code}, expected one of {', '.join(tags)}.")
            one = f", expected one file per language. Choose one with {option({code: origin(paths[0])})}."
            how = f": {told_apart(code, tags)}" if all(map(has_region, tags)) else one
            raise ValueError(f"{at(folder)}: got {'two' if len(paths) == 2 else len(paths)} files of {code}, {names}{how}")


def wanted(folder: Path, name: str, files: Mapping[str, T], asked: Asked) -> dict[str, T]:
    """The `files` (or readers), by code, whose languages are `asked` for, in that order; all if none are named.

    `folder` and `name` (of the corpus) are for the `ValueError` that is raised for a language without a file.
    """
    if asked.codes is None:
        return dict(files)
    for code in asked.codes:
        if code not in files:
            suggestion = in_other_script(code, files)
            raise ValueError(
                f"{name!r} has no {code} ({language(code).name}); {at(folder)} has {len(files)} languages.{suggestion} "
                "Leave it out of languages, or add its file."
            )
    return {code: files[code] for code in asked.codes}


def _refuse_unclear_names(unnamed: Sequence[Path], group: Group, asked: Asked) -> None:
    """Refuse a file like the others whose name is no clear language: it may be a language that would be left out."""
    for path in unnamed if asked.codes is None else ():
        spelled = stem(path).removeprefix(f"{group.part}.")
        if group.ending and ending(path) == group.ending and not any(word in spelled.lower() for word in SIDE_FILES):
            raise ValueError(
                f"{at(path)}: got the file name {short_repr(spelled)}, expected a clear language: {_unclear(spelled)} "
                "Rename it, or give languages=[...]."
            )


def _unclear(spelled: str) -> str:
    """Why the name of a file is no clear language."""
    if meant := meant_by(spelled):
        return f"{meant}."
    if is_marked(spelled):
        return "it may be two languages, or one and how the text was made."
    try:
        return f"a rare language; name its script too, {language(spelled)}."
    except ValueError as error:
        return str(error)

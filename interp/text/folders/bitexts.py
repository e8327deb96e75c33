"""The files of a folder that hold pairs of languages: tables of two columns, or two text files each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.notes import note
from interp.text.raw.file_names import ROW_ENDINGS, file_pair, pair_part, parse_file_name, says_split
from interp.text.raw.lines import at, ending, printable_name


class Bitext(NamedTuple):
    """The text of two languages: their FLORES-200 `codes`; `part`, what the names share besides, "train"; and its file for each
    language, which is one table for both where `is_table`."""

    codes: frozenset[str]
    part: str
    files: Mapping[str, Path]
    is_table: bool


def bitexts(folder: Path) -> list[Bitext]:
    """The pairs of languages of a `folder`, those with only one of two files too.

    A table has two columns (`bul_Cyrl-cat_Latn.tsv`, `train.en-de.csv`); a pair of text files is `x.af-en.af` and `x.af-en.en`, or
    `afr.eng.txt` and `eng.afr.txt`. Where the folder has files of one language too, those are the corpus, and not its tables.
    """
    tables: list[Bitext] = []
    halves: dict[tuple[frozenset[str], str, str], dict[str, Path]] = {}
    alone: dict[str, dict[str, Path]] = {}
    for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.name[0] not in ".~"):
        parsed, pair = parse_file_name(path), file_pair(path) if ending(path) in ROW_ENDINGS else None
        if parsed and parsed.partner:
            halves.setdefault((frozenset({parsed.code, parsed.partner}), parsed.part, parsed.ending), {})[parsed.code] = path
        elif parsed:
            alone.setdefault(parsed.part, {})[parsed.code] = path
        elif pair:
            tables.append(Bitext(frozenset(pair), pair_part(path), dict.fromkeys(pair, path), True))
    for (codes, part, _), files in halves.items():
        files.update({code: alone[""][code] for code in codes - files.keys() if not part and code in alone.get("", {})})
    found = [Bitext(codes, part, files, False) for (codes, part, _), files in halves.items()]
    return [*found, *(() if any(len(own) > 1 or not shared for shared, own in alone.items()) else tables)]


def choose_bitext(folder: Path, found: Sequence[Bitext], asked: Asked) -> Bitext:
    """The one of the bitexts `found` in a `folder` that is meant, by the languages and the split of `asked`.

    Raises `ValueError` where there is no such pair, several, or only one of its two files.
    """
    whole = [one for one in found if len(one.files) == 2]
    pairs = {one.codes for one in whole or found}
    codes = next(iter(pairs)) if asked.codes is None and len(pairs) == 1 else frozenset(asked.codes or ())
    fitting = [one for one in found if one.codes == codes]
    if not fitting:
        example = sorted(min(pairs, key=sorted))
        raise ValueError(
            f"{at(folder)}: got {' and '.join(sorted(codes)) or 'no languages'}, expected one of its {len(pairs)} pairs, such "
            f"as languages={example}. The folder has pairs of languages, not one text in all of them."
        )
    named = [one for one in fitting if asked.split is None or says_split(one.part, asked.split)]
    if not named and any(not one.is_table for one in fitting):
        raise ValueError(
            f"{at(folder)}: got split {short_repr(asked.split)}, expected {_splits(fitting) or 'none: the files name no split'}. "
            "Choose another split, or none (--split None)."
        )
    named = named or fitting
    if half := next((one for one in named if len(one.files) == 1), None):
        (lone,) = half.files.values()
        raise ValueError(
            f"{at(lone)}: got only one half of a pair of files, expected another of the same name in "
            f"{' or '.join(sorted(codes - half.files.keys()))}. Add it, or choose a split that has both."
        )
    if len(named) > 1:
        names = " and ".join(printable_name(path) for one in named for path in dict.fromkeys(one.files.values()))
        several = len({one.part for one in named}) == len(named)
        how = f"a split, one of {_splits(named)}" if several else "one text"
        raise ValueError(f"{at(folder)}: got {names}, expected {how}. {'Choose it with split=.' if several else 'Give one file.'}")
    for one in found:
        if len(one.files) == 1:
            note("left out: its other half is missing", printable_name(next(iter(one.files.values()))))
    return named[0]


def _splits(found: Sequence[Bitext]) -> str:
    return ", ".join(short_repr(part) for part in sorted({one.part for one in found} - {""}))

"""A folder with one file per language, as in FLORES-200, and perhaps files that describe the items."""

from __future__ import annotations

from pathlib import Path

from interp.text.asked import Asked
from interp.text.corpus import ParallelCorpus
from interp.text.folders.bitexts import Bitext, bitexts, choose_bitext
from interp.text.folders.groups import SIDE_FILES, choose, inner_folders, is_named, only_table, wanted
from interp.text.folders.parallel_lines import read_lines
from interp.text.folders.side_files import describe
from interp.text.formats.aligned import read_aligned
from interp.text.formats.headers import are_numbers
from interp.text.formats.long_table import read_long
from interp.text.formats.row_language import says_language
from interp.text.formats.tables import is_table, read_table
from interp.text.notes import note
from interp.text.raw.file_names import ROW_ENDINGS, TEXT_ENDINGS, folder_name, parse_file_name, says_split
from interp.text.raw.lines import at, ending, printable_name, stem

_LINES = "lines of text, which have no columns"


def read_folder(folder: Path, name: str, asked: Asked) -> ParallelCorpus:
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
    asked
        The languages, how many items, and the split: a subfolder, an ending ("devtest") or what the file names share ("questions").
        The columns: the regional variant of a language, such as {"fra_Latn": "fra-CA"}; in files of rows, the fields of the "text",
        the "ids" and the "documents".

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
    ...     corpus = read_folder(Path(folder), "greetings", Asked())
    >>> corpus["de"]
    ('Hallo',)
    """
    inner = inner_folders(folder)
    if asked.split is not None and asked.split in inner:
        return read_folder(inner[asked.split], f"{name}/{asked.split}", asked.without_split())
    if len(inner) == 1 and not any(map(is_named, folder.iterdir())):
        ((below, only),) = inner.items()
        _note_beside(folder, below)
        return read_folder(only, f"{name}/{below}", asked)
    if asked.chosen and (table := _by_number(folder, asked)):
        return read_table(table, name, asked)
    found = bitexts(folder)
    if any(len(one.files) == 2 for one in found) or (found and not any(map(_is_alone, folder.iterdir()))):
        return _read_pair(folder, name, asked, choose_bitext(folder, found, asked))
    if not found and (whole := only_table(folder, asked)):
        return read_unnamed(whole, name, asked.without_split())
    group = choose(folder, asked)
    name = name if asked.split is None else f"{name}/{asked.split}"
    files = wanted(folder, name, group.files, asked)
    if group.ending in ROW_ENDINGS or _is_table(next(iter(files.values())), asked):
        asked.refuse_others(at(folder), ("ids", "documents", "text"), group.files, "files of rows of one language each")
        found_split = asked.split == group.ending or says_split(group.part, asked.split)
        return read_aligned(files, name, asked.without_split() if found_split else asked)
    asked.refuse_others(at(folder), (), group.files, _LINES)
    return describe(ParallelCorpus(name, read_lines(name, files, asked.limit)), folder, asked.limit)


def _read_pair(folder: Path, name: str, asked: Asked, bitext: Bitext) -> ParallelCorpus:
    name = "/".join([name, "-".join(sorted(bitext.codes)), *([bitext.part] if bitext.part else [])])
    if bitext.is_table:
        named = says_split(bitext.part, asked.split)
        return read_table(next(iter(bitext.files.values())), name, asked.without_split() if named else asked)
    asked.refuse_others(at(folder), (), (), _LINES)
    return ParallelCorpus(name, read_lines(name, wanted(folder, name, bitext.files, asked), asked.limit))


def _is_alone(path: Path) -> bool:
    """Whether a file is of one language, and no half of a pair."""
    parsed = parse_file_name(path)
    return parsed is not None and parsed.partner is None


def _by_number(folder: Path, asked: Asked) -> Path | None:
    """The only file of a folder that may be a table, if its columns are called by numbers."""
    files = [path for path in folder.iterdir() if path.is_file() and path.name[0] not in ".~" and are_numbers(path, asked.columns)]
    tables = [path for path in files if not any(word in stem(path).lower() for word in SIDE_FILES)]
    return tables[0] if len(tables) == 1 else None


def _is_table(path: Path, asked: Asked) -> bool:
    """Whether the lines of a file have columns, as the numbers say that were chosen for some."""
    return "text" in asked.roles and are_numbers(path, asked.columns)


def _note_beside(folder: Path, below: str) -> None:
    """Note the files of text or rows beside the only folder inside, which is read."""
    for path in sorted(folder.iterdir()):
        text = path.is_file() and path.name[0] not in ".~" and ending(path) in (*TEXT_ENDINGS, *ROW_ENDINGS)
        if text and not any(word in stem(path).lower() for word in SIDE_FILES):
            note(f"left out: the folder {below} beside it was read", printable_name(path))


def read_unnamed(path: Path, name: str, asked: Asked) -> ParallelCorpus:
    """Read a corpus from a table `path` whose name says no language: its rows do, its columns, or its folder.

    `name` and `asked` are as in `read_folder`.
    """
    if says_language(path):
        return read_long(path, name, asked)
    own = folder_name(path.absolute().parent.name)
    if own and not asked.chosen and ending(path) in ROW_ENDINGS and not is_table(path):
        return read_one(path, own[0], name, asked)
    return read_table(path, name, asked)


def read_one(path: Path, code: str, name: str, asked: Asked) -> ParallelCorpus:
    """Read a corpus from one file `path` of one language `code`. `name` and `asked` are as in `read_folder`."""
    if says_split(stem(path), asked.split) or asked.split == ending(path):
        asked = asked.without_split()
    if ending(path) in ROW_ENDINGS or _is_table(path, asked):
        asked.refuse_others(at(path), ("ids", "documents", "text"), (), f"rows of {code}")
        return read_aligned({code: path}, name, asked)
    asked.refuse_others(at(path), (), (), _LINES)
    asked.refuse_split(at(path), "a file of lines")
    return ParallelCorpus(name, read_lines(name, {code: path}, asked.limit))

"""Read parallel text from a folder, a table, a translation memory, the Hugging Face Hub, or CLDR.

`read` returns a `ParallelCorpus`, `read_task` a `ParallelTask`. Text is never altered. Items that are left out are logged. Input
that is not parallel is an error that names the file and the line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from interp.languages import nearest
from interp.text.asked import Asked
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.damaged import damage
from interp.text.folders.folder import read_folder, read_one, read_unnamed
from interp.text.folders.groups import wanted
from interp.text.formats.headers import are_numbers
from interp.text.formats.tables import has_column, is_table, read_table
from interp.text.formats.tmx import read_tmx
from interp.text.hub import read_hub
from interp.text.notes import Notes, TextRead, note, noting, record
from interp.text.own_text import Source, read_own, read_own_task
from interp.text.questions.questions import read_questions
from interp.text.questions.templates import Template
from interp.text.raw.file_names import file_tag, is_by_machine, parse_file_name
from interp.text.raw.lines import at, ending, lines, stem
from interp.text.raw.shards import others_of

Text = TypeVar("Text", ParallelCorpus, ParallelTask)
_log = logging.getLogger(__name__)
_HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", re.ASCII)
_SPLITS = frozenset({"dev", "devtest", "test", "train", "valid", "data"})


def read(
    source: Source,
    *,
    languages: Sequence[str] | None = None,
    limit: int | None = None,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ParallelCorpus:
    """Read the same sentences in several languages.

    Parameters
    ----------
    source
        One of: a folder with one file per language (`eng_Latn.devtest` as in FLORES, `xquad.en.json`); a .tsv, .csv, .jsonl,
        .json or .parquet file with a column per language; a .tmx file; any of these in .gz; a dataset of the Hugging Face Hub
        ("org/name" or "org/name:configuration"); or built-in text that needs no file: "cldr:names", "cldr:dates", "cldr:numbers",
        "cldr:phrases", "cldr:facts"; or a function of your own, given itself or as "module:function"
        (`interp.text.own_text.Reader`).
    languages
        Languages in any spelling ("deu_Latn", "de", "German"). Default: all of the source.
    limit
        Read only the first items, at most so many. Default: all.
    split
        A subfolder, a file ending or a split of the source, such as "devtest".
    columns
        What the source leaves open: the column of a language (`{"english": "text_en"}`), its file or its tag in a translation
        memory where there are several (`{"en": "en-GB"}`), and the columns of the "ids", the "documents" or, in files of one
        language each, the "text"; of a table without a header their numbers (`{"english": "1"}`). The other languages are read too;
        `languages` leaves some out.

    Returns
    -------
    `ParallelCorpus`, whose item i is the same sentence in every language. Its `origins` say which column or file is which
    language, and its `notes` what was passed over.

    Raises
    ------
    ValueError
        The source is not parallel text, lacks a language, or leaves open what is what. The message names the file and line, and
        what settles it.
    OSError
        The source cannot be read.

    Notes
    -----
    When the number misleads: results on a lexicon (`cldr:*`, word lists) or on machine-translated text say little about prose.

    Example
    -------
    >>> import interp
    >>> corpus = interp.read("cldr:names", languages=["en", "de"], limit=3)
    >>> corpus.languages, len(corpus), corpus.ids[0]
    (('eng_Latn', 'deu_Latn'), 3, 'territory:AD')
    """
    with _named(source, split), noting() as noted:
        asked = _asked(languages, limit, split, columns)
        own = read_own(source, asked)
        text = own if own is not None else _read(_plain(source), asked)
        return _told(source, split, text, noted)


def _read(source: str | Path, asked: Asked) -> ParallelCorpus:
    kind = _cldr(source)
    if kind:
        asked.refuse_others(str(source), (), (), "built-in text, which has no columns")
    if kind == "facts":
        task = _read_task(source, asked, None)
        facts = {c: tuple(p + a[0] for p, a in zip(task.prompts[c], task.answers[c], strict=True)) for c in task.languages}
        return ParallelCorpus(task.name, facts, task.ids)
    if kind:
        from interp.text import cldr

        return cldr.read_corpus(kind, asked.languages, asked.split or "all").select(limit=asked.limit)
    path = _path(source)
    if path is None:
        return read_hub(str(source).removeprefix("hub:"), asked)
    if path.is_dir():
        return read_folder(path, _corpus_name(path), asked)
    if ending(path) == "tmx":
        return read_tmx(path, stem(path), asked)
    file_name = parse_file_name(path)
    if others := others_of(path):
        note(f"{others} other files of the same table are not read: give their folder")
    by_number = bool(asked.chosen) and are_numbers(path, asked.columns)
    if by_number or is_table(path) or has_column(path, asked.chosen.values()):
        return read_table(path, stem(path), asked)
    if file_name:
        code = next(iter(wanted(path, path.name, {file_name.code: file_name.code}, asked)))
        if asked.chosen.get(code) not in (path.name, stem(path)):
            asked.variant(code, [file_tag(path)], at(path))
        if is_by_machine(file_name.part):
            note("the name says that a machine translated it", path.name)
        return read_one(path, code, path.name, asked)
    if ending(path) == "txt" and not any("\t" in text for _, text in islice(lines(path), 1)):
        raise ValueError(
            f"{at(path)}: got lines of text in no language, expected the language as the name of the file, such as eng_Latn.txt."
        )
    return read_unnamed(path, stem(path), asked)


def read_task(
    source: Source,
    *,
    languages: Sequence[str] | None = None,
    template: Template | None = None,
    limit: int | None = None,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> ParallelTask:
    """Read the same questions in several languages, with their answers and options.

    Parameters
    ----------
    source
        "cldr:facts", which needs no file, or a folder or file of rows with questions, as those of XQuAD, XNLI, XCOPA, MGSM,
        Belebele, Global-MMLU, ARC, TriviaQA, BMLAMA or GlobalOpinionQA; or a function of your own
        (`interp.text.own_text.TaskReader`).
    languages
        Languages in any spelling. Default: all of the source.
    template
        Prompt template with field names in braces, such as "{premise}\\n{hypothesis}\\n": one for all languages, or one for each.
        Default: the `templates.json` of the folder, or the fields of a question, one per line.
    limit
        Read only the first items, at most so many. Default: all.
    split
        A subset of the source, by file name or by the field `split` or `part` of the rows.
    columns
        The fields of the "ids" that pair the questions and of the "documents" that they are about, where their names do not say so,
        and the regional variant of a language.

    Returns
    -------
    `ParallelTask`, whose item i is the same question in every language.

    Raises
    ------
    ValueError
        A language lacks an item (except in GlobalOpinionQA, where languages have different questions), or a row is malformed.
    OSError
        The source cannot be read.

    Example
    -------
    >>> import interp
    >>> task = interp.read_task("cldr:facts", languages=["en", "de"], limit=1)
    >>> task.prompts["eng_Latn"][0], task.answers["eng_Latn"][0]
    ('English: "Andorra" ¤ English: "', ('Euro',))
    """
    with _named(source, split), noting() as noted:
        asked = _asked(languages, limit, split, columns)
        own = read_own_task(source, asked)
        task = own if own is not None else _read_task(_plain(source), asked, template)
        return _told(source, split, task, noted)


def _read_task(source: str | Path, asked: Asked, template: Template | None) -> ParallelTask:
    kind = _cldr(source)
    if kind == "facts":
        from interp.text import cldr_facts

        asked.refuse_others(str(source), (), (), "built-in text, which has no columns")
        if template is not None:
            raise ValueError("got a template for cldr:facts, expected none: its form is fixed.")
        return cldr_facts.read_task(asked.languages, asked.split or "all").select(limit=asked.limit)
    if kind:
        raise ValueError(f"got cldr:{kind}, which has no questions, expected cldr:facts. read() reads the others.")
    path = _path(source)
    if path is None:
        raise ValueError(f"got the hub dataset {str(source)!r}, expected files. Download the dataset, and give its folder.")
    return read_questions(path, _corpus_name(path), asked, template)


def _told(source: Source, split: str | None, text: Text, noted: Notes) -> Text:
    """The text with what was noted of it. It is logged, and recorded for the run that reads it."""
    named = str(source) if isinstance(source, str | Path) else text.name
    for code, line in damage(text).items():
        note(f"{code}: {line}")
    origins, notes = {code: noted.origins[code] for code in text.languages if code in noted.origins}, noted.lines()
    for line in notes:
        _log.info("%s: %s", named, line)
    record(TextRead(named, split, origins, notes))
    return replace(text, origins=origins, notes=notes)


@contextmanager
def _named(source: Source, split: str | None) -> Iterator[None]:
    """An error in this block says which text it is about: `text_read` holds `source` and `split`, for who asked for them."""
    try:
        yield
    except (ValueError, OSError) as error:
        vars(error)["text_read"] = (source, split)
        raise


def _plain(source: Source) -> str | Path:
    if isinstance(source, str | Path):
        return source
    raise ValueError(f"got a source of type {type(source).__name__}, expected a path, a name, or a function.")


def _asked(languages: Sequence[str] | None, limit: int | None, split: str | None, columns: Mapping[str, str] | None) -> Asked:
    """What is asked for. Raises `ValueError` where it makes no sense whatever the text."""
    if isinstance(languages, str):
        raise ValueError(f"got languages={languages!r}, expected a list: languages=[{languages!r}].")
    if languages is not None and not len(languages):
        raise ValueError("got languages=[], expected at least one, or None for all languages.")
    if limit is not None and limit < 1:
        raise ValueError(f"got limit {limit}, expected at least 1.")
    return Asked(languages, limit, split, columns or {})


def _cldr(source: str | Path) -> str | None:
    return source.removeprefix("cldr:") if isinstance(source, str) and source.startswith("cldr:") else None


def _path(source: str | Path) -> Path | None:
    """The file or folder of a source, or None for a dataset of the Hub."""
    if not str(source).strip():
        raise ValueError("got an empty source, expected a file, a folder, cldr:names, or a hub dataset (org/name).")
    path = Path(source)
    if isinstance(source, str) and source.startswith("hub:"):
        return None
    if path.is_file() or path.is_dir():
        return path
    if path.exists():
        raise OSError(f"got {str(source)!r}, which is neither a file nor a folder, expected one of them.")
    if isinstance(source, str) and _HUB.fullmatch(source) and not path.parent.exists():
        return None
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise FileNotFoundError(
        f"got {str(source)!r}, expected an existing file or folder, cldr:names, or a hub dataset (org/name)."
        f"{nearest(path.name, siblings)}"
    )


def _corpus_name(path: Path) -> str:
    """The name of a corpus: that of its folder, preceded by the parent folder if it is only a split ("flores200/devtest")."""
    path = path.resolve()
    name = stem(path) if path.is_file() else path.name
    return f"{path.parent.name}/{name}" if name in _SPLITS else name

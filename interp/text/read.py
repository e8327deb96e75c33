"""Parallel text from wherever it is: a folder, a table, a translation memory, the hub, or CLDR.

`read` gives a `ParallelCorpus`, `read_task` a `ParallelTask`. Text is never altered, nothing is left out unsaid, and input
that is not parallel is an error that names file and line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from interp.languages import nearest
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.formats.file_names import place
from interp.text.formats.folder import read_folder, read_one, wanted
from interp.text.formats.questions import read_questions
from interp.text.formats.tables import read_table
from interp.text.formats.tmx import read_tmx
from interp.text.hub import read_hub
from interp.text.templates import Template

_HUB = re.compile(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", re.ASCII)
_SPLITS = frozenset({"dev", "devtest", "test", "train", "valid", "data"})


def read(
    source: str | Path, *, languages: Sequence[str] | None = None, limit: int | None = None, split: str | None = None
) -> ParallelCorpus:
    """The same sentences in several languages.

    `source` is a folder with a file a language (FLORES: `eng_Latn.devtest`; SQuAD's JSON: `xquad.en.json`), a .tsv, .csv or
    .jsonl file with a column a language, a .tmx file, a hub dataset ("org/name" or "org/name:configuration"), or "cldr:names",
    "cldr:dates", "cldr:numbers", "cldr:phrases", "cldr:facts" (which need no file). `languages` in any spelling, all of them
    by default; the first `limit` items, read no further; `split` chooses a folder, an ending or a part inside the source.

    When the number misleads: a corpus that is a lexicon (`cldr:*`, word lists) or that was translated by machine says
    little about prose. Raises `ValueError` for what is not parallel text, `OSError` for what cannot be read.
    """
    _check(languages, limit)
    kind = _cldr(source)
    if kind == "facts":
        task = read_task(source, languages=languages, limit=limit, split=split)
        said = {c: tuple(p + a[0] for p, a in zip(task.prompts[c], task.answers[c], strict=True)) for c in task.languages}
        return ParallelCorpus(task.name, said, task.ids)
    if kind:
        from interp.text import cldr

        return cldr.read_corpus(kind, languages, split or "all").select(limit=limit)
    path = _path(source)
    if path is None:
        return read_hub(str(source).removeprefix("hub:"), languages, limit, split)
    if path.is_dir():
        return read_folder(path, _named(path), languages, limit, split)
    if path.suffix == ".tmx":
        return read_tmx(path, path.stem, languages, limit)
    placed = place(path)
    if placed:
        code = next(iter(wanted(path, path.name, {placed.code: placed.code}, languages)))
        return read_one(path, code, path.name, limit, split)
    return read_table(path, path.stem, languages, limit)


def read_task(
    source: str | Path,
    *,
    languages: Sequence[str] | None = None,
    template: Template | None = None,
    limit: int | None = None,
    split: str | None = None,
) -> ParallelTask:
    """The same questions in several languages, with their answers and options.

    `source` is "cldr:facts", or a folder (or file) of rows in the manner of XQuAD, XNLI, XCOPA, MGSM, BMLAMA or
    GlobalOpinionQA. `template` is text with field names in braces ("{premise}\\n{hypothesis}\\n"), one for all languages or one
    each. Items that a language lacks are an error, except where every language asks its own (GlobalOpinionQA).
    """
    _check(languages, limit)
    kind = _cldr(source)
    if kind == "facts":
        from interp.text import cldr_facts

        if template is not None:
            raise ValueError("cldr:facts has a form of its own. Leave template out.")
        return cldr_facts.read_task(languages, split or "all").select(limit=limit)
    if kind:
        raise ValueError(f"cldr:{kind} has no questions. Needed: cldr:facts; read() takes the others.")
    path = _path(source)
    if path is None:
        raise ValueError(f"{str(source)!r}: questions are read from files. Fetch the dataset, and give its folder.")
    return read_questions(path, _named(path), languages, template, limit, split)


def _check(languages: Sequence[str] | None, limit: int | None) -> None:
    if isinstance(languages, str):
        raise ValueError(f"languages={languages!r} is one string. Needed: a list, [{languages!r}].")
    if languages is not None and not len(languages):
        raise ValueError("languages is empty. Needed: at least one, or None for all there are.")
    if limit is not None and limit < 1:
        raise ValueError(f"limit {limit}: needed at least 1.")


def _cldr(source: str | Path) -> str | None:
    return source.removeprefix("cldr:") if isinstance(source, str) and source.startswith("cldr:") else None


def _path(source: str | Path) -> Path | None:
    """The file or folder meant, or None for a dataset of the hub."""
    path = Path(source)
    if isinstance(source, str) and source.startswith("hub:"):
        return None
    if path.is_file() or path.is_dir():
        return path
    if path.exists():
        raise OSError(f"{str(source)!r} is neither a file nor a folder. Needed: one of them.")
    if isinstance(source, str) and _HUB.fullmatch(source) and not path.parent.exists():
        return None
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise FileNotFoundError(
        f"no file or folder {str(source)!r}.{nearest(path.name, beside)} Needed: a path, cldr:names, or a hub dataset (org/name)."
    )


def _named(path: Path) -> str:
    """What to call a corpus: its folder's name, and the one above where that alone says little ("flores200/devtest")."""
    path = path.resolve()
    name = path.stem if path.is_file() else path.name
    return f"{path.parent.name}/{name}" if name in _SPLITS else name

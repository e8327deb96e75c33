"""The cloze sentences of a word list: what stands before the word, as a question whose answer is the word.

The word lists of Wendler et al. (2024) hold, beside each word, a sentence that says the word twice: `A "___" is used to read
stories. Answer: "book".` The question is the sentence up to the word's last place, its quote included.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from interp.languages import languages as several
from interp.text.corpus import ParallelTask
from interp.text.formats.file_names import place
from interp.text.formats.rows import Row, rows

_log = logging.getLogger(__name__)
_KEY, _WORD, _SENTENCE = "word_original", "word_translation", "blank_prompt_translation_masked"


def is_word_list(source: str | Path) -> bool:
    """Whether a folder holds word lists with cloze sentences."""
    files = [path for path in sorted(Path(source).glob("*.csv")) if place(path)]
    first = next(rows(files[0]), None) if files else None
    return first is not None and _SENTENCE in first.values


def read_word_clozes(folder: str | Path, languages: Sequence[str] | None = None) -> ParallelTask:
    """A cloze for every word that all languages have one for; how many they have not is logged.

    Files are named after their language (`deu_Latn.clean.csv`) and have the columns `word_original` (the English word, which
    joins them), `word_translation` and `blank_prompt_translation_masked`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"no folder {str(folder)!r}. Needed: a folder with a word list a language, such as deu_Latn.clean.csv.")
    files = {found.code: path for path in sorted(folder.iterdir()) if (found := place(path)) and path.suffix in (".csv", ".tsv")}
    wanted = [found.code for found in several(languages)] if languages is not None else list(files)
    missing = [code for code in wanted if code not in files]
    if missing or not wanted:
        raise ValueError(
            f"{folder.name}: no word list in {', '.join(missing) or 'any language'}; it has {', '.join(files) or 'none'}."
        )
    tables = {code: _clozes(files[code]) for code in wanted}
    first, *others = tables.values()
    shared = [key for key in first if all(key in table for table in others)]
    for code, table in tables.items():
        _log.info("%s: %d of %d clozes of %s are in every language", folder.name, len(shared), len(table), code)
    if not shared:
        raise ValueError(
            f"{folder.name}: no word has a cloze in all of {', '.join(wanted)}. Needed: lists that share words; name fewer."
        )
    return ParallelTask(
        f"{folder.name}/cloze",
        prompts={code: tuple(table[key][0] for key in shared) for code, table in tables.items()},
        answers={code: tuple((table[key][1],) for key in shared) for code, table in tables.items()},
        ids=tuple(shared),
    )


def _clozes(path: Path) -> dict[str, tuple[str, str]]:
    found = {}
    for row in rows(path):
        question, word = _question(row)
        if question:
            found[str(row.values[_KEY])] = question, word
    return found


def _question(row: Row) -> tuple[str, str]:
    missing = [column for column in (_KEY, _WORD, _SENTENCE) if column not in row.values]
    if missing:
        raise ValueError(f"{row.where}: no column {missing[0]!r}. Needed: {_KEY}, {_WORD} and {_SENTENCE}.")
    word, sentence = str(row.values[_WORD]), str(row.values[_SENTENCE])
    before, found, _ = sentence.rpartition(f'"{word}"')
    return (f'{before}"', word) if found and before else ("", word)

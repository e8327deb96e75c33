"""Read the cloze sentences of word lists: the prompt is the text before the word, and the answer is the word.

The word lists of Wendler et al. (2024) have, for each word, a sentence such as `A "___" is used to read stories. Answer: "book".`
The prompt is the sentence up to the last occurrence of the word, including its opening quote.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from interp.languages import languages as resolve_all
from interp.text.corpus import ParallelTask
from interp.text.raw.file_names import parse_file_name
from interp.text.raw.rows import Row, rows

_log = logging.getLogger(__name__)
_KEY, _WORD, _SENTENCE = "word_original", "word_translation", "blank_prompt_translation_masked"


def is_word_list(source: str | Path) -> bool:
    """Whether the folder `source` has word lists with cloze sentences."""
    files = [path for path in sorted(Path(source).glob("*.csv")) if parse_file_name(path)]
    first = next(rows(files[0]), None) if files else None
    return first is not None and _SENTENCE in first.values


def read_word_clozes(folder: str | Path, languages: Sequence[str] | None = None) -> ParallelTask:
    """Read a cloze for every word that all languages share. The number of the others is logged.

    Parameters
    ----------
    folder
        A folder with one file per language (`deu_Latn.clean.csv`), with the columns `word_original` (the English word, by which the
        files are joined), `word_translation` and `blank_prompt_translation_masked`.
    languages
        Languages in any spelling. Default: all.

    Raises
    ------
    ValueError
        A language is missing, or no word is shared.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"got {str(folder)!r}, expected a folder with one word list per language, such as deu_Latn.clean.csv.")
    files = {
        name.code: path for path in sorted(folder.iterdir()) if (name := parse_file_name(path)) and path.suffix in (".csv", ".tsv")
    }
    codes = [lang.code for lang in resolve_all(languages)] if languages is not None else list(files)
    missing = [code for code in codes if code not in files]
    if missing or not codes:
        raise ValueError(
            f"{folder.name}: got no word list in {', '.join(missing) or 'any language'}; it has {', '.join(files) or 'none'}."
        )
    tables = {code: _clozes(files[code]) for code in codes}
    first, *others = tables.values()
    shared = [key for key in first if all(key in table for table in others)]
    for code, table in tables.items():
        _log.info("%s: %d of %d clozes of %s are in every language", folder.name, len(shared), len(table), code)
    if not shared:
        raise ValueError(
            f"{folder.name}: got no word with a cloze in all of {', '.join(codes)}, expected shared words. Choose fewer languages."
        )
    return ParallelTask(
        f"{folder.name}/cloze",
        prompts={code: tuple(table[key][0] for key in shared) for code, table in tables.items()},
        answers={code: tuple((table[key][1],) for key in shared) for code, table in tables.items()},
        ids=tuple(shared),
    )


def _clozes(path: Path) -> dict[str, tuple[str, str]]:
    clozes = {}
    for row in rows(path):
        question, word = _question(row)
        if question:
            clozes[str(row.values[_KEY])] = question, word
    return clozes


def _question(row: Row) -> tuple[str, str]:
    missing = [column for column in (_KEY, _WORD, _SENTENCE) if column not in row.values]
    if missing:
        raise ValueError(f"{row.where}: got no column {missing[0]!r}, expected {_KEY}, {_WORD} and {_SENTENCE}.")
    word, sentence = str(row.values[_WORD]), str(row.values[_SENTENCE])
    before, quoted, _ = sentence.rpartition(f'"{word}"')
    return (f'{before}"', word) if quoted and before else ("", word)

"""Text files of one sentence a line, in step: line i of every file is the same sentence."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path

from interp.files.checks import short_repr
from interp.text.choices import option
from interp.text.formats.cells import first_missing, missing_value
from interp.text.notes import took
from interp.text.raw.file_names import origin
from interp.text.raw.lines import at, lines

_OTHER = ("eng_Latn", "deu_Latn")
"""The language beside that of a file in an example, and the one beside English."""


def read_lines(name: str, files: Mapping[str, Path], limit: int | None) -> dict[str, tuple[str, ...]]:
    """The first `limit` lines of the `files` of every language. Raises `ValueError`, with `name`, if they are not parallel."""
    texts = {code: tuple(text for _, text in islice(lines(path), limit)) for code, path in files.items()}
    for code, path in files.items():
        took(code, origin(path))
        _refuse_columns(code, texts[code], path, len(files) == 1)
        if line := next((row for row, text in enumerate(texts[code], 1) if not text.strip()), 0):
            raise ValueError(
                f"corpus {name!r}: line {line} of {code} is empty, expected a sentence in every line. Fill {at(path, line)}, or "
                "remove that line from every language."
            )
        if (row := first_missing(code, texts[code])) is not None:
            raise missing_value(at(path, row + 1), texts[code][row])
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


def _refuse_columns(code: str, texts: Sequence[str], path: Path, alone: bool) -> None:
    """Refuse lines of several columns: an id and a sentence each, whose ids pair them and not their place, as in ALT; or the same
    sentence in two languages, as in the lists of Tatoeba."""
    table = [text.split("\t") for text in texts]
    if not table or not all(len(cells) > 1 and any(map(str.strip, cells[1:])) for cells in table):
        return
    ids = all(_is_id(cells[0]) for cells in table) and len({cells[0] for cells in table}) == len(table)
    advice = f"Such ids pair the lines: {option({'ids': '1', 'text': '2'})}." if ids else ""
    if alone and len(table[0]) > 1 + ids:
        both = dict(zip(sorted((code, _OTHER[code == "eng_Latn"]), key="eng_Latn".__ne__), ("23" if ids else "12"), strict=True))
        advice += f" If the columns are two languages: {option(both)}."
    if not ids:
        advice += f" If one column is the text, say which: {option({'text': 'NUMBER'})}."
    raise ValueError(
        f"{at(path, 1)}: got {short_repr(table[0][0])}, a tab and more in every line, expected text alone. {advice.strip()}"
    )


def _is_id(cell: str) -> bool:
    """Whether a cell is one word with a digit."""
    return bool(re.search(r"\d", cell)) and re.search(r"\s", cell) is None


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

"""Text files of one sentence a line, in step: line i of every file is the same sentence."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path

from interp.files.checks import short_repr
from interp.text.formats.cells import first_missing, missing_value
from interp.text.formats.file_names import origin
from interp.text.formats.lines import at, lines
from interp.text.notes import took

_LETTER = re.compile(r"[^\W\d_]")


def read_lines(name: str, files: Mapping[str, Path], limit: int | None) -> dict[str, tuple[str, ...]]:
    """The first `limit` lines of the `files` of every language. Raises `ValueError`, with `name`, if they are not parallel."""
    texts = {code: tuple(text for _, text in islice(lines(path), limit)) for code, path in files.items()}
    for code, path in files.items():
        took(code, origin(path))
        _refuse_ids(texts[code], path)
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


def _refuse_ids(texts: Sequence[str], path: Path) -> None:
    """Refuse lines that are an id, a tab and a sentence each, as in ALT: their ids pair them, not their place."""
    ids = [text.partition("\t")[0] for text in texts if _is_id_and_text(text)]
    if ids and len({*ids}) == len(texts):
        raise ValueError(
            f"{at(path, 1)}: got {short_repr(ids[0])}, a tab and text in every line, expected text alone: such ids pair the lines. "
            "Write a first line 'id', a tab and 'text', and call every file .tsv."
        )


def _is_id_and_text(line: str) -> bool:
    """Whether a line is an id (one word with a digit), a tab and text."""
    own, _, text = line.partition("\t")
    return "\t" not in text and bool(_LETTER.search(text) and re.search(r"\d", own)) and re.search(r"\s", own) is None


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

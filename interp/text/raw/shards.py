"""Files that are one table in pieces, as the Hugging Face Hub stores them: "train-00000-of-00002.parquet".

The pieces together are written with a star, "train-*-of-00002.parquet", which is how readers pass them on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from interp.text.raw.lines import at

_PIECE = re.compile(r"-(?P<number>\d{5}|\*)-of-(?P<count>\d{5})(?=\.|$)")


def together(paths: Iterable[Path]) -> list[Path]:
    """The `paths` with one for all pieces of a table. Raises `ValueError` where pieces are missing.

    >>> from pathlib import Path
    >>> [path.name for path in together([Path("dev-00000-of-00002.parquet"), Path("dev-00001-of-00002.parquet")])]
    ['dev-*-of-00002.parquet']
    """
    pieces: dict[Path, list[Path]] = {}
    for path in paths:
        found = _PIECE.search(path.name)
        several = found is not None and found["count"] != "00001"
        pieces.setdefault(path.with_name(_PIECE.sub(r"-*-of-\g<count>", path.name)) if several else path, []).append(path)
    for whole, found_pieces in pieces.items():
        count = int(piece["count"]) if whole not in found_pieces and (piece := _PIECE.search(whole.name)) else 1
        if len(found_pieces) != count:
            raise ValueError(f"{at(whole)}: got {len(found_pieces)} of {count} files, expected all of them. Add the others.")
    return list(pieces)


def pieces_of(path: Path) -> list[Path]:
    """The files that a `path` stands for: those of its pieces, or itself."""
    return sorted(path.parent.glob(path.name)) if "*" in path.name and _PIECE.search(path.name) else [path]


def others_of(path: Path) -> int:
    """How many other pieces there are of the table that the file `path` is a piece of."""
    found = _PIECE.search(path.name)
    return int(found["count"]) - 1 if found and found["number"] != "*" else 0


def without_number(name: str) -> str:
    """The `name` of a file without the number of its piece.

    >>> without_number("de-00000-of-00001.parquet")
    'de.parquet'
    """
    return _PIECE.sub("", name)

"""The files next to a corpus that describe its items: `ids.txt`, `meta.tsv`, `keys.tsv`, and the `DOCUMENT_IDS.tsv` of NTREX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from interp.files.checks import short_repr
from interp.text.corpus import ParallelCorpus
from interp.text.formats.column_names import document_columns, id_columns
from interp.text.formats.keys import identifier
from interp.text.formats.tables import label
from interp.text.notes import note
from interp.text.raw.lines import at, lines
from interp.text.raw.rows import rows

_DOCUMENT_IDS = "DOCUMENT_IDS.tsv"


def describe(corpus: ParallelCorpus, folder: Path, limit: int | None) -> ParallelCorpus:
    """Add ids, documents and labels from files in the folder, which have one row per item.

    `ids.txt` has the ids. `meta.tsv` and `keys.tsv` have a header: the id column gives ids too, the document (or URL) column the
    text that each item is from, and the other columns become labels. `DOCUMENT_IDS.tsv`, in the folder or above it, has the
    document of every item, one in a line.

    Parameters
    ----------
    corpus
        The corpus to describe.
    folder
        The folder of its files.
    limit
        The number of items read, if it was limited.

    Raises
    ------
    ValueError
        A file has another number of rows than the corpus has items, or an id twice.
    """
    columns: dict[str, tuple[str, ...]] = {}
    for path in (folder / "meta.tsv", folder / "keys.tsv"):
        if path.is_file():
            table = list(islice(rows(path), limit))
            _check_length(path, table, corpus)
            columns |= {column: tuple(label(row.values[column]) for row in table) for column in table[0].values}
            if own := id_columns(columns, sure=True):
                corpus = _with_ids(corpus, path, columns.pop(own[0]), 2)
    if (folder / "ids.txt").is_file():
        ids = [text for _, text in islice(lines(folder / "ids.txt"), limit)]
        _check_length(folder / "ids.txt", ids, corpus)
        corpus = _with_ids(corpus, folder / "ids.txt", ids, 1)
    document = next(iter(document_columns(columns)), None)
    documents = columns.pop(document) if document else _document_ids(folder, len(corpus), limit)
    return replace(corpus, documents=documents, labels=columns)


def _document_ids(folder: Path, items: int, limit: int | None) -> tuple[str, ...] | None:
    """The documents of NTREX, if its file of them is there and has a line for every item."""
    path = next((one / _DOCUMENT_IDS for one in (folder, folder.parent) if (one / _DOCUMENT_IDS).is_file()), None)
    if path is None:
        return None
    documents = tuple(text for _, text in islice(lines(path), limit))
    if len(documents) != items:
        note(f"not used: {len(documents)} lines for {items} items", _DOCUMENT_IDS)
        return None
    note("the document of each item", _DOCUMENT_IDS)
    return documents


def _with_ids(corpus: ParallelCorpus, path: Path, ids: Sequence[str], first: int) -> ParallelCorpus:
    line_of: dict[str, int] = {}
    for line, item_id in enumerate(ids, first):
        own = identifier(item_id, at(path, line))
        if own in line_of:
            raise ValueError(
                f"{at(path, line)}: got id {short_repr(item_id)}, which is also at line {line_of[own]}. Use each id once."
            )
        line_of[own] = line
    return replace(corpus, ids=tuple(line_of))


def _check_length(path: Path, rows: Sequence[object], corpus: ParallelCorpus) -> None:
    if len(rows) != len(corpus):
        raise ValueError(
            f"{at(path, len(rows))}: got {len(rows)} rows for {len(corpus)} sentences of {corpus.name!r}, "
            "expected one row per item."
        )

"""The files beside a corpus that say more about its items: `ids.txt`, `meta.tsv`, `keys.tsv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from interp.files.checks import short_repr
from interp.text.corpus import ParallelCorpus
from interp.text.formats.lines import at, lines
from interp.text.formats.rows import rows
from interp.text.formats.tables import DOCUMENT_COLUMNS, ID_COLUMNS, identifier, label


def describe(corpus: ParallelCorpus, folder: Path, limit: int | None) -> ParallelCorpus:
    """The corpus with what the folder's side files say of its items, a line each.

    `ids.txt` names them. `meta.tsv` and `keys.tsv` have a header: an id column names them too, a document (or URL) column
    says which text each is from, and the others become labels.
    """
    columns: dict[str, tuple[str, ...]] = {}
    for path in (folder / "meta.tsv", folder / "keys.tsv"):
        if path.is_file():
            table = list(islice(rows(path), limit))
            _one_an_item(path, table, corpus)
            columns |= {column: tuple(label(row.values[column]) for row in table) for column in table[0].values}
            own = next((column for column in ID_COLUMNS if column in columns), None)
            if own:
                corpus = _named(corpus, path, columns.pop(own), 2)
    if (folder / "ids.txt").is_file():
        found = [text for _, text in islice(lines(folder / "ids.txt"), limit)]
        _one_an_item(folder / "ids.txt", found, corpus)
        corpus = _named(corpus, folder / "ids.txt", found, 1)
    document = next((column for column in DOCUMENT_COLUMNS if column in columns), None)
    return replace(corpus, documents=columns.pop(document) if document else None, labels=columns)


def _named(corpus: ParallelCorpus, path: Path, ids: Sequence[str], first: int) -> ParallelCorpus:
    seen: dict[str, int] = {}
    for line, own in enumerate(ids, first):
        if identifier(own, at(path, line)) in seen:
            raise ValueError(f"{at(path, line)}: id {short_repr(own)} stands at line {seen[own]} too. Needed: one id an item.")
        seen[own] = line
    return replace(corpus, ids=tuple(ids))


def _one_an_item(path: Path, given: Sequence[object], corpus: ParallelCorpus) -> None:
    if len(given) != len(corpus):
        raise ValueError(
            f"{at(path, len(given))}: {len(given)} rows for {len(corpus)} sentences of {corpus.name!r}. Needed: a row an item."
        )

"""Read the rows of a table or JSON file as dictionaries, each with its place in the file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from interp.files.checks import short_repr
from interp.files.sealed_json import parsed
from interp.text.formats.lines import at, lines, whole_text


class Row(NamedTuple):
    """One row: its place in the file, `where` ("file:12"), and its `values` by column or key."""

    where: str
    values: Mapping[str, object]


def rows(path: Path, header: Sequence[str] | None = None) -> Iterator[Row]:
    """Read the rows of a .tsv, .csv, .jsonl or .json file. All but .json are streamed.

    TSV has no quoting: the text is what is between two tabs. CSV follows RFC 4180. JSON is a list of objects, or a SQuAD file, of
    which every question is a row.

    Parameters
    ----------
    path
        The file.
    header
        Names of the columns of a table without a header line. Default: the first line.

    Raises
    ------
    ValueError
        A row is malformed, or the file has another ending.

    Example
    -------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.tsv").write_text("en\\tde\\nHello\\tHallo\\n")
    ...     [row.values for row in rows(Path(folder, "a.tsv"))]
    [{'en': 'Hello', 'de': 'Hallo'}]
    """
    if path.suffix == ".jsonl":
        return _json_lines(path)
    if path.suffix == ".json":
        return _json(path)
    if path.suffix in (".tsv", ".csv"):
        return _table(path, _cells_of_csv if path.suffix == ".csv" else _cells_of_tsv, header)
    raise ValueError(f"{at(path)}: got {path.suffix or 'a file without an ending'}, expected .tsv, .csv, .jsonl, .json or .tmx.")


def _table(path: Path, cells: Callable[[Path], Iterator[tuple[int, list[str]]]], header: Sequence[str] | None) -> Iterator[Row]:
    name = at(path)
    for number, row in cells(path):
        if row in ([], [""]):
            raise ValueError(f"{name}:{number}: got an empty line, expected a header and one row per item. Remove empty lines.")
        if header is None:
            header = row
            repeated = {name for name, count in Counter(header).items() if count > 1 or not name.strip()}
            if repeated:
                raise ValueError(
                    f"{name}:{number}: got column {short_repr(min(repeated))} twice or without a name, expected different names."
                )
        elif len(row) != len(header):
            raise ValueError(f"{name}:{number}: got {len(row)} cells, expected {len(header)}, as in the first row.")
        else:
            yield Row(f"{name}:{number}", dict(zip(header, row, strict=True)))


def _cells_of_tsv(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, text in lines(path):
        yield number, text.split("\t")


def _cells_of_csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    table = csv.reader((text + "\n" for _, text in lines(path, crlf=True)), strict=True)
    while True:
        try:
            row = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"{at(path, table.line_num)}: not CSV: {error}. Quotes must come in pairs, and be doubled inside a cell."
            ) from None
        yield table.line_num, row


def _json_lines(path: Path) -> Iterator[Row]:
    name = at(path)
    for number, text in lines(path):
        where = f"{name}:{number}"
        yield Row(where, _mapping(parsed(text, where), where))


def _json(path: Path) -> Iterator[Row]:
    content = parsed(whole_text(path), at(path))
    if isinstance(content, dict) and "data" in content:
        yield from _squad(content["data"], at(path))
        return
    for number, value in enumerate(_list(content, f"{at(path)}: the file")):
        where = f"{at(path)}, item {number}"
        yield Row(where, _mapping(value, where))


def _squad(articles: object, file: str) -> Iterator[Row]:
    """One row per question, with its paragraph. `pid` is the number of the article and of the paragraph, from 0."""
    for a, article in enumerate(_list(articles, f"{file}: data")):
        article = _mapping(article, f"{file}: data[{a}]")
        for p, paragraph in enumerate(_list(article.get("paragraphs"), f"{file}: paragraphs of data[{a}]")):
            where = f"{file}: data[{a}].paragraphs[{p}]"
            paragraph = _mapping(paragraph, where)
            about = {"pid": f"{a}-{p}", "title": article.get("title", str(a)), "context": paragraph.get("context")}
            for q, question in enumerate(_list(paragraph.get("qas"), f"{where}.qas")):
                fields = _mapping(question, f"{where}.qas[{q}]")
                if "id" not in fields:
                    raise ValueError(f"{where}.qas[{q}]: got a question without an id, expected the same ids in every language.")
                yield Row(f"{where}.qas[{q}]", {**fields, **about})


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{where}: got {short_repr(value)}, expected a JSON object with the fields of one item.")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: got {short_repr(value)}, expected a JSON list.")
    return value

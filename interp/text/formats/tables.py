"""Read rows with a column per language, from TSV, CSV, JSONL, TMX or the Hub, as a corpus."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from interp.files.checks import short_repr
from interp.languages import by_code
from interp.text.corpus import ParallelCorpus
from interp.text.formats.columns import MOST_COLUMNS, Layout, described, kind_of, language_columns, plan, said_pair
from interp.text.formats.file_names import ROW_ENDINGS, column_language, language_code, language_pair
from interp.text.formats.lines import at, ending, stem, text_of
from interp.text.formats.rows import Row, rows, sampled
from interp.text.notes import note, took


def read_table(
    path: Path, name: str, languages: Sequence[str] | None, limit: int | None, columns: Mapping[str, str] | None = None
) -> ParallelCorpus:
    """Read a table (.tsv, .csv, .jsonl, .json, .parquet) with a column per language.

    A two-column TSV named after two languages (`bul_Cyrl-cat_Latn.tsv`) need not have a header.

    Parameters
    ----------
    path
        The file.
    name, languages, limit, columns
        As for `corpus_of_rows`, which also says what is raised.
    """
    pair = file_pair(path)
    if pair and ending(path) == "tsv":
        with suppress(ValueError):
            first = next(rows(path, header=pair), None)
            if first and _is_no_header(first, pair):
                return corpus_of_rows(name, at(path), rows(path, header=pair), languages, limit, columns)
    return corpus_of_rows(name, at(path), rows(path), languages, limit, columns, pair)


def is_table(path: Path) -> bool:
    """Whether the file `path` has columns of several languages, though its name may name one."""
    if ending(path) not in ROW_ENDINGS:
        return False
    try:
        first = next(rows(path), None)
    except ValueError:
        return False
    if first is None or len(first.values) > MOST_COLUMNS:
        return first is not None
    return len({column_language(column) for column in _flat(first.values, first.where)} - {None}) > 1


def file_pair(path: Path) -> tuple[str, str] | None:
    """The two languages in the name of the file `path`, "train.en-de.tsv"; None if it names none, or several pairs.

    >>> from pathlib import Path
    >>> file_pair(Path("news.en-de.csv"))
    ('eng_Latn', 'deu_Latn')
    """
    found = [pair for part in stem(path).split(".") if (pair := language_pair(part))]
    return found[0] if len(found) == 1 else None


def corpus_of_rows(
    name: str,
    source: str,
    rows: Iterable[Row],
    languages: Sequence[str] | None,
    limit: int | None,
    columns: Mapping[str, str] | None = None,
    pair: tuple[str, str] | None = None,
    named: bool = True,
) -> ParallelCorpus:
    """A corpus from rows with the same columns.

    Parameters
    ----------
    name
        Name of the corpus.
    source
        The file or dataset, for messages.
    rows
        The rows, each with a column for every language.
    languages
        Languages in any spelling. Default: every language that a column clearly is.
    limit
        Read at most so many items.
    columns
        The column of a language, of the "ids" or of the "documents", where its name does not say so.
    pair
        The languages of columns that are called source and target.
    named
        Note which column is what.

    Raises
    ------
    ValueError
        A column or row is malformed, a language is missing, or a column may be a language that would be left out.

    Example
    -------
    >>> from interp.text.formats.rows import Row
    >>> rows = [Row("a.tsv:2", {"ID": "7", "en": "Hello", "de": "Hallo"})]
    >>> corpus_of_rows("greetings", "a.tsv", rows, languages=None, limit=None)["deu_Latn"]
    ('Hallo',)
    """
    sample, everything = sampled((Row(row.where, _flat(row.values, row.where)) for row in rows), limit)
    if not sample:
        raise ValueError(f"{source}: got no row, expected a header with language columns and one row per item.")
    header = list(sample[0].values)
    layout = plan(header, languages, sample[0].where, [row.values for row in sample], columns, pair)
    within = layout.id is not None and _begins_anew(layout.id, sample)
    texts: dict[str, list[str]] = {code: [] for code in layout.texts}
    marks: dict[str, list[str]] = {}
    ids: dict[str, str] = {}
    for number, (where, values) in enumerate(islice(everything, limit)):
        _check_fields(values, header, where)
        for code, column in layout.texts.items():
            texts[code].append(text_of(values[column], f"{where}, column {short_repr(column)}"))
        row_id = identifier(values[layout.id], where) if layout.id is not None else str(number)
        if layout.id is not None and layout.document is not None and within:
            row_id = f"{label(values[layout.document])}-{row_id}"
        if row_id in ids:
            raise ValueError(f"{where}: got id {short_repr(row_id)}, which is also at {ids[row_id]}. Use each id once.")
        ids[row_id] = where
        for column in (*layout.labels, *([layout.document] if layout.document is not None else [])):
            marks.setdefault(column, []).append(label(values[column]))
    if not columns:
        _check_pair(layout, header, sample, marks, source)
    if named:
        _say(layout, sample)
    return ParallelCorpus(
        name,
        {code: tuple(column) for code, column in texts.items()},
        tuple(ids),
        tuple(marks[layout.document]) if layout.document is not None else None,
        {column.strip(): tuple(marks[column]) for column in layout.labels},
    )


def _begins_anew(column: str, sample: Sequence[Row]) -> bool:
    """Whether the ids in a `column` begin anew in every document, so that only both together are an id."""
    values = [str(row.values.get(column)) for row in sample]
    return len(set(values)) < len(values)


def _check_fields(values: Mapping[str, object], header: Collection[str], where: str) -> None:
    if values.keys() != set(header):
        other = min({*values} ^ {*header})
        raise ValueError(
            f"{where}: got field {short_repr(other)} in only one of this row and the first. Give every row the same fields."
        )


def _check_pair(layout: Layout, header: Sequence[str], sample: Sequence[Row], marks: Mapping[str, list[str]], source: str) -> None:
    """Where two columns say the languages of a bitext, all rows must say the same."""
    said = said_pair(header, [row.values for row in sample])
    for column in language_columns(header) if said and set(layout.texts) == set(said) else ():
        if len(values := set(marks.get(column, ()))) > 1:
            raise ValueError(
                f"{source}: got {' and '.join(sorted(values)[:3])} in column {short_repr(column)}, expected one pair of languages. "
                "Split the file by pair."
            )


def _say(layout: Layout, sample: Sequence[Row]) -> None:
    """Note which column is what."""
    for code, column in layout.texts.items():
        took(code, f"column {short_repr(column)}")
    kinds = {column: kind_of(row.values.get(column) for row in sample) for column in sample[0].values}
    note(described(layout, kinds))


def _is_no_header(row: Row, pair: tuple[str, str]) -> bool:
    """Whether the first row of a bitext is a pair of sentences and no header."""
    cells = [str(cell) for cell in row.values.values()]
    return {language_code(cell.strip()) for cell in cells} != set(pair) and [cell.strip().casefold() for cell in cells] not in (
        ["source", "target"], ["src", "tgt"], ["src", "trg"],
    )  # fmt: skip


def identifier(value: object, where: str) -> str:
    """The id of an item, `value`, as text. Raises `ValueError`, which names the place `where`, if it is no text or whole number.

    >>> identifier(7, "a.tsv:2")
    '7'
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError(f"{where}: got id {short_repr(value)}, expected text or a whole number.")
    return text_of(str(value), f"{where}, id")


def label(value: object) -> str:
    """A label `value` of an item as text; JSON if it is no string.

    >>> label("news"), label([1, 2])
    ('news', '[1, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _flat(values: Mapping[str, object], where: str) -> dict[str, object]:
    """The row with the languages of a nested `translation` as fields of their own."""
    nested = values.get("translation")
    if not isinstance(nested, dict):
        return dict(values)
    try:
        inner = by_code(nested)
    except ValueError as error:
        raise ValueError(f"{where}: translation: {error}") from None
    return {key: value for key, value in values.items() if key != "translation"} | inner

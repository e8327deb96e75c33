"""Read rows with a column per language, from TSV, CSV, JSONL, TMX or the Hub, as a corpus."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from interp.files.checks import short_repr
from interp.languages import by_code, language
from interp.text.asked import Asked
from interp.text.choices import has_region, option
from interp.text.corpus import ParallelCorpus
from interp.text.formats.cells import first_missing, kinds_of, missing_value
from interp.text.formats.column_names import language_columns, named, place_columns
from interp.text.formats.columns import MOST_COLUMNS, Layout, described, plan, said_pair
from interp.text.formats.headers import first_row_is, numbered
from interp.text.formats.keys import identifier
from interp.text.formats.splits import select
from interp.text.notes import note, took
from interp.text.raw.dialects import SEPARATORS
from interp.text.raw.file_names import ROW_ENDINGS, column_language, file_pair, says_split
from interp.text.raw.lines import at, ending, printable_name, stem, text_of
from interp.text.raw.rows import Row, first_row, rows, sampled


def read_table(path: Path, name: str, asked: Asked) -> ParallelCorpus:
    """Read a table (.tsv, .csv, .jsonl, .json, .parquet) with a column per language.

    A TSV or CSV of two columns named after two languages (`bul_Cyrl-cat_Latn.tsv`) need not have a header, and none whose columns
    are called by their numbers from 1.

    Parameters
    ----------
    path
        The file.
    name, asked
        As for `corpus_of_rows`, which also says what is raised.
    """
    pair = file_pair(path)
    given = numbered(path, asked.columns)
    header = pair if given is None and pair and ending(path) in ("tsv", "tab", "csv") and _has_no_header(path, pair) else None
    split = None if says_split(stem(path), asked.split) else asked.split
    given = select(rows(path, header=header) if given is None else given, split, at(path))
    headed = header is not None or ending(path) not in SEPARATORS
    return corpus_of_rows(name, at(path), given, asked, None if header else pair, headed)


def _has_no_header(path: Path, pair: tuple[str, str]) -> bool:
    """Whether the first row of a bitext is a pair of sentences. Raises `ValueError` where it may as well be a header."""
    first = first_row(path, header=pair)
    cells = [str(cell) for cell in first.values.values()] if first else []
    found = first_row_is(cells, pair) if first else "names"
    if found == "either":
        raise ValueError(
            f"{at(path, 1)}: got a first row {short_repr(cells)}, which may be a header or a pair of sentences, expected a "
            f"clear header. Write a header above it, {pair[0]} and {pair[1]}; or in its place, if it is a header."
        )
    if found == "names" and first:
        note(f"the first row is a header: {', '.join(cells)}", printable_name(path))
    return found == "text"


def is_table(path: Path) -> bool:
    """Whether the file `path` has columns of several languages, though its name may name one."""
    first = first_row(path) if ending(path) in ROW_ENDINGS else None
    if first is None:
        return False
    return (
        len(first.values) > MOST_COLUMNS
        or len({column_language(column) for column in _flat(first.values, first.where)} - {None}) > 1
    )


def has_column(path: Path, names: Collection[str]) -> bool:
    """Whether the file `path` has a column of one of the `names`, in any case."""
    first = first_row(path) if names and ending(path) in ROW_ENDINGS else None
    return first is not None and any(named(first.values, [name.strip().casefold()]) for name in names)


def corpus_of_rows(
    name: str,
    source: str,
    rows: Iterable[Row],
    asked: Asked,
    pair: tuple[str, str] | None = None,
    headed: bool = True,
    told: bool = True,
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
    asked
        The languages (default: every language that a column clearly is), how many items, and the column of a language, of the "ids"
        or of the "documents", where its name does not say so. The split is that of `rows`.
    pair
        The languages of columns that are called source and target.
    headed
        The names of the columns are no first row, which may be one of text.
    told
        Note which column is what.

    Raises
    ------
    ValueError
        A column or row is malformed, a language is missing, or a column may be a language that would be left out.

    Example
    -------
    >>> from interp.text.raw.rows import Row
    >>> rows = [Row("a.tsv:2", {"ID": "7", "en": "Hello", "de": "Hallo"})]
    >>> corpus_of_rows("greetings", "a.tsv", rows, Asked())["deu_Latn"]
    ('Hallo',)
    """
    sample, everything = sampled((Row(row.where, _flat(row.values, row.where)) for row in rows), asked.limit)
    if not sample:
        alone = "" if headed else f" If it is a row of text, call the columns by number: {option({'english': '1', 'german': '2'})}."
        raise ValueError(f"{source}: got no row, expected a header with language columns and one row per item.{alone}")
    header = list(sample[0].values)
    layout = plan(header, asked, sample[0].where, [row.values for row in sample], pair, headed)
    table: list[Row] = []
    texts: dict[str, list[str]] = {code: [] for code in layout.texts}
    for row in islice(everything, asked.limit):
        _check_fields(row.values, header, row.where)
        table.append(row)
        for code, column in layout.texts.items():
            texts[code].append(text_of(row.values[column], f"{row.where}, column {short_repr(column)}"))
    for code, column in layout.texts.items():
        if (number := first_missing(code, texts[code])) is not None:
            raise missing_value(f"{table[number].where}, column {short_repr(column)}", texts[code][number])
    if not asked.columns:
        _check_pair(layout, header, sample, table, source)
    if told:
        _say(layout, sample)
    return ParallelCorpus(
        name,
        {code: tuple(own) for code, own in texts.items()},
        _ids(layout, header, max(sample, table, key=len), table),
        tuple(label(row.values[layout.document]) for row in table) if layout.document is not None else None,
        {column.strip(): tuple(label(row.values[column]) for row in table) for column in layout.labels},
    )


def _ids(layout: Layout, header: Sequence[str], known: Sequence[Row], table: Sequence[Row]) -> tuple[str, ...]:
    """The id of each row of a `table`: its number where there is no id column. Ids that begin anew, in every document or chapter,
    are ids with it; so many rows as are `known` say whether they do."""
    if layout.id is None:
        return tuple(str(number) for number in range(len(table)))
    outer = [layout.document, *place_columns(header)] if layout.document is not None else place_columns(header)
    places = [column for column in dict.fromkeys([*outer, *layout.labels]) if column != layout.id]
    keys = [(), *((place,) for place in places), *(tuple(places[:count]) for count in range(2, len(places) + 1))]
    values = {column: [label(row.values[column]) for row in known] for column in (*places, layout.id)}
    key = next((key for key in keys if len({*zip(*(values[c] for c in (*key, layout.id)), strict=True)}) == len(known)), ())
    if key:
        note(f"ids begin anew: {' and '.join(map(short_repr, (*key, layout.id)))} together are the id")
    ids: dict[str, str] = {}
    for where, own in table:
        row_id = "-".join([*(label(own[column]) for column in key), identifier(own[layout.id], where)])
        if row_id in ids:
            raise ValueError(f"{where}: got id {short_repr(row_id)}, which is also at {ids[row_id]}. Use each id once.")
        ids[row_id] = where
    return tuple(ids)


def _check_fields(values: Mapping[str, object], header: Collection[str], where: str) -> None:
    if values.keys() != set(header):
        other = min({*values} ^ {*header})
        raise ValueError(
            f"{where}: got field {short_repr(other)} in only one of this row and the first, expected the same fields in every row. "
            "Add it, or leave it out."
        )


def _check_pair(layout: Layout, header: Sequence[str], sample: Sequence[Row], table: Sequence[Row], source: str) -> None:
    """Where two columns say the languages of a bitext, all rows must say the same."""
    said = said_pair(header, [row.values for row in sample])
    for column in language_columns(header) if said and set(layout.texts) == set(said) else ():
        if len(values := {label(row.values[column]) for row in table}) > 1:
            raise ValueError(
                f"{source}: got {' and '.join(sorted(values)[:3])} in column {short_repr(column)}, expected one pair of languages. "
                "Split the file by pair."
            )


def _say(layout: Layout, sample: Sequence[Row]) -> None:
    """Note which column is what."""
    for code, column in layout.texts.items():
        took(code, f"column {short_repr(column)}")
    kinds = kinds_of(list(sample[0].values), [row.values for row in sample])
    note(described(layout, kinds))
    for code, column in layout.texts.items():
        if language(code).script != "Latn" and all(str(row.values[column]).isascii() for row in sample):
            note(f"{short_repr(column)} is {code}, and holds no letter of its script: is it that language?")


def label(value: object) -> str:
    """A label `value` of an item as text; JSON if it is no string.

    >>> label("news"), label([1, 2])
    ('news', '[1, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _flat(values: Mapping[str, object], where: str) -> dict[str, object]:
    """The row with the languages of a nested `translation` as fields of their own, called by their code or regional variant."""
    nested = values.get("translation")
    if not isinstance(nested, dict):
        return dict(values)
    try:
        plain = by_code({tag: text for tag, text in nested.items() if not has_region(tag)})
        inner = plain | {tag: text for tag, text in nested.items() if has_region(tag) and language(tag)}
    except ValueError as error:
        raise ValueError(f"{where}: translation: {error}") from None
    return {key: value for key, value in values.items() if key != "translation"} | inner

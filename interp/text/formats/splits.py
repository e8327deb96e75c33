"""The split that a row says it is of, in a column `split` or `part`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from interp.files.checks import short_repr
from interp.text.formats.column_names import split_columns
from interp.text.raw.rows import Row


def select(rows: Iterable[Row], split: str | None, source: str) -> Iterator[Row]:
    """The `rows` whose column `split` or `part` is `split`; all rows if it is None.

    `source` names them in the `ValueError` that is raised if there are none; it names the splits that there are.

    >>> rows = [Row("a.jsonl:1", {"split": "train"}), Row("a.jsonl:2", {"split": "test"})]
    >>> [row.where for row in select(rows, "test", "a.jsonl")]
    ['a.jsonl:2']
    """
    count, others = 0, dict[str, None]()
    for row in rows:
        own = () if split is None else [str(row.values[column]) for column in split_columns(row.values)]
        if split is None or split.casefold() in [one.casefold() for one in own]:
            count += 1
            yield row
        others.update(dict.fromkeys(own))
    if not count and split is not None:
        there = f"one of {', '.join(map(short_repr, [*others][:12]))}" if others else "none: no row has a column 'split' or 'part'"
        raise ValueError(
            f"{source}: got split {short_repr(split)}, expected {there}. Choose another split, or none (--split None)."
        )

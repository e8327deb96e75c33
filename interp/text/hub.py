"""A dataset of the Hugging Face hub as a corpus, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from interp.files.checks import short_repr
from interp.text.corpus import ParallelCorpus
from interp.text.formats.rows import Row
from interp.text.formats.tables import corpus_of_rows


def read_hub(name: str, languages: Sequence[str] | None, limit: int | None, split: str | None) -> ParallelCorpus:
    """`org/dataset` or `org/dataset:configuration`: columns that are languages (`deu_Latn`, `sentence_deu_Latn`), or a
    nested `translation`.

    Only data files are read; code in the repository is never run. Raises `OSError` where the hub cannot be reached,
    `ValueError` where it has no such dataset, configuration or split.
    """
    path, _, configuration = name.partition(":")
    found = _asked(name, path, configuration or None, split)
    if isinstance(found, dict):
        if len(found) != 1:
            raise ValueError(f"hub dataset {name!r} has splits {', '.join(found)}. Choose one with split=.")
        split, found = next(iter(found.items()))
    title = f"{name}/{split}"
    return corpus_of_rows(title, f"hub dataset {title!r}", _rows(title, found), languages, limit)


def _asked(name: str, path: str, configuration: str | None, split: str | None) -> Any:
    import datasets

    try:
        return datasets.load_dataset(path, configuration, split=split, streaming=True)
    except (datasets.exceptions.DatasetNotFoundError, ValueError) as error:
        raise ValueError(
            f"hub dataset {name!r}: {_first_line(error)}. Needed: a dataset, configuration and split there are."
        ) from None
    except Exception as error:
        raise _unreachable(name, error) from None


def _rows(title: str, found: Any) -> Iterator[Row]:
    values = iter(found)
    number = 0
    while True:
        try:
            row = next(values)
        except StopIteration:
            return
        except Exception as error:
            raise _unreachable(title, error) from None
        yield Row(f"hub dataset {title!r}, row {number}", row)
        number += 1


def _unreachable(name: str, error: Exception) -> OSError:
    return OSError(
        f"hub dataset {name!r} cannot be read: {_first_line(error)}. "
        "Look at the network, or fetch the dataset elsewhere and give its folder."
    )


def _first_line(error: Exception) -> str:
    return short_repr(next(iter(str(error).splitlines()), "") or type(error).__name__)

"""Read a dataset of the Hugging Face Hub as a corpus, by streaming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from interp.files.checks import short_repr
from interp.text.asked import Asked
from interp.text.corpus import ParallelCorpus
from interp.text.formats.tables import corpus_of_rows
from interp.text.raw.rows import Row

if TYPE_CHECKING:
    from datasets import IterableDataset, IterableDatasetDict


def read_hub(name: str, asked: Asked) -> ParallelCorpus:
    """Read a dataset with a column per language (`deu_Latn` or `sentence_deu_Latn`), or with a nested `translation`.

    Only data files are read: code in the repository is never run.

    Parameters
    ----------
    name
        `org/dataset` or `org/dataset:configuration`.
    asked
        The languages, how many items, the split if the dataset has several, and the columns as for `corpus_of_rows`.

    Raises
    ------
    OSError
        The Hub cannot be reached.
    ValueError
        There is no such dataset, configuration or split, or its rows are not parallel text.
    """
    path, _, configuration = name.partition(":")
    split = asked.split
    dataset = _stream(name, path, configuration or None, split)
    if isinstance(dataset, dict):
        if len(dataset) != 1:
            raise ValueError(f"hub dataset {name!r} has splits {', '.join(dataset)}. Choose one with split=.")
        split, dataset = next(iter(dataset.items()))
    title = f"{name}/{split}"
    return corpus_of_rows(title, f"hub dataset {title!r}", _rows(title, dataset), asked.without_split())


def _stream(name: str, path: str, configuration: str | None, split: str | None) -> IterableDataset | IterableDatasetDict:
    import datasets

    try:
        return datasets.load_dataset(path, configuration, split=split, streaming=True)
    except (datasets.exceptions.DatasetNotFoundError, ValueError) as error:
        raise ValueError(
            f"hub dataset {name!r}: {_first_line(error)}. Check the names of the dataset, configuration and split."
        ) from None
    except Exception as error:
        raise _unreachable(name, error) from None


def _rows(title: str, dataset: Iterable[Mapping[str, object]]) -> Iterator[Row]:
    values = iter(dataset)
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
        "Check the network, or download the dataset elsewhere and give its folder."
    )


def _first_line(error: Exception) -> str:
    return short_repr(next(iter(str(error).splitlines()), "") or type(error).__name__)

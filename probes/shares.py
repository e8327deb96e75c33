"""The work of one process among several that measure into the same folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Part = TypeVar("Part")


def take_share(parts: Sequence[Part], index: int, count: int, before: int = 0) -> list[Part]:
    """Every `count`-th part of the work: over all shares, each part is taken once.

    Parameters
    ----------
    parts
        What is to be done, in the same order in every process.
    index, count
        This share, counted from 0, and the number of shares.
    before
        Number of parts in earlier lists. Shares then stay equally large over many short lists.

    Raises
    ------
    ValueError
        There is no such share.
    """
    if not 0 <= index < count:
        raise ValueError(f"share: got index {index} of {count} shares, expected 0 to {count - 1}.")
    return list(parts[(index - before) % count :: count])

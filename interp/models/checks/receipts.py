"""Receipts: a few results of a run, computed again by plain forward passes in the same run, and how much they differed.

A plain forward pass reads one prompt, without padding and cache, under the same hooks. Each fast path (a cache, a batch, packed
cells) gets the items to compute again from `draw_items` and passes the differences to `record_differences`. Outside `collected`
none are drawn, so a call from Python costs nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

MOST = 6
"""Items of a kind that are checked in a run. After these, one more at every doubling of the number of calls."""


@dataclass(frozen=True)
class Receipt:
    """`n` of `what` were computed again by plain forwards, and differed by `difference` at most.

    Differences are shares of the largest value of the plain forward (of its largest logit, for scores and tokens; of the norm of
    all values, for neurons); for a token or a choice, how far it lies below the best one. `near_ties` are choices that fell the
    other way within the tolerance.
    """

    what: str
    n: int
    difference: float
    tolerance: float
    near_ties: int = 0

    def __str__(self) -> str:
        ties = f", {self.near_ties} near tie{'s' * (self.near_ties > 1)} decided otherwise" if self.near_ties else ""
        return f"{self.n} {self.what}, largest difference {self.difference:.0e} ({self.tolerance:.0e} allowed{ties})"


class ReceiptError(RuntimeError):
    """A fast path and a plain forward pass differ."""


@dataclass
class _Collector:
    chance: random.Random
    calls: Counter[str] = field(default_factory=Counter)
    n: Counter[str] = field(default_factory=Counter)
    receipts: list[Receipt] = field(default_factory=list)
    outer: _Collector | None = None


_OPEN: ContextVar[_Collector | None] = ContextVar("receipts", default=None)


@contextmanager
def collected(seed: int = 0) -> Iterator[list[Receipt]]:
    """Have the fast paths in this block check some of their results. Gives the list that receives their receipts.

    A block inside another passes its receipts on to the outer one.

    Parameters
    ----------
    seed
        Random seed of the items to compute again.
    """
    outer = _OPEN.get()
    own = _Collector(random.Random(seed)) if outer is None else _Collector(outer.chance, outer.calls, outer.n, outer=outer)
    token = _OPEN.set(own)
    try:
        yield own.receipts
    finally:
        _OPEN.reset(token)


def draw_items(what: str, of: int, most: int = 2) -> list[int]:
    """Draw the items that a fast path must compute again by plain forward passes.

    Parameters
    ----------
    what
        Name of the items, in the plural, such as "captured sentences".
    of
        Number of items.
    most
        Maximum number to draw in one call.

    Returns
    -------
    Sorted indices. Empty outside `collected`; after `MOST` items of a kind, one more at every doubling of the number of calls.
    """
    run = _OPEN.get()
    if run is None or of < 1:
        return []
    run.calls[what] += 1
    doubled = run.calls[what].bit_count() == 1
    n = min(most, MOST - run.n[what], of) if run.n[what] < MOST else int(doubled)
    return sorted(run.chance.sample(range(of), n))


def record_differences(what: str, differences: Sequence[float], tolerance: float, near_ties: int = 0) -> None:
    """Record how much the items of `draw_items` differ from plain forward passes.

    Parameters
    ----------
    what
        Name of the items, as given to `draw_items`.
    differences
        Difference of each item, as a share of the largest value.
    tolerance
        The largest difference allowed.
    near_ties
        Number of choices that differ within the tolerance.

    Raises
    ------
    ReceiptError
        A difference exceeds the tolerance or is NaN: the results of the run are wrong.
    """
    run = _OPEN.get()
    if run is None or not differences:
        return
    above = [difference for difference in differences if not difference <= tolerance]
    if above:
        raise ReceiptError(
            f"{len(above)} of {len(differences)} {what} computed again by a plain forward differ by {max(above):.1e} of the "
            f"largest value, expected at most {tolerance:.0e}. The run is refused, no report is saved. See which part of the "
            "model is not computed rightly with `interp check`, and do not --resume: start over in another --output."
        )
    run.n[what] += len(differences)
    receipt = Receipt(what, len(differences), max(differences), tolerance, near_ties)
    while run is not None:
        run.receipts.append(receipt)
        run = run.outer


def merge_receipts(receipts: Iterable[Receipt]) -> tuple[Receipt, ...]:
    """Merge `receipts` of one kind: their number is added up, and the largest difference kept."""
    by_kind: dict[str, Receipt] = {}
    for receipt in receipts:
        merged = by_kind.get(receipt.what)
        by_kind[receipt.what] = receipt if merged is None else replace(
            merged, n=merged.n + receipt.n, difference=max(merged.difference, receipt.difference),
            tolerance=max(merged.tolerance, receipt.tolerance), near_ties=merged.near_ties + receipt.near_ties,
        )  # fmt: skip
    return tuple(by_kind.values())


def describe(receipts: Sequence[Receipt]) -> str:
    """Describe `receipts` in one line: "checked against plain forwards: 6 transplant cells, ..."; empty if there are none."""
    return f"checked against plain forwards: {'; '.join(map(str, receipts))}" if receipts else ""

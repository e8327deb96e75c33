"""One progress bar over a whole battery of measurements, whose remaining time counts only what is still to be computed."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

from tqdm.auto import tqdm


class Progress(tqdm):  # type: ignore[type-arg]
    """A bar whose estimate of the remaining time is the mean cost of what was computed in this run.

    What a folder held already is passed over with `found`: it takes no time, and would make the rest look as fast.

    >>> with Progress(total=4, disable=True) as bar:
    ...     bar.found(1)
    ...     _ = bar.update(1)
    """

    def __init__(self, *, total: int, desc: str = "", unit: str = "item", disable: bool | None = False) -> None:
        disable = True if os.environ.get("TQDM_DISABLE") else disable  # which tqdm asks only where nothing is said here
        super().__init__(total=total, desc=desc, unit=unit, disable=disable, smoothing=0)

    def found(self, n: int = 1) -> None:
        """Pass over `n` units that were computed in an earlier run."""
        if not self.disable:
            self.initial += n
        self.update(n)


def shown(bar: Progress | None, *, total: int, desc: str, unit: str, disable: bool = False) -> AbstractContextManager[Progress]:
    """The `bar` of a larger battery, which its owner closes, or without one a bar of its own, closed behind the `with` block.

    `total`, `desc`, `unit` and `disable` are those of a bar of its own.

    >>> with shown(None, total=4, desc="lens", unit="prompt", disable=True) as bar:
    ...     bar.found(1)
    """
    return Progress(total=total, desc=desc, unit=unit, disable=disable) if bar is None else nullcontext(bar)

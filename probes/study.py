"""What all studies have in common: a frozen plan, measured at once or in shares by several processes that meet in one folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from probes.report import Report

Job = TypeVar("Job")
"""What one process measures by itself: a tuned model, a batch of items, a target language."""
Scores = TypeVar("Scores")
"""What is measured of some jobs: a table, an array, grids."""


@dataclass(frozen=True, kw_only=True)
class Study(ABC, Generic[Job, Scores]):
    """A plan of everything to measure, and the question to it. Its fields say all that the numbers depend on.

    Finished jobs are kept in a folder and found again there. So an interrupted study continues where it was, and several
    processes can each measure a share of the jobs.
    """

    @abstractmethod
    def jobs(self) -> Sequence[Job]:
        """Everything to measure, in the order it is measured, which is the same in every process."""

    @abstractmethod
    def scores(self, jobs: Sequence[Job], folder: str | Path) -> Scores:
        """The measurements of one or more of the `jobs`, from `folder` where it holds them."""

    @abstractmethod
    def measure(self, folder: str | Path) -> Report:
        """Measure all jobs that `folder` does not hold yet, and report.

        Parameters
        ----------
        folder
            Where finished jobs are kept, the same for `measure` and for every `share`. Optional where a study has a default:
            nothing is kept then.
        """

    def share(self, folder: str | Path, index: int, count: int) -> None:
        """Measure one of several shares of the jobs into `folder`, where `measure` then finds them.

        Shares may run at the same time, on one machine or on several. Each job is measured as `measure` would, so the numbers are
        the same.

        Parameters
        ----------
        folder
            Where finished jobs are kept, the same for all shares.
        index, count
            This share, counted from 0, and the number of shares.

        Raises
        ------
        ValueError
            There is no such share.
        """
        if not 0 <= index < count:
            raise ValueError(f"share: got index {index} of {count} shares, expected 0 to {count - 1}.")
        if own_jobs := self.jobs()[index::count]:
            self.scores(own_jobs, folder)

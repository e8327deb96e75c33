"""What all studies have in common: a frozen plan, measured at once or in shares by several processes that meet in one folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from probes.report import Report

Job = TypeVar("Job")
"""What one process measures by itself: a tuned model, a batch of items, a target language."""
_Fields = ParamSpec("_Fields")
_Plan = TypeVar("_Plan")
_Answer = TypeVar("_Answer")
Scores = TypeVar("Scores")
"""What is measured of some jobs: a table, an array, grids."""


@dataclass(frozen=True, kw_only=True)
class Study(ABC, Generic[Job, Scores]):
    """A plan of everything to measure, and the question to it. Its fields say all that the numbers depend on.

    Finished jobs are kept in a folder and found again there. So an interrupted study continues where it was, and several
    processes can each measure a share of the jobs.

    Example
    -------
    A study of one's own says what its jobs are, and how some of them are measured.

    >>> from dataclasses import dataclass
    >>> import interp, probes
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Lengths(probes.Study[str, list[int]]):
    ...     corpus: interp.ParallelCorpus
    ...
    ...     def jobs(self):
    ...         return self.corpus.languages
    ...
    ...     def scores(self, jobs, folder):
    ...         return [len(" ".join(self.corpus[code])) for code in jobs]
    ...
    ...     def measure(self, folder):
    ...         return self.scores(self.jobs(), folder)
    >>> study = Lengths(corpus=interp.ParallelCorpus("greeting", {"eng_Latn": ("hello",), "deu_Latn": ("hallo du",)}))
    >>> study.measure("unused"), study.share("unused", 0, 2)
    ([5, 8], None)
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


def with_fields_of(study: Callable[_Fields, _Plan]) -> Callable[[Callable[[_Plan], _Answer]], Callable[_Fields, _Answer]]:
    """A function of a study becomes one of the fields of that study: its parameters are stated once, in the study.

    Parameters
    ----------
    study
        The class of the study, a dataclass.

    Returns
    -------
    A decorator of functions that take an instance of it.

    Example
    -------
    >>> import inspect
    >>> from probes.neurons.ablation import AblationStudy, measure_damage
    >>> list(inspect.signature(measure_damage).parameters) == list(inspect.signature(AblationStudy).parameters)
    True
    """

    def decorate(measure: Callable[[_Plan], _Answer]) -> Callable[_Fields, _Answer]:
        @wraps(measure)
        def measured(*args: _Fields.args, **kwargs: _Fields.kwargs) -> _Answer:
            return measure(study(*args, **kwargs))

        given, returned = signature(study), signature(measure).return_annotation
        vars(measured)["__signature__"] = given.replace(return_annotation=returned)
        return measured

    return decorate

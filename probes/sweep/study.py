"""The shape that the three studies of tuned models share: a frozen plan, measured at once or in shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd

from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe
from probes.report import Report
from probes.shares import take_share

Job = TypeVar("Job")
"""What one process does by itself: a cell of the sweep, or several that belong together."""
SWEEP = "sweep"
"""The folder, inside that of a study, with everything tuned and scored."""


@dataclass(frozen=True, kw_only=True)
class Study(ABC, Generic[Job]):
    """A plan: many models tuned from one parent, each asked to translate, and one question to their scores.

    Whatever a study tuned and scored is found again in its folder, so that a killed study goes on where it was.

    Parameters
    ----------
    parent
        Hub name or folder of the model to tune.
    test
        Parallel text to translate, with every language of the study. No sentence of it may be trained on.
    pivot
        The language that is translated from (quadrants, scaling), or taken for the common one (directions).
    seeds
        How many times each kind of model is tuned, in other orders of the same text; intervals are over these, too.
    seed
        Start of everything random. Models are tuned with seeds `seed`, `seed + 1`, ...
    beams
        Beam search with so many beams; 1 is greedy.
    max_new_tokens
        Length of an answer at most; None means twice the longest reference.
    resamples
        Bootstrap resamples behind every interval.
    """

    parent: str | Path
    test: ParallelCorpus
    pivot: str = "eng_Latn"
    seeds: int = 1
    seed: int = 0
    beams: int = 1
    max_new_tokens: int | None = None
    resamples: int = 1000

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"got {self.seeds} seeds, expected 1 or more: each tunes every model once.")

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """The seeds that models are tuned with."""
        return tuple(range(self.seed, self.seed + self.seeds))

    @abstractmethod
    def jobs(self) -> list[Job]:
        """Everything to tune and score, in the order it is done."""

    @abstractmethod
    def scores(self, jobs: Sequence[Job], folder: str | Path, device: str | None = None) -> pd.DataFrame:
        """The scores of some jobs item by item, tuned and asked where `folder` does not hold them yet."""

    @abstractmethod
    def measure(self, folder: str | Path, device: str | None = None) -> Report:
        """Tune and score what `folder` does not hold yet, and report."""

    def share(self, folder: str | Path, index: int, count: int, device: str | None = None) -> None:
        """Do one of several shares of the tuning and scoring, which may run at the same time on one `folder`.

        Parameters
        ----------
        folder
            The folder of the study, the same for all shares and for `measure`, which then only reads.
        index, count
            This share, counted from 0, of so many.
        device
            cpu, cuda, cuda:1, mps or auto; None means auto.

        Raises
        ------
        ValueError
            Where there is no such share.
        """
        if mine := take_share(self.jobs(), index, count):
            self.scores(mine, folder, device)


def describe_tuning(recipe: Recipe, seeds: int, beams: int) -> dict[str, str | int | float]:
    """What a signature says of how models were tuned and asked: scope, prompt form, learning rate, updates, batch, seeds, beams."""
    amount: dict[str, str | int | float] = {"steps": recipe.steps} if recipe.steps else {"epochs": recipe.epochs}
    return {"scope": recipe.scope, "form": recipe.template, "lr": recipe.learning_rate, **amount, "batch": recipe.batch,
            "seeds": seeds, "beams": beams}  # fmt: skip

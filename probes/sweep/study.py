"""Studies of tuned models: many models tuned from one parent and scored, and one question answered from their scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe
from probes.study import Job, Study

SWEEP = "sweep"
"""The folder, inside that of a study, with everything tuned and scored."""


@dataclass(frozen=True, kw_only=True)
class SweepStudy(Study[Job, pd.DataFrame]):
    """A plan: many models tuned from one parent, each asked to translate, and one question answered from their scores.

    Its jobs are models to tune and score, its scores a table of items. Its folder holds both.

    Parameters
    ----------
    parent
        Hub name or folder of the model to tune.
    test
        Parallel text to translate, with every language of the study. No sentence of it may be trained on.
    pivot
        The language that is translated from (quadrants, scaling), or the reference language (directions).
    seeds
        How many times each kind of model is tuned, in other orders of the same text; intervals include what seeds differ by. With
        one the reports claim nothing that training noise could have made.
    seed
        Start of everything random. Models are tuned with seeds `seed`, `seed + 1`, ...
    beams
        Beam search with so many beams; 1 is greedy.
    max_new_tokens
        Maximum number of tokens of an output; None means twice the longest reference.
    resamples
        Bootstrap resamples behind every interval: 1000, and 500 in a `ScalingStudy`.
    device
        cpu, cuda, cuda:1, mps or auto; None means auto. Studies that differ in it alone are equal.
    """

    parent: str | Path
    test: ParallelCorpus
    pivot: str = "eng_Latn"
    seeds: int = 3
    seed: int = 0
    beams: int = 1
    max_new_tokens: int | None = None
    resamples: int = 1000
    device: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"got {self.seeds} seeds, expected 1 or more: each tunes every model once.")

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """The seeds that models are tuned with."""
        return tuple(range(self.seed, self.seed + self.seeds))


def describe_tuning(recipe: Recipe, seeds: int, beams: int) -> dict[str, str | int | float]:
    """What a signature says of the `recipe`: scope, prompt form, learning rate, updates, batch; and of the `seeds` and `beams`."""
    amount: dict[str, str | int | float] = {"steps": recipe.steps} if recipe.steps else {"epochs": recipe.epochs}
    return {"scope": recipe.scope, "form": recipe.form, "lr": recipe.learning_rate, **amount, "batch": recipe.batch,
            "seeds": seeds, "beams": beams}  # fmt: skip

"""What an entry of the gallery is: a question, the published finding, settings decided before the run, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Result = Literal["came out", "did not come out", "not distinguishable"]
QWEN, SMOLLM2 = "Qwen/Qwen2.5-Coder-0.5B-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Public names of the two models."""
CAPITALS = Path(__file__).parent / "capitals"
"""24 capitals asked for in five languages: this project's own text."""


@dataclass(frozen=True)
class Inputs:
    """Where the models, the parallel text and the run folders are on this machine."""

    qwen: str
    smollm2: str
    data: Path
    work: Path


class Outcome(NamedTuple):
    """What came out: the numbers of an entry in words, and how they stand to the finding."""

    numbers: str
    result: Result
    because: str


@dataclass(frozen=True)
class Entry:
    """One question of the gallery.

    Attributes
    ----------
    name
        Folder of the entry.
    model
        Public name of the model.
    data
        The text, with its licence.
    finding
        The published finding that it bears on: paper, one sentence.
    control
        What the number stands beside.
    reasons
        Why these settings: written before the numbers were seen.
    rule
        When it counts as come out: written before the numbers were seen.
    steps
        The settings of the runs, in order; the last is the one shown.
    judge
        Applies the rule to the committed summary of the last run, and to its verdict.
    figures
        Further figures of the run that are kept, by name.
    changed
        What was changed after numbers had been seen, and why; empty if nothing was.
    """

    name: str
    model: str
    data: str
    finding: str
    control: str
    reasons: str
    rule: str
    steps: Callable[[Inputs], tuple[Settings, ...]]
    judge: Callable[[pd.DataFrame, str], Outcome]
    figures: tuple[str, ...] = ()
    changed: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The files that are committed, the manifest last."""
        return ("summary.csv", "figure.svg", *(f"figure-{name}.svg" for name in self.figures), "manifest.json")

"""One row of the calibration table: what was simulated, what was measured, what was promised, and whether it holds.

A share of a few hundred simulations is imprecise, so a promise is broken only where chance alone would miss it once in a thousand:
that bound stands in brackets behind the promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CHANCE = 0.001
"""How often a check fails by chance."""
LEVEL, POWER, COVERED = 0.05, 0.90, (0.93, 0.97)
"""The most findings among nulls, the fewest among planted effects, and how often a 95 % interval holds the truth."""

LANGUAGES = (
    "deu_Latn", "fra_Latn", "spa_Latn", "ita_Latn", "por_Latn", "nld_Latn", "swe_Latn", "dan_Latn", "fin_Latn", "hun_Latn",
    "pol_Latn", "ces_Latn", "rus_Cyrl", "ukr_Cyrl", "ell_Grek", "tur_Latn", "vie_Latn", "ind_Latn", "swh_Latn", "zho_Hans",
)  # fmt: skip
"""Twenty languages beside English."""


class Row(NamedTuple):
    """A check by name, its kind, the number of items, that of simulations, what was measured and promised, and whether it holds.

    `kind` is "null" (share of findings), "power" (the same of a planted effect), "coverage" (of a 95 % interval) or "uniform" (p).
    """

    check: str
    kind: str
    n: int
    simulations: int
    measured: float
    promised: str
    holds: bool


class Budget(NamedTuple):
    """How much to simulate. `quick` checks leave out the largest sizes."""

    simulations: int
    seed: int
    quick: bool

    def seeds(self, share: float = 1.0) -> range:
        """A seed for each simulation of a check; `share` of them for one that is slow."""
        return range(self.seed, self.seed + max(20, round(self.simulations * share)))


Checks = Callable[[Budget], Iterator[Row]]
"""What a command's verdict module has under the name `checks`."""


def null(check: str, n: int, found: Sequence[bool] | np.ndarray) -> Row:
    """A row for verdicts on data without an effect: at most 5 % may claim a finding (`found`, by simulation)."""
    most = float(stats.binom.isf(CHANCE, len(found), LEVEL)) / len(found)
    share = float(np.mean(found))
    return Row(check, "null", n, len(found), share, f"at most {LEVEL} ({most:.3f})", share <= most)


def power(check: str, n: int, found: Sequence[bool] | np.ndarray, least: float = POWER) -> Row:
    """A row for verdicts on data with a planted effect: at least 90 % must claim it (`found`, by simulation)."""
    fewest = float(stats.binom.ppf(CHANCE, len(found), least)) / len(found)
    share = float(np.mean(found))
    return Row(check, "power", n, len(found), share, f"at least {least} ({fewest:.3f})", share >= fewest)


def coverage(check: str, n: int, held: Sequence[bool] | np.ndarray, wider: bool = False, together: int = 1) -> Row:
    """A row for 95 % intervals: how often they hold the truth (`held`). `wider`: one that is too wide breaks no promise.

    `together` of them come from one simulation and vary alike.
    """
    (low, high), runs = COVERED, max(1, len(held) // together)
    least = float(stats.binom.ppf(CHANCE, runs, low)) / runs
    most = float(stats.binom.isf(CHANCE, runs, high)) / runs
    share = float(np.mean(held))
    promised = f"{low} or more ({least:.3f})" if wider else f"{low} to {high} ({least:.3f} to {most:.3f})"
    return Row(check, "coverage", n, runs, share, promised, least <= share and (wider or share <= most))


def holds(lower: np.ndarray | float, upper: np.ndarray | float, truth: float) -> np.ndarray:
    """Whether intervals hold the truth; a blank one does not."""
    return np.asarray((np.asarray(lower) <= truth) & (truth <= np.asarray(upper)))

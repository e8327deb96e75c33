"""Class means of directions for several models at once, with draws over languages, items and runs that pair them all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from probes.directions.roles import CLASSES, Roles
from probes.statistics.crossed import Drawn, draw_directions, interval, mean_of
from probes.statistics.intervals import wilson_of_error
from probes.statistics.resampling import draws, mean, without_width
from probes.statistics.training_noise import Spread
from probes.sweep.scores import direction_scores
from probes.translation.metrics import is_own
from probes.translation.scorers import CORPUS_SCORES

TUNED = "tuned"
ALL = "all directions"
COLUMNS = ["system", "class", "against", "metric", "estimate", "lower", "upper", "p", "n", "baseline", "directions", "languages"]


class Scores(NamedTuple):
    """The score of every cell `once`, `drawn` in every resample of the items, and with the source left as it is (`untouched`)."""

    once: Float[np.ndarray, " cell"]
    drawn: Float[np.ndarray, "resample cell"]
    untouched: Float[np.ndarray, " cell"]


@dataclass(frozen=True)
class DirectionMeans:
    """Scores of the tuned model's runs and of what it is compared with, read in the same cells: a run and a direction each.

    `table` is that of `measure_cells` with the tags `system`, `rotation` and `seed` (-1 where a system has none: it then
    stands for every run); `roles` are those of each rotation; `resamples` and `seed` are those of the bootstrap. Every system has
    the same items.
    """

    table: pd.DataFrame
    roles: tuple[Roles, ...]
    resamples: int
    seed: int

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Every direction of every run of the tuned model, with its class."""
        runs = self.table.loc[self.table["system"] == TUNED, ["rotation", "seed", "source", "target"]].drop_duplicates()
        kinds = [self.roles[row.rotation].kind(row.source, row.target) for row in runs.itertuples()]
        names = runs["rotation"].astype(str) + "/" + runs["seed"].astype(str)
        return runs.assign(**{"class": kinds, "run": names}).reset_index(drop=True)

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """Tuned first, then what it is compared with."""
        return tuple(dict.fromkeys([TUNED, *self.table["system"]]))

    def scores(self, metric: str, system: str = TUNED) -> Scores:
        """A `metric`, or a column of errors, of one `system` in every cell."""
        part, untouched = self._sorted[system], f"{metric}_baseline"
        if metric in CORPUS_SCORES:
            once, below = (direction_scores(part, metric, baseline=baseline).to_numpy()[:, 0] for baseline in (False, True))
            drawn = direction_scores(part, metric, self._items).to_numpy().T
        else:
            values, beside = (self._by_item(part, name) for name in (metric, untouched if untouched in part else metric))
            once, drawn, below = values.mean(axis=1), mean(values.T, self._items), beside.mean(axis=1)
            below = below if untouched in part else np.full(len(below), np.nan)
        cell_order = self._places[system]
        return Scores(once[cell_order], drawn[:, cell_order], below[cell_order])

    def levels(self, metric: str, differences: bool = True) -> Iterator[dict[str, object]]:
        """The mean of a `metric` over every class of every system.

        With `differences` also each class less the seen one, and the tuned system less each other.
        """
        scores = {system: self.scores(metric, system) for system in self.systems}
        kinds = {kind: chosen for kind in (*CLASSES, ALL) if (chosen := self.of(kind)).any()}
        yield from self._system(metric, (TUNED, ""), scores[TUNED], kinds)
        for kind in kinds if differences else ():
            if kind not in (ALL, "seen"):
                yield self._row(metric, (TUNED, kind, "seen"), kinds[kind], scores[TUNED], beside=kinds["seen"])
        for other in self.systems[1:] if differences else ():
            gap = Scores(*(own - others for own, others in zip(scores[TUNED], scores[other], strict=True)))
            yield from self._system(metric, (TUNED, other), gap, kinds)
        for other in self.systems[1:]:
            yield from self._system(metric, (other, ""), scores[other], kinds)

    def _system(
        self, metric: str, who: tuple[str, str], own: Scores, kinds: Mapping[str, np.ndarray]
    ) -> Iterator[dict[str, object]]:
        for kind, chosen in kinds.items():
            yield self._row(metric, (who[0], kind, who[1]), chosen, own, 0.0 if who[1] else float(own.untouched[chosen].mean()))

    def of(self, kind: str) -> Bool[np.ndarray, " cell"]:
        """Which cells are of a class, `kind`; all of them for `ALL`."""
        return (self.cells["class"] == kind).to_numpy() | (kind == ALL)

    def _row(
        self,
        metric: str,
        who: tuple[str, str, str],
        chosen: Bool[np.ndarray, " cell"],
        own: Scores,
        baseline: float = 0.0,
        beside: Bool[np.ndarray, " cell"] | None = None,
    ) -> dict[str, object]:
        estimate, drawn, languages = float(own.once[chosen].mean()), self._mean(chosen, own), self._languages(chosen)
        if beside is not None:
            estimate, drawn = estimate - float(own.once[beside].mean()), drawn - self._mean(beside, own)
            languages = min(languages, self._languages(beside))
        top = 100.0 if metric in CORPUS_SCORES else np.inf if is_own(metric) else 1.0
        ends, p = self._interval(estimate, drawn, languages, self._between_runs(chosen, own, beside))
        if languages > 1 and self._hits(metric):
            ends, p = _of_hits(estimate, ends, p, languages, difference=bool(who[2]))
        low = -top if who[2] or is_own(metric) else 0.0
        lower, upper = np.clip(without_width(*map(np.asarray, ends)), low, top)
        directions = len(self.cells.loc[chosen, ["source", "target"]].drop_duplicates())
        items = self.table["item"].nunique()
        values = (*who, metric, estimate, float(lower), float(upper), p, items, baseline, directions, languages)
        return dict(zip(COLUMNS, values, strict=True))

    def _hits(self, metric: str) -> bool:
        """Whether every item of a metric is a hit or a miss."""
        return metric not in CORPUS_SCORES and bool(self.table[metric].isin((0.0, 1.0)).all())

    @property
    def runs(self) -> int:
        """How many times the tuned model was trained: its rotations and seeds."""
        return int(self.cells["run"].nunique())

    def _between_runs(
        self, chosen: Bool[np.ndarray, " cell"], own: Scores, beside: Bool[np.ndarray, " cell"] | None
    ) -> Float[np.ndarray, " run"]:
        """The mean, or the difference of means, in each run of the tuned model that has such cells."""
        means = pd.Series(own.once).where(chosen).groupby(self.cells["run"].to_numpy()).mean()
        if beside is not None:
            means = means - pd.Series(own.once).where(beside).groupby(self.cells["run"].to_numpy()).mean()
        return means.dropna().to_numpy()

    @staticmethod
    def _interval(
        estimate: float, drawn: Drawn, languages: int, runs: Float[np.ndarray, " run"]
    ) -> tuple[tuple[float, float], float]:
        """The interval over languages and items, widened by what runs differ by, with t of their number; and the p of 0.

        The two parts are squared and added, as in `probes.statistics.training_noise.Spread`. With one run the second is missing.
        """
        lower, upper = interval(estimate, drawn, languages)
        if languages < 2:
            return (lower, upper), np.nan
        k = len(runs)
        error = float(runs.std(ddof=1) / np.sqrt(k)) if k > 1 else 0.0
        half = float(stats.t.ppf(0.975, k - 1)) * error if k > 1 else 0.0
        near = (estimate - lower if estimate > 0 else upper - estimate) / stats.t.ppf(0.975, languages - 1)
        found = Spread(np.asarray(estimate), np.asarray(near), np.asarray(error), languages - 1.0, np.asarray(max(k - 1.0, 1.0)), k)
        return (estimate - float(np.hypot(estimate - lower, half)), estimate + float(np.hypot(upper - estimate, half))), float(
            found.p(least=0.0)
        )

    def _mean(self, chosen: Bool[np.ndarray, " cell"], own: Scores) -> Drawn:
        return mean_of(chosen, own.drawn, self._weights)

    @cached_property
    def _sorted(self) -> dict[str, pd.DataFrame]:
        """The rows of each system, direction by direction, the items of each in the order of their names."""
        keys = ["cell", "source", "target", "item"]
        return {name: part.sort_values(keys) for name, part in self.table.groupby("system", sort=False)}

    def _by_item(self, part: pd.DataFrame, column: str) -> Float[np.ndarray, "cell item"]:
        return part[column].to_numpy(dtype=float).reshape(-1, self._items.shape[1])

    @cached_property
    def _weights(self) -> Float[np.ndarray, "scheme resample cell"]:
        cells = self.cells
        return draw_directions(cells["source"].tolist(), cells["target"].tolist(), self.resamples, self.seed)

    @cached_property
    def _items(self) -> Float[np.ndarray, "resample item"]:
        """Draws of the items in the order of their names, or of the documents they are from."""
        first = self.table.drop_duplicates("item").sort_values("item")
        return draws(len(first), self.resamples, self.seed + 9, first["document"].to_numpy() if "document" in first else None)

    def _languages(self, chosen: Bool[np.ndarray, " cell"]) -> int:
        """The fewer of the sources and targets: how many languages a mean over these cells is really over."""
        part = self.cells[chosen]
        return int(min(part["source"].nunique(), part["target"].nunique()))

    @cached_property
    def _places(self) -> dict[str, np.ndarray]:
        """Where each cell has its counterpart: of its own rotation and seed, or where a system has none (-1), the one for all."""
        return {system: self._counterparts(part.iloc[:: self._items.shape[1]]) for system, part in self._sorted.items()}

    def _counterparts(self, heads: pd.DataFrame) -> np.ndarray:
        keys = heads[["rotation", "seed", "source", "target"]].itertuples(index=False, name=None)
        row_of = {key: row for row, key in enumerate(keys)}
        rows = []
        for row in self.cells.itertuples():
            tried = [(turn, seed, row.source, row.target) for turn in (row.rotation, -1) for seed in (row.seed, -1)]
            rows.append(next(row_of[key] for key in tried if key in row_of))
        return np.array(rows)


def _of_hits(
    estimate: float, ends: tuple[float, float], p: float, languages: int, difference: bool
) -> tuple[tuple[float, float], float]:
    """The interval and p of a mean of hits, or of a `difference` of such means, from those of a mean of numbers.

    Wilson's, of as many hits as have the same error, at least as many as there are languages. A difference that is the same in all
    cells gets Agresti & Min's over languages, as its spread says nothing of others.
    """
    quantile = float(stats.t.ppf(0.975, languages - 1))
    error = (ends[1] - ends[0]) / 2 / quantile
    if not difference:
        lower, upper = wilson_of_error(np.asarray(np.clip(estimate, 0, 1)), np.asarray(error), quantile, float(languages))
        return (float(lower), float(upper)), p
    if error > 1e-9:
        return ends, p
    shrunk = estimate * languages / (languages + 2)
    error = float(np.sqrt(((estimate**2 * languages + 1) / (languages + 2) - shrunk**2) / (languages + 2)))
    known = float(2 * stats.t.sf(abs(shrunk) / error, languages - 1))
    return (shrunk - quantile * error, max(shrunk + quantile * error, estimate)), known


def common_items(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `table` whose items every cell was tested on: what a few-shot prompt shows is left out for all."""
    per = table.groupby("item")["cell"].nunique()
    return table[table["item"].isin(per.index[per == table["cell"].nunique()])].reset_index(drop=True)

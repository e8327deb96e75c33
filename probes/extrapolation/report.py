"""Before and after tuning across languages: what each arm can do, paired with the untuned and the English-only model."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probes.figures.curves import curves
from probes.figures.dots import arm_dots
from probes.report import Report
from probes.statistics.resampling import bracketed, draws, percentiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = ["arm", "language", "layer"]
_Key = tuple[Hashable, Hashable, Hashable]
MIDDLE = "middle"
UNTUNED, ENGLISH = "untuned", "english"


class ExtrapolationReport(Report):
    """One row a model, measure, language, layer and item: `value` beside `chance`.

    Arms share items and seeds, so their differences are paired. The layer "middle" is the mean over the middle third of the
    blocks' outputs, chosen before looking; "mean" is the mean over languages beside the pivot.
    """

    question = "Does tuning carry what the model can do in English into other languages?"

    def summary(self) -> pd.DataFrame:
        """A row a measure, arm, language and layer; `baseline` is chance; `gain` is over the untuned model, `over_english`
        over the model tuned on English alone, both with intervals over items and seeds."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        parts = [self._measure(str(name), part) for name, part in self.table.groupby("measure", sort=False)]
        return pd.concat(parts, ignore_index=True)

    def _measure(self, name: str, part: pd.DataFrame) -> pd.DataFrame:
        values, drawn, chance = self._cells(part)
        rows = []
        for (arm, language, layer), value in sorted(values.items(), key=lambda cell: cell[0][1] != "mean"):
            mine, own = drawn[arm, language, layer], {"measure": name, "arm": arm, "language": language, "layer": layer}
            lower, upper = percentiles(mine, part["item"].nunique())
            own |= {
                "estimate": value,
                "lower": float(lower),
                "upper": float(upper),
                "n": part["item"].nunique(),
                "baseline": chance[arm, language, layer],
            }
            for column, other in (("gain", UNTUNED), ("over_english", ENGLISH)):
                key = (other, language, layer)
                apart = mine - drawn[key] if key in drawn and other != arm else np.full(1, np.nan)
                less, more = percentiles(apart, part["item"].nunique())
                own |= {
                    column: value - values.get(key, np.nan) if other != arm else np.nan,
                    f"{column}_lower": float(less),
                    f"{column}_upper": float(more),
                }
            rows.append(own)
        return pd.DataFrame(rows)

    def _cells(self, part: pd.DataFrame) -> tuple[dict[_Key, float], dict[_Key, np.ndarray], dict[_Key, float]]:
        """Estimate, draws and chance of each arm, language and layer, with the means over languages and middle layers."""
        how, pivot = self.settings, self.settings["pivot"]
        items = sorted(part["item"].unique())
        seeds = sorted(part.loc[part["arm"] != UNTUNED, "seed"].unique())
        chosen = draws(len(items), how["resamples"], how["seed"])
        seed_draws = draws(max(1, len(seeds)), how["resamples"], how["seed"] + 1)
        values: dict[_Key, float] = {}
        drawn: dict[_Key, np.ndarray] = {}
        for key, rows in part.groupby(_CELL, sort=False):
            grid = rows.pivot_table(index="seed", columns="item", values="value", aggfunc="mean").reindex(columns=items)
            grid = grid if key[0] == UNTUNED else grid.reindex(seeds)
            if grid.isna().to_numpy().any():
                raise ValueError(f"arm {key[0]} in {key[1]} lacks items or seeds that others have, expected the same in every arm.")
            values[key] = float(grid.to_numpy().mean())
            means = chosen @ grid.to_numpy().T / len(items)
            drawn[key] = means[:, 0] if key[0] == UNTUNED else (means * seed_draws).sum(1) / seed_draws.sum(1)
        chance = part.groupby(_CELL, sort=False)["chance"].mean().to_dict()
        for each in (values, drawn, chance):
            _add_means(each, pivot)
        return values, drawn, chance

    @property
    def arms(self) -> tuple[str, ...]:
        return tuple(self.table["arm"].unique())

    def verdict(self) -> str:
        """For each measure, what every arm scores in the mean of languages, and what it gains over English-only tuning."""
        rows = self._summary
        rows = rows[
            (rows["language"] == "mean") & rows["layer"].isin(["", MIDDLE]) & (rows["measure"] != "alignment: mexa_centred")
        ]
        said = []
        for name, part in rows.groupby("measure", sort=False):
            where = f"{name} in the middle layers" if part["layer"].iloc[0] else str(name)
            told = ", ".join(self._described(row) for row in part.itertuples())
            said.append(f"{where} (chance {part['baseline'].max():.3g}): {told}")
        languages = [code for code in self.table["language"].unique() if code != self.settings["pivot"]]
        return f"In {len(languages)} language{'s' if len(languages) > 1 else ''}, {'; '.join(said)}."

    @staticmethod
    def _described(row: Any) -> str:
        number = f"{row.arm} {row.estimate:.3g}"
        if row.arm == UNTUNED:
            return number
        for value, low, high, whom in ((row.over_english, row.over_english_lower, row.over_english_upper, "English-only"),
                                       (row.gain, row.gain_lower, row.gain_upper, UNTUNED)):  # fmt: skip
            if np.isfinite(value):
                doubt = "" if low > 0 or high < 0 else ", not distinguishable"
                return f"{number} ({value:+.2g} {bracketed(low, high, '+.2g')} over {whom}{doubt})"
        return number

    def figures(self) -> dict[str, Figure]:
        """Every arm in every language, a figure a measure; alignment over layers, a line an arm."""
        figures, line = {}, str(self.signature)
        for name, part in self._summary.groupby("measure", sort=False):
            what, key = str(name), str(name).partition(": ")[2]
            if (part["layer"] == "").all():
                figures[key] = arm_dots(part, f"Before and after: {what}", what, line)
            else:
                rows = part[(part["language"] == "mean") & (part["layer"] != MIDDLE)]
                title = f"Before and after: {what}, mean of languages"
                figures[key] = curves(rows, line="arm", ylabel=key, title=title, signature=line, reference=None)
        return figures


def _add_means(cells: dict[Any, Any], pivot: str) -> None:
    """Add the mean over the languages beside the pivot, and over the middle third of the blocks."""
    arms = dict.fromkeys(arm for arm, _, _ in cells)
    layers = list(dict.fromkeys(layer for _, _, layer in cells))
    blocks = [layer for layer in layers if layer.isdigit()]
    middle = blocks[len(blocks) // 3 : -(-2 * len(blocks) // 3)]
    languages = list(dict.fromkeys(language for _, language, _ in cells))
    for arm in arms:
        for language in languages:
            if middle and (arm, language, middle[0]) in cells:
                cells[arm, language, MIDDLE] = np.mean([cells[arm, language, layer] for layer in middle], axis=0)
    for arm in arms:
        for layer in [*layers, *([MIDDLE] if middle else [])]:
            mine = [cells[arm, code, layer] for code in languages if code != pivot and (arm, code, layer) in cells]
            if mine:
                cells[arm, "mean", layer] = np.mean(mine, axis=0)

"""What a sweep of factors says: the mean of every level, its difference to the first, and where two factors interact."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.factors.effects import measure_effects
from probes.factors.figures import factor_panels
from probes.factors.scores import TUNED, CombinationScores, combination_scores
from probes.report import Report
from probes.statistics.resampling import bracketed
from probes.statistics.significance import FEWEST, said_p
from probes.translation.metrics import label_of, scale_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 2
"""Effects that the first sentence names."""


class SweepReport(Report):
    """The effect of every factor of tuning, as `FactorStudy` measures it.

    `table` has one row per `cell`, direction and `item`: `role` ("tuned", "untuned"), the level of each factor
    (`factor_<name>`), the `seed`, the output and its score, and facts of the training. `untuned` names the cell of
    the model that a cell was tuned from.

    Example
    -------
    >>> import pandas as pd, probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> made_by = Signature("sweep", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 8))
    >>> rows = [("untuned", "untuned", "", -1, 0.0)]
    >>> rows += [(f"{size}/{seed}", "tuned", size, seed, value) for size, value in (("8", 0.0), ("64", 1.0)) for seed in (0, 1)]
    >>> frames = [pd.DataFrame({"cell": cell, "role": role, "untuned": "untuned", "factor_size": size, "seed": seed,
    ...                         "source": "eng_Latn", "target": "deu_Latn", "item": list("abcdefgh"), "exact": value,
    ...                         "exact_baseline": 0.0}) for cell, role, size, seed, value in rows]
    >>> how = {"factors": {"size": ["8", "64"]}, "amounts": {"size": [8.0, 64.0]}, "metric": "exact", "outside": False,
    ...        "resamples": 20, "seed": 0}
    >>> report = probes.SweepReport(pd.concat(frames), made_by, settings=how)
    >>> report.summary().query("kind == 'difference'")["estimate"].tolist()
    [100.0]
    """

    question = "What is the effect of each factor of tuning?"

    @property
    def factors(self) -> dict[str, list[str]]:
        """The factors that vary, with the labels of their levels."""
        return {name: levels for name, levels in self.settings["factors"].items() if len(levels) > 1}

    @cached_property
    def combination_scores(self) -> CombinationScores:
        """The score of every combination of levels."""
        how = self.settings
        return combination_scores(self.table, list(how["factors"]), how["metric"], how["resamples"], how["seed"], how["outside"])

    def summary(self) -> pd.DataFrame:
        """One row per number: `kind` "mean" of a level, its "difference" to the factor's first level, and of two factors "cell"
        (the mean of two levels together) and "interaction" (how the difference of one differs between two levels of the other).

        Scores are on a scale of 0 to 100 (those of an outside judge as given). 95 % intervals are over sentences (or documents) and
        training seeds; with one seed over sentences alone. A difference compares `combinations` that are alike in every other
        factor. The `baseline` is the untuned model's score; of a difference, that of the untuned models (0 where they are one).
        `p_max` is corrected for all differences and interactions of the sweep, and `claimed` says whether the verdict claims one.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = measure_effects(self.combination_scores, self.factors, self.settings["seed"])
        steps = self.table[self.table["role"] == TUNED].drop_duplicates("cell") if "steps" in self.table else None
        if steps is None:
            return rows
        means = {(name, level): float(steps.loc[steps[f"factor_{name}"] == level, "steps"].mean())
                 for name, levels in self.factors.items() for level in levels}  # fmt: skip
        keys = zip(rows["factor"], rows["level"], strict=True)
        return rows.assign(updates=[means.get(key, np.nan) for key in keys])

    def two_way(self, first: str, second: str) -> pd.DataFrame:
        """The mean score of every pair of levels: those of the factor `first` in rows, of `second` in columns."""
        name, other = f"{first} x {second}", f"{second} x {first}"
        cells = self._summary[(self._summary["kind"] == "cell") & self._summary["factor"].isin([name, other])]
        if cells.empty:
            raise ValueError(f"got factors {first!r} and {second!r}, expected two of {', '.join(self.factors)}.")
        sides = cells["level"].str.split(" x ", expand=True)
        rows, columns = (sides[0], sides[1]) if cells["factor"].iloc[0] == name else (sides[1], sides[0])
        return pd.crosstab(rows, columns, cells["estimate"], aggfunc="first").loc[self.factors[first], self.factors[second]]

    def finds(self) -> bool:
        """Whether the verdict claims any effect."""
        return bool(self._summary["claimed"].any())

    def verdict(self) -> str:
        """Which effects are sure, if any; then every factor's best level beside its first, and the untuned model."""
        return " ".join([self._first(), *(self._of_factor(name) for name in self.factors), self._untuned()])

    def _first(self) -> str:
        rows, seeds = self._summary, len(self.combination_scores.seeds)
        n, where = int(rows["n"].iloc[0]), f"(n={rows['n'].iloc[0]} items, seeds: {seeds})"
        tested, claimed = rows[rows["p_max"].notna()], rows[rows["claimed"]]
        if (self.combination_scores.once == 0).all():
            return f"The tuned models scored nothing anywhere, so this sweep compares nothing {where}."
        if seeds < 2:
            return f"One training seed cannot tell an effect from training noise, so nothing is claimed {where}."
        if n < FEWEST:
            return f"Too few items for any claim: at least {FEWEST} are needed {where}."
        if claimed.empty:
            return f"No factor has a distinguishable effect: {len(tested)} differences were tested {where}."
        largest = claimed.reindex(claimed["estimate"].abs().sort_values(ascending=False).index)
        named = ", ".join(f"{row.factor} {_short(row.level)} {row.estimate:+.1f}" for row in largest.head(_NAMED).itertuples())
        found = f"{len(claimed)} of {len(tested)} effects {'is' if len(claimed) == 1 else 'are'} sure"
        return f"{found}, the largest: {named} {self._label(short=True)} {where}."

    def _of_factor(self, name: str) -> str:
        own = self._summary[(self._summary["factor"] == name) & (self._summary["kind"] == "difference")]
        if own.empty:
            return f"{name}: no two levels are alike in the other factors."
        row = own.loc[own["estimate"].abs().idxmax()]
        interval = bracketed(row["lower"], row["upper"], "+.2f")
        sure = "" if row["claimed"] else ", not distinguishable"
        said = f"{name}: {row['level']} {row['estimate']:+.2f} {interval} against {self.factors[name][0]}"
        return f"{said} ({said_p(row['p_max'])}{sure})."

    def _untuned(self) -> str:
        rows = self._summary[self._summary["kind"] == "mean"]
        best = rows.loc[rows["estimate"].idxmax()]
        return (f"Highest mean: {best['factor']} {best['level']}, {best['estimate']:.2f} {self._label()}; the untuned model "
                f"{best['baseline']:.2f}.")  # fmt: skip

    def _label(self, short: bool = False) -> str:
        metric = self.settings["metric"]
        return label_of(metric) if short or self.settings["outside"] else scale_label(metric)

    def figures(self) -> dict[str, Figure]:
        """A panel per factor: the mean of every level, its interval, and the untuned model."""
        title, seeds = f"{self.question[:-1]}: {self._label()}", len(self.combination_scores.seeds)
        line = str(self.signature)
        panels = factor_panels(self._summary, self.factors, self.settings["amounts"], title, self._label(), line, seeds)
        return {"factors": panels}


def _short(level: str) -> str:
    return level if len(level) <= 24 else f"{level[:21]}..."

"""What a model between base and tuned gains, as a share of the whole gain, with its interval."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import draws, mean
from probes.tuning.figures import dose_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class HybridReport(Report):
    """One row an item, line and place: the loss of the hybrid, of the base and of the tuned model, in nats a token of the answer.

    `place` is a layer, a part or a dose. The gain of a hybrid is the base's loss less its own; its `share` is that over the
    tuned model's gain: 0 is the base, 1 the tuned model.
    """

    measure: ClassVar[str] = "hybrid"
    axis: ClassVar[str] = ""

    def summary(self) -> pd.DataFrame:
        """One row a line and place: gain in nats a token (`baseline`: the base's, zero), and `share` of the whole gain.

        Intervals are over items, drawn once for all cells; the share's is missing where the whole gain may be zero.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        cells = list(self.table.groupby(["line", "place"], sort=False))
        first = cells[0][1]
        weights = draws(len(first), self.settings["resamples"], self.settings["seed"], first["item"].to_numpy())
        whole = (first["base"] - first["tuned"]).to_numpy()
        goal = mean(whole, weights)
        sure = np.quantile(goal, 0.025) > 0
        rows = []
        for (line, place), part in cells:
            gain = (part["base"] - part["loss"]).to_numpy()
            drawn = mean(gain, weights)
            lower, upper = np.quantile(drawn, [0.025, 0.975])
            low, high = np.quantile(drawn / goal, [0.025, 0.975]) if sure else (np.nan, np.nan)
            rows.append({"line": line, "place": place, "estimate": gain.mean(), "lower": lower, "upper": upper, "n": len(part),
                         "baseline": 0.0, "share": gain.mean() / whole.mean() if sure else np.nan, "share_lower": low,
                         "share_upper": high})  # fmt: skip
        return pd.DataFrame(rows)

    def whole(self) -> float:
        """The tuned model's own gain over the base, in nats a token."""
        first = next(iter(self.table.groupby(["line", "place"], sort=False)))[1]
        return float((first["base"] - first["tuned"]).mean())

    def lines(self) -> pd.DataFrame:
        """The rows that make the main figure."""
        return self._summary

    def verdict(self) -> str:
        rows = self._summary
        if rows["share"].isna().all():
            return (
                f"The tuned model's gain, {self.whole():+.3f} nats a token, is not distinguishable from zero: no part has a share."
            )
        return f"{self._finding(rows)} The whole gain is {self.whole():.3f} nats a token over {rows['n'].iloc[0]} examples."

    def _finding(self, rows: pd.DataFrame) -> str:
        raise NotImplementedError

    def figures(self) -> dict[str, Figure]:
        frame = self.lines().rename(columns={"place": "dose"})
        levels = {"tuned": self.whole(), "base": 0.0}
        figure = dose_curve(frame, self.question, self.axis, "gain over the base (nats a token)", levels, str(self.signature))
        return {self.measure: figure}


class EntryReport(HybridReport):
    """Where the gain enters the residual stream."""

    question = "At which layer does the gain enter?"
    measure = "entry"
    axis = "row of the residual stream where the other model takes over"

    def _finding(self, rows: pd.DataFrame) -> str:
        below = rows[rows["line"] == "tuned below"]
        enough = below[below["share"] >= 0.5]
        if enough.empty:
            return "No row of the stream carries half of the gain into the base: the layers above it are needed too."
        row = enough.iloc[0]
        share = f"{row['share']:.0%} [{row['share_lower']:.0%}, {row['share_upper']:.0%}]"
        return (
            f"Half of the gain is in the stream at row {row['place']}: the base reading the tuned stream there has {share} of it."
        )


class BlocksReport(HybridReport):
    """What each part's weights are worth, put in and taken out."""

    question = "Which part's weights carry the gain?"
    measure = "blocks"
    axis = "part whose weights are exchanged"

    def _finding(self, rows: pd.DataFrame) -> str:
        put_in = [line for line in rows["line"].unique() if line.startswith("base")][-1]
        added, taken = rows[rows["line"] == put_in], rows[rows["line"] == "tuned - part"]
        best, worst = added.loc[added["share"].idxmax()], taken.loc[taken["share"].idxmin()]
        share = f"{best['share']:.0%} [{best['share_lower']:.0%}, {best['share_upper']:.0%}]"
        kept = f"{worst['share']:.0%} [{worst['share_lower']:.0%}, {worst['share_upper']:.0%}]"
        return (
            f"{put_in} of {best['place']} alone brings {share} of the gain; without the change of {worst['place']} {kept} is left."
        )


class RowsReport(HybridReport):
    """What nested sets of embedding rows are worth."""

    question = "How many embedding rows carry the gain?"
    measure = "rows"
    axis = "share of the moved rows of this text"

    def lines(self) -> pd.DataFrame:
        return self._summary[self._summary["line"] != "group"]

    def _finding(self, rows: pd.DataFrame) -> str:
        sizes = self.settings["sizes"]
        frequent = rows[rows["line"] == "most frequent"]
        by_chance = rows[rows["line"] == "random rows"].set_index("place")
        half = frequent[frequent["share"] >= 0.5]
        groups = rows[rows["line"] == "group"]
        told = ", ".join(f"{row.place} {row.share:.0%}" for row in groups.itertuples())
        row = frequent.iloc[-1] if half.empty else half.iloc[0]
        n = sizes[f"most frequent|{row['place']}"]
        most, chance = f"{row['share']:.0%}", f"{by_chance.loc[row['place'], 'share']:.0%}"
        return f"The {n} most frequent moved rows bring {most} of the gain, {n} random ones {chance}; by group: {told}."

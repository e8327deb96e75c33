"""What a tokenizer costs each language, with intervals, and the sentence that sums it up."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import draws
from probes.tokenization.figures import overlap_map, saved_dots, tokenization_dots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATIOS = {
    "premium": ("tokens", "pivot_tokens"),
    "fertility": ("tokens", "characters"),
    "tokens_per_word": ("tokens", "words"),
    "byte_rate": ("parts", "tokens"),
    "constancy": ("led", "split"),
    "saved": ("saved", "tokens"),
    "saved_two": ("saved_two", "tokens"),
}
"""Each measure as one sum over the items by another."""
_SHARED = {"overlap_pivot": "overlap", "jaccard_pivot": "jaccard"}
_WORTH = 0.05


class TokenizationReport(Report):
    """One row a language and item: tokens, characters, words, tokens that are part of a character, and what shortening saves.

    `arrays` hold the overlap of every pair of languages, in the order of `languages`. Intervals are percentile bootstrap over
    items, the same draw for every language; of the overlaps, the bootstrap's spread about the estimate, as a resample has fewer
    token types than the text.
    """

    question = "How does the tokenizer treat each language?"

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.table["language"].unique())

    def summary(self) -> pd.DataFrame:
        """One row a language and metric, the dearest language first; `baseline` is the pivot's own value."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        pivot, rows = self.settings["pivot"], []
        cells = {str(code): part for code, part in self.table.groupby("language", sort=False)}
        n = len(cells[pivot])
        weights = np.vstack([np.ones(n), draws(n, self.settings["resamples"], self.settings["seed"])])
        for measure, (above, below) in RATIOS.items():
            found = {code: _ratio(part.assign(pivot_tokens=cells[pivot]["tokens"].to_numpy()), above, below, weights)
                     for code, part in cells.items()}  # fmt: skip
            rows += [_row(code, measure, values, found[pivot][0], n) for code, values in found.items()]
        for measure, name in _SHARED.items():
            at = self.languages.index(pivot)
            intervals = self.arrays.get(f"{name}_interval", np.full((len(cells), 2), np.nan))
            rows += [
                {"language": code, "metric": measure, "estimate": float(self.arrays[name][place, at]),
                 "lower": float(intervals[place, 0]), "upper": float(intervals[place, 1]), "n": n, "baseline": 1.0}
                for place, code in enumerate(cells)
            ]  # fmt: skip
        cost, order = self.table.groupby("language")["tokens"].sum(), [*RATIOS, *_SHARED]
        return (
            pd.DataFrame(rows)
            .sort_values("language", key=lambda codes: -codes.map(cost), kind="stable", ignore_index=True)
            .sort_values("metric", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
        )

    def overlap(self, kind: str = "overlap") -> pd.DataFrame:
        """The overlap of every pair of languages: "overlap" by frequency, "jaccard" of the sets."""
        if kind not in _SHARED.values():
            raise ValueError(f"overlap {kind!r}: needed one of {', '.join(_SHARED.values())}.")
        return pd.DataFrame(self.arrays[kind], index=self.languages, columns=self.languages)

    def verdict(self) -> str:
        wide, pivot = by_language(self), self.settings["pivot"]
        others = wide.drop(pivot) if len(wide) > 1 else wide
        high, low = others["premium"].idxmax(), others["premium"].idxmin()
        spelled = others.index[others["byte_rate"] > 0.5]
        saving = others["saved"].sort_values(ascending=False)
        saving = saving[saving > _WORTH]
        n, most, least = self._summary["n"].iloc[0], others["premium"][high], others["premium"][low]
        said = [
            f"For the same {n} items {high} takes {most:.2f} times the tokens of {pivot}, {low} {least:.2f} times",
            f"{len(spelled)} of {len(others)} languages are mostly spelled in parts of characters",
        ]
        if len(saving):
            said.append(
                f"leaving out the lead byte would save over {_WORTH:.0%} of the tokens in {len(saving)}, "
                f"most in {saving.index[0]} ({saving.iloc[0]:.0%})"
            )
        else:
            said.append("shortening would save almost nothing")
        return "; ".join(said) + "."

    def figures(self) -> dict[str, Figure]:
        """Cost, bytes and overlap with the pivot; the overlap of all pairs; and what shortening saves, where it saves."""
        rows, signature = self._summary, str(self.signature)
        found = {"tokenization": tokenization_dots(rows, self.settings["pivot"], signature)}
        if len(self.languages) > 2:
            found["overlap"] = overlap_map(self.overlap(), signature)
        worth = rows[(rows["metric"] == "saved") & (rows["estimate"] > _WORTH)]["language"]
        if len(worth):
            found["shortening"] = saved_dots(rows[rows["language"].isin(worth)], self.settings["leads"], signature)
        return found


def by_language(report: TokenizationReport) -> pd.DataFrame:
    """One row a language (the index), one column a measure, and `lead`."""
    wide = report.summary().pivot(index="language", columns="metric", values="estimate")
    wide = wide.loc[list(report.languages), [*RATIOS, *_SHARED]]
    return wide.assign(lead=pd.Series(report.settings["leads"])).rename_axis(columns=None)


def _ratio(part: pd.DataFrame, above: str, below: str, weights: np.ndarray) -> np.ndarray:
    """The sum of one column by that of another, under each weighting of the items."""
    over, under = weights @ part[above].to_numpy(dtype=float), weights @ part[below].to_numpy(dtype=float)
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def _row(code: str, measure: str, values: np.ndarray, baseline: float, n: int) -> dict[str, object]:
    drawn = values[1:][~np.isnan(values[1:])]
    lower, upper = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (np.nan, np.nan)
    return {"language": code, "metric": measure, "estimate": float(values[0]), "lower": float(lower), "upper": float(upper),
            "n": n, "baseline": float(baseline)}  # fmt: skip

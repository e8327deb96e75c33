"""How a tokenizer treats each language, with confidence intervals, figures and a verdict."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import draws, percentiles
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
"""Each metric as a sum of one column over the items, divided by that of another."""
_SHARED = {"overlap_pivot": "overlap", "jaccard_pivot": "jaccard"}
_WORTH = 0.05


class TokenizationReport(Report):
    """How a tokenizer splits each language, as `survey_tokenization` counts it.

    `table` has one row per `language` and `item`: numbers of `tokens`, `characters` and `words`; tokens that are part of a
    character (`parts`); characters that take several tokens (`split`), and those of them with the commonest first byte (`led`);
    tokens saved by dropping that byte (`saved`), and the commonest second byte too (`saved_two`).

    `arrays` hold the overlap of every pair of languages, in the order of `languages`. 95 % confidence intervals are percentile
    bootstrap over items, with the same resamples for every language. Those of overlaps are the deviations from the bootstrap's
    mean about the estimate, because a resample has fewer token types than the text.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=20, seed=0)
    >>> report = probes.survey_tokenization(interp.load("bundled").tokenizer, corpus, resamples=10)
    >>> round(float(report.overlap().loc["eng_Latn", "eng_Latn"]), 6)
    1.0
    """

    question = "How does the tokenizer treat each language?"

    @property
    def languages(self) -> tuple[str, ...]:
        """FLORES codes in the order of the corpus."""
        return tuple(self.table["language"].unique())

    def summary(self) -> pd.DataFrame:
        """One row per metric and language, the language with most tokens first; `baseline` is the pivot's own value."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        pivot, rows = self.settings["pivot"], []
        cells = {str(code): part for code, part in self.table.groupby("language", sort=False)}
        n = len(cells[pivot])
        weights = np.vstack([np.ones(n), draws(n, self.settings["resamples"], self.settings["seed"])])
        for metric, (above, below) in RATIOS.items():
            ratios = {code: _ratio(part.assign(pivot_tokens=cells[pivot]["tokens"].to_numpy()), above, below, weights)
                      for code, part in cells.items()}  # fmt: skip
            rows += [_row(code, metric, values, ratios[pivot][0], n) for code, values in ratios.items()]
        for metric, name in _SHARED.items():
            column = self.languages.index(pivot)
            intervals = self.arrays.get(f"{name}_interval", np.full((len(cells), 2), np.nan))
            rows += [
                {"language": code, "metric": metric, "estimate": float(self.arrays[name][row, column]),
                 "lower": float(intervals[row, 0]), "upper": float(intervals[row, 1]), "n": n, "baseline": 1.0}
                for row, code in enumerate(cells)
            ]  # fmt: skip
        cost, order = self.table.groupby("language")["tokens"].sum(), [*RATIOS, *_SHARED]
        return (
            pd.DataFrame(rows)
            .sort_values("language", key=lambda codes: -codes.map(cost), kind="stable", ignore_index=True)
            .sort_values("metric", key=lambda names: names.map(order.index), kind="stable", ignore_index=True)
        )

    def overlap(self, kind: str = "overlap") -> pd.DataFrame:
        """The overlap of every pair of languages.

        `kind` is "overlap" (weighted by frequency) or "jaccard" (of the sets of tokens); any other raises `ValueError`.
        """
        if kind not in _SHARED.values():
            raise ValueError(f"got overlap {kind!r}, expected one of {', '.join(_SHARED.values())}.")
        return pd.DataFrame(self.arrays[kind], index=self.languages, columns=self.languages)

    def verdict(self) -> str:
        """The languages that need the most and the fewest tokens, those split into bytes, and what shortening saves."""
        wide, pivot = by_language(self), self.settings["pivot"]
        others = wide.drop(pivot) if len(wide) > 1 else wide
        high, low = others["premium"].idxmax(), others["premium"].idxmin()
        in_bytes = others.index[others["byte_rate"] > 0.5]
        saving = others["saved"].sort_values(ascending=False)
        saving = saving[saving > _WORTH]
        n, most, least = self._summary["n"].iloc[0], others["premium"][high], others["premium"][low]
        first = f"The same text takes {most:.2f} times the tokens of {pivot} in {high} (n={n})"
        if len(others) > 1:
            first = f"The same text takes {least:.2f} ({low}) to {most:.2f} ({high}) times the tokens of {pivot} (n={n})"
        parts = [
            f"in {len(in_bytes)} of {len(others)} languages most tokens are partial characters",
        ]
        if len(saving):
            parts.append(
                f"dropping the lead byte would save over {_WORTH:.0%} of the tokens in {len(saving)}, "
                f"most in {saving.index[0]} ({saving.iloc[0]:.0%})"
            )
        else:
            most_saved = np.ceil(100 * others["saved"].max())
            parts.append(f"dropping lead bytes saves {f'at most {most_saved:.0f}%' if most_saved else 'none'} of the tokens")
        told = "; ".join(parts)
        return f"{first}. {told[0].upper()}{told[1:]}."

    def figures(self) -> dict[str, Figure]:
        """Cost, byte tokens and overlap with the pivot; the overlap of all pairs; what shortening saves, where it saves."""
        place, signature = list(self.languages).index, str(self.signature)
        rows = self._summary.sort_values("language", key=lambda codes: codes.map(place), kind="stable")
        figures = {"tokenization": tokenization_dots(rows, self.settings["pivot"], signature)}
        if len(self.languages) > 2:
            figures["overlap"] = overlap_map(self.overlap(), signature)
        worth = rows[(rows["metric"] == "saved") & (rows["estimate"] > _WORTH)]["language"]
        if len(worth):
            figures["shortening"] = saved_dots(rows[rows["language"].isin(worth)], self.settings["leads"], signature)
        return figures


def by_language(report: TokenizationReport) -> pd.DataFrame:
    """The estimates of `report`: one row per language (the index), one column per metric, and `lead`, its commonest lead byte."""
    wide = report.summary().pivot(index="language", columns="metric", values="estimate")
    wide = wide.loc[list(report.languages), [*RATIOS, *_SHARED]]
    return wide.assign(lead=pd.Series(report.settings["leads"])).rename_axis(columns=None)


def _ratio(part: pd.DataFrame, above: str, below: str, weights: np.ndarray) -> np.ndarray:
    """The sum of one column divided by that of another, for each row of `weights`: `[resample]`."""
    over, under = weights @ part[above].to_numpy(dtype=float), weights @ part[below].to_numpy(dtype=float)
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def _row(code: str, metric: str, values: np.ndarray, baseline: float, n: int) -> dict[str, object]:
    resampled = values[1:][~np.isnan(values[1:])]
    lower, upper = percentiles(resampled, n) if len(resampled) else (np.nan, np.nan)
    return {"language": code, "metric": metric, "estimate": float(values[0]), "lower": float(lower), "upper": float(upper),
            "n": n, "baseline": float(baseline)}  # fmt: skip

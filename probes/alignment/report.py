"""What alignment looks like over layers: estimates with bands, where it peaks, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probes.figures.curves import curves, heatmap
from probes.item_values import ItemColumns
from probes.report import Report
from probes.statistics.resampling import bootstrap, draws, highest, holm, mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = ["language", "pivot", "layer", "metric"]
BESIDE = ("random_init", "length_partialled", "overlap")
_GROUP = ["language", "pivot", "metric"]
_READABLE = 8


class AlignmentReport(Report):
    """Alignment of languages by layer. `table`: one row a language, pivot, layer, metric and sentence.

    `value` is what the sentence contributes: a hit or a miss, or, for measures that compare all sentences at once (CKA, RSA,
    CCA, Procrustes, `mutual_knn`, `cosine_gap`, `auc`), the estimate plus the sentence's influence on it; the mean over
    sentences is the measure. `baseline` is what wrong pairs give, `p` the share of random pairings that reach the true one.
    """

    question = "At which layers do languages share a space?"
    item_columns = ItemColumns("sentence", ("language", "pivot"), measure="metric")

    def summary(self) -> pd.DataFrame:
        """One row a language, pivot, layer and metric: `estimate, lower, upper, n, baseline`, then `p` and `p_holm` over layers.

        The band is the 95 % percentile bootstrap over sentences, or documents; `random_init`, `length_partialled` and
        `overlap` follow where they were measured. Bands of a retrieval near 0 or 1 are too narrow (few hits, or few misses,
        to draw from): there `p` decides.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        values, found = self._values("value"), self.table.iloc[:: self._n][CELL].reset_index(drop=True)
        lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"], self._clusters)
        found = found.assign(estimate=values.mean(axis=0), lower=lower, upper=upper, n=self._n)
        for column in ("baseline", *BESIDE, "p"):
            if column in self.table:
                found[column] = self._values(column).mean(axis=0)
        groups = found.groupby(_GROUP, observed=True, sort=False)["p"]
        return found.assign(p_holm=groups.transform(lambda p: holm(p.to_numpy())))

    def peak(self, metric: str | None = None) -> pd.DataFrame:
        """Where alignment is highest: a row for each language and pivot, and for their mean (`language` "mean").

        Sentences are drawn again and the highest layer looked for each time: `layer_lower` to `layer_upper` hold 95 % of
        the layers found, `share` is how often it was `layer`, `lower` and `upper` hold 95 % of the heights. The height of
        a peak is biased upwards, as every maximum is: its own interval can lie above what new sentences would give.
        """
        metric = metric or self.table["metric"].iloc[0]
        if metric not in self.table["metric"].unique():
            raise ValueError(f"peak of {metric!r}: measured were {', '.join(self.table['metric'].unique())}.")
        frame = self._summary[self._summary["metric"] == metric]
        names = list(pd.unique(frame["layer"]))
        values = self._values("value")[:, frame.index].reshape(self._n, -1, len(names))
        rows = frame[["language", "pivot", "metric"]].astype(str).iloc[:: len(names)].to_dict("records")
        baselines = list(frame["baseline"].to_numpy().reshape(-1, len(names)))
        if len(rows) > 1:
            pivots = {row["pivot"] for row in rows}
            rows.append({"language": "mean", "pivot": pivots.pop() if len(pivots) == 1 else "all", "metric": metric})
            values = np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
            baselines.append(np.mean(baselines, axis=0))
        weights = draws(self._n, self.settings["resamples"], self.settings["seed"], self._clusters)
        found = [_peak(values[:, k], weights, names, baselines[k]) for k in range(len(rows))]
        return pd.DataFrame([row | peak for row, peak in zip(rows, found, strict=True)])

    def verdict(self) -> str:
        """Where the first metric peaks and what it stands beside, or that it cannot be told from wrong pairings."""
        peaks, frame = self.peak(), self._summary
        top = peaks.iloc[-1]
        frame = frame[frame["metric"] == top["metric"]]
        clear = frame[(frame["p_holm"] < 0.05)].groupby(["language", "pivot"], observed=True).ngroups
        pairs = len(peaks) - (len(peaks) > 1)
        whom = f"{top['language']} with {top['pivot']}" if pairs == 1 else f"{pairs} language pairs"
        if not clear:
            return (
                f"{top['metric']} of {whom} is not distinguishable from the shuffled baseline at any layer: "
                f"{_number(top)} at its highest, {top['baseline']:.3f} for shuffled pairs (n={self._n}, Holm over layers)."
            )
        beside = {"shuffled pairs": top["baseline"]} | self._beside(frame, str(top["layer"]))
        values = ", ".join(f"{value:.3f} for {name}" for name, value in beside.items())
        near = [name for name, value in beside.items() if value >= top["lower"]]
        doubt = f"; not clearly above {' or '.join(near)}" if near else ""
        count = "" if pairs == 1 else f"; above the shuffled baseline in {clear} of {pairs} (Holm over layers)"
        where = top["layer"] if top["layer_lower"] == top["layer_upper"] else (
            f"{top['layer']} (95 % from {top['layer_lower']} to {top['layer_upper']})")  # fmt: skip
        return f"{top['metric']} of {whom} peaks at layer {where} with {_number(top)}, against {values}{count}{doubt}."

    def _beside(self, frame: pd.DataFrame, layer: str) -> dict[str, float]:
        """What the peak must be held against: the embedding row, and an untrained network at the same layer."""
        at, embedding = frame[frame["layer"] == layer], frame[frame["layer"] == "embed"]
        found = {} if layer == "embed" or embedding.empty else {"the embedding row": float(embedding["estimate"].mean())}
        return found | ({"an untrained network": float(at["random_init"].mean())} if "random_init" in at else {})

    def figures(self) -> dict[str, Figure]:
        """Curves over layers for the first metric, or the map of languages where they are too many to tell apart; then the rest."""
        frame = _name_pairs(self._summary)
        metrics = list(pd.unique(frame["metric"]))
        main = frame[frame["metric"] == metrics[0]]
        look: dict[str, Any] = {"title": self.question, "signature": self.signature}
        means = _mean_over_pairs(self, metrics)
        found = {"heatmap": heatmap(main, row="pair", label=metrics[0], **look)}
        if main["pair"].nunique() <= _READABLE:
            found = {"curves": curves(main, line="pair", ylabel=metrics[0], **look), **found}
        else:
            mean = means[means["metric"] == metrics[0]].assign(pair=f"mean of {main['pair'].nunique()}")
            found["curves"] = curves(mean, line="pair", ylabel=metrics[0], behind=main, **look)
        if len(metrics) > 1:
            look["title"] = "Every measure, mean over language pairs"
            found["metrics"] = curves(means, line="metric", panel="metric", **look)
        return found

    @property
    def _n(self) -> int:
        return int(self.table["sentence"].nunique())

    @property
    def _clusters(self) -> np.ndarray | None:
        return self.table["document"].iloc[: self._n].astype(str).to_numpy() if "document" in self.table else None

    def _values(self, column: str) -> np.ndarray:
        """One column as `[sentence cell]`, cells in the order of the table."""
        return self.table[column].to_numpy(dtype=float).reshape(-1, self._n).T


def _peak(values: np.ndarray, weights: np.ndarray, names: Sequence[str], baseline: np.ndarray) -> dict[str, object]:
    means, drawn = values.mean(axis=0), mean(values, weights)
    known = ~np.isnan(means)  # a layer that is NaN is no candidate
    drawn = np.where(known, drawn, -np.inf)
    tops, best = drawn.argmax(axis=1), highest(means)
    first, last = np.quantile(tops, [0.025, 0.975], method="inverted_cdf")
    lower, upper = np.quantile(drawn.max(axis=1), [0.025, 0.975])
    return {
        "layer": names[best], "layer_lower": names[first], "layer_upper": names[last], "share": float((tops == best).mean()),
        "estimate": float(means[best]), "lower": float(lower), "upper": float(upper), "n": len(values),
        "baseline": float(baseline[best]),
    }  # fmt: skip


def _number(row: pd.Series) -> str:
    return f"{row['estimate']:.3f} [{row['lower']:.3f}, {row['upper']:.3f}]"


def _name_pairs(summary: pd.DataFrame) -> pd.DataFrame:
    frame = summary.astype(dict.fromkeys(CELL, str))
    many = frame["pivot"].nunique() > 1
    return frame.assign(pair=frame["language"] + "-" + frame["pivot"] if many else frame["language"])


def _mean_over_pairs(report: AlignmentReport, metrics: Sequence[str]) -> pd.DataFrame:
    """Each measure at each layer averaged over language pairs, sentence by sentence, so that its band is one over sentences."""
    summary = report._summary
    rows = []
    for (metric, layer), part in summary.groupby(["metric", "layer"], observed=True, sort=False):
        values = report._values("value")[:, part.index].mean(axis=1)
        lower, upper = map(float, bootstrap(values, report.settings["resamples"], report.settings["seed"], report._clusters))
        beside = {column: part[column].mean() for column in ("baseline", "random_init") if column in part}
        rows.append({"metric": metric, "layer": str(layer), "estimate": values.mean(), "lower": lower, "upper": upper} | beside)
    return pd.DataFrame(rows)

"""Alignment by layer: estimates with confidence intervals, the layer where it is highest, and a sentence that says so."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probes.figures.curves import curves, heatmap
from probes.item_values import ItemColumns
from probes.report import Report
from probes.statistics.layer_runs import name_runs, runs_of
from probes.statistics.resampling import bootstrap, bracketed
from probes.statistics.selection import best_set, choose_on_half
from probes.statistics.significance import LEVEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = ["language", "pivot", "layer", "metric"]
BESIDE = ("random_init", "length_partialled", "overlap")
_READABLE, _MOST_RUNS = 8, 2


class AlignmentReport(Report):
    """Alignment of languages by layer, as `measure_alignment` measures it.

    `table` has one row per `language`, `pivot`, `layer`, `metric` and `sentence` (and its `document`, if known). `value` is the
    contribution of the sentence, and its mean over sentences the metric: a hit or a miss for retrieval, and for metrics that
    compare all sentences at once (CKA, RSA, CCA, Procrustes, `mutual_knn`, `cosine_gap`, `auc`) the estimate plus the influence
    of the sentence on it. `baseline` is the metric over wrong pairs, `p` the share of random pairings that score as high as the
    true one. `random_init`, `length_partialled` and `overlap` are there if they were asked for.

    Example
    -------
    >>> import torch, interp, probes
    >>> vectors = torch.randn(3, 20, 16, generator=torch.Generator().manual_seed(0))  # layer, sentence, d_model
    >>> same = interp.Activations.from_arrays({"eng_Latn": vectors, "deu_Latn": vectors})
    >>> report = probes.measure_alignment(same, metrics=("mexa",), resamples=50)
    >>> report.summary()["estimate"].tolist()
    [1.0, 1.0, 1.0]
    """

    question = "At which layers do languages share a space?"
    item_columns = ItemColumns("sentence", ("language", "pivot"), measure="metric")

    def summary(self) -> pd.DataFrame:
        """One row per language, pivot, layer and metric: `estimate, lower, upper, n, baseline`, the controls, `p` and `p_max`.

        The bounds are a 95 % confidence interval (`bootstrap`) over sentences or documents. `p` is that of one cell; `p_max`
        is corrected over all layers and language pairs of the metric.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        values, cells = self._values("value"), self.table.iloc[:: self._n][CELL].reset_index(drop=True)
        lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"], self._clusters)
        cells = cells.assign(estimate=values.mean(axis=0), lower=lower, upper=upper, n=self._n)
        for column in ("baseline", *BESIDE, "p", "p_max"):
            if column in self.table:
                cells[column] = self._values(column).mean(axis=0)
        if "p_max" not in cells:  # a table of an earlier version: Bonferroni
            number = cells.groupby("metric", observed=True)["p"].transform("size")
            cells["p_max"] = np.minimum(1.0, cells["p"] * number)
        return cells

    def peak(self, metric: str | None = None) -> pd.DataFrame:
        """Where alignment is highest: a row for each language and pivot, and for their mean (`language` "mean").

        The columns are `language, pivot, metric, layer, layers, share, estimate, lower, upper, n, baseline`. `layer` is the best
        layer on a random half of the sentences (or documents); `estimate`, its 95 % confidence interval and `n` are of the other
        half, so they are not biased by the choice. `layers` are all layers that may be the best, on all sentences: a 95 %
        confidence set (`probes.statistics.selection.best_set`), `share` their share of all layers.

        Parameters
        ----------
        metric
            One of the metrics of this report. Default: the first.

        Raises
        ------
        ValueError
            The metric was not measured.
        """
        metric = metric or self.table["metric"].iloc[0]
        if metric not in self.table["metric"].unique():
            raise ValueError(f"got metric {metric!r}, expected one that was measured: {', '.join(self.table['metric'].unique())}.")
        return pd.DataFrame([row | self._peak(values, baseline) for row, values, baseline in self._curves(metric)])

    def _overall(self, metric: str) -> pd.Series:
        """The last row of `peak(metric)`: that of the mean over pairs, or of the only pair."""
        row, values, baseline = self._curves(metric)[-1]
        return pd.Series(row | self._peak(values, baseline))

    def _curves(self, metric: str) -> list[tuple[dict[str, str], np.ndarray, np.ndarray]]:
        """Every pair and their mean: its name, its values `[sentence layer]`, and its baseline `[layer]`."""
        frame = self._summary[self._summary["metric"] == metric]
        names = self._layers
        values = self._values("value")[:, frame.index].reshape(self._n, -1, len(names))
        rows = frame[["language", "pivot", "metric"]].astype(str).iloc[:: len(names)].to_dict("records")
        baselines = list(frame["baseline"].to_numpy().reshape(-1, len(names)))
        if len(rows) > 1:
            pivots = {row["pivot"] for row in rows}
            rows.append({"language": "mean", "pivot": pivots.pop() if len(pivots) == 1 else "all", "metric": metric})
            values = np.concatenate([values, values.mean(axis=1, keepdims=True)], axis=1)
            baselines.append(np.mean(baselines, axis=0))
        return [(row, values[:, k], baselines[k]) for k, row in enumerate(rows)]

    def _peak(self, values: np.ndarray, baseline: np.ndarray) -> dict[str, object]:
        resamples, seed, clusters, names = self.settings["resamples"], self.settings["seed"], self._clusters, self._layers
        best, rows = choose_on_half(values, seed, clusters)
        read = values[rows, best]
        lower, upper = map(float, bootstrap(read, resamples, seed, None if clusters is None else clusters[rows]))
        layers = best_set(values, resamples, seed, clusters)
        named = name_runs(runs_of(np.isin(range(len(names)), layers)), names, " to ")
        return {
            "layer": names[best], "layers": ", ".join(named), "share": len(layers) / len(names),
            "estimate": float(read.mean()), "lower": lower, "upper": upper, "n": len(rows), "baseline": float(baseline[best]),
        }  # fmt: skip

    def finds(self) -> bool:
        """Whether the verdict claims a finding: the first metric is above shuffled pairs at some layer of some pair."""
        frame = self._summary[self._summary["metric"] == self.table["metric"].iloc[0]]
        return bool((frame["p_max"] < LEVEL).any())

    def verdict(self) -> str:
        """Whether and where translations are nearer than other sentences, by the first metric; then its value, controls and doubts.

        A finding is claimed if the metric is above shuffled pairs in some layer of some pair at `p_max` < 0.05, which chance alone
        reaches in 5 % of runs, over all layers and pairs.
        """
        metric = str(self.table["metric"].iloc[0])
        top, frame = self._overall(metric), self._summary[self._summary["metric"] == metric]
        sure = frame[frame["p_max"] < LEVEL]
        clear = sure.groupby(["language", "pivot"], observed=True).ngroups
        pairs = frame.groupby(["language", "pivot"], observed=True).ngroups
        whom = f"{top['language']} and {top['pivot']}" if pairs == 1 else f"{pairs} language pairs"
        if not clear:
            return (
                f"Translations ({whom}) are not shown to be nearer to each other than shuffled sentences at any layer "
                f"({metric}, n={self._n}). {self._at(top)}, against {top['baseline']:.3f} for shuffled pairs."
                f"{self._elsewhere(top)}"
            )
        share = "" if pairs == 1 else f" in {clear} of {pairs} pairs"
        beside = {"shuffled pairs": top["baseline"]} | self._beside(frame, str(top["layer"]))
        values = ", ".join(f"{value:.3f} for {name}" for name, value in beside.items())
        near = [name for name, value in beside.items() if not value < top["lower"]]
        lower = "Other layers are lower (95 % confidence). " if top["share"] < 1 and not near else ""
        doubt = f" It is not clearly above {' or '.join(near)}." if near else ""
        return (
            f"Translations ({whom}) are nearer to each other than shuffled sentences{share}{'' if near else self._most(top)} "
            f"({metric}, n={self._n}). {self._at(top)}, against {values}. {lower}"
            f"The test against shuffled pairs is corrected for all layers and pairs.{doubt}{self._elsewhere(top)}"
        )

    def _at(self, top: pd.Series) -> str:
        """The value at the highest layer; where there is only one, nothing was chosen."""
        if len(self._layers) == 1:
            return f"Layer {top['layer']} has {_number(top)}"
        where = f"Layer {top['layer']}, the best on one half of the sentences,"
        return f"{where} has {_number(top)} on the other half (n={top['n']})"

    def _most(self, top: pd.Series) -> str:
        """The layers that may be the best, where they are not all of them."""
        if top["share"] == 1:
            return "" if len(self._layers) == 1 else ", and no layer is clearly the best"
        runs = str(top["layers"]).replace(" to ", "-").split(", ")
        more = " and others" if len(runs) > _MOST_RUNS else ""
        return f", most at layer{'' if top['layers'] in self._layers else 's'} {', '.join(runs[:_MOST_RUNS])}{more}"

    def _elsewhere(self, top: pd.Series) -> str:
        """The other metrics that tell otherwise: only one of the two is above chance, or this one is over twice as high."""
        above_chance = self._summary.groupby("metric", observed=True, sort=False)["p_max"].min() < LEVEL
        metric, others = top["metric"], []
        for name in (str(other) for other in above_chance.index if other != metric):
            peak = self._overall(name)
            if above_chance[name] != above_chance[metric]:
                verb = "is" if above_chance[name] else "is not"
                others.append(f"{name} {verb} above its shuffled pairs ({_number(peak)} at its best)")
            elif above_chance[name] and peak["estimate"] > 2 * top["estimate"] + 0.1:
                others.append(f"{name} is {_number(peak)} at layer {peak['layer']}")
        return f" The measures disagree: {'; '.join(others)}." if others else ""

    def _beside(self, frame: pd.DataFrame, layer: str) -> dict[str, float]:
        """The controls of the highest value: the embedding row, and a randomly initialised model at the same layer."""
        at, embedding = frame[frame["layer"] == layer], frame[frame["layer"] == "embed"]
        first = {} if layer == "embed" or embedding.empty else {"the embedding row": float(embedding["estimate"].mean())}
        return first | ({"a randomly initialised model": float(at["random_init"].mean())} if "random_init" in at else {})

    def figures(self) -> dict[str, Figure]:
        """The first metric over layers: a curve per language, or a heat map if they are many. Then the mean of every metric."""
        frame = _name_pairs(self._summary)
        metrics = list(pd.unique(frame["metric"]))
        main = frame[frame["metric"] == metrics[0]]
        look: dict[str, Any] = {"title": self.question, "signature": self.signature}
        means = _mean_over_pairs(self)
        main = main.assign(claimed=main["p_max"] < LEVEL)
        figures = {"heatmap": heatmap(main, row="pair", label=metrics[0], **look)}
        if main["pair"].nunique() <= _READABLE:
            figures = {"curves": curves(main, line="pair", ylabel=metrics[0], **look), **figures}
        else:
            mean = means[means["metric"] == metrics[0]].assign(pair=f"mean of {main['pair'].nunique()}")
            figures["curves"] = curves(mean, line="pair", ylabel=metrics[0], behind=main, **look)
        if len(metrics) > 1:
            look["title"] = "Every metric, mean over language pairs"
            figures["metrics"] = curves(means, line="metric", panel="metric", **look)
        return figures

    @property
    def _layers(self) -> list[str]:
        return [str(layer) for layer in pd.unique(self._summary["layer"])]

    @property
    def _n(self) -> int:
        return int(self.table["sentence"].nunique())

    @property
    def _clusters(self) -> np.ndarray | None:
        return self.table["document"].iloc[: self._n].astype(str).to_numpy() if "document" in self.table else None

    def _values(self, column: str) -> np.ndarray:
        """One column as `[sentence cell]`, cells in the order of the table."""
        return self.table[column].to_numpy(dtype=float).reshape(-1, self._n).T


def _number(row: pd.Series) -> str:
    return f"{row['estimate']:.3f} {bracketed(row['lower'], row['upper'], '.3f')}"


def _name_pairs(summary: pd.DataFrame) -> pd.DataFrame:
    frame = summary.astype(dict.fromkeys(CELL, str))
    many = frame["pivot"].nunique() > 1
    return frame.assign(pair=frame["language"] + "-" + frame["pivot"] if many else frame["language"])


def _mean_over_pairs(report: AlignmentReport) -> pd.DataFrame:
    """Each metric at each layer, averaged over language pairs sentence by sentence: its confidence interval is over sentences."""
    summary = report._summary
    rows = []
    for (metric, layer), part in summary.groupby(["metric", "layer"], observed=True, sort=False):
        values = report._values("value")[:, part.index].mean(axis=1)
        lower, upper = map(float, bootstrap(values, report.settings["resamples"], report.settings["seed"], report._clusters))
        beside = {column: part[column].mean() for column in ("baseline", "random_init") if column in part}
        rows.append({"metric": metric, "layer": str(layer), "estimate": values.mean(), "lower": lower, "upper": upper} | beside)
    return pd.DataFrame(rows)

"""Translation scores of every direction with intervals, their map, and the sentence that sums them up."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import draws, mean
from probes.translation.figures import score_dots, score_matrix
from probes.translation.text_scores import overlap_score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CORPUS_SCORES = ("chrf", "bleu", "spbleu")
LABELS = {"exact": "exact match", "chrf": "chrF++", "bleu": "BLEU", "spbleu": "spBLEU", "nll": "nats a character",
           "script": "share in the target's script", "identified": "share identified as the target"}  # fmt: skip


class TranslationReport(Report):
    """One row a direction and item: text, reference, hypothesis, and each metric of that item beside its baseline.

    chrF++, BLEU and spBLEU of many items are corpus scores, from summed counts (`arrays`), so they are not the mean of the
    items' own scores in the table; those serve paired tests. The baseline is the source left untranslated, and for
    `nll` another item's reference.
    """

    question = "How well does the model translate?"

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(self.settings["metrics"])

    def summary(self) -> pd.DataFrame:
        """One row a direction and metric, and the mean over directions (`source` and `target` "mean").

        Intervals are percentile bootstrap over items, one draw for all directions; where the text names documents, over those.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        cells = list(self.table.groupby(["source", "target"], sort=False))
        first = cells[0][1]
        documents = first["document"].astype(str).to_numpy() if "document" in first else None
        weights = draws(len(first), self.settings["resamples"], self.settings["seed"], documents)
        rows = []
        for name in self.metrics:
            found = [self._cell(name, *key, part, weights) for key, part in cells]
            rows += [{"source": key[0], "target": key[1], "metric": name, **_interval(*one, len(first))}
                     for (key, _), one in zip(cells, found, strict=True)]  # fmt: skip
            if len(cells) > 1:
                whole = [np.mean(parts, axis=0) for parts in zip(*found, strict=True)]
                rows.append({"source": "mean", "target": "mean", "metric": name, **_interval(*whole, len(first))})
        return pd.DataFrame(rows)

    def _cell(self, name: str, source: str, target: str, part: pd.DataFrame, weights: np.ndarray) -> tuple:
        """Estimate, drawn estimates and baseline of one direction."""
        if name in CORPUS_SCORES:
            counts, once = self.arrays[f"{name}:{source}>{target}"], np.ones((1, len(part)))
            untouched = overlap_score(name, self.arrays[f"{name}:{source}>{target}:copy"], once, target)[0]
            return overlap_score(name, counts, once, target)[0], overlap_score(name, counts, weights, target), untouched
        values = part[name].to_numpy(dtype=float)
        return values.mean(), mean(values, weights), part[f"{name}_baseline"].mean()

    def matrix(self, metric: str | None = None) -> pd.DataFrame:
        """The score of every direction, source by target; NaN where a direction was not asked."""
        rows = self._directions(metric or self.metrics[0])
        table = rows.pivot(index="source", columns="target", values="estimate")
        return table.reindex(index=rows["source"].unique(), columns=rows["target"].unique())

    def _directions(self, metric: str) -> pd.DataFrame:
        if metric not in self.metrics:
            raise ValueError(f"metric {metric!r} was not measured. Measured: {', '.join(self.metrics)}.")
        rows = self._summary
        return rows[(rows["metric"] == metric) & (rows["source"] != "mean")]

    def verdict(self) -> str:
        directions = self.matrix().notna().to_numpy().sum()
        of = self._summary[self._summary["source"] == "mean"] if directions > 1 else self._summary
        parts = [f"{LABELS[row.metric]} {row.estimate:.3g} [{row.lower:.3g}, {row.upper:.3g}] (baseline {row.baseline:.3g})"
                 for row in of.itertuples()]  # fmt: skip
        where = f"the mean of {directions} directions" if directions > 1 else f"{of.iloc[0]['source']} to {of.iloc[0]['target']}"
        return f"Over {of.iloc[0]['n']} items, {where}: {'; '.join(parts)}."

    def figures(self) -> dict[str, Figure]:
        """A map for several sources and targets, else a score for each direction; one figure a metric, the first the main one."""
        found = {}
        for name in self.metrics:
            rows = self._directions(name).assign(direction=lambda frame: frame["source"] + " > " + frame["target"])
            title = f"{self.question[:-1]}: {LABELS[name]}"
            many = rows["source"].nunique() > 1 and rows["target"].nunique() > 1
            found[name] = (
                score_matrix(self.matrix(name), title, LABELS[name], str(self.signature))
                if many
                else score_dots(rows, title, LABELS[name], str(self.signature), "direction")
            )
        return found


def _interval(estimate: float, drawn: np.ndarray, baseline: float, n: int) -> dict[str, float]:
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return {"estimate": float(estimate), "lower": float(lower), "upper": float(upper), "n": n, "baseline": float(baseline)}

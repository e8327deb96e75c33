"""Translation scores of every direction, with confidence intervals, figures and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from probes.item_values import ItemColumns
from probes.report import Report
from probes.statistics.best import lower_is_better
from probes.statistics.resampling import bootstrap, bracketed, draws, percentiles
from probes.statistics.significance import FEWEST, LEVEL, sign_flip
from probes.translation.figures import score_dots, score_matrix
from probes.translation.metrics import is_corpus_score, label_of
from probes.translation.scorers import several_tokens
from probes.translation.text_scores import overlap_score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 4
"""Tokens of the longest n-grams that BLEU counts."""


class _Scores(NamedTuple):
    """One score of a direction: of all items, of the untranslated source, and what its interval is made of.

    `items` are the scores of the items whose mean it is; None for a corpus score, which has `resampled`, that of each resample.
    """

    estimate: float
    baseline: float
    items: np.ndarray | None = None
    resampled: np.ndarray | None = None


class TranslationReport(Report):
    """Translations and their scores, as `measure_translation` measures them.

    `table` has one row per direction (`source`, `target`) and `item`: the `text` to translate, its `reference`, the model's
    `hypothesis`, and each metric of the item beside its `<metric>_baseline`: that of the untranslated source, and for `nll` that
    of another item's reference. `document` is there where the corpus has it.

    chrF++, BLEU and spBLEU in the summary are corpus scores, computed from summed counts (`arrays`), not means of the items' own
    scores; those in the table serve paired tests. BLEU has no value where no reference has four tokens.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=3, seed=0)
    >>> report = probes.measure_translation(interp.load("bundled"), corpus, [("eng_Latn", "deu_Latn")], metrics=["exact"])
    >>> report.summary()[["source", "target", "metric", "n"]].values.tolist()
    [['eng_Latn', 'deu_Latn', 'exact', 3]]
    """

    question = "How well does the model translate?"
    item_columns = ItemColumns("item", ("source", "target"), layer=None, one_column_a_metric=True)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What was scored, the main metric first."""
        return tuple(self.settings["metrics"])

    def summary(self) -> pd.DataFrame:
        """One row per direction and metric, and the mean over directions (`source` and `target` "mean").

        95 % confidence intervals are over items, or documents where the corpus names them: of a mean over items those of
        `bootstrap`, of a corpus score (chrF++, BLEU) the percentiles of the scores of resamples, which all directions share.
        BLEU into languages with other tokens has no mean over them: it is left blank (NaN).
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
            scores = [self._scores(name, str(key[0]), str(key[1]), part, weights) for key, part in cells]
            names = [(str(key[0]), str(key[1])) for key, _ in cells]
            if len(cells) > 1:
                apart = several_tokens(name, (target for _, target in names))
                scores, names = [*scores, _nothing(weights) if apart else _mean_of(scores)], [*names, ("mean", "mean")]
            rows += [{"source": source, "target": target, "metric": name, **self._interval(score, documents, len(first))}
                     for (source, target), score in zip(names, scores, strict=True)]  # fmt: skip
        return pd.DataFrame(rows)

    def _interval(self, score: _Scores, documents: np.ndarray | None, n: int) -> dict[str, float | int]:
        if score.resampled is not None:
            lower, upper = percentiles(score.resampled, n if documents is None else len(set(documents)))
        else:
            assert score.items is not None
            lower, upper = bootstrap(score.items, self.settings["resamples"], self.settings["seed"], documents)
        return {"estimate": score.estimate, "lower": float(lower), "upper": float(upper), "n": n, "baseline": score.baseline}

    def _scores(self, name: str, source: str, target: str, part: pd.DataFrame, weights: np.ndarray) -> _Scores:
        if score := is_corpus_score(name):
            key, once = f"{name}:{source}>{target}", np.ones((1, len(part)))
            written, copied = self.arrays[key], self.arrays[f"{key}:copy"]
            if name != "chrf" and (written[:, -1] < _LONGEST).all():  # the last count is the length of the reference
                return _nothing(weights)
            (estimate,), (baseline,) = (overlap_score(score, counts, once) for counts in (written, copied))
            return _Scores(float(estimate), float(baseline), resampled=overlap_score(score, written, weights))
        values = part[name].to_numpy(dtype=float)
        return _Scores(float(values.mean()), float(part[f"{name}_baseline"].mean()), items=values)

    def matrix(self, metric: str | None = None) -> pd.DataFrame:
        """The score of every direction by `metric` (None is the main one), source by target; NaN for one not measured."""
        rows = self._directions(metric or self.metrics[0])
        table = rows.pivot(index="source", columns="target", values="estimate")
        return table.reindex(index=rows["source"].unique(), columns=rows["target"].unique())

    def _directions(self, metric: str) -> pd.DataFrame:
        if metric not in self.metrics:
            raise ValueError(f"got metric {metric!r}, expected one of those measured: {', '.join(self.metrics)}.")
        rows = self._summary
        return rows[(rows["metric"] == metric) & (rows["source"] != "mean")]

    def verdict(self) -> str:
        """Whether a metric that is not at its floor beats its baseline; then all metrics with their intervals."""
        directions = len(self._directions(self.metrics[0]))
        rows = self._summary[self._summary["source"] == "mean"] if directions > 1 else self._summary
        parts = [f"{label_of(row.metric)} {row.estimate:.3g} {bracketed(row.lower, row.upper, '.3g')} (baseline {row.baseline:.3g})"
                 for row in rows.dropna(subset="estimate").itertuples()]  # fmt: skip
        main = rows.iloc[0]
        where = f"the mean of {directions} directions" if directions > 1 else f"{main['source']} to {main['target']}"
        means = f" Over {main['n']} items, {where}: {'; '.join(parts)}." if parts else ""
        return f"{self._translated(int(main['n']))}{means}"

    def _translated(self, n: int) -> str:
        name = self._judged()
        if reason := several_tokens(name, self.table["target"].astype(str).unique()):
            return f"{reason}."
        if not lower_is_better(name) and (self.table[name] == 0).all():
            return f"The model got nothing right, so this run says nothing of its translations (n={n})."
        rival = "another sentence's translation" if name == "nll" else "leaving the source as it is"
        _, _, units = self.over_baseline()
        if units < FEWEST:
            return (
                f"With n={units} items or documents nothing can be said of the model beside {rival}: at least {FEWEST} are needed."
            )
        scored = "finds the right translation likelier than" if name == "nll" else "translates better than"
        by = f"By {label_of(name)} the" if name != self.metrics[0] else "The"
        return f"{by} model {scored if self.finds() else 'is not shown to do better than'} {rival} (n={n})."

    def _judged(self) -> str:
        """The metric that the verdict is about: the first that is not 0 for every text, as exact match is of whole sentences."""
        return next((name for name in self.metrics if lower_is_better(name) or (self.table[name] != 0).any()), self.metrics[0])

    def finds(self) -> bool:
        """Whether the verdict claims that its metric is above its baseline."""
        gain, p, units = self.over_baseline()
        return units >= FEWEST and p < LEVEL and gain > 0

    def over_baseline(self, metric: str | None = None) -> tuple[float, float, int]:
        """The mean paired gain of the items' own scores over their baseline by `metric`, its sign-flip p, and the units flipped.

        `metric` None is the one of the verdict. An item counts with its mean over directions; above 0 is better, also for a loss.
        Units are items, or documents where the corpus names them.
        """
        name = metric or self._judged()
        gain = (self.table[name] - self.table[f"{name}_baseline"]) * (-1 if lower_is_better(name) else 1)
        items = gain.groupby(self.table["item"], sort=False).mean()
        documents = self.table.drop_duplicates("item")["document"].astype(str).to_numpy() if "document" in self.table else None
        p = float(sign_flip(items.to_numpy(dtype=float), seed=self.settings["seed"], clusters=documents))
        return float(items.mean()), p, len(items) if documents is None else len(set(documents))

    def figures(self) -> dict[str, Figure]:
        """A map where there are several sources and targets, else a score for each direction; one figure per metric."""
        figures = {}
        for name in self.metrics:
            rows = self._directions(name).assign(direction=lambda frame: frame["source"] + " > " + frame["target"])
            title = f"{self.question[:-1]}: {label_of(name)}"
            many = rows["source"].nunique() > 1 and rows["target"].nunique() > 1
            figures[name] = (
                score_matrix(self.matrix(name), title, label_of(name), str(self.signature))
                if many
                else score_dots(rows, title, label_of(name), str(self.signature), "direction")
            )
        return figures


def _nothing(weights: np.ndarray) -> _Scores:
    """What is left blank."""
    return _Scores(np.nan, np.nan, resampled=np.full(len(weights), np.nan))


def _mean_of(scores: Sequence[_Scores]) -> _Scores:
    """The mean over directions of one metric."""
    estimates, baselines, items, resampled = zip(*scores, strict=True)
    both = (None if parts[0] is None else np.mean(parts, axis=0) for parts in (items, resampled))
    return _Scores(float(np.mean(estimates)), float(np.mean(baselines)), *both)

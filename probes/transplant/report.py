"""Report of a transplant grid: where a transplant helps, and how much remains on held-out items and beside the controls."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import bootstrap, bracketed, draws, mean, percentiles
from probes.statistics.significance import max_statistic, minimum_detectable
from probes.transplant.comparisons import RULES, battery, tabulate
from probes.transplant.figures import battery_dots, grid_maps
from probes.transplant.selection import choose, held_out, oracle, splits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNITS = {"difference": "logit difference", "logprob": "log-probability (nats)", "match": "accuracy"}
_MAPS = 6


class TransplantGrid(Report):
    """Transplant grids of every pair "donor>language", as `measure_transplant` measures them.

    `arrays["pair|condition"]` is `[item source target]`, the score of every cell under `transplant` and under each control.
    `arrays["pair|norm_ratio"]` is `[source target]`, the norm of the donor over that of what it replaces. `table` has one row per
    item and run without a transplant: `untouched`, and `source_run`, the question in the donor language. Layers are blocks, 0 to
    N-1. Accuracy is the share of items with a logit difference above 0, or matched; log-probabilities have none.

    Example
    -------
    >>> import interp, probes
    >>> from interp.text.read import read_task
    >>> task = read_task("cldr:facts", languages=["eng_Latn", "deu_Latn"]).select(limit=3)
    >>> grid = probes.measure_transplant(
    ...     interp.load("bundled"), task, [(("eng_Latn",), "deu_Latn")], sources=[1], targets=[0], controls=[], resamples=20,
    ...     progress=False,
    ... )
    >>> grid.pairs, grid.best()[["source", "target", "n"]].values.tolist()
    (['eng_Latn>deu_Latn'], [[1, 0, 3]])
    """

    question = "Does copying one language's activation into another language's run improve the answers?"

    def _item_values(self) -> pd.DataFrame:
        """The effect in every item by source layer (mean over targets) and by target layer, and the score of the untouched run."""
        frames = []
        for pair in self.pairs:
            donor, _, language = pair.partition(">")
            rows = self.table[(self.table["donor"] == donor) & (self.table["language"] == language)]
            rows, change = rows[rows["run"] == "untouched"], self.effect(pair)
            sides = [("effect by source layer", change.mean(2), self.settings["sources"]),
                     ("effect by target layer", change.mean(1), self.settings["targets"]),
                     ("untouched", self.untouched(pair)[:, None], [""])]  # fmt: skip
            for measure, values, layers in sides:
                for column, layer in enumerate(layers):
                    frames.append(pd.DataFrame({"measure": measure, "language": pair, "series": "", "layer": str(layer),
                                                "item": rows["item"].astype(str), "value": values[:, column]}))  # fmt: skip
        return pd.concat(frames, ignore_index=True)

    @property
    def pairs(self) -> list[str]:
        """The pairs, each "donor>language"."""
        return list(dict.fromkeys(self.table["donor"] + ">" + self.table["language"]))

    def values(self, pair: str | None = None, condition: str = "transplant") -> np.ndarray:
        """The score of every cell of a `pair` (default: the first) under a `condition`, `[item source target]`."""
        pair = pair or self.pairs[0]
        name = f"{pair}|{condition}"
        if name not in self.arrays:
            raise ValueError(f"got grid {name!r}, expected one of {', '.join(self.arrays)}.")
        return np.asarray(self.arrays[name], dtype=float)

    def untouched(self, pair: str | None = None, run: str = "untouched") -> np.ndarray:
        """The score of every item of a `pair` (default: the first) without a transplant, `[item]`, in a `run` of the table."""
        donor, _, language = (pair or self.pairs[0]).partition(">")
        rows = self.table[(self.table["donor"] == donor) & (self.table["language"] == language) & (self.table["run"] == run)]
        return rows["value"].to_numpy(dtype=float)

    def effect(self, pair: str | None = None, condition: str = "transplant") -> np.ndarray:
        """The change of every item's score of a `pair` (default: the first) under a `condition`, `[item source target]`."""
        base = self.untouched(pair, "untouched:permuted" if condition == "permuted" else "untouched")
        return self.values(pair, condition) - base[:, None, None]

    def summary(self) -> pd.DataFrame:
        """One row per pair, metric and run, with the difference to the run named `against`, paired by item.

        The best and the held-out cells are chosen by the metric of the row. Upper bounds, which choose a cell for each item
        knowing its answer, are given for accuracy only, or for the log-probability if there is no accuracy.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        parts = []
        for pair in self.pairs:
            for metric in self._metrics:
                runs = self._battery(pair, metric)
                donor, _, language = pair.partition(">")
                table = tabulate(runs, self._clusters, self.settings["resamples"], self.settings["seed"])
                parts.append(table.assign(donor=donor, language=language, metric=metric))
        frame = pd.concat(parts, ignore_index=True)
        return frame[["donor", "language", "metric", *[name for name in frame if name not in ("donor", "language", "metric")]]]

    def _battery(self, pair: str, metric: str, pilot: int | None = None) -> dict[str, tuple[np.ndarray, str, str]]:
        conditions = [name.partition("|")[2] for name in self.arrays if name.startswith(f"{pair}|")]
        grids = {name: self._scored(self.values(pair, name), metric) for name in conditions if name != "norm_ratio"}
        names = ["untouched", "source_run", *(["untouched:permuted"] if "permuted" in grids else [])]
        plain = {name: self._scored(self.untouched(pair, name), metric) for name in names}
        oracles = metric == self._metrics[0]
        return battery(grids, plain, self._clusters, self._blocks, self.settings["seed"], pilot=pilot, oracles=oracles)

    def best(self) -> pd.DataFrame:
        """The best cell of each pair, chosen on the same items, so its estimate is biased upwards.

        `p` is corrected over the grid by the max-statistic: against the untouched run, and against another item's donor
        (`p_shuffled`), which tests that the content matters. `baseline` is the score of the untouched run.
        """
        rows = []
        for pair in self.pairs:
            change = self.effect(pair)
            source, target = choose(change)
            how = self.settings["resamples"], self.settings["seed"], self._clusters
            lower, upper = bootstrap(change[:, source, target], *how, difference=True)
            row = {
                "pair": pair, "source": self._blocks[0][source], "target": self._blocks[1][target],
                "estimate": change[:, source, target].mean(), "lower": float(lower), "upper": float(upper), "n": len(change),
                "baseline": self.untouched(pair).mean(), "p": self.significance(pair)[source, target],
            }  # fmt: skip
            if f"{pair}|shuffled" in self.arrays:
                row["p_shuffled"] = self.significance(pair, "shuffled")[source, target]
            rows.append(row)
        return pd.DataFrame(rows)

    def significance(self, pair: str | None = None, against: str = "untouched") -> np.ndarray:
        """p of every cell of a `pair` (default: the first), `[source target]`, against another condition.

        `against` is "untouched" or the name of a control. Corrected over the grid by the max-statistic over sign flips.
        """
        other = self.untouched(pair)[:, None, None] if against == "untouched" else self.values(pair, against)
        return max_statistic(self.values(pair) - other, 2000, self.settings["seed"], self._clusters)

    def upper_bound(self) -> pd.DataFrame:
        """The upper bound, which takes the best cell of each item knowing its answer, and the same under each control.

        It is no evidence by itself: if a thousand cells each change one answer in a hundred at random, it is nearly 1.
        """
        frame = self._summary
        return frame[frame["run"].str.startswith(("upper_bound", "oracle", "untouched"))].reset_index(drop=True)

    def strategies(self, pilot: int | None = None) -> pd.DataFrame:
        """One cell for all items of a pair, chosen on some items and evaluated on the others.

        `pilot` is its score on the items it was chosen on, `estimate` on the others, and `optimism` the difference. Five folds by
        default; with `pilot=50` the cell is chosen once, on 50 items, as in the paper.
        """
        rows, metric = [], self._metrics[0]
        for pair in self.pairs:
            values, base = self._scored(self.values(pair), metric), self._scored(self.untouched(pair), metric)
            parts = splits(len(values), self._clusters, 5, pilot, self.settings["seed"])
            for rule in RULES:
                scores, promised, cells = held_out(values, rule, parts)
                lower, upper = bootstrap(scores, self.settings["resamples"], self.settings["seed"], self._clusters)
                rows.append({
                    "pair": pair, "rule": rule, "metric": metric, "pilot": promised.mean(), "estimate": np.nanmean(scores),
                    "lower": float(lower), "upper": float(upper), "n": int((~np.isnan(scores)).sum()),
                    "baseline": base[~np.isnan(scores)].mean(), "optimism": promised.mean() - np.nanmean(scores),
                    "cells": ", ".join(f"{self._blocks[0][i]}->{self._blocks[1][j]}" for i, j in cells),
                })  # fmt: skip
        return pd.DataFrame(rows)

    def curves(self, pair: str | None = None) -> pd.DataFrame:
        """The mean effect of every source layer over targets and of every target layer over sources, with 95 % confidence interval.

        Of a `pair`, by default the first. `oracle` is the upper bound over the other side, `oracle_shuffled` the same with another
        item's donor.
        """
        rows, values, metric = [], self.values(pair), self._metrics[0]
        shuffled = self.values(pair, "shuffled") if f"{pair or self.pairs[0]}|shuffled" in self.arrays else None
        for side, axis, blocks in (("source", 2, self._blocks[0]), ("target", 1, self._blocks[1])):
            change = self.effect(pair).mean(axis=axis)
            how = self.settings["resamples"], self.settings["seed"], self._clusters
            lower, upper = bootstrap(change, *how, difference=True)
            union = oracle(self._scored(values, metric), (axis,)).mean(axis=0)
            control = (
                np.full(len(blocks), np.nan) if shuffled is None else oracle(self._scored(shuffled, metric), (axis,)).mean(axis=0)
            )
            rows.append(pd.DataFrame({
                "side": side, "layer": blocks, "estimate": change.mean(axis=0), "lower": lower, "upper": upper, "n": len(change),
                "baseline": 0.0, "oracle": union, "oracle_shuffled": control,
            }))  # fmt: skip
        return pd.concat(rows, ignore_index=True)

    def depths(self) -> pd.DataFrame:
        """Relative depth of the best cell, 0 the first block and 1 the last: median and 95 % interval over resampled items.

        Wide intervals mean that the grid has no clear peak. Ties go to early targets and late sources (see `choose`).
        """
        rows, deepest = [], max(1, self.settings["layers"] - 1)
        for pair in self.pairs:
            change = self.effect(pair)
            weights = draws(len(change), 200, self.settings["seed"], self._clusters)
            units = len(change) if self._clusters is None else len(np.unique(self._clusters))
            cells = np.array([choose(drawn[None]) for drawn in mean(change, weights)])
            for axis, side in enumerate(("source", "target")):
                depth = np.array(self._blocks[axis])[cells[:, axis]] / deepest
                middle, (lower, upper) = np.median(depth), percentiles(depth, units)
                rows.append({"pair": pair, "side": side, "depth": middle, "lower": lower, "upper": upper, "n": len(change)})
        return pd.DataFrame(rows)

    def verdict(self) -> str:
        """The effect of one fixed cell on items it was not chosen on, and the upper bound beside that of shuffled donors."""
        frame, metric = self._summary, self._metrics[0]
        frame = frame[frame["metric"] == metric]
        fixed_cell = frame[frame["run"] == "held_out:overall"]
        if fixed_cell.empty:
            return "One item or text: no cell can be chosen on some items and evaluated on others."
        better, worse = int((fixed_cell["difference_lower"] > 0).sum()), int((fixed_cell["difference_upper"] < 0).sum())
        row = fixed_cell.iloc[fixed_cell["difference"].argmax()]
        amount = f"{row['difference']:+.3f} {bracketed(row['difference_lower'], row['difference_upper'], '+.3f')}"
        sentence = (
            f"One cell chosen on other items changes {metric} by {amount} in {row['donor']}>{row['language']} "
            f"({row['baseline']:.3f} untouched, n={row['n']}); better in {better} and worse in {worse} of {len(fixed_cell)} pairs."
        )
        if len(fixed_cell) > 1:
            sentence = sentence.replace("One cell chosen on other items changes", "At best one cell chosen on other items changes")
        bound = frame[frame["run"] == "upper_bound"]
        gains = bound.dropna(subset="difference")
        if len(gains) and (gains["against"] == "upper_bound:shuffled").all():
            first = gains.iloc[gains["difference"].argmax()]
            sentence += (
                f" The oracle over cells reaches {first['estimate']:.3f}, with another item's donor {first['baseline']:.3f} "
                f"({first['difference']:+.3f} {bracketed(first['difference_lower'], first['difference_upper'], '+.3f')})."
            )
        if metric == "accuracy" and not better:
            sentence += f" {row['n']} items can tell a change of {minimum_detectable(int(row['n'])):.2f} from none."
        return sentence

    def figures(self) -> dict[str, Figure]:
        """The grid of each pair beside that of shuffled donors, then all runs and controls."""
        label = f"change in {_UNITS[self.settings['score']]}"
        figures = {}
        for pair in self.pairs[:_MAPS]:
            maps = {name: self.effect(pair, name) for name in ("transplant", "shuffled") if f"{pair}|{name}" in self.arrays}
            means = {name: np.nanmean(change, axis=0) for name, change in maps.items()}
            p = {name: max_statistic(change, 2000, self.settings["seed"], self._clusters) for name, change in maps.items()}
            figures[f"grid-{pair.replace('>', '-')}"] = grid_maps(means, p, self._blocks, pair, label, str(self.signature))
        first = self._metrics[0]
        frame = self._summary[self._summary["metric"] == first]
        figures["battery"] = battery_dots(frame, first, str(self.signature))
        return figures

    @property
    def _metrics(self) -> tuple[str, ...]:
        return {"difference": ("accuracy", "difference"), "match": ("accuracy",), "logprob": ("logprob",)}[self.settings["score"]]

    def _scored(self, values: np.ndarray, metric: str) -> np.ndarray:
        if metric == "accuracy" and self.settings["score"] == "difference":
            return np.where(np.isnan(values), np.nan, values > 0)
        return values

    @property
    def _blocks(self) -> tuple[list[int], list[int]]:
        return list(self.settings["sources"]), list(self.settings["targets"])

    @property
    def _clusters(self) -> np.ndarray | None:
        if "document" not in self.table:
            return None
        return self.table["document"].iloc[: self.table["item"].nunique()].astype(str).to_numpy()

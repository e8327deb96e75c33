"""Report of a transplant grid: where a transplant helps, and how much remains on held-out items and beside the controls."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.report import Report
from probes.statistics.resampling import bootstrap, bracketed, draws, mean, percentiles
from probes.statistics.significance import FEWEST, LEVEL, max_statistic, minimum_detectable, said_p
from probes.transplant.comparisons import RULES, battery, tabulate
from probes.transplant.figures import battery_dots, grid_maps
from probes.transplant.inference import Tested, best_of_all, held_out_interval, held_out_test, over_pairs
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
        knowing its answer, are given for accuracy only, or for the log-probability if there is no accuracy, and only where there
        are shuffled donors to hold them against. `by_chance` is what a run that was chosen knowing the answers reaches without any
        effect. p and interval of the held-out runs choose the cell anew in every resample; `p_max` is that p corrected for all
        pairs.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        parts = []
        for metric in self._metrics:
            tested = [self._tested(pair, metric) for pair in self.pairs]
            known = bool(tested and all("overall" in each for each in tested))
            corrected = over_pairs([each["overall"] for each in tested]) if known else [np.nan] * len(tested)
            for pair, found, p in zip(self.pairs, tested, corrected, strict=True):
                runs = self._battery(pair, metric)
                donor, _, language = pair.partition(">")
                how = self._clusters, self.settings["resamples"], self.settings["seed"]
                table = tabulate(runs, *how, self._change(pair, metric), found)
                table["p_max"] = np.where(table["run"] == "held_out:overall", p, np.nan)
                parts.append(table.assign(donor=donor, language=language, metric=metric))
        frame = pd.concat(parts, ignore_index=True)
        return frame[["donor", "language", "metric", *[name for name in frame if name not in ("donor", "language", "metric")]]]

    def _change(self, pair: str, metric: str) -> np.ndarray:
        """The change of every item's score by a metric in every cell, `[item source target]`."""
        values, base = self._scored(self.values(pair), metric), self._scored(self.untouched(pair), metric)
        return np.asarray(values - base[:, None, None], dtype=float)

    def _tested(self, pair: str, metric: str) -> dict[str, Tested]:
        """The test of the held-out cell by each rule; none for a single item or text."""
        change, seed = self._change(pair, metric), self.settings["seed"]
        if len(change if self._clusters is None else np.unique(self._clusters)) < 2:
            return {}
        parts = splits(len(change), self._clusters, 5, None, seed)
        return {rule: held_out_test(change, rule, parts, self._clusters, self.settings["resamples"], seed) for rule in RULES}

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
        (`p_shuffled`), which tests that the content matters. The interval is simultaneous over the grid, and `by_chance` is what
        the best cell reaches where none has an effect. `baseline` is the score of the untouched run.
        """
        rows = []
        for pair in self.pairs:
            change = self.effect(pair)
            source, target = choose(change)
            band, estimate = (
                best_of_all(change, (source, target), self._clusters, self.settings["seed"]),
                change[:, source, target].mean(),
            )
            row = {
                "pair": pair, "source": self._blocks[0][source], "target": self._blocks[1][target], "estimate": estimate,
                "lower": estimate - band.half, "upper": estimate + band.half, "n": len(change), "by_chance": band.by_chance,
                "baseline": self.untouched(pair).mean(), "p": band.p,
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

        It is given only where there are shuffled donors, whose own upper bound stands in the same row as `by_chance`. It is no
        evidence by itself: if a thousand cells each change one answer in a hundred at random, it is nearly 1.
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
                tested = held_out_test(values, rule, parts, self._clusters, self.settings["resamples"], self.settings["seed"])
                units = len(values) if self._clusters is None else len(np.unique(self._clusters))
                lower, upper = held_out_interval(float(np.nanmean(scores)), tested.error, units)
                rows.append({
                    "pair": pair, "rule": rule, "metric": metric, "pilot": promised.mean(), "estimate": np.nanmean(scores),
                    "lower": lower, "upper": upper, "n": int((~np.isnan(scores)).sum()),
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
            lower, upper = bootstrap(change, self.settings["resamples"], self.settings["seed"], self._clusters, difference=True)
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

    def finds(self) -> bool:
        """Whether the verdict claims that a cell chosen on other items changes the answers in any pair."""
        rows = self._summary[(self._summary["metric"] == self._metrics[0]) & (self._summary["run"] == "held_out:overall")]
        return bool((rows["p_max"] < LEVEL).any())

    def verdict(self) -> str:
        """Whether one cell chosen on other items changes the score, in how many pairs; by how much; the oracle beside its null."""
        frame, metric = self._summary, self._metrics[0]
        frame = frame[frame["metric"] == metric]
        fixed_cell = frame[frame["run"] == "held_out:overall"]
        if fixed_cell.empty:
            return "One item or text: no cell can be chosen on some items and evaluated on others."
        sure = fixed_cell[fixed_cell["p_max"] < LEVEL]
        row = fixed_cell.iloc[fixed_cell["difference"].argmax()] if sure.empty else sure.iloc[sure["difference"].abs().argmax()]
        amount = f"{row['difference']:+.3f} {bracketed(row['difference_lower'], row['difference_upper'], '+.3f')}"
        most = "One cell" if len(fixed_cell) == 1 else "At best one cell" if sure.empty else "At its clearest, one cell"
        sentence = (
            f"{self._found(frame, fixed_cell)} {most} chosen on other items changes {metric} by {amount} in "
            f"{row['donor']}>{row['language']} ({row['baseline']:.3f} untouched; "
            f"{said_p(row['p_max'])} over {_pairs(len(fixed_cell))})."
        )
        wrong = frame[frame["run"] == "held_out:shuffled"].set_index(["donor", "language"])
        if (pair := (row["donor"], row["language"])) in wrong.index:
            other = wrong.loc[pair]
            changed = f"{other['difference']:+.3f} {bracketed(other['difference_lower'], other['difference_upper'], '+.3f')}"
            sentence += f" With another item's donor the same cells change it by {changed}."
            same_side = other["difference_lower"] * other["difference_upper"] > 0 and other["difference"] * row["difference"] > 0
            if row["p_max"] < LEVEL and same_side:
                sentence += " A donor of another item does it too: the content of the donor is not shown to matter."
        bound = frame[frame["run"] == "upper_bound"].dropna(subset="difference")
        if len(bound):
            first = bound.iloc[bound["difference"].argmax()]
            sentence += (
                f" The oracle over cells, which knows the answers, reaches {first['estimate']:.3f}, and with another item's donor "
                f"{first['by_chance']:.3f} ({first['difference']:+.3f} "
                f"{bracketed(first['difference_lower'], first['difference_upper'], '+.3f')})."
            )
        if metric == "accuracy" and int(row["n"]) >= FEWEST and sure.empty:
            sentence += f" {row['n']} items can tell a change of {minimum_detectable(int(row['n'])):.2f} from none."
        return sentence

    def _found(self, frame: pd.DataFrame, fixed_cell: pd.DataFrame) -> str:
        """The first sentence: in how many pairs the answers get better or worse, over all pairs together."""
        n, pairs = int(fixed_cell["n"].max()), len(fixed_cell)
        units = n if self._clusters is None else len(np.unique(self._clusters))
        if units < FEWEST:
            return f"With n={units} items or texts nothing can be claimed: at least {FEWEST} are needed."
        if self._metrics[0] == "accuracy" and frame.loc[frame["run"].isin(("untouched", "mean_cell")), "estimate"].eq(0).all():
            return f"The model got nothing right with or without a transplant, so this run cannot answer the question (n={n})."
        sure = fixed_cell[fixed_cell["p_max"] < LEVEL]
        better, worse = int((sure["difference"] > 0).sum()), int((sure["difference"] < 0).sum())
        what = "Copying one cell, chosen on other items, makes answers"
        if better and worse:
            return f"{what} better in {better} and worse in {worse} of {_pairs(pairs)} (n={n})."
        if better or worse:
            return f"{what} {'better' if better else 'worse'} in {better or worse} of {_pairs(pairs)} (n={n})."
        return f"Copying one cell, chosen on other items, is not shown to change the answers in any of {_pairs(pairs)} (n={n})."

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


def _pairs(n: int) -> str:
    return f"{n} pair{'s' if n > 1 else ''}"

"""The runs and controls that a transplant is compared with, as values of the same items, so that differences are paired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from probes.statistics.resampling import bootstrap
from probes.statistics.significance import sign_flip
from probes.transplant.inference import Tested, best_of_all, held_out_interval
from probes.transplant.selection import Rule, choose, held_out, oracle, splits

RULES: tuple[Rule, ...] = ("overall", "first_target", "last_source")
ORACLE_CONTROLS = ("shuffled", "same_language", "random", "norm_matched")

Runs = dict[str, tuple[np.ndarray, str, str]]
"""For each run: its values `[item]`, the run that it is compared with, and the cell that it uses, as text."""


def battery(
    grids: Mapping[str, np.ndarray],
    plain: Mapping[str, np.ndarray],
    clusters: np.ndarray | None,
    blocks: tuple[list[int], list[int]],
    seed: int,
    folds: int = 5,
    pilot: int | None = None,
    oracles: bool = True,
) -> Runs:
    """The runs of one pair, for `tabulate`.

    `best_cell` is chosen on the items it is evaluated on, so it is biased upwards; the `held_out` rows are not. `upper_bound`
    chooses the cell of each item knowing its answer: it is given only beside the same upper bound over shuffled donors.

    Parameters
    ----------
    grids
        For `transplant` and each control, the score of every cell, `[item source target]`.
    plain
        Scores without a transplant, `[item]`: `untouched`, `source_run`, and `untouched:permuted` if there is that control.
    clusters
        Label of each item, such as its document. Items with one label are never separated. Default: each its own.
    blocks
        Source and target blocks.
    seed, folds, pilot
        As in `splits`.
    oracles
        Also give the upper bounds.
    """
    values, untouched = grids["transplant"], plain["untouched"]
    runs: Runs = {"untouched": (untouched, "", ""), "source_run": (plain["source_run"], "untouched", "")}
    runs["mean_cell"] = (np.nanmean(values, axis=(1, 2)), "untouched", "")
    source, target = choose(values)
    runs["best_cell"] = (values[:, source, target], "untouched", _cell(blocks, source, target))
    if len(values if clusters is None else np.unique(clusters)) > 1:
        runs |= _chosen(grids, clusters, blocks, seed, folds, pilot)
    for name, cell in {"last_to_first": (-1, 0), "first_to_first": (0, 0)}.items():
        runs[f"fixed:{name}"] = (values[:, cell[0], cell[1]], "untouched", _cell(blocks, *cell))
    if "permuted" in grids:
        runs["untouched:permuted"] = (plain["untouched:permuted"], "untouched", "")
        permuted = grids["permuted"][:, source, target]
        runs["best_cell:permuted"] = (permuted, "untouched:permuted", _cell(blocks, source, target))
    return runs | _oracles(grids, plain) if oracles else runs


def _chosen(
    grids: Mapping[str, np.ndarray], clusters: np.ndarray | None, blocks: tuple[list[int], list[int]], seed: int, folds: int,
    pilot: int | None,
) -> Runs:  # fmt: skip
    parts, runs = splits(len(grids["transplant"]), clusters, folds, pilot, seed), {}
    for rule in RULES:
        scores, _, cells = held_out(grids["transplant"], rule, parts)
        (source, target), _ = Counter(map(tuple, cells.tolist())).most_common(1)[0]
        runs[f"held_out:{rule}"] = (scores, "untouched", _cell(blocks, source, target))
        if rule == "overall" and "shuffled" in grids:
            same = np.full(len(scores), np.nan)
            for out, (source, target) in zip(parts, cells, strict=True):
                same[out] = grids["shuffled"][out, source, target]
            runs["held_out:shuffled"] = (same, "untouched", "the same cells, another item's donor")
    return runs


def _oracles(grids: Mapping[str, np.ndarray], plain: Mapping[str, np.ndarray]) -> Runs:
    runs: Runs = {"oracle:untouched_or_source": (np.maximum(plain["untouched"], plain["source_run"]), "untouched", "")}
    if "shuffled" not in grids:
        return runs
    bounds = {name: oracle(grids[name]) for name in ORACLE_CONTROLS if name in grids}
    runs["upper_bound"] = (oracle(grids["transplant"]), "upper_bound:shuffled", "oracle over cells")
    runs |= {f"upper_bound:{name}": (values, "untouched", "oracle over cells") for name, values in bounds.items()}
    return runs


def _cell(blocks: tuple[list[int], list[int]], source: int, target: int) -> str:
    return f"{blocks[0][source]}->{blocks[1][target]}"


def tabulate(
    runs: Runs,
    clusters: np.ndarray | None,
    resamples: int,
    seed: int,
    change: np.ndarray,
    tested: Mapping[str, Tested],
) -> pd.DataFrame:
    """One row for each of `runs`: `estimate, lower, upper, n, baseline`, the paired `difference`, `by_chance`, and `cell`.

    The difference has a 95 % confidence interval (`resamples` resamples of the `clusters`, by `seed`) and a sign-flip `p`. Those of
    held-out runs are of `tested`, by rule: the cell is chosen anew in each resample. Those of `best_cell` are over all cells of
    the `change` `[item source target]`, and `by_chance` has what the best of them reaches where nothing has an effect. An oracle
    over cells has no p: its interval is of the difference from that of shuffled donors, which is its `by_chance`.
    """
    names = list(runs)
    values = np.stack([runs[name][0] for name in names], axis=1)
    against = np.stack([runs[runs[name][1] or name][0] for name in names], axis=1)
    gap = values - against
    lower, upper = bootstrap(values, resamples, seed, clusters)
    least, most = bootstrap(gap, resamples, seed, clusters, difference=True)
    p = sign_flip(gap, 2000, seed, clusters)
    measured, units = ~np.isnan(values), len(values) if clusters is None else len(np.unique(clusters))
    first = np.array([not runs[name][1] for name in names])
    frame = pd.DataFrame({
        "run": names, "estimate": np.nanmean(values, axis=0), "lower": lower, "upper": upper, "n": measured.sum(axis=0),
        "baseline": np.nanmean(np.where(measured, against, np.nan), axis=0), "against": [runs[name][1] for name in names],
        "difference": np.where(first, np.nan, np.nanmean(gap, axis=0)), "difference_lower": np.where(first, np.nan, least),
        "difference_upper": np.where(first, np.nan, most), "p": np.where(first, np.nan, p), "by_chance": np.nan,
        "cell": [runs[name][2] for name in names],
    }).set_index("run", drop=False)  # fmt: skip
    frame.index.name = None
    bounds, numbers = ["difference_lower", "difference_upper"], ["difference_lower", "difference_upper", "p"]
    for rule, found in tested.items():
        ends = held_out_interval(float(frame.loc[f"held_out:{rule}", "difference"]), found.error, units)
        frame.loc[f"held_out:{rule}", numbers] = [*ends, found.p]
    if "held_out:shuffled" in names:  # the cells are those of the transplant, whose folds depend on each other
        frame.loc["held_out:shuffled", "p"] = np.nan
    band, best = best_of_all(change, choose(change), clusters, seed), float(frame.loc["best_cell", "difference"])
    frame.loc["best_cell", [*numbers, "by_chance"]] = [
        best - band.half, best + band.half, band.p, frame.loc["untouched", "estimate"] + band.by_chance
    ]  # fmt: skip
    frame.loc["best_cell", ["lower", "upper"]] = frame.loc["best_cell", "baseline"] + frame.loc["best_cell", bounds].to_numpy()
    if "upper_bound" in names:
        frame.loc["upper_bound", "by_chance"] = frame.loc["upper_bound:shuffled", "estimate"]
    frame.loc[frame["run"].str.startswith(("upper_bound", "oracle")), "p"] = np.nan
    return frame.reset_index(drop=True)

"""Do the verdicts about tuned models and transplants hold on nulls, and do they find what was planted? On simulated reports.

Every check builds the real report from simulated scores of items and asks what it claims. A null counts as found where the
report claims anything at all, in whatever cell, language, pair, arm or measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.tuning.comparison import ChangeReport

Row = tuple[str, float, str, bool]
"""Name of a check, the number measured, what was promised, and whether it holds."""
_CHANCE = 0.001  # of a check to fail by chance
_MODEL, _CORPUS = ModelIdentity("simulated", "0" * 64, 12, 8, "float32"), CorpusIdentity("simulated", "1" * 64, 30)


def checks(simulations: int, seed: int) -> Iterator[Row]:
    """All rows: of each verdict its share of findings on nulls, its power, and what its intervals cover."""
    for check in (changes,):
        yield from check(simulations, seed)


def changes(simulations: int, seed: int) -> Iterator[Row]:
    """`interp compare`: any cell called changed, over all measures, languages and layers."""
    for n, measures, layers in ((12, 4, 12), (30, 1, 12), (30, 8, 12), (100, 4, 32)):
        found = [_changed(n, measures, layers, 0.0, seed + k).any() for k in range(simulations)]
        yield null(f"compare, {measures} measures x {layers} layers, n={n}", found)
    for measures, layers in ((1, 12), (8, 32)):
        found = [_changed(30, measures, layers, 1.0, seed + k).any() for k in range(simulations)]
        yield power(f"compare, one language and measure of {measures} x {layers} layers, n=30", found)
    found = [_changed(30, 10, 51, 3.0, seed + k, everywhere=True).all() for k in range(max(2, simulations // 20))]
    yield power("compare, every one of 1020 cells by 3 sd, n=30", found)


def change_report(values: np.ndarray, measures: int, flips: int = 999) -> ChangeReport:
    """A comparison whose differences are `values [item language layer*measure]`, before being noise."""
    n, languages, layers = values.shape
    cells = [(f"m{k % measures}", f"l{a}", "", str(k // measures)) for a in range(languages) for k in range(layers)]
    table = pd.DataFrame(np.repeat(cells, n, axis=0), columns=["measure", "language", "series", "layer"])
    table["item"] = np.tile([f"i{k}" for k in range(n)], len(cells))
    table["value"] = values.reshape(n, -1).T.ravel()
    table["before"] = np.random.default_rng(0).normal(size=len(table))
    table["after"] = table["before"] + table["value"]
    return ChangeReport(table, signature("change"), settings={"resamples": 20, "flips": flips, "seed": 0})


def _changed(n: int, measures: int, layers: int, effect: float, seed: int, everywhere: bool = False) -> np.ndarray:
    """Which cells a comparison calls changed: two languages; the effect is in the last half of one measure's layers in one."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, 2, layers, measures))
    steps = noise if everywhere else (noise + np.roll(noise, 1, axis=2)) / np.sqrt(2)  # neighbouring layers are alike
    if everywhere:
        steps = steps + effect
    else:
        steps[:, 0, layers // 2 :, 0] += effect
    return change_report(steps.reshape(n, 2, -1), measures).summary()["changed"].to_numpy()


def signature(measure: str) -> Signature:
    """The signature of a simulated report."""
    return Signature(measure, _MODEL, _CORPUS)


def null(name: str, found: Sequence[bool]) -> Row:
    """At most 5 % of the runs on a null claim anything."""
    most = stats.binom.isf(_CHANCE, len(found), 0.05) / len(found)
    share = float(np.mean(found))
    return f"null called a finding: {name}", share, f"0.05 (by chance up to {most:.3f})", share <= most


def power(name: str, found: Sequence[bool]) -> Row:
    """At least 90 % of the runs find what was planted."""
    least = stats.binom.ppf(_CHANCE, len(found), 0.90) / len(found)
    share = float(np.mean(found))
    return f"planted effect found: {name}", share, f"0.90 (by chance down to {least:.3f})", share >= least


def coverage(name: str, held: Sequence[bool], least: float = 0.93, most: float = 0.97) -> Row:
    """95 % intervals hold the truth in 93 to 97 % of the runs, within what chance allows."""
    low = stats.binom.ppf(_CHANCE, len(held), least) / len(held)
    high = stats.binom.isf(_CHANCE, len(held), most) / len(held)
    share = float(np.mean(held))
    return f"95 % interval: {name}", share, f"{least} to {most} (by chance {low:.3f} to {high:.3f})", low <= share <= high

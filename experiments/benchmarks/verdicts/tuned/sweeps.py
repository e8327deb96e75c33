"""Does the verdict of a sweep of factors hold on nulls, and does it find what was planted? On simulated tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, null, power
from experiments.benchmarks.verdicts.studies import signature
from probes.factors.report import SweepReport
from probes.report import Report

_LEVELS = {"method": ["a", "b"], "size": ["16", "64", "256"], "template": ["p", "q"]}
_SHARE = 0.25


def examples(seed: int) -> dict[str, Report]:
    """A sweep with an effect of one factor, one with an interaction, and one without any ("null"), from this `seed`."""
    return {"null": sweep_report(30, 3, {}, 1.0, seed), "sweep": sweep_report(30, 3, {"method": 20.0}, 1.0, seed),
            "interaction": sweep_report(30, 3, {"method x size": 40.0}, 1.0, seed, ("method", "size"))}  # fmt: skip


def checks(budget: Budget) -> Iterator[Row]:
    """`interp sweep`: any effect claimed of three factors (or two, and their interaction), and what its intervals cover."""
    for n, seeds, trained in ((12, 3, 1.0), (30, 2, 2.0), (30, 3, 4.0), (100, 3, 2.0), (100, 1, 2.0)):
        found = [sweep_report(n, seeds, {}, trained, seed) for seed in budget.seeds(_SHARE)]
        yield null(f"sweep, 3 factors, seeds {seeds}, training sd {trained:g}", n, [report.finds() for report in found])
        if seeds > 1:
            yield coverage(f"sweep, differences, seeds {seeds}, training sd {trained:g}", n,
                           np.concatenate([_held(report, {}) for report in found]), wider=True, together=4)  # fmt: skip
    found = [sweep_report(30, 3, {}, 0.5, seed, ("method", "size"), uneven=12.0) for seed in budget.seeds(_SHARE)]
    yield null("sweep, one method's training noise 12 times another's", 30, [report.finds() for report in found])
    found = [sweep_report(30, 3, {}, 2.0, seed, ("method", "size")) for seed in budget.seeds(_SHARE)]
    yield null("sweep, 2 factors and their interaction", 30, [report.finds() for report in found])
    found = [sweep_report(30, 3, {"method": 20.0}, 1.0, seed) for seed in budget.seeds(_SHARE)]
    yield power("sweep, one of 3 factors by 1 sd of an item", 30, [report.finds() for report in found])
    yield coverage("sweep, a planted difference", 30, np.concatenate([_held(report, {"method": 20.0}) for report in found]),
                   wider=True, together=4)  # fmt: skip


def sweep_report(
    n: int,
    seeds: int,
    effects: Mapping[str, float],
    trained: float,
    seed: int,
    factors: Sequence[str] = tuple(_LEVELS),
    uneven: float = 1.0,
) -> SweepReport:
    """Scores of every combination of some factors, items of an sd of 20 points and training noise of `trained` points.

    That of method "b" is `uneven` times as large.

    The last level of a factor is higher by its entry in `effects`, in points; "a x b" is for the last levels of two together.
    """
    rng, levels = np.random.default_rng(seed), {name: _LEVELS[name] for name in factors}
    hard, frames = 0.4 + 0.14 * rng.normal(size=n), []
    cells: list[tuple[str, dict[str, str], int]] = [("untuned", dict.fromkeys(levels, ""), -1)]
    for combination in itertools.product(*levels.values()):
        own = dict(zip(levels, combination, strict=True))
        cells += [("tuned", own, turn) for turn in range(seeds)]
    for role, own, turn in cells:
        up = sum(size for name, size in effects.items() if all(own[each] == levels[each][-1] for each in name.split(" x ")))
        up += rng.normal() * trained * (role == "tuned") * (uneven if own["method"] == "b" else 1.0)
        values = hard + 0.14 * rng.normal(size=n) + up / 100
        frames.append(pd.DataFrame({
            "cell": "untuned" if role == "untuned" else "/".join([*own.values(), str(turn)]), "role": role, "untuned": "untuned",
            **{f"factor_{name}": level for name, level in own.items()}, "seed": turn, "source": "eng_Latn", "target": "deu_Latn",
            "item": [f"i{k:03}" for k in range(n)], "exact": values, "exact_baseline": 0.0, "steps": 10,
        }))  # fmt: skip
    settings = {"factors": levels, "amounts": {name: [16.0, 64.0, 256.0] if name == "size" else None for name in levels},
                "metric": "exact", "outside": False, "resamples": 200, "seed": 0}  # fmt: skip
    return SweepReport(pd.concat(frames, ignore_index=True), signature("sweep"), settings=settings)


def _held(report: SweepReport, effects: Mapping[str, float]) -> np.ndarray:
    """Which intervals of a difference hold the truth."""
    rows = report.summary().query("kind == 'difference'")
    names = zip(rows["factor"], rows["level"], strict=True)
    truth = np.array([effects.get(name, 0.0) * (level == _LEVELS[name][-1]) for name, level in names])
    return ((rows["lower"] <= truth) & (truth <= rows["upper"])).to_numpy()

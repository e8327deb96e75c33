"""`interp steer`: directions that differ no more than random ones steer nothing; one that writes the language is found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, holds, null, power
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.report import Report
from probes.steering.report import SubspaceReport

_DRAWS = 8


def checks(budget: Budget) -> Iterator[Row]:
    """Nulls with equal directions, with directions that differ, and with one in nine that works; power; the interval of excess."""
    for n in (30,) if budget.quick else (12, 30, 100):
        for spread in (0.0, 0.2):
            yield null(f"steer, random directions differ by {spread}", n, _found(n, budget, spread=spread))
        rare = [_report(n, seed, rare=True).finds() for seed in budget.seeds()]
        yield null("steer, one in nine directions works", n, rare)
    found = [_report(30, seed, spread=0.05, gain=0.5).claims.writes for seed in budget.seeds(0.5)]
    yield power("steer, half of the texts more, directions differ by 0.05", 30, found)
    for n in (30,) if budget.quick else (12, 30, 100):
        for spread in (0.0, 0.2):
            rows = [_report(n, seed, spread=spread, gain=0.3) for seed in budget.seeds()]
            held = [_holds_excess(report, 0.3) for report in rows]
            yield coverage(f"steer, excess over directions that differ by {spread}", n, held, wider=True)


def examples(seed: int) -> dict[str, Report]:
    """Reports of data without an effect ("null") and with one, from this `seed`."""
    return {"null": _report(30, seed, spread=0.1), "planted": _report(30, seed, spread=0.05, gain=0.6)}


def _found(n: int, budget: Budget, spread: float) -> list[bool]:
    return [_report(n, seed, spread=spread).finds() for seed in budget.seeds()]


def _holds_excess(report: SubspaceReport, truth: float) -> bool:
    rows = report.summary().set_index(["metric", "alpha"])
    row = rows.loc[("language", 1.0)]
    return bool(holds(row["excess_lower"], row["excess_upper"], truth))


def _report(n: int, seed: int, spread: float = 0.0, gain: float = 0.0, rare: bool = False) -> SubspaceReport:
    """`spread`: sd between directions of the share of texts in the language, which is .3 on average; `gain`: of the fitted one."""
    rng = np.random.default_rng(seed)
    shares = np.clip(0.3 + spread * rng.normal(size=_DRAWS + 1), 0.02, 0.98)
    if rare:
        shares = np.where(rng.random(_DRAWS + 1) < 1 / 9, 0.9, 0.02)
    elif gain:
        shares[0] = 0.3 + gain
    common = rng.random((n, 1))  # an item that is hard is hard under every direction
    hits = np.where(rng.random((n, _DRAWS + 1)) < 0.5, common, rng.random((n, _DRAWS + 1))) < shares
    unedited = rng.random(n) < (0.02 if rare else 0.3)
    names = ["language", *(f"random {draw}" for draw in range(_DRAWS)), "language"]
    frames = []
    for name, alpha, own in zip(names, [1.0] * (_DRAWS + 1) + [0.0], [*hits.T, unedited], strict=True):
        fidelity, unrelated = rng.normal(20, 5, size=(2, n))
        frames.append(pd.DataFrame({
            "part": "test", "layer": "3", "alpha": alpha, "direction": name, "item": [f"{item:04}" for item in range(n)],
            "text": "", "identified": own * 1.0, "repetition": 0.1, "language": own * 1.0, "plausible": own * 1.0,
            "fidelity": fidelity, "unrelated": unrelated, "surprise": 3.0,
        }))  # fmt: skip
    settings = {"kind": "steer", "source": "eng_Latn", "target": "rus_Cyrl", "layers": ["3"], "alpha": 1.0, "draws": _DRAWS,
                "bar": 5.0, "order": ["3"], "resamples": 300, "seed": seed}  # fmt: skip
    model, text = ModelIdentity("none", "0" * 8, 8, 8, "float32"), CorpusIdentity("none", "0" * 8, n)
    return SubspaceReport(pd.concat(frames, ignore_index=True), Signature("steer", model, text), settings=settings)

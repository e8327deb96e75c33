"""`interp quadrants`, what is said beside the classes: that no advice proves itself, and when targets agree more than by chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.benchmarks.verdicts.rows import Budget, Row, coverage, holds, null, power
from probes.quadrants.agreement import agreement
from probes.quadrants.guideline import check_guideline

_SEEDS, _TRAINED, _LANGUAGES = 4, 0.01, 6


def checks(budget: Budget) -> Iterator[Row]:
    """The guideline where all arms are alike and where the advised one is better; stability where no two targets agree."""
    for n in (30,) if budget.quick else (30, 100):
        checked = [_guideline(n, 0.0, seed) for seed in budget.seeds(0.05)]
        yield null("guideline, any language of 6", n, [bool((rows["holds"] != "not distinguishable").any()) for rows in checked])
        held = [bool(held) for rows in checked for held in holds(rows["lower"], rows["upper"], 0.0)]
        yield coverage("guideline, difference of two arms", n, held, wider=True, together=max(1, len(held) // len(checked)))
    found = [bool((_guideline(100, 0.2, seed)["holds"] == "yes").any()) for seed in budget.seeds(0.05)]
    yield power("guideline, the advised arm better by 1 sd of an item", 100, found)
    for languages, targets in ((12, 4),) if budget.quick else ((12, 4), (30, 10)):
        yield null(
            "stability of targets that do not agree",
            languages,
            [_stable(languages, targets, 0.0, seed) for seed in budget.seeds(0.05)],
        )
    yield power(
        "stability of targets that share half of their variance", 30, [_stable(30, 5, 1.0, seed) for seed in budget.seeds(0.05)]
    )


def _guideline(n: int, gain: float, seed: int) -> pd.DataFrame:
    """The check of a sweep of two arms with equal gains; `gain`: of the advised one, full tuning of an altruistic language."""
    rng = np.random.default_rng(seed)
    codes, frames = [f"l{k}" for k in range(_LANGUAGES)], []
    hard = 0.5 + 0.14 * rng.normal(size=n)
    for turn in range(_SEEDS):
        for role, own, method in [("base", "", ""), *(("tuned", code, arm) for code in codes for arm in ("full", "embeddings"))]:
            shift = rng.normal() * _TRAINED * (role == "tuned")
            for target in (own, "probe1", "probe2") if own else (*codes, "probe1", "probe2"):
                raised = 0.3 * (target.startswith("probe") and own != "") + gain * (method == "full" and target == own)
                lowered = 0.1 * (gain > 0 and method == "embeddings" and target == own)
                frames.append(pd.DataFrame({
                    "role": role, "language": own, "method": method, "size": 100 if own else 0, "target": target,
                    "item": np.arange(n), "seed": turn, "cell": f"{role}{own}{method}{turn}", "source": "eng_Latn",
                    "exact": hard + 0.14 * rng.normal(size=n) + shift + raised - lowered,
                }))  # fmt: skip
    table = pd.concat(frames, ignore_index=True).assign(exact_baseline=0.0, final_loss=1.0)
    return check_guideline(table, "exact", ["probe1", "probe2"], resamples=100, seed=seed)


def _stable(languages: int, targets: int, shared: float, seed: int) -> bool:
    """Whether the mean stability is above its chance level."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(languages, targets)) + shared * rng.normal(size=(languages, 1))
    found = agreement(pd.DataFrame(values, columns=[f"t{k}" for k in range(targets)]), seed)
    return bool(found.stability.mean() > found.stability_chance)

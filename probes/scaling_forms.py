"""Which form of the scaling law the points prefer: by AIC, by the largest size left out, and whether a measured gamma agrees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from probes.scaling_fit import fit_law
from probes.scaling_law import Curves, Form, Law, Points, scores_at


def left_out(points: Points, form: Form, similarity: Mapping[str, float] | None = None) -> Float[np.ndarray, " language"]:
    """Measured minus predicted at each language's largest size, by the law fitted on all others; NaN where they are too few."""
    top = points.largest()
    rest = points.take(~top)
    if set(rest.names) != set(points.names):
        return np.full(len(points.names), np.nan)
    try:
        law = fit_law(Points(rest.languages, rest.sizes, rest.scores, rest.errors), form, similarity=similarity)
    except ValueError:
        return np.full(len(points.names), np.nan)
    order = [law.languages.index(name) for name in points.names]
    sizes = np.array([points.sizes[points.rows == row].max() for row in range(len(points.names))])
    curves = Curves(law.estimate.ceiling, law.estimate.offset[order], law.estimate.slope[order])
    measured = np.array([points.scores[top & (points.rows == row)].mean() for row in range(len(points.names))])
    return measured - scores_at(form, curves, sizes)


def last_known(points: Points) -> Float[np.ndarray, " language"]:
    """What a forecast of no growth misses: each language's score at its largest size minus that at the one before."""
    found = []
    for row in range(len(points.names)):
        mine = points.rows == row
        order = np.argsort(points.sizes[mine])
        ordered = points.scores[mine][order]
        found.append(ordered[-1] - ordered[-2] if len(ordered) > 1 else np.nan)
    return np.array(found)


def compare_forms(points: Points, similarity: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Every form the points can carry: `form, parameters, misfit, aic, behind` (the best), `left_out` (mean |error|), `bias`.

    A difference in AIC under 2 decides nothing; the left-out error is what matters to who wants to go beyond the data.
    """
    rows = []
    for form in get_args(Form):
        if form == "given" and similarity is None:
            continue
        try:
            law = fit_law(Points(points.languages, points.sizes, points.scores, points.errors), form, similarity=similarity)
        except ValueError:
            continue
        missed = left_out(points, form, similarity)
        rows.append({"form": form, "parameters": law.parameters, "misfit": law.misfit, "aic": law.aic,
                     "left_out": np.abs(missed).mean(), "bias": missed.mean()})  # fmt: skip
    found = pd.DataFrame(rows)
    return found.assign(behind=found["aic"] - found["aic"].min())


def rank_agreement(law: Law, similarity: Mapping[str, float], seed: int = 0) -> tuple[float, float]:
    """Whether languages measured as nearer have the larger free gamma: Spearman's rho and its one-sided permutation p.

    Under five languages no p can be below 1/24, whatever the data.
    """
    free, given = law.gamma, np.array([similarity[name] for name in law.languages], dtype=float)
    if len(free) < 3 or not np.isfinite(free).all() or np.ptp(given) == 0:
        return np.nan, np.nan
    found = stats.permutation_test(
        (free,), lambda x: stats.spearmanr(x, given).statistic, permutation_type="pairings", alternative="greater",
        n_resamples=9999, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.statistic), float(found.pvalue)

"""Which form of the scaling law the points prefer: by AIC, by the largest size left out, and whether a measured gamma agrees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from probes.scaling.fit import fit_law
from probes.scaling.law import Curves, Form, Law, Points, scores_at


def left_out(
    points: Points, form: Form, similarity: Mapping[str, float] | None = None
) -> tuple[Float[np.ndarray, " language"], Float[np.ndarray, "resample language"] | None]:
    """Measured minus predicted at each language's largest size, by the law fitted on all others; and the same of every draw.

    `points` are the whole series, `form` the law to fit, and `similarity` the measured gammas for the form "given". NaN where the
    other sizes are too few for the form.
    """
    top, names = points.largest(), points.names
    smaller = points.take(~top)
    try:
        law = fit_law(smaller, form, similarity=similarity, least_sizes=2)
        order = [law.languages.index(name) for name in names]
    except ValueError:
        return np.full(len(names), np.nan), None
    rows = [int(np.flatnonzero(top & (points.rows == row))[0]) for row in range(len(names))]
    missed = points.scores[rows] - scores_at(form, _ordered(law.estimate, order), points.sizes[rows])
    if law.drawn is None or points.drawn is None:
        return missed, None
    return missed, points.drawn[:, rows] - scores_at(form, _ordered(law.drawn, order), points.sizes[rows])


def _ordered(curves: Curves, order: list[int]) -> Curves:
    return Curves(curves.ceiling, curves.offset[..., order], curves.slope[..., order])


def last_known(points: Points) -> Float[np.ndarray, " language"]:
    """The error of predicting no growth: each language's score in `points` at its largest size minus that at the one before."""
    changes = []
    for row in range(len(points.names)):
        own = points.rows == row
        order = np.argsort(points.sizes[own])
        ordered = points.scores[own][order]
        changes.append(ordered[-1] - ordered[-2] if len(ordered) > 1 else np.nan)
    return np.array(changes)


def compare_forms(points: Points, similarity: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Every form that `points` can carry, one row each: `form, parameters, misfit, aic, behind` (the best), and its predictions.

    `similarity` are the measured gammas for the form "given". `left_out` is the mean absolute error over languages at the held-out
    largest size, with `lower` and `upper` over the
    points' draws where they have some; `bias` the mean error. A difference in AIC under 2 decides nothing; the left-out
    error matters where the law is to predict beyond the data.
    """
    rows = []
    for form in get_args(Form):
        if form == "given" and similarity is None:
            continue
        try:
            law = fit_law(points.without_draws(), form, similarity=similarity)
        except ValueError:
            continue
        missed, drawn = left_out(points, form, similarity)
        around = [np.nan, np.nan] if drawn is None else np.quantile(np.abs(drawn).mean(axis=1), [0.025, 0.975])
        rows.append({"form": form, "parameters": law.parameters, "misfit": law.misfit, "aic": law.aic, "bias": missed.mean(),
                     "left_out": np.abs(missed).mean(), "lower": around[0], "upper": around[1]})  # fmt: skip
    forms = pd.DataFrame(rows)
    return forms.assign(behind=forms["aic"] - forms["aic"].min())


def rank_agreement(law: Law, similarity: Mapping[str, float], seed: int = 0) -> tuple[float, float]:
    """Whether languages measured as nearer have the larger free gamma: Spearman's rho and its one-sided permutation p.

    `law` is one with free gammas, `similarity` the measured ones, and `seed` the random seed of the permutations. Under five
    languages no p can be below 1/24, whatever the data.
    """
    free, measured = law.gamma, np.array([similarity[name] for name in law.languages], dtype=float)
    if len(free) < 3 or not np.isfinite(free).all() or np.ptp(measured) == 0:
        return np.nan, np.nan
    test = stats.permutation_test(
        (free,), lambda x: stats.spearmanr(x, measured).statistic, permutation_type="pairings", alternative="greater",
        n_resamples=9999, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(test.statistic), float(test.pvalue)

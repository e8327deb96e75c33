"""Fitting the scaling law: a weighted log-linear start, non-linear least squares, every bootstrap draw fitted too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import get_args

import numpy as np
from jaxtyping import Float
from scipy import optimize

from interp.languages import nearest
from probes.scaling.law import FULL, STEEPEST, Curves, Form, Law, Points


def fit_law(
    points: Points,
    form: Form = "power",
    reference: str | None = None,
    similarity: Mapping[str, float] | None = None,
    least_sizes: int = 3,
) -> Law:
    """Fit the law: a weighted log-linear start, then non-linear least squares with weights 1 / SE^2.

    Parameters
    ----------
    points
        Scores by language and size, with their standard errors; where they have bootstrap draws, every draw is fitted too.
    form
        "power" (free gammas), "given" (measured ones), "ceiling" (a free ceiling below 100), "slopes" (a beta for each
        language) or "loglinear" (a straight line in log X).
    reference
        The language with gamma 1; None means the first.
    similarity
        Each language's measured gamma, above 0, for the form "given".
    least_sizes
        How many sizes there must be. Two are enough only to predict a third.

    Returns
    -------
    Law
        The fitted curves, with those of every draw.

    Raises
    ------
    ValueError
        Where the points cannot carry the form, or a language is at 100 at every size.

    Notes
    -----
    S(X) = 100 - alpha (gamma X)^beta, eq. 2 of arXiv 2308.04948. When it misleads: points share sentences, so they are
    not independent and AIC overstates the evidence; and near the ceiling log(100 - S) is mostly noise, so a saturated language
    says little about beta.

    Example
    -------
    >>> import numpy as np, probes
    >>> from probes.scaling.law import Points
    >>> sizes = np.array([100.0, 200, 400, 800])
    >>> law = probes.fit_law(Points(("deu_Latn",) * 4, sizes, 100 - 90 * sizes**-0.1, np.full(4, 0.5)))
    >>> round(float(law.beta[0]), 3), round(law.alpha, 1)
    (-0.1, 90.0)
    """
    if form not in get_args(Form):
        raise ValueError(f"got form {form!r}, expected one of {', '.join(get_args(Form))}.{nearest(form, get_args(Form))}")
    names = points.names
    reference = reference or names[0]
    if reference not in names:
        raise ValueError(f"got reference {reference!r}, expected one of {', '.join(names)}.")
    columns = _columns(points, form, similarity)
    _check(points, form, columns, least_sizes)
    best = _solve(points.scores, points.noise, columns, form, None)
    residual = (points.scores - _scores(best, columns, form)) / points.noise
    drawn = None
    if points.drawn is not None:
        rows = np.array([_solve(scores, points.noise, columns, form, best) for scores in points.drawn])
        drawn = _curves(rows, form, names, similarity)
    return Law(
        form=form,
        languages=names,
        reference=reference,
        estimate=_curves(best, form, names, similarity),
        drawn=drawn,
        parameters=len(best),
        misfit=float(residual @ residual) / (len(residual) - len(best)),
        aic=_aic(residual, len(best)),
        similarity=dict(similarity or {}) if form == "given" else {},
    )


def _columns(points: Points, form: Form, similarity: Mapping[str, float] | None) -> Float[np.ndarray, "point parameter"]:
    """What the exponent is linear in: a constant and log X, for all languages or each."""
    log_size = np.log(points.sizes)[:, None]
    own = (points.rows[:, None] == np.arange(len(points.names))).astype(float)
    if form == "given":
        gammas = _given(points.names, similarity)
        return np.hstack([np.ones_like(log_size), np.log(gammas)[points.rows][:, None] + log_size])
    return np.hstack([own, own * log_size]) if form == "slopes" else np.hstack([own, log_size])


def _given(names: Sequence[str], similarity: Mapping[str, float] | None) -> Float[np.ndarray, " language"]:
    if similarity is None or (lost := [name for name in names if name not in similarity]):
        whom = ", ".join(names if similarity is None else lost)
        raise ValueError(f"form 'given': got no similarity of {whom}, expected one for every language. Give similarity=.")
    gammas = np.array([similarity[name] for name in names], dtype=float)
    if not (gammas > 0).all() or not np.isfinite(gammas).all():
        worst = names[int(np.nanargmin(gammas))]
        raise ValueError(
            f"got similarity {similarity[worst]:g} of {worst}, expected a number above 0, as gamma is taken to a power."
        )
    return gammas


def _check(points: Points, form: Form, columns: np.ndarray, least: int) -> None:
    sizes = np.unique(points.sizes)
    if len(sizes) < least:
        raise ValueError(
            f"got {len(sizes)} sizes ({', '.join(f'{s:g}' for s in sizes)}), expected at least {least} to see a curve."
        )
    parameters = columns.shape[1] + (form == "ceiling")
    if len(points.scores) <= parameters or np.linalg.matrix_rank(columns) < columns.shape[1]:
        raise ValueError(
            f"form {form!r}: got {len(points.scores)} points of {len(points.names)} languages for its {parameters} parameters, "
            "expected more. Measure more sizes of each language, or choose a form with fewer parameters."
        )
    if form == "loglinear":
        return
    full = points.scores >= FULL - points.noise
    for row, name in enumerate(points.names):
        if full[points.rows == row].all():
            raise ValueError(
                f"{name} is within one standard error of 100 at every size, so no curve can be fitted to it. "
                "Leave it out, measure smaller sizes, or score it by a harder metric."
            )


def _solve(scores: np.ndarray, noise: np.ndarray, columns: np.ndarray, form: Form, start: np.ndarray | None) -> np.ndarray:
    """The parameters of one set of scores; the last is the ceiling where it is free."""
    if form == "loglinear":
        return np.linalg.lstsq(columns / noise[:, None], scores / noise, rcond=None)[0]

    residuals, slopes = (partial(each, columns=columns, scores=scores, noise=noise, form=form) for each in (_residuals, _slopes))
    if form != "ceiling":
        begin = _start(scores, noise, columns, FULL) if start is None else start
        return optimize.least_squares(residuals, begin, slopes, method="lm").x
    bounds = (np.r_[np.full(columns.shape[1], -np.inf), 0.0], np.r_[np.full(columns.shape[1], np.inf), FULL])
    tops = [scores.max() + share * (FULL - scores.max()) for share in (0.1, 0.9)]
    begins = [np.r_[_start(scores, noise, columns, top), top] for top in tops] if start is None else [start]
    with np.errstate(divide="ignore", invalid="ignore"):  # scipy divides by a zero gradient where the ceiling is at its bound
        tried = [optimize.least_squares(residuals, begin, slopes, bounds=bounds) for begin in begins]
    return min(tried, key=lambda fit: fit.cost).x


def _residuals(values: np.ndarray, columns: np.ndarray, scores: np.ndarray, noise: np.ndarray, form: Form) -> np.ndarray:
    return (_scores(values, columns, form) - scores) / noise


def _slopes(values: np.ndarray, columns: np.ndarray, scores: np.ndarray, noise: np.ndarray, form: Form) -> np.ndarray:
    """How the residuals change with each parameter."""
    steep = -np.exp(np.minimum(columns @ values[: columns.shape[1]], STEEPEST))[:, None] * columns
    return (np.hstack([steep, np.ones((len(scores), 1))]) if form == "ceiling" else steep) / noise[:, None]


def jacobian(points: Points, law: Law, similarity: Mapping[str, float] | None = None) -> Float[np.ndarray, "point parameter"]:
    """How the scores that a fitted `law` gives to `points` change with each of its parameters; `similarity` as in `fit_law`."""
    columns, rows = _columns(points, law.form, similarity), points.rows
    if law.form == "loglinear":
        return columns
    line = law.estimate.offset[rows] + law.estimate.slope[rows] * np.log(points.sizes)
    steep = -np.exp(np.minimum(line, STEEPEST))[:, None] * columns
    return np.hstack([steep, np.ones((len(steep), 1))]) if law.form == "ceiling" else steep


def _start(scores: np.ndarray, noise: np.ndarray, columns: np.ndarray, top: float) -> np.ndarray:
    """Weighted least squares on log(top - S); the weight of a point is its gap to the top in standard errors."""
    gap = np.maximum(top - scores, 0.5 * noise)
    weight = (gap / noise)[:, None]
    return np.linalg.lstsq(columns * weight, np.log(gap) * weight[:, 0], rcond=None)[0]


def _scores(values: np.ndarray, columns: np.ndarray, form: Form) -> np.ndarray:
    line = columns @ values[: columns.shape[1]]
    return line if form == "loglinear" else (values[-1] if form == "ceiling" else FULL) - np.exp(np.minimum(line, STEEPEST))


def _curves(values: np.ndarray, form: Form, names: Sequence[str], similarity: Mapping[str, float] | None) -> Curves:
    """Parameters `[... parameter]` as curves, an offset and a slope per language."""
    n, lead = len(names), values.shape[:-1]
    ceiling = values[..., -1] if form == "ceiling" else np.full(lead, FULL)
    if form == "given":
        slope = np.broadcast_to(values[..., 1:2], (*lead, n))
        return Curves(ceiling, values[..., :1] + slope * np.log(_given(names, similarity)), slope)
    slope = values[..., n : 2 * n] if form == "slopes" else np.broadcast_to(values[..., n : n + 1], (*lead, n))
    return Curves(ceiling, values[..., :n], slope)


def _aic(residual: np.ndarray, parameters: int) -> float:
    n, k = len(residual), parameters + 1
    squares = max(float(residual @ residual), 1e-12)
    return float(n * np.log(squares / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)) if n > k + 1 else np.inf

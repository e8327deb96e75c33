"""How far the points of a series may lie from the law by training noise: as seeds differ, and as points deviate from the law.

Sentences are the same at every size, so resampling them moves all points together and says little of a slope. Models are not: each
point has a training noise of its own, and a law that does not hold adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from probes.scaling.fit import fit_law, jacobian
from probes.scaling.law import FULL, Form, Points, scores_at

_LARGEST = 15.0
"""The most that a draw of few degrees of freedom may multiply the noise by; t at 97.5 % with one degree is 12.7."""


class Noise(NamedTuple):
    """The standard deviation of a point beside what sentences explain, in points of the score, and its degrees of freedom."""

    deviation: float
    freedom: float


def around_the_law(points: Points, form: Form, similarity: Mapping[str, float] | None) -> Noise:
    """How far `points` lie from the law of that `form` beyond what their draws of sentences make them, in points of the score.

    `similarity` are the measured gammas of the form "given". No deviation with infinite degrees of freedom where there are no more
    points than parameters, or no law can be fitted.

    Example
    -------
    >>> import numpy as np
    >>> from probes.scaling.law import Points
    >>> sizes, noise = np.geomspace(100, 12800, 8), 2 * np.random.default_rng(0).normal(size=8)
    >>> points = Points(("deu_Latn",) * 8, sizes, 100 - 90 * sizes**-0.1 + noise, np.full(8, 0.5), np.zeros((10, 8)))
    >>> found = around_the_law(points, "power", None)
    >>> 1 < found.deviation < 4, found.freedom
    (True, 6.0)
    """
    try:
        law = fit_law(points.without_draws(), form, similarity=similarity)
    except ValueError:
        return Noise(0.0, np.inf)
    weights = 1 / points.noise
    fitted = scores_at(law.form, law.estimate, points.sizes[:, None])[np.arange(len(points.sizes)), points.rows]
    basis, _ = np.linalg.qr(jacobian(points, law, similarity) * weights[:, None])
    left = np.eye(len(weights)) - basis @ basis.T
    freedom = len(weights) - law.parameters
    by_items = 0.0
    if points.drawn is not None:
        moved = (points.drawn - points.drawn.mean(axis=0)) * weights
        by_items = float(((moved @ left) ** 2).sum(axis=1).mean())
    seen = float((((points.scores - fitted) * weights) ** 2).sum())
    each = float((np.diag(left) * weights**2).sum())
    return Noise(float(np.sqrt(max(seen - by_items, 0.0) / each)) if each > 0 else 0.0, float(freedom))


def with_noise(points: Points, form: Form, similarity: Mapping[str, float] | None, trained: Noise | None, seed: int) -> Points:
    """The points with training noise in each of their draws: as much as seeds differ by or as points deviate, whichever is more.

    The noise of a draw is scaled by the root of its degrees of freedom over a chi-squared number of them, as few seeds or points
    know it badly: intervals from such draws are as wide as those of Student's t.

    Parameters
    ----------
    points
        Points whose draws are of sentences.
    form, similarity
        The law to deviate from, as `fit_law` has them.
    trained
        What the mean over seeds owes to training, by the spread between seeds; None with one seed.
    seed
        Random seed of the noise.
    """
    if points.drawn is None:
        return points
    found = around_the_law(points, form, similarity)
    if trained is not None and trained.deviation > found.deviation:
        found = trained
    if not found.deviation or not np.isfinite(found.freedom):
        return points
    rng = np.random.default_rng(seed + 17)
    scale = np.sqrt(found.freedom / np.maximum(rng.chisquare(found.freedom, len(points.drawn)), 1e-9))
    noise = found.deviation * np.minimum(scale, _LARGEST)[:, None] * rng.normal(size=points.drawn.shape)
    drawn: Float[np.ndarray, "resample point"] = np.minimum(points.drawn + noise, FULL)
    return replace(points, drawn=drawn)

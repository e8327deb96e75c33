"""Is a fitted direction or set beyond what random ones do? Random ones differ among themselves, and that is in the answer.

A mean over a few random directions is no constant: other directions would have another one, and the fitted one, were it no more
than a further random one, would differ from it by all that single directions differ. So the test asks whether the fitted one lies
outside of what the next random one would do (a prediction interval), and above every one that was drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

Cell = Float[np.ndarray, " cell"]
FEWEST_DRAWS, SURE = 7, 0.02
"""The fewest draws, and the p of `beyond` below which something is claimed. Random options need not be normal: if one in nine
works and the others do not, the one that was fitted works while all drawn ones fail in 4 % of studies. With fewer draws, or p up
to 0.05, it would be over 5 %.
"""


class Draws(NamedTuple):
    """What `number` random options do: their `mean`, the `spread` between them (sd) and the `highest`, each `[cell]`.

    `freedom` is the degrees of freedom behind the spread: number - 1, or more where several sets of draws share it.
    """

    mean: Cell
    spread: Cell
    highest: Cell
    number: int
    freedom: int


def draws_of(scores: Float[np.ndarray, "draw cell"]) -> Draws:
    """The mean and the spread of the `scores` of random options; of a single one the spread is NaN."""
    number = len(scores)
    spread = scores.std(axis=0, ddof=1) if number > 1 else np.full(scores.shape[1], np.nan)
    return Draws(scores.mean(axis=0), spread, scores.max(axis=0), number, number - 1)


def beyond(fitted: Cell, drawn: Draws) -> Cell:
    """The two-sided p of the `fitted` option being above random ones; 1 where it is not, or is unknown for lack of draws.

    Student's t of its distance from the mean of those `drawn`, in units of the error of a single further draw. Besides, it must be
    above all of them.

    Example
    -------
    Above eight random directions, but no further than they are from each other:

    >>> import numpy as np
    >>> drawn = draws_of(np.array([[0.0, 0.5, 0.1, 0.4, 0.2, 0.0, 0.6, 0.1]]).T)
    >>> beyond(np.array([0.7]), drawn).round(2), beyond(np.array([1.0]), drawn).round(2)
    (array([0.1]), array([0.02]))
    """
    if drawn.freedom < FEWEST_DRAWS - 1:
        return np.ones(len(fitted))
    error = drawn.spread * np.sqrt(1 + 1 / drawn.number)
    distance = fitted - drawn.mean
    t = np.divide(distance, error, out=np.where(distance > 0, np.inf, 0.0), where=error > 0)
    return np.where(fitted > drawn.highest, 2 * stats.t.sf(np.maximum(t, 0), drawn.freedom), 1.0)


def widened(
    estimate: Cell, lower: Cell, upper: Cell, drawn: Draws, level: float = 0.95
) -> tuple[Float[np.ndarray, " cell"], Float[np.ndarray, " cell"]]:
    """The interval of a mean over random options, or of a difference from it, for other options like these.

    Parameters
    ----------
    estimate, lower, upper
        The mean or difference, and its interval over items for the options drawn.
    drawn
        The random options. The half-width of their mean (Student's t) is added to that over items as the squares of independent
        errors add (Zou & Donner 2008, "Construction of confidence limits about effect measures", Stat. Med. 27).
    level
        Coverage of the interval.

    Returns
    -------
    Lower and upper bound; NaN for a single draw.
    """
    half = stats.t.ppf((1 + level) / 2, max(drawn.freedom, 1)) * drawn.spread / np.sqrt(drawn.number)
    return estimate - np.hypot(estimate - lower, half), estimate + np.hypot(upper - estimate, half)

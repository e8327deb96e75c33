"""How to divide a budget of translation pairs over languages, given how each one's score grows.

arXiv 2308.04948, section on data allocation: max sum_l w_l S_l(X_l) with sum X_l <= budget, 0 <= X_l <= caps. Scores are
concave in X (beta < 0), so the best division is where every language gains the same by one pair more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import optimize

from interp.languages import nearest
from probes.scaling.law import Curves, Law, scores_at
from probes.statistics.resampling import bracketed

Objective = Literal["sum", "weighted", "maxmin"]
"""The mean score of all languages, their weighted mean, or the lowest score of any."""
Scores = Callable[[np.ndarray], np.ndarray]
_DETECTABLE = 1.96 * np.sqrt(2.0)


@dataclass(frozen=True)
class Plan:
    """A division of the `budget` over `languages`: `pairs` and expected `scores`; `uniform` and `uniform_scores` likewise.

    `gain` is what the objective is expected to gain over uniform, in points of the score; `lower` and `upper` bound it by
    the fit's bootstrap draws (NaN without draws). `noise` is the standard error of one evaluation of the objective.
    """

    languages: tuple[str, ...]
    objective: Objective
    budget: int
    pairs: Int[np.ndarray, " language"]
    uniform: Int[np.ndarray, " language"]
    scores: Float[np.ndarray, " language"]
    uniform_scores: Float[np.ndarray, " language"]
    gain: float
    lower: float
    upper: float
    noise: float = 0.0

    @property
    def detectable(self) -> float:
        """The smallest gain that two evaluations can distinguish from none, at the 5 % level."""
        return float(_DETECTABLE * self.noise)

    @property
    def distinguishable(self) -> bool:
        """Whether the gain is above zero in its whole interval, and large enough to be detected when measured."""
        return bool(self.lower > 0 and self.gain > self.detectable)

    def verdict(self) -> str:
        """What the plan is worth, in a sentence; "not distinguishable from uniform" where it is."""
        objective = {"sum": "the mean score", "weighted": "the weighted mean score", "maxmin": "the lowest score"}[self.objective]
        gain = f"{self.gain:+.3g} points of {objective} {bracketed(self.lower, self.upper, '.3g')} over uniform"
        spread = f"largest share {_apart(self.pairs):.3g} times the smallest"
        if self.distinguishable:
            return f"The plan for {self.budget} pairs ({spread}) is expected to gain {gain}."
        limit = (
            f", and no gain below {self.detectable:.2g} could be distinguished from none" if self.gain <= self.detectable else ""
        )
        return f"The plan for {self.budget} pairs ({spread}) is not distinguishable from uniform: expected {gain}{limit}."

    def table(self) -> pd.DataFrame:
        """One row per language: `language, pairs, uniform, score, uniform_score`."""
        return pd.DataFrame({"language": self.languages, "pairs": self.pairs, "uniform": self.uniform, "score": self.scores,
                             "uniform_score": self.uniform_scores})  # fmt: skip


def allocate(
    law: Law,
    budget: int,
    *,
    caps: Mapping[str, int] | None = None,
    objective: Objective = "sum",
    weights: Mapping[str, float] | None = None,
    noise: float = 0.0,
) -> Plan:
    """Divide `budget` pairs so that the objective is highest under the law, whole pairs, at least one per language.

    Parameters
    ----------
    law
        A fitted law (`fit_law`) in which every language grows.
    budget
        Pairs to give out, at least one per language.
    caps
        The most pairs a language can get, as many as exist; pairs that no language can take stay unused.
    objective
        "sum" (the mean score), "weighted" (the mean weighted by `weights`) or "maxmin": the lowest score is raised, then the
        next where that language's pairs are used up.
    weights
        Weight of each language's score, above 0, for the objective "weighted".
    noise
        Standard error of one evaluation of the objective, in points, to say which gains can be detected.

    Returns
    -------
    Plan
        Pairs and expected scores, beside those of the uniform division. The confidence interval of the gain holds the plan
        fixed and draws the law: what this plan would gain if another draw were the true law.

    Raises
    ------
    ValueError
        Where the budget is too small, a language does not grow, or `weights` and the objective do not go together.

    Notes
    -----
    The section on data allocation of arXiv 2308.04948. When it misleads: with one beta near -0.145 and gammas 20 times apart
    the best shares differ by 1.46 and gain less than a tenth of a point (the verdict says so); the law does not
    model languages that help or hurt each other in one mixture; and a plan outside the sizes that were measured
    extrapolates the law.

    Example
    -------
    >>> import numpy as np, probes
    >>> from probes.scaling.law import Points
    >>> sizes = np.array([100.0, 200, 400, 800])
    >>> scores = np.concatenate([100 - 90 * sizes**-0.1, 100 - 60 * sizes**-0.1])
    >>> names = ("deu_Latn",) * 4 + ("nld_Latn",) * 4
    >>> law = probes.fit_law(Points(names, np.tile(sizes, 2), scores, np.full(8, 0.5)))
    >>> int(probes.allocate(law, 1000).pairs.sum())
    1000
    """
    if objective not in get_args(Objective):
        raise ValueError(
            f"got objective {objective!r}, expected {', '.join(get_args(Objective))}.{nearest(objective, get_args(Objective))}"
        )
    if (objective == "weighted") != (weights is not None):
        raise ValueError("objective 'weighted' and weights= belong together. Give both, or neither.")
    curves, most = _growing(law), _by_language(law, caps, np.inf, "caps")
    share = _by_language(law, weights, None, "weights")
    room = _room(law, budget, most)
    most = np.minimum(most, room)
    uniform = _whole(np.minimum(most, _level(most, room)), most, room, _even)
    if objective == "maxmin":
        pairs = _lifted(curves, most, room, lambda x: -scores_at(law.form, curves, x))
    else:
        pairs = _exchanged(_best(curves, share, most, room), most, room, lambda x: share * scores_at(law.form, curves, x))
    sides = [scores_at(law.form, curves, pairs), scores_at(law.form, curves, uniform)]
    drawn = np.full(1, np.nan)
    if law.drawn is not None:
        drawn = _value(objective, share, scores_at(law.form, law.drawn, pairs))
        drawn = drawn - _value(objective, share, scores_at(law.form, law.drawn, uniform))
    gain = float(_value(objective, share, sides[0]) - _value(objective, share, sides[1]))
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return Plan(
        languages=law.languages,
        objective=objective,
        budget=budget,
        pairs=pairs,
        uniform=uniform,
        scores=sides[0],
        uniform_scores=sides[1],
        gain=gain,
        lower=float(lower),
        upper=float(upper),
        noise=noise,
    )


def _growing(law: Law) -> Curves:
    if law.form == "loglinear":
        raise ValueError("form 'loglinear' has one slope for all languages, so uniform is its best plan. Fit another form.")
    flat = [name for name, slope in zip(law.languages, law.estimate.slope, strict=True) if slope >= 0]
    if flat:
        raise ValueError(
            f"the score of {', '.join(flat)} does not grow with its pairs, so no plan can be made for it. Leave it out."
        )
    return law.estimate


def _by_language(
    law: Law, table: Mapping[str, float] | Mapping[str, int] | None, default: float | None, quantity: str
) -> Float[np.ndarray, " language"]:
    """One value per language; shares (no default) sum to 1."""
    if unknown := set(table or {}) - set(law.languages):
        raise ValueError(
            f"{quantity}: got {', '.join(sorted(unknown))}, expected languages of the law: {', '.join(law.languages)}."
        )
    missing = [name for name in law.languages if table is not None and default is None and name not in table]
    if missing:
        raise ValueError(f"{quantity}: got none for {', '.join(missing)}, expected one for every language.")
    values = np.array([(table or {}).get(name, 1.0 if default is None else default) for name in law.languages], dtype=float)
    if not (values > 0).all():
        raise ValueError(
            f"{quantity}: got {dict(table or {})}, expected numbers above 0. Leave a language out of the fit to give it nothing."
        )
    return values / values.sum() if default is None else np.floor(values)


def _room(law: Law, budget: int, most: np.ndarray) -> int:
    """How many pairs can be given out at all."""
    if budget < len(law.languages) or (most < 1).any():
        raise ValueError(f"got a budget of {budget} for {len(law.languages)} languages, expected at least one pair per language.")
    return int(min(budget, most.sum()))


def _best(curves: Curves, share: np.ndarray, most: np.ndarray, room: int) -> Float[np.ndarray, " language"]:
    """Where every language below its cap gains the same by one pair more: X_l = (-b_l w_l e^a_l / lambda)^(1 / (1 - b_l))."""
    log_gain = np.log(-curves.slope * share) + curves.offset

    def pairs(log_price: float) -> np.ndarray:
        return np.minimum(most, np.exp((log_gain - log_price) / (1 - curves.slope)))

    dear, cheap = (float(end) for end in (log_gain.max(), (log_gain - (1 - curves.slope) * np.log(room)).min()))
    return _bisect(pairs, cheap, dear, most, room)


def _lift(curves: Curves, most: np.ndarray, room: int) -> Float[np.ndarray, " language"]:
    """The least that every language needs for one score, as high as the budget allows: X_l = ((S_inf - t) / e^a_l)^(1 / b_l)."""

    def pairs(log_gap: float) -> np.ndarray:
        return np.minimum(most, np.exp((log_gap - curves.offset) / curves.slope))

    high, low = (float(end) for end in ((curves.offset + curves.slope * np.log(room)).min(), curves.offset.max()))
    return _bisect(pairs, high, low, most, room)


def _lifted(curves: Curves, most: np.ndarray, room: int, need: Scores) -> Int[np.ndarray, " language"]:
    """Whole pairs given one by one to the lowest score, from one for each language: the whole optimum, as no score falls.

    The first ones are given at once: on the way every language has the fewest whole pairs for the score that fractions of `room`
    less one for each language allow, and rounding these up takes no more than `room`.
    """
    spare = room - len(most)
    start = np.ceil(_lift(curves, most, spare) - 1e-9) if spare >= len(most) else np.ones(len(most))
    return _whole(np.clip(start, 1, most), most, room, need)


def _bisect(pairs: Callable[[float], np.ndarray], low_price: float, high_price: float, most: np.ndarray, room: int) -> np.ndarray:
    """The pairs at the price where they sum to `room`; all that exist where those are no more."""
    if most.sum() <= room:
        return most
    return pairs(float(optimize.brentq(lambda price: np.log(pairs(price).sum() / room), low_price, high_price, xtol=1e-12)))


def _level(most: np.ndarray, room: int) -> float:
    """The size that gives every language the same, less where its cap is lower, and uses the whole room."""
    if most.sum() <= room:
        return float(room)
    return float(optimize.brentq(lambda level: np.minimum(most, level).sum() - room, 0.0, float(room), xtol=1e-9))


def _whole(fractions: np.ndarray, most: np.ndarray, room: int, need: Scores) -> Int[np.ndarray, " language"]:
    """Whole pairs from fractions: rounded down, what is left over given one by one to the language in most need."""
    pairs = np.clip(np.floor(fractions + 1e-6), 1, most)
    while pairs.sum() > room:
        pairs[np.argmax(pairs)] -= 1
    while pairs.sum() < room:
        pairs[np.argmax(np.where(pairs < most, need(pairs), -np.inf))] += 1
    return pairs.astype(int)


def _exchanged(fractions: np.ndarray, most: np.ndarray, room: int, worth: Scores) -> Int[np.ndarray, " language"]:
    """Whole pairs near the best fractions, a pair moved as long as that gains: for concave scores that is the whole optimum."""
    pairs = _whole(fractions, most, room, lambda x: worth(x + 1) - worth(x)).astype(float)
    while True:
        up = np.where(pairs < most, worth(pairs + 1) - worth(pairs), -np.inf)
        down = np.where(pairs > 1, worth(pairs) - worth(np.maximum(pairs - 1, 1)), np.inf)
        to, source = int(up.argmax()), int(down.argmin())
        if to == source or up[to] <= down[source] * (1 + 1e-12):
            return pairs.astype(int)
        pairs[to] += 1
        pairs[source] -= 1


def _value(objective: Objective, share: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.asarray(scores.min(axis=-1) if objective == "maxmin" else scores @ share)


def _even(pairs: np.ndarray) -> np.ndarray:
    return -pairs


def _apart(pairs: np.ndarray) -> float:
    return float(pairs.max() / pairs.min())

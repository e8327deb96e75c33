"""How a score grows with the pairs a language was tuned on: S(X) = 100 - alpha (gamma X)^beta, its values and what they mean.

arXiv 2308.04948, eq. 2. X is the number of translation pairs, S a score in 0..100, gamma how near the language is to the pivot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

Form = Literal["power", "given", "ceiling", "slopes", "loglinear"]
"""The published law with free gammas; with gammas given; with a free ceiling below 100; with a beta for each language; and
S = a + b log X, with an a for each language."""

FULL = 100.0
STEEPEST = 30.0  # larger exponents mean a fit that diverged


class Curves(NamedTuple):
    """S = ceiling - exp(offset + slope log X), one offset and slope per language; `loglinear`: S = offset + slope log X.

    Each may have draws in front: ceiling `[...]`, offset and slope `[... language]`.
    """

    ceiling: np.ndarray
    offset: np.ndarray
    slope: np.ndarray


@dataclass(frozen=True)
class Points:
    """A data-scale series: one score per language and size, its standard error, and where known its bootstrap draws.

    `languages`, `sizes` (pairs), `scores` (0 to 100) and `errors` have one entry per point; `drawn` is `[resample point]`.
    """

    languages: tuple[str, ...]
    sizes: Float[np.ndarray, " point"]
    scores: Float[np.ndarray, " point"]
    errors: Float[np.ndarray, " point"]
    drawn: Float[np.ndarray, "resample point"] | None = None

    def __post_init__(self) -> None:
        for name in ("sizes", "scores", "errors"):
            values = np.asarray(getattr(self, name), dtype=float)
            object.__setattr__(self, name, values)
            if values.shape != (len(self.languages),):
                raise ValueError(f"got {values.size} {name} for {len(self.languages)} points, expected one per point.")
            if not np.isfinite(values).all() or (name != "scores" and values.min(initial=0.0) < 0):
                raise ValueError(f"{name}: got numbers that are negative or not finite. Leave out what was not measured.")
        if (self.sizes <= 0).any():
            raise ValueError(
                "got a point of size 0, expected one pair or more. Leave out the untuned model, which is the baseline."
            )
        if ((self.scores < 0) | (self.scores > FULL)).any():
            raise ValueError(
                f"got scores from {self.scores.min():g} to {self.scores.max():g}, expected 0 to 100, as chrF or per cent."
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The languages, each once, in order."""
        return tuple(dict.fromkeys(self.languages))

    @property
    def rows(self) -> Int[np.ndarray, " point"]:
        """The place of each point's language in `names`."""
        return np.array([self.names.index(name) for name in self.languages])

    @property
    def noise(self) -> Float[np.ndarray, " point"]:
        """Standard errors fit to weigh with: none below a tenth of the typical one, as a saturated score has none of its own."""
        typical = np.median(self.errors[self.errors > 0]) if (self.errors > 0).any() else 1.0
        return np.maximum(self.errors, 0.1 * typical)

    def largest(self) -> np.ndarray:
        """Which points are the largest size of their language."""
        top = np.array([self.sizes[self.rows == row].max() for row in range(len(self.names))])
        return self.sizes == top[self.rows]

    def take(self, mask: np.ndarray) -> Points:
        """The points for which `mask` is true, with their draws."""
        names = tuple(name for name, keep in zip(self.languages, mask, strict=True) if keep)
        drawn = None if self.drawn is None else self.drawn[:, mask]
        return Points(names, self.sizes[mask], self.scores[mask], self.errors[mask], drawn)

    def without_draws(self) -> Points:
        """The same points without their bootstrap draws: a law fitted to them has no intervals, and is fitted faster."""
        return replace(self, drawn=None)


@dataclass(frozen=True)
class Law:
    """A fitted law of one `form` over `languages`, where gamma is 1 for `reference`; `similarity` are the given gammas, if any.

    `estimate` are its curves, `drawn` those of every bootstrap draw, `parameters` how many numbers were free.

    `misfit` is the mean squared residual in standard errors, over the degrees of freedom left: 1 where the law holds and the
    errors are right. `aic` is that of Gaussian residuals of unknown scale, corrected for few points (Hurvich & Tsai 1989).
    """

    form: Form
    languages: tuple[str, ...]
    reference: str
    estimate: Curves
    drawn: Curves | None
    parameters: int
    misfit: float
    aic: float
    similarity: Mapping[str, float] = field(default_factory=dict)

    @property
    def beta(self) -> Float[np.ndarray, " language"]:
        """The exponent of each language: one for all, but for the form "slopes"."""
        return self.estimate.slope

    @property
    def gamma(self) -> Float[np.ndarray, " language"]:
        """How many pairs of the reference one pair of each language is worth; NaN where betas differ or nothing grows."""
        return self.gammas(self.estimate)

    def gammas(self, curves: Curves) -> Float[np.ndarray, "... language"]:
        """The gammas of some `curves` of this law, relative to the reference."""
        if self.form in ("slopes", "loglinear"):
            return np.full(curves.offset.shape, np.nan)
        if self.form == "given":
            similarity = np.array([self.similarity[name] for name in self.languages])
            return np.broadcast_to(similarity / self.similarity[self.reference], curves.offset.shape)
        apart = curves.offset - curves.offset[..., [self.languages.index(self.reference)]]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(curves.slope < 0, np.exp(apart / curves.slope), np.nan)

    @property
    def alpha(self) -> float:
        """What the reference lacks to the ceiling at one pair: alpha for gamma = 1 there."""
        return float(np.exp(self.estimate.offset[self.languages.index(self.reference)])) if self.form != "loglinear" else np.nan

    def predict(self, sizes: Sequence[float] | np.ndarray, level: float = 0.95) -> pd.DataFrame:
        """The score of each language at each of `sizes`, and its confidence interval: `language, size, estimate, lower, upper`.

        Percentiles of the bootstrap draws, at the confidence `level`. The interval is that of the law, if the law holds: it does
        not cover the error of extrapolating beyond the sizes that were fitted.
        """
        new_sizes = np.asarray(sizes, dtype=float)
        if new_sizes.ndim != 1 or not (new_sizes > 0).all():
            raise ValueError(f"got sizes {list(sizes)}, expected numbers of pairs above 0.")
        scores = scores_at(self.form, self.estimate, new_sizes[:, None])
        intervals = np.full((2, *scores.shape), np.nan)
        if self.drawn is not None:
            drawn = np.stack([scores_at(self.form, self.drawn, size) for size in new_sizes], axis=1)
            intervals = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return pd.DataFrame({
            "language": np.repeat(self.languages, len(new_sizes)), "size": np.tile(new_sizes, len(self.languages)),
            "estimate": scores.T.ravel(), "lower": intervals[0].T.ravel(), "upper": intervals[1].T.ravel(),
        })  # fmt: skip

    def identified(self) -> str:
        """Which of the law's parameters the points identify, in a sentence."""
        if self.form == "power" or self.form == "ceiling":
            return (
                f"alpha and gamma are not both identified, only alpha gamma^beta is: gamma is relative to {self.reference} (1 "
                f"there), and alpha = {self.alpha:.4g} depends on it."
            )
        if self.form == "given":
            return (
                f"gamma is the measured similarity over that of {self.reference}; a factor on all similarities changes alpha alone."
            )
        return "betas differ between languages, so there is no one gamma." if self.form == "slopes" else "This form has no gamma."


def scores_at(form: Form, curves: Curves, sizes: np.ndarray | float) -> Float[np.ndarray, "... language"]:
    """The scores of `curves` of one `form` where each language has `sizes` pairs (anything that broadcasts to `[... language]`)."""
    line = curves.offset + curves.slope * np.log(sizes)
    return line if form == "loglinear" else np.asarray(curves.ceiling)[..., None] - np.exp(np.minimum(line, STEEPEST))

"""Reciprocal, altruistic, selfish or stagnant: what tuning on one language does for it and for others (arXiv 2311.09071).

A sweep's table (`probes.quadrants.study`) has the tags `role`, `language`, `method`, `size` and `seed`. A role is "tuned" (on pairs
from the pivot into `language`) or one of the models it is compared with: "base" (the untuned model), "format" (tuned on copies of
the pivot in the same prompt, as many updates) and "shuffled" (the same pairs with their answers permuted).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes.statistics.significance import LEVEL, holm
from probes.statistics.training_noise import Spread, between_seeds, spread
from probes.sweep.seed_means import seed_scores, units_of

QUADRANTS = ("reciprocal", "altruistic", "selfish", "stagnant")
UNDETERMINED = "undetermined"
FLOOR, CEILING = "floor", "ceiling"
"""Classes of languages in which there was nothing to gain from, or nothing to gain: see `at_the_ends`."""
_NOTHING, _FULL = 1.0, 95.0  # points of the metric
AXES = ("bilingual", "multilingual")
_ROUNDING = 1e-9  # points: rounding error alone is not a gain
GROUP = ["role", "language", "method", "size"]
TUNED_AS: Mapping[str, Literal["full"]] = {"shorten": "full", "extend": "full"}
"""Arms that are full tuning of a changed tokenizer: their format control is that of full tuning."""

Drawn = Float[np.ndarray, "draw seed"]
"""For each training seed, the score or gain itself first, then its bootstrap resamples."""


@dataclass(frozen=True)
class Scores:
    """S(f; pivot -> y) of every model of a sweep, 0 to 100, by training seed, with paired draws over items.

    `values` is `[draw seed cell]`, and `columns` maps (role, language, method, size, target) to a column of it. `units` is the
    number of items, or of documents, that were drawn.
    """

    columns: Mapping[tuple[str, str, str, int, str], int]
    values: Float[np.ndarray, "draw seed cell"]
    units: int

    def of(self, role: str, language: str, method: str, size: int, target: str) -> Drawn:
        """The score of one model into one `target`. Raises `KeyError` where it was not measured.

        The model is the one of a `role`, tuned on `language` by `method` on `size` pairs: the tags of the sweep's table.
        """
        return self.values[:, :, self.columns[role, language, method, size, target]]

    def baseline(self, against: str, language: str, method: str, size: int, target: str) -> Drawn:
        """The score into `target` of the model that a tuned one is compared with.

        `against` is "base" (the untuned model), "format" or "shuffled"; `language`, `method` and `size` are those of the tuned
        model.
        """
        if against == "base":
            return self.of("base", "", "", 0, target)
        same = TUNED_AS.get(method, method)
        return self.of(against, language if against == "shuffled" else "", same, size, target)

    def tuned(self) -> list[tuple[str, str, int]]:
        """Language, method and size of every tuned model."""
        return list(dict.fromkeys(key[1:4] for key in self.columns if key[0] == "tuned"))


def read_scores(table: pd.DataFrame, metric: str, resamples: int = 1000, seed: int = 0) -> Scores:
    """The scores of a sweep's `table`; one draw of items serves all models, so their differences are paired.

    `metric` is the one to read; `resamples` and `seed` are the number of bootstrap draws and their random seed.
    """
    groups, once, drawn = seed_scores(table, metric, [*GROUP, "target"], resamples, seed)
    columns = {tuple(row): column for column, row in enumerate(groups.itertuples(index=False, name=None))}
    return Scores(columns, np.concatenate([once[None], drawn]), units_of(table))


def classify(
    scores: Scores,
    probes: Sequence[str],
    *,
    against: Sequence[str] = ("base", "format"),
    threshold: float = 0.0,
    relative: bool = False,
    level: float = 0.95,
) -> pd.DataFrame:
    """Which quadrant is each language in, and how sure is that? One row per tuned model and baseline.

    `scores` are those of `read_scores`, `probes` the probe languages, `against` the baselines to compare with.

    `bilingual` is dB(x) = S(f_x; pivot -> x) - S(f0; pivot -> x), `multilingual` dM(x) the mean of the same over the probe
    languages other than x; in points of the metric, or `relative`: in percent of the baseline's score. Reciprocal where both
    exceed `threshold`, altruistic where dM alone does, selfish where dB alone does, stagnant where neither; `nearest` is where the
    estimate lies. Intervals are over items and training seeds, whose variance is pooled over languages
    (`probes.statistics.training_noise`). `bilingual_p` and `multilingual_p` test each gain against the threshold, Holm-corrected
    over all languages, baselines and both gains of a method and size. `quadrant` is `nearest` where both are below 1 - `level`,
    else undetermined: so one set of languages in twenty has a false class. One training seed cannot tell a gain from training
    noise: then nothing is classed. The four columns of their names hold the share of draws (items, and training noise as it was
    estimated) in each quadrant.

    When it misleads: against the untuned model both gains hold what is learned of the prompt's format, so read the rows against
    "format" first. The class depends on the metric, the threshold and the probe languages (the paper leaves open whether its
    axes are absolute). A language with no effect at all is never surely below a threshold of 0: give a threshold that matters.
    """
    rows = []
    for method, size in dict.fromkeys((method, size) for _, method, size in scores.tuned()):
        codes = [language for language, own, n in scores.tuned() if (own, n) == (method, size)]
        for name in against:
            gains = {axis: _gains(scores, axis, name, codes, method, size, probes, relative) for axis in AXES}
            rows += [
                {"language": code, "method": method, "size": size, "against": name,
                 **{key: values[k] for axis in AXES for key, values in _described(axis, *gains[axis], threshold).items()},
                 **membership(*_both_with_training(gains, k), threshold)} for k, code in enumerate(codes)
            ]  # fmt: skip
    return _classed(pd.DataFrame(rows), several=scores.values.shape[1] > 1, level=level)


def _gains(
    scores: Scores, axis: str, against: str, codes: Sequence[str], method: str, size: int, probes: Sequence[str], relative: bool
) -> tuple[Float[np.ndarray, "draw seed language"], Spread, np.ndarray]:
    """One gain of every language over one baseline: `[draw seed language]`, its spread, and the baseline's scores."""
    found = []
    for language in codes:
        others = [code for code in probes if code != language]
        if not others:
            raise ValueError(
                f"the only probe language is {language} itself, expected another one, to see what tuning does for others."
            )
        found.append(gap(scores, against, language, method, size, [language] if axis == "bilingual" else others, relative))
    drawn = np.stack([gained for gained, _ in found], axis=-1)
    known = between_seeds(drawn[0]) if drawn.shape[1] > 1 else None
    return drawn, spread(drawn[0], drawn[1:], scores.units, known), np.array([before for _, before in found])


def _described(axis: str, drawn: np.ndarray, found: Spread, before: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    lower, upper = found.interval()
    return {axis: found.estimate, f"{axis}_lower": lower, f"{axis}_upper": upper, f"{axis}_baseline": before,
            f"{axis}_p": found.p(threshold)}  # fmt: skip


def _both_with_training(
    gains: Mapping[str, tuple[np.ndarray, Spread, np.ndarray]], column: int
) -> tuple[Float[np.ndarray, " draw"], Float[np.ndarray, " draw"]]:
    (own, own_spread, _), (others, others_spread, _) = (gains[axis] for axis in AXES)
    return _with_training(own, own_spread, column), _with_training(others, others_spread, column)


def _with_training(drawn: np.ndarray, found: Spread, column: int) -> Float[np.ndarray, " draw"]:
    """The mean gain of one language over seeds and its draws, with training noise of the size that was estimated."""
    means = drawn[:, :, column].mean(axis=1)
    noise = np.random.default_rng(len(means) + column).normal(size=len(means) - 1)
    return np.append(means[:1], means[1:] + found.by_training[column] * noise)


def _classed(classes: pd.DataFrame, several: bool, level: float) -> pd.DataFrame:
    """`classes` with p corrected within each method and size, and the quadrant where both gains are sure."""
    tests = [f"{axis}_p" for axis in AXES]
    corrected = classes[tests].to_numpy(dtype=float, copy=True)
    for rows in classes.groupby(["method", "size"], sort=False).indices.values():
        corrected[rows] = holm(corrected[rows])
    sure = several & (corrected < 1 - level + 1e-12).all(axis=1)
    quadrant = classes["nearest"].where(sure, UNDETERMINED)
    return classes.assign(**dict(zip(tests, corrected.T, strict=True)), quadrant=quadrant)


def at_the_ends(classes: pd.DataFrame, copied: Mapping[str, float], relative: bool = False) -> pd.DataFrame:
    """`classes` with those languages that had nothing to gain from, or nothing to gain, as "floor" and "ceiling".

    Floor: without a sure gain of its own, the language is translated no better after tuning than a copy of the source is scored
    (`copied`, by language; 1 point at least): an untrained model is not stagnant. Ceiling: without a sure gain, and 95 points or
    more before. `relative` says that gains are in percent of the baseline's score.
    """
    gained = (classes["bilingual_p"] < LEVEL) & (classes["bilingual"] > 0)
    before = classes["bilingual_baseline"]
    after = before * (1 + classes["bilingual"].fillna(0.0) / 100) if relative else before + classes["bilingual"]
    nothing = after <= np.maximum(classes["language"].map(dict(copied)).fillna(0.0), _NOTHING)
    quadrant = classes["quadrant"].mask(~gained & nothing, FLOOR).mask(~gained & (before >= _FULL), CEILING)
    return classes.assign(quadrant=quadrant)


def gap(
    scores: Scores, against: str, language: str, method: str, size: int, targets: Sequence[str], relative: bool = False
) -> tuple[Drawn, float]:
    """The mean gain of a tuned model over some `targets`, and the mean score of the baseline.

    The tuned model is the one of `language`, `method` and `size` in `scores`, the baseline `against` as in `Scores.baseline`. The
    gain is in points, or `relative`: in percent of the baseline's score.
    """
    after = np.mean([scores.of("tuned", language, method, size, target) for target in targets], axis=0)
    before = np.mean([scores.baseline(against, language, method, size, target) for target in targets], axis=0)
    gained = after - before
    if relative:
        gained = np.divide(100 * gained, before, out=np.full_like(gained, np.nan), where=before > 0)
    return gained, float(before[0].mean())


def membership(
    bilingual: Float[np.ndarray, " draw"], multilingual: Float[np.ndarray, " draw"], threshold: float
) -> dict[str, float | str]:
    """The share of the draws in each quadrant, and the quadrant of the estimate; NaN and undetermined where a gain is missing.

    `bilingual` and `multilingual` are the two gains, estimate first; a gain counts above `threshold`.
    """
    if np.isnan(bilingual).any() or np.isnan(multilingual).any():
        return {**dict.fromkeys(QUADRANTS, np.nan), "nearest": UNDETERMINED}
    own, others = bilingual > threshold + _ROUNDING, multilingual > threshold + _ROUNDING
    inside = dict(zip(QUADRANTS, (own & others, ~own & others, own & ~others, ~own & ~others), strict=True))
    shares: dict[str, float | str] = {name: float(where[1:].mean()) for name, where in inside.items()}
    return {**shares, "nearest": next(name for name, where in inside.items() if where[0])}

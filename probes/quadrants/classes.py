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

from probes.sweep.seed_means import seed_means

QUADRANTS = ("reciprocal", "altruistic", "selfish", "stagnant")
UNDETERMINED = "undetermined"
_ROUNDING = 1e-9  # points: rounding error alone is not a gain
GROUP = ["role", "language", "method", "size"]
TUNED_AS: Mapping[str, Literal["full"]] = {"shorten": "full", "extend": "full"}
"""Arms that are full tuning of a changed tokenizer: their format control is that of full tuning."""

Drawn = Float[np.ndarray, " draw"]
"""The estimate itself first, then its bootstrap resamples."""


@dataclass(frozen=True)
class Scores:
    """S(f; pivot -> y) of every model of a sweep, 0 to 100, averaged over seeds, with paired draws over items and seeds.

    `values` is `[draw cell]`, and `columns` maps (role, language, method, size, target) to a column of it.
    """

    columns: Mapping[tuple[str, str, str, int, str], int]
    values: Float[np.ndarray, "draw cell"]

    def of(self, role: str, language: str, method: str, size: int, target: str) -> Drawn:
        """The score of one model into one `target`. Raises `KeyError` where it was not measured.

        The model is the one of a `role`, tuned on `language` by `method` on `size` pairs: the tags of the sweep's table.
        """
        return self.values[:, self.columns[role, language, method, size, target]]

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
    """The scores of a sweep's `table`; one draw of items and seeds serves all models, so their differences are paired.

    `metric` is the one to read; `resamples` and `seed` are the number of bootstrap draws and their random seed.
    """
    groups, once, drawn = seed_means(table, metric, [*GROUP, "target"], resamples, seed)
    if table["document" if "document" in table else "item"].nunique() < 2:
        drawn = np.full_like(drawn, np.nan)  # resamples of one item are all the same, and would pass for certainty
    columns = {tuple(row): column for column, row in enumerate(groups.itertuples(index=False, name=None))}
    return Scores(columns, np.vstack([once, drawn]))


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
    exceed `threshold`, altruistic where dM alone does, selfish where dB alone does, stagnant where neither. The four columns
    of their names hold the share of the bootstrap draws (items x seeds, paired) in each; `nearest` is where the estimate lies and
    `quadrant` the same, or undetermined where less than `level` of the draws agree.

    When it misleads: against the untuned model both gains hold what is learned of the prompt's format, so read the rows against
    "format" first. The class depends on the metric, the threshold and the probe languages (the paper leaves open whether its
    axes are absolute). A model that says the same before and after has draws of exactly 0: certain only for these items.
    """
    rows = []
    for language, method, size in scores.tuned():
        others = [code for code in probes if code != language]
        if not others:
            raise ValueError(
                f"the only probe language is {language} itself, expected another one, to see what tuning does for others."
            )
        for name in against:
            gaps = {
                "bilingual": gap(scores, name, language, method, size, [language], relative),
                "multilingual": gap(scores, name, language, method, size, others, relative),
            }
            intervals = {f"{axis}{end}": value for axis, (drawn, _) in gaps.items() for end, value in _ends(drawn).items()}
            before = {f"{axis}_baseline": start for axis, (_, start) in gaps.items()}
            shares = membership(gaps["bilingual"][0], gaps["multilingual"][0], threshold)
            rows.append({"language": language, "method": method, "size": size, "against": name, **intervals, **before, **shares})
    classes = pd.DataFrame(rows)
    sure = classes[list(QUADRANTS)].max(axis=1) >= level
    return classes.assign(quadrant=classes["nearest"].where(sure & classes["nearest"].eq(_likeliest(classes)), UNDETERMINED))


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
    return gained, float(before[0])


def membership(bilingual: Drawn, multilingual: Drawn, threshold: float) -> dict[str, float | str]:
    """The share of the draws in each quadrant, and the quadrant of the estimate; NaN and undetermined where a gain is missing.

    `bilingual` and `multilingual` are the two gains, estimate first; a gain counts above `threshold`.
    """
    if np.isnan(bilingual).any() or np.isnan(multilingual).any():
        return {**dict.fromkeys(QUADRANTS, np.nan), "nearest": UNDETERMINED}
    own, others = bilingual > threshold + _ROUNDING, multilingual > threshold + _ROUNDING
    inside = dict(zip(QUADRANTS, (own & others, ~own & others, own & ~others, ~own & ~others), strict=True))
    shares: dict[str, float | str] = {name: float(where[1:].mean()) for name, where in inside.items()}
    return {**shares, "nearest": next(name for name, where in inside.items() if where[0])}


def _ends(drawn: Drawn) -> dict[str, float]:
    lower, upper = np.quantile(drawn[1:], [0.025, 0.975])
    return {"": float(drawn[0]), "_lower": float(lower), "_upper": float(upper)}


def _likeliest(classes: pd.DataFrame) -> pd.Series:
    return classes[list(QUADRANTS)].fillna(0).idxmax(axis=1)

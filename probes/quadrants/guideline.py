"""What to do for a language of each quadrant, as published, and whether it holds here: one way of tuning against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from probes.quadrants.classes import Scores, classify, gap, read_scores
from probes.statistics.significance import LEVEL, holm
from probes.statistics.training_noise import spread

COLUMNS = ["language", "quadrant", "axis", "arm", "size", "than", "estimate", "lower", "upper", "p", "holds"]


@dataclass(frozen=True)
class Advice:
    """`what` to do, and its test: on `axis`, the first of `arms` that was tried should beat the first of `than`.

    `size` says whether the arm is taken at its smallest or largest data size.
    """

    what: str
    axis: Literal["bilingual", "multilingual"]
    arms: tuple[str, ...]
    than: tuple[str, ...]
    size: Literal["smallest", "largest"] = "largest"


GUIDELINE: Mapping[str, Advice] = MappingProxyType(
    {
        "reciprocal": Advice(
            "Tune the embedding alone: most of the gain, and other languages keep theirs.",
            "multilingual", ("embeddings",), ("full",),
        ),
        "altruistic": Advice(
            "Tune everything on a small set: more data over-fits it, and the embedding alone does not move it.",
            "bilingual", ("full",), ("embeddings",), "smallest",
        ),
        "selfish": Advice("Nothing special: full tuning does what is expected.", "bilingual", ("full", "lora"), ("embeddings",)),
        "stagnant": Advice(
            "Give the language better tokens: shorten its byte-spelled text, or extend the vocabulary.",
            "bilingual", ("shorten", "extend"), ("full", "embeddings"),
        ),
    }
)  # fmt: skip
"""The guideline of arXiv 2311.09071 by quadrant (of embedding tuning)."""


def check_guideline(
    table: pd.DataFrame,
    metric: str,
    probes: Sequence[str],
    *,
    against: str = "base",
    threshold: float = 0.0,
    relative: bool = False,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Is the advised way of tuning better for this language? One row per language and advised arm that was tried.

    The quadrant is where the gains of embedding tuning lie, at its largest size, in one half of the items (or documents) and of
    the training seeds; the arms are compared in the other halves. Chosen and tested on the same numbers, a gain that is low by
    chance chooses the advice that it then seems to prove. `estimate` is the difference of the arms' gains over the testing seeds,
    `p` its p Holm-corrected over all rows, with the variance between seeds known from all of them: `holds` "yes" where the
    difference is above 0 and p below 0.05, "no" where it is below, else "not distinguishable". There are no rows with one seed or
    one item, as these cannot be halved.

    Parameters
    ----------
    table, metric
        The sweep's table, and the metric of the gains.
    probes
        The probe languages.
    against
        The baseline whose quadrants are taken.
    threshold, relative
        When a gain counts, as `classify` has them.
    resamples, seed
        Bootstrap resamples, and the random seed of these and of the halves.
    """
    choosing, testing = _halves(table, seed)
    if choosing is None or testing is None:
        return pd.DataFrame(columns=COLUMNS)
    chosen, scores = read_scores(choosing, metric, 1, seed), read_scores(testing, metric, resamples, seed)
    every = read_scores(table, metric, 1, seed)
    arms: dict[tuple[str, str], list[int]] = {(language, method): [] for language, method, _ in scores.tuned()}
    for language, method, size in scores.tuned():
        arms[language, method].append(size)
    largest = max((size for (_, method), sizes in arms.items() for size in sizes if method == "embeddings"), default=None)
    classes = classify(chosen, probes, against=[against], threshold=threshold, relative=relative)
    classes = classes[(classes["method"] == "embeddings") & (classes["size"] == largest)]
    rows = []
    for row in classes[classes["nearest"].isin(GUIDELINE)].to_dict("records"):
        code, advice = row["language"], GUIDELINE[row["nearest"]]
        rivals = [arm for arm in advice.than if (code, arm) in arms]
        for arm in [arm for arm in advice.arms if (code, arm) in arms and rivals]:
            size = min(arms[code, arm]) if advice.size == "smallest" else max(arms[code, arm])
            options = (arm, size), (rivals[0], max(arms[code, rivals[0]]))
            found = _difference(scores, every, advice.axis, code, options, probes)
            rows.append((code, row["nearest"], advice.axis, arm, size, rivals[0], *found))
    checked = pd.DataFrame(rows, columns=COLUMNS[:-1])
    p = holm(checked["p"].to_numpy(dtype=float)) if rows else checked["p"]
    holds = np.where(p < LEVEL, np.where(checked["estimate"] > 0, "yes", "no"), "not distinguishable")
    return checked.assign(p=p, holds=holds)


def _halves(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The rows to choose by and those to test on: other items and other training seeds; None where there is only one of either."""
    unit = "document" if "document" in table else "item"
    units, seeds = np.sort(table[unit].unique()), np.sort(table["seed"].unique())
    if min(len(units), len(seeds)) < 2:
        return None, None
    order = np.random.default_rng(seed).permutation(units)
    first = table[unit].isin(order[: len(order) // 2]), table["seed"].isin(seeds[: len(seeds) // 2])
    return table[first[0] & first[1]], table[~first[0] & ~first[1]]


def _difference(
    scores: Scores, every: Scores, axis: str, language: str, options: tuple[tuple[str, int], tuple[str, int]], probes: Sequence[str]
) -> tuple[float, float, float, float]:
    """The difference of two arms' gains with its interval and p: of the testing seeds, their noise known from all seeds."""
    targets = [language] if axis == "bilingual" else [code for code in probes if code != language]
    advised, rival = (gap(scores, "base", language, *option, targets)[0] for option in options)
    noise = np.subtract(*(gap(every, "base", language, *option, targets)[0][0] for option in options))
    drawn, all_seeds = advised - rival, len(noise)
    k = drawn.shape[1]
    items = spread(drawn[0], drawn[1:], scores.units)
    found = items._replace(
        by_training=np.sqrt(np.asarray(noise.var(ddof=1) / k)), seed_freedom=np.asarray(all_seeds - 1.0), seeds=k, alike=np.inf
    )
    lower, upper = found.interval()
    return float(found.estimate), float(lower), float(upper), float(found.p())

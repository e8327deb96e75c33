"""What to do for a language of each quadrant, as published, and whether it holds here: one way of tuning against another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from probes.quadrants.classes import Scores, gap


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


def check_guideline(scores: Scores, classes: pd.DataFrame, probes: Sequence[str], against: str = "base") -> pd.DataFrame:
    """Is the advised way of tuning better for this language? One row per language and advised arm that was tried.

    The quadrant is that of embedding tuning at its largest size, the sure one or else where the estimate lies (`sure` says which).
    `estimate` is the difference of the arms' gains (paired draws over items and seeds): `holds` "yes" where its interval is
    above 0, "no" where it is below, else "not distinguishable".

    `scores` and `classes` are those of `read_scores` and `classify`, `probes` the probe languages, and `against` the baseline whose
    quadrants are taken.
    """
    arms: dict[tuple[str, str], list[int]] = {(language, method): [] for language, method, _ in scores.tuned()}
    for language, method, size in scores.tuned():
        arms[language, method].append(size)
    largest = max((size for (_, method), sizes in arms.items() for size in sizes if method == "embeddings"), default=None)
    chosen = classes[(classes["method"] == "embeddings") & (classes["size"] == largest) & (classes["against"] == against)]
    rows = []
    for row in chosen[chosen["nearest"].isin(GUIDELINE)].to_dict("records"):
        code, advice = row["language"], GUIDELINE[row["nearest"]]
        rivals = [arm for arm in advice.than if (code, arm) in arms]
        for arm in [arm for arm in advice.arms if (code, arm) in arms and rivals]:
            size = min(arms[code, arm]) if advice.size == "smallest" else max(arms[code, arm])
            difference = _difference(scores, advice.axis, code, (arm, size), (rivals[0], max(arms[code, rivals[0]])), probes)
            rows.append(
                {"language": code, "quadrant": row["nearest"], "sure": row["quadrant"] == row["nearest"], "axis": advice.axis,
                 "arm": arm, "size": size, "than": rivals[0], **difference}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _difference(
    scores: Scores, axis: str, language: str, arm: tuple[str, int], than: tuple[str, int], probes: Sequence[str]
) -> dict[str, float | str]:
    targets = [language] if axis == "bilingual" else [code for code in probes if code != language]
    advised, rival = (gap(scores, "base", language, *option, targets)[0] for option in (arm, than))
    drawn = advised - rival
    lower, upper = np.quantile(drawn[1:], [0.025, 0.975])
    holds = "yes" if lower > 0 else "no" if upper < 0 else "not distinguishable"
    return {"estimate": float(drawn[0]), "lower": float(lower), "upper": float(upper), "holds": holds}

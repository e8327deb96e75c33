"""Why are some languages translated better: because they are like English, or because pre-training had more of them?

A language's score as a source is the mean over the directions out of it, as a target the mean over those into it. Similarity
and share go together, so each is asked with the other held fixed (partial correlation). Languages are the sample: with
mFTI's thirteen an interval reaches 0.5 to either side, and most effects cannot be told from zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from interp.activations.store import Activations
from interp.provenance import Signature
from probes.alignment.measure import measure_alignment
from probes.directions.figures import factor_scatter
from probes.report import Report
from probes.statistics.layer_runs import capitalised
from probes.statistics.resampling import bracketed
from probes.statistics.significance import LEVEL, holm, permutation_p
from probes.translation.metrics import label_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDES = ("source", "target")
FEWEST = 6
"""Languages needed to ask at all."""
_NAMES = {"similarity": "similarity to English", "share": "log pre-training share"}


class FactorReport(Report):
    """Correlations of a language's score with what is known of the language, as `measure_factors` measures them.

    `table` has one row per `language` and `side` ("source" or "target"): its mean `score` over the directions in which it has that
    side, and its factors (`similarity` to the pivot; `share`, the natural logarithm of its share of the pretraining text).

    Example
    -------
    >>> import probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> import pandas as pd
    >>> made_by = Signature("directions", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 4))
    >>> codes = ["deu_Latn", "nld_Latn", "swe_Latn", "rus_Cyrl", "zho_Hans", "hin_Deva", "swh_Latn"]
    >>> similarity = dict(zip(codes, [0.3, 0.1, 0.8, 0.5, 0.9, 0.2, 0.4], strict=True))
    >>> rows = [(a, b, similarity[a] + similarity[b]) for a in codes for b in codes if a != b]
    >>> scores = pd.DataFrame(rows, columns=["source", "target", "score"])
    >>> report = probes.measure_factors(scores, {"similarity": similarity}, made_by, metric="chrf", resamples=20)
    >>> report.table.groupby("side").size().to_dict()
    {'source': 7, 'target': 7}
    """

    question = "Is a language translated well because it is like English, or because the model saw much of it?"

    @property
    def factors(self) -> tuple[str, ...]:
        """The names of the factors: "similarity", "share" or both."""
        return tuple(self.settings["factors"])

    def summary(self) -> pd.DataFrame:
        """One row per side and factor: the partial correlation with its interval, and `plain`, the one without holding others.

        The interval is Fisher's, over languages, with the other factors held fixed. `p`: how often scores given to the languages at
        random reach as far (two-sided; Holm over all rows in `p_holm`), `baseline`: what 95 % of those stay below in size.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        frame = pd.concat([self._side(str(side), part) for side, part in self.table.groupby("side", sort=False)], ignore_index=True)
        return frame.assign(p_holm=holm(frame["p"].to_numpy()))

    def _side(self, side: str, part: pd.DataFrame) -> pd.DataFrame:
        scores, values, how = *self._numbers(part), self.settings
        partial = partial_correlations(scores, values)
        rng = np.random.default_rng(how["seed"])
        by_chance = np.abs([partial_correlations(rng.permutation(scores), values) for _ in range(how["resamples"])])
        lower, upper = fisher_interval(partial, len(part) - len(self.factors) + 1)
        return pd.DataFrame({
            "side": side, "factor": self.factors, "estimate": partial, "lower": lower, "upper": upper, "n": len(part),
            "baseline": np.nanquantile(by_chance, 0.95, axis=0),
            "plain": [partial_correlations(scores, values[:, [column]])[0] for column in range(len(self.factors))],
            "p": permutation_p(np.abs(partial), by_chance),
        })  # fmt: skip

    def _numbers(self, part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return part["score"].to_numpy(dtype=float), part[list(self.factors)].to_numpy(dtype=float)

    def finds(self) -> bool:
        """Whether the verdict claims that any factor goes with the scores."""
        return bool((self._summary["p_holm"] < LEVEL).any())

    def _first(self) -> str:
        """At most 25 words: which factors surely go with the scores, on which side."""
        n, sure = int(self._summary["n"].iloc[0]), self._summary[self._summary["p_holm"] < LEVEL]
        if sure.empty:
            return f"Nothing known of the languages is shown to go with how well they are translated (n={n} languages)."
        many = f"{len(sure)} of {len(self._summary)} correlations"
        return f"How well a language is translated goes with what is known of it, above chance in {many} (n={n} languages)."

    def verdict(self) -> str:
        """Whether any factor goes with the scores; the correlation of each side's score with each, and its size by chance."""
        n = int(self._summary["n"].iloc[0])
        reach = float(np.tanh(1.96 / np.sqrt(max(n - 2 - len(self.factors), 1))))
        clauses = []
        for row in self._summary.itertuples():
            note = "" if row.p_holm < LEVEL else ", which may be chance"
            clauses.append(
                f"as {row.side}, {_NAMES[row.factor]} {row.estimate:+.2f} {bracketed(row.lower, row.upper, '+.2f')}{note}"
            )
        kind = "partial correlation with a language's score" if len(self.factors) > 1 else "correlation with a language's score"
        chance = f"By chance alone, a correlation over so few languages reaches ±{reach:.2f}."
        return f"{self._first()} {capitalised(kind)}: {'; '.join(clauses)}. {chance}"

    def figures(self) -> dict[str, Figure]:
        """Each side's score against each factor, the other factors taken out of both."""
        frames = []
        for side, part in self.table.groupby("side", sort=False):
            scores, values = self._numbers(part)
            for column, factor in enumerate(self.factors):
                x, y = _residuals(scores, values, column)
                frames.append(
                    pd.DataFrame({"language": part["language"], "side": side, "factor": _NAMES[factor], "x": x, "score": y})
                )
        title = "Score of a language against what is known of it"
        ends = zip(self._summary["lower"], self._summary["upper"], strict=True)
        labelled = self._summary.assign(
            factor=self._summary["factor"].map(_NAMES), interval=[bracketed(low, high, "+.2f") for low, high in ends]
        )
        return {
            "factors": factor_scatter(pd.concat(frames), labelled, label_of(self.settings["metric"]), title, str(self.signature))
        }


def measure_factors(
    scores: pd.DataFrame,
    factors: Mapping[str, Mapping[str, float]],
    signature: Signature,
    *,
    metric: str,
    pivot: str = "eng_Latn",
    resamples: int = 2000,
    seed: int = 0,
) -> FactorReport:
    """Partial correlations of a language's score with what is known of it.

    Parameters
    ----------
    scores
        One row per direction, `source, target, score`.
    factors
        For each factor one value per language, `{"similarity": {"deu_Latn": 0.4}}`. Factors are "similarity" (a measured alignment
        with English, or any given one) and "share" of pre-training (tokens or percent; its logarithm is taken). A factor known
        of fewer than six languages is left out, and so is a language of which a factor is not known.
    signature
        That of the report the scores are from.
    metric
        What the scores are.
    pivot
        The language that others are compared with; it is left out, as its similarity to itself is 1.
    resamples, seed
        Bootstrap resamples of languages, and their random seed.

    Raises
    ------
    ValueError
        Where fewer than six languages are left.

    Example
    -------
    >>> import numpy as np, pandas as pd, probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> made_by = Signature("directions", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 4))
    >>> codes = ["deu_Latn", "nld_Latn", "swe_Latn", "rus_Cyrl", "zho_Hans", "hin_Deva", "swh_Latn"]
    >>> similarity = dict(zip(codes, [0.3, 0.1, 0.8, 0.5, 0.9, 0.2, 0.4], strict=True))
    >>> pairs = [(one, other) for one in codes for other in codes if one != other]
    >>> rows = [(one, other, similarity[one] + similarity[other]) for one, other in pairs]
    >>> scores = pd.DataFrame(rows, columns=["source", "target", "score"])
    >>> report = probes.measure_factors(scores, {"similarity": similarity}, made_by, metric="chrf", resamples=20)
    >>> [round(float(value), 2) for value in report.summary()["estimate"]]
    [1.0, 1.0]
    """
    codes = [code for code in dict.fromkeys([*scores["source"], *scores["target"]]) if code != pivot]
    used = {name: values for name, values in factors.items() if len(set(codes) & set(values)) >= FEWEST}
    complete = [code for code in codes if all(code in values for values in used.values())]
    if not used or len(complete) < FEWEST:
        counts = ", ".join(f"{name} for {len(set(codes) & set(values))}" for name, values in factors.items()) or "nothing"
        raise ValueError(
            f"got {counts} of {len(codes)} languages beside {pivot}, expected a value for at least {FEWEST} languages."
        )
    rows = []
    for side in SIDES:
        means = scores.groupby(side)["score"].mean()
        rows += [
            {"language": code, "side": side, "score": float(means[code])}
            | {name: float(np.log(values[code]) if name == "share" else values[code]) for name, values in used.items()}
            for code in complete
            if code in means
        ]
    notes = [f"{name} is known for fewer than {FEWEST} languages and left out" for name in factors if name not in used]
    notes += (
        [f"{', '.join(sorted(set(codes) - set(complete)))}: left out, as a factor is not known"]
        if len(complete) < len(codes)
        else []
    )
    settings = {"factors": list(used), "metric": metric, "resamples": resamples, "seed": seed}
    return FactorReport(pd.DataFrame(rows), signature, settings=settings, notes=tuple(notes))


def partial_correlations(
    scores: Float[np.ndarray, " language"], values: Float[np.ndarray, "language factor"]
) -> Float[np.ndarray, " factor"]:
    """The correlation of `scores` with each factor (a column of `values`) after all other factors are regressed out of both.

    NaN where either does not vary.
    """
    correlations = []
    for column in range(values.shape[1]):
        x, y = _residuals(scores, values, column)
        scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
        tiny = 1e-9 * np.sqrt(
            float(((values[:, column] - values[:, column].mean()) ** 2).sum() * ((scores - scores.mean()) ** 2).sum())
        )
        correlations.append(float((x * y).sum()) / scale if scale > tiny else np.nan)
    return np.array(correlations)


def _residuals(scores: np.ndarray, values: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
    """One factor and the scores, the other factors regressed out of both."""
    others = np.column_stack([np.ones(len(scores)), np.delete(values, column, axis=1)])
    columns = np.column_stack([values[:, column], scores])
    residuals = columns - others @ np.linalg.lstsq(others, columns, rcond=None)[0]
    return residuals[:, 0], residuals[:, 1]


def fisher_interval(correlation: Float[np.ndarray, " factor"], n: int) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of each `correlation` over `n` items (less the factors held fixed), by Fisher's z transformation.

    NaN with three or fewer, and of a correlation of 1. Fisher 1915, Biometrika 10(4).

    >>> import numpy as np
    >>> [round(float(bound[0]), 2) for bound in fisher_interval(np.array([0.5]), 13)]
    [-0.07, 0.82]
    """
    if n < 4:
        return np.full(correlation.shape, np.nan), np.full(correlation.shape, np.nan)
    reach = stats.norm.ppf(0.975) / np.sqrt(n - 3)
    z = np.arctanh(np.where(np.abs(correlation) < 1, correlation, np.nan))
    return np.tanh(z - reach), np.tanh(z + reach)


def similarity_to(pivot: str, acts: Activations, metric: str = "mexa_centred", seed: int = 0) -> dict[str, float]:
    """How like each language is to `pivot` inside a model: their alignment at the layer where the mean over languages peaks.

    `acts` are activations of parallel sentences, the pivot among their languages; `metric` and `seed` as `measure_alignment` has
    them.
    """
    table = measure_alignment(acts, pivot, (metric,), seed=seed).table
    layers = table.groupby(["layer", "language"], sort=False, observed=True)["value"].mean().unstack()
    return {str(code): float(value) for code, value in layers.loc[layers.mean(axis=1).idxmax()].items()}

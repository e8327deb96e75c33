"""What goes with a language's gains: how the tokenizer spells it, and whether the frozen output layer could be taught at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from interp.text.corpus import ParallelCorpus
from probes.statistics.resampling import draws
from probes.statistics.significance import holm
from probes.tokenization.measure import survey_tokenization
from probes.tokenization.report import by_language

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COLUMNS = ("fertility", "byte_rate", "overlap_pivot", "overlap_probes")
_STUCK, _FULL = 1.5, 95.0  # times the loss of those that gain; points of the metric


def spelling(tokenizer: PreTrainedTokenizerBase, corpus: ParallelCorpus, pivot: str, probes: Sequence[str]) -> pd.DataFrame:
    """How the tokenizer spells each language: `probes.measure_tokenization`, and the overlap with the probe languages.

    `tokenizer` is a Hugging Face tokenizer, `corpus` the text it splits, `pivot` the language that others are compared with.
    `overlap_probes` is the mean over probe languages other than itself of the frequency-weighted overlap of tokens.
    """
    report = survey_tokenization(tokenizer, corpus, pivot, resamples=0)
    shared = pd.DataFrame(report.arrays["overlap"], corpus.languages, corpus.languages)
    means = {
        code: shared.loc[code, [probe for probe in probes if probe in shared and probe != code]].mean() for code in shared.index
    }
    return by_language(report).assign(overlap_probes=pd.Series(means)).reset_index(names="language")


def regress(
    classes: pd.DataFrame,
    tokenization: pd.DataFrame,
    columns: Sequence[str] | None = None,
    axes: Sequence[str] = ("bilingual", "multilingual"),
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Do fertility, byte fallback and shared tokens go with dB and dM? One row per axis and column, over languages.

    `classes` are rows of one method, size and baseline; `tokenization` has one row per language (column or index `language`) and
    the properties in `columns` (default: `COLUMNS`). `axes` are the gains to explain. `resamples` and `seed` belong to the
    bootstrap over languages.
    `slope` is the standardised coefficient of a linear model with all columns, with its bootstrap interval over languages; `rank`
    the Spearman correlation of the column alone with its p, Holm-corrected within the axis; `explained` the model's R2 and
    `predicted` its R2 for languages left out one at a time (negative: worse than the mean).

    When it misleads: languages of a family are not independent, and these columns go with data size and script, so a slope does
    not show a cause. Correlated columns divide one effect between their slopes.
    """
    spelled = tokenization.set_index("language") if "language" in tokenization else tokenization
    columns = [name for name in (columns or COLUMNS) if name in spelled and spelled[name].std() > 0]
    table = classes.set_index("language").join(spelled[columns], how="inner").dropna(subset=[*columns, *axes])
    if len(table) < len(columns) + 3 or not columns:
        raise ValueError(f"got gains and columns {list(columns)} of {len(table)} languages, expected {len(columns) + 3} at least.")
    features, rows = _standard(table[columns].to_numpy(dtype=float)), []
    weights = draws(len(table), resamples, seed)
    for axis in axes:
        gains = _standard(table[axis].to_numpy(dtype=float))
        slopes = _fit(features, gains)
        drawn = np.array([_fit(features, gains, weight) for weight in weights])
        lower, upper = np.nanquantile(drawn, [0.025, 0.975], axis=0)
        correlations = [spearmanr(column, gains) for column in features.T]
        corrected = holm(np.array([correlation.pvalue for correlation in correlations]))
        fits = {"explained": _r2(gains, features @ slopes), "predicted": _r2(gains, _left_out(features, gains)), "n": len(table)}
        rows += [
            {"axis": axis, "column": name, "slope": slopes[k], "lower": lower[k], "upper": upper[k],
             "rank": correlations[k].statistic, "p": corrected[k], **fits} for k, name in enumerate(columns)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def stagnant_routes(table: pd.DataFrame, classes: pd.DataFrame, stuck: float = _STUCK, full: float = _FULL) -> pd.DataFrame:
    """Why does a language gain nothing: could its pairs not be learned, or did what was learned not generalise?

    `table` is that of the sweep, `classes` those of `classify`. One row per model without a bilingual gain. `fit` is its final
    training loss over the median of those that did gain (same method, size and baseline). Above `stuck` even the training pairs
    were not learned: "output" where the embedding alone moved, as it cannot teach an output layer to write tokens that it never
    wrote, else "unlearned". Below it they were learned and held-out items did not follow ("data"). Where the baseline has `full`
    points already there is nothing to gain ("ceiling"); where no model gains, "unknown".
    Full tuning of the same pairs is the test: it trains the output layer too.

    When it misleads: losses are per token, and a token of one byte is easier to predict than a whole word.
    """
    keys = ["language", "method", "size"]
    losses = table[table["role"] == "tuned"].groupby(keys)["final_loss"].mean().reset_index()
    gains = classes.merge(losses, on=keys)
    none = gains["nearest"].isin(("stagnant", "altruistic"))
    usual = gains[~none].groupby(["method", "size", "against"])["final_loss"].median().rename("usual").reset_index()
    gains = gains[none].merge(usual, on=["method", "size", "against"], how="left")
    fit = gains["final_loss"] / gains["usual"]
    missed = np.where(gains["method"] == "embeddings", "output", "unlearned")
    route = np.select([gains["bilingual_baseline"] >= full, fit.isna(), fit > stuck], ["ceiling", "unknown", missed], "data")
    return gains.assign(fit=fit, route=route)[[*keys, "against", "nearest", "bilingual_baseline", "final_loss", "fit", "route"]]


def _standard(values: np.ndarray) -> np.ndarray:
    deviations = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)


def _fit(features: np.ndarray, gains: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Least squares with a constant; the coefficients of the features."""
    root = np.sqrt(np.ones(len(gains)) if weights is None else weights)[:, None]
    design = np.column_stack([np.ones(len(gains)), features])
    return np.linalg.lstsq(design * root, gains * root[:, 0], rcond=None)[0][1:]


def _left_out(features: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """What each language is predicted to gain by the model of all others."""
    design = np.column_stack([np.ones(len(gains)), features])
    hat = design @ np.linalg.pinv(design)
    return gains - (gains - hat @ gains) / np.clip(1 - np.diag(hat), 1e-9, None)


def _r2(gains: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((gains - predicted) ** 2).sum() / ((gains - gains.mean()) ** 2).sum())

"""S(f; a -> b), the corpus score of every cell and direction of a sweep, once or under many weightings of its items."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from probes.statistics.resampling import mean
from probes.translation.scorers import CORPUS_SCORES
from probes.translation.text_scores import overlap_score

_KEYS = ["cell", "source", "target"]


def direction_scores(
    table: pd.DataFrame, metric: str, weights: Float[np.ndarray, "resample item"] | None = None, baseline: bool = False
) -> pd.DataFrame:
    """How well does each tuned model translate in each direction?

    chrF++, BLEU and spBLEU, 0 to 100, are computed from summed counts, so they are not means of the items' scores; every other
    metric is a mean over items.

    Parameters
    ----------
    table
        That of `measure_cells`.
    metric
        A metric of the table, such as "chrf".
    weights
        `[resample item]`, of `probes.statistics.resampling.draws`; the same for all cells, so that differences of rows are paired.
        None: the score itself, in one column.
    baseline
        Score the untranslated source instead.

    Returns
    -------
    pd.DataFrame
        A row for each (cell, source, target), and a column for each weighting.

    Raises
    ------
    ValueError
        Where the metric was not measured, or cells or directions have different items, so that draws would not be paired.

    Example
    -------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"cell": "base", "source": "eng_Latn", "target": "deu_Latn", "item": ["1", "2"], "exact": [1.0, 0.0],
    ...                       "exact_baseline": 0.0})
    >>> direction_scores(table, "exact").to_numpy().tolist()
    [[0.5]]
    """
    column = metric + ("_baseline" if baseline else "")
    if column not in table:
        measured = [name.removesuffix("_baseline") for name in table if name.endswith("_baseline")]
        raise ValueError(f"got metric {metric!r}, expected one that was measured: {', '.join(measured)}.")
    first, rows = None, {}
    for key, part in table.groupby(_KEYS, sort=False):
        part = part.sort_values("item")
        names = part["item"].to_numpy()
        first = names if first is None else first
        if not np.array_equal(names, first):
            raise ValueError(f"{' '.join(key)} has other items than the first cell, expected the same items in every cell.")
        weighting = np.ones((1, len(part))) if weights is None else weights
        if metric in CORPUS_SCORES:
            rows[key] = overlap_score(metric, np.stack(part[f"{column}_counts"].to_list()).astype(float), weighting)
        else:
            rows[key] = mean(part[column].to_numpy(dtype=float), weighting)
    return pd.DataFrame.from_dict(rows, orient="index").set_axis(pd.MultiIndex.from_tuples(rows, names=_KEYS))

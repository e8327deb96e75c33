"""Find language-specific neurons: those that fire in one language and rarely in the others.

LAPE (Tang et al. 2024, section 2.2) normalises the activation rates of a neuron over languages to sum to 1, and takes their
entropy. The `share` of neurons with the lowest entropy are language-specific. The defaults are the thresholds of the paper.

When the number misleads: LAPE always selects its share of neurons, in a randomly initialised model too, because languages use
different tokens. So three controls are reported: the number of neurons of a randomly initialised model at the same threshold, the
agreement between two halves of the sentences, and a permutation test that shuffles the languages.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from interp.models.checks.finite import check_finite
from interp.neurons import NeuronCounts
from interp.provenance import Signature
from probes.neurons.report import NeuronReport
from probes.neurons.specificity import (
    Method,
    Moments,
    Ranking,
    null_maxima,
    pool,
    rank_neurons,
    select_neurons,
    split_half_agreement,
)


def find_neurons(
    counts: NeuronCounts,
    *,
    random_init: NeuronCounts | None = None,
    method: Method = "lape",
    share: float = 0.01,
    bar: float = 0.95,
    halves: int = 20,
    permutations: int = 100,
    seed: int = 0,
) -> NeuronReport:
    """Select the language-specific neurons, and test the selection against chance, other text and random weights.

    Parameters
    ----------
    counts
        Activation counts of at least two languages, from `interp.count_neurons`.
    random_init
        Counts of the same corpus in a randomly initialised model (`interp.random_init`). Without them the report cannot say
        what the tokens alone explain.
    method
        `lape`: low entropy of the activation rates over languages (Tang et al. 2024). `mean_difference`: high mean activation in
        one language, in standard deviations. It also sees how strongly a neuron fires, which LAPE does not.
    share
        Share of all neurons to select.
    bar
        Quantile of all activation rates. A neuron is a candidate if its rate in some language exceeds it, and belongs to the
        languages where it does (LAPE only). Lower it if the report has almost no neurons.
    halves
        Number of random splits of the shards. The selection is repeated in each half, and the two compared by their Jaccard index.
    permutations
        Number of permutations that shuffle the languages within each shard. A neuron is `above_null` if p < 0.05, where p counts
        the permutations whose most specific neuron is at least as specific, and the data as one of them (family-wise error 5 %,
        exact because shards hold the same sentences). With fewer than 19 permutations none is.
    seed
        Random seed of the splits and permutations.

    Returns
    -------
    `NeuronReport`. Blocks are numbered from 0.

    Raises
    ------
    ValueError
        `counts` has one language, `random_init` has other languages or text, or `share` selects no neuron.

    References
    ----------
    Tang et al. 2024, "Language-Specific Neurons", arXiv 2402.16438, eq. 2-3.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=8)
    >>> counts = interp.count_neurons(interp.load("bundled"), corpus, shards=2)
    >>> report = probes.find_neurons(counts, share=0.01, permutations=5, halves=2)
    >>> report.table["item"].nunique() <= 0.01 * 8 * 512
    True
    """
    if len(counts.languages) < 2:
        raise ValueError(
            f"got counts of {len(counts.languages)} language, expected at least 2. Count the neurons in more languages."
        )
    if random_init is not None and (random_init.languages, random_init.corpus) != (counts.languages, counts.corpus):
        raise ValueError(
            f"got random_init counts of {random_init.corpus} in {', '.join(random_init.languages)}, expected {counts.corpus} in "
            f"{', '.join(counts.languages)}. Count the same corpus."
        )
    for name in ("rate", "mean", "variance"):
        for code, values in getattr(counts, name).items():
            where = f"the {name} of a neuron in {code}"
            check_finite(values, lambda shard, block, neuron, where=where: f"{where} (block {block}, neuron {neuron})")
    moments, rng = pool(counts), np.random.default_rng(seed)
    ranking = rank_neurons(moments, method, bar)
    chosen = select_neurons(ranking, share)
    null = null_maxima(counts, method, bar, permutations, rng)
    jaccard, in_halves = split_half_agreement(counts, chosen, method, share, bar, halves, rng)
    arrays = {"rate": moments.rate, "mean": moments.mean, "chosen": chosen.astype(np.uint8), "jaccard": jaccard}
    if random_init is not None:
        arrays |= _in_random_init(random_init, ranking, chosen, method, share, bar, halves, rng)
    allowed = int(0.05 * (len(null) + 1))  # permutations, the data one of them, that may be as specific
    limit = float(np.sort(null)[-allowed]) if allowed else np.inf
    settings = {"languages": list(counts.languages), "method": method, "share": share, "bar": bar, "halves": halves,
                "permutations": permutations, "seed": seed, "null": limit if allowed else None}  # fmt: skip
    table = _table(counts.languages, moments, ranking, chosen, in_halves, limit)
    shown: dict[str, str | int | float] = {"method": method, "share": share, "bar": bar, "shards": counts.shards, "seed": seed}
    shown |= {"hooks": counts.hooks} if counts.hooks else {}
    return NeuronReport(table, Signature("neurons", counts.model, counts.corpus, shown), arrays, settings)


def _in_random_init(
    counts: NeuronCounts, trained: Ranking, chosen: np.ndarray, method: Method, share: float, bar: float, halves: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The controls in a randomly initialised model: neurons per language at the threshold of the trained one, and their Jaccard."""
    ranking = rank_neurons(pool(counts), method, bar)
    lowest = trained.specific[chosen.any(0)].min(initial=np.inf)
    jaccard, _ = split_half_agreement(counts, select_neurons(ranking, share), method, share, bar, halves, rng)
    return {"jaccard_random_init": jaccard, "count_random_init": (ranking.belongs & (ranking.specific >= lowest)).sum((1, 2))}


def _table(
    languages: tuple[str, ...], moments: Moments, ranking: Ranking, chosen: np.ndarray, in_halves: np.ndarray, null: float
) -> pd.DataFrame:
    """One row per neuron and language that it belongs to; `item` is "block.neuron"."""
    language, layer, neuron = np.nonzero(chosen)
    rate = moments.rate[language, layer, neuron]
    elsewhere = (moments.rate.sum(0)[layer, neuron] - rate) / (len(languages) - 1)
    specific = ranking.specific[layer, neuron]
    return pd.DataFrame({
        "item": [f"{block}.{index}" for block, index in zip(layer, neuron, strict=True)],
        "language": pd.Series([languages[k] for k in language], dtype=str), "layer": layer, "neuron": neuron,
        "specificity": specific, "rate": rate, "rate_elsewhere": elsewhere, "mean": moments.mean[language, layer, neuron],
        "above_null": specific > null, "in_halves": in_halves[language, layer, neuron],
    })  # fmt: skip

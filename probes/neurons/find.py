"""Which neurons belong to a language: those that fire in it and hardly elsewhere, held against chance and random weights.

LAPE (Tang et al. 2024, section 2.2): a neuron's rates of firing in each language, made to sum to 1, have an entropy; the
`share` of neurons with the lowest are the specific ones. Their thresholds are the defaults.

When the number misleads: LAPE always names its share, in random weights too, because languages use different tokens. So
each count stands beside the neurons of a random-init network at the same bar, each set beside its agreement between halves
of the sentences, and each neuron beside the most specific one after languages are shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from interp.models.finite import check_finite
from interp.neurons import NeuronCounts
from interp.provenance import Signature
from probes.neurons.ablation import damage, say_damage
from probes.neurons.specificity import Method, Moments, Ranking, halve, null_maxima, pool, rank_neurons, select_neurons
from probes.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    """Name each language's neurons, and say how many would be named again, by chance, or in random weights.

    `halves` times the shards are parted at random and the selection made in each half (Jaccard index of the two). In
    `permutations` the languages of each shard are shuffled, and the most specific neuron of each gives the null's maximum:
    `above_null` neurons exceed 95 % of those (family-wise error 5 %, exact because shards hold the same sentences).
    """
    if len(counts.languages) < 2:
        raise ValueError(f"neurons of {counts.languages}: needed at least 2 languages.")
    if random_init is not None and (random_init.languages, random_init.corpus) != (counts.languages, counts.corpus):
        raise ValueError("the random-init counts are of other languages or text. Count the same corpus.")
    for name in ("rate", "mean", "variance"):
        for code, values in getattr(counts, name).items():
            where = f"the {name} of a neuron in {code}"
            check_finite(values, lambda shard, block, neuron, where=where: f"{where} (block {block}, neuron {neuron})")
    moments, rng = pool(counts), np.random.default_rng(seed)
    ranking = rank_neurons(moments, method, bar)
    chosen = select_neurons(ranking, share)
    null = null_maxima(counts, method, bar, permutations, rng)
    jaccard, again = halve(counts, chosen, method, share, bar, halves, rng)
    arrays = {"rate": moments.rate, "mean": moments.mean, "chosen": chosen.astype(np.uint8), "jaccard": jaccard}
    if random_init is not None:
        arrays |= _in_random_init(random_init, ranking, chosen, method, share, bar, halves, rng)
    limit = float(np.quantile(null, 0.95))
    settings = {"languages": list(counts.languages), "method": method, "share": share, "bar": bar, "halves": halves,
                "permutations": permutations, "seed": seed, "null": limit}  # fmt: skip
    table = _table(counts.languages, moments, ranking, chosen, again, limit)
    shown = {"method": method, "share": share, "bar": bar, "shards": counts.shards, "seed": seed}
    shown |= {"hooks": counts.hooks} if counts.hooks else {}
    return NeuronReport(table, Signature("neurons", counts.model, counts.corpus, shown), arrays, settings)


def _in_random_init(
    counts: NeuronCounts, trained: Ranking, chosen: np.ndarray, method: Method, share: float, bar: float, halves: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """What random weights give: neurons a language beyond the entropy the trained ones were chosen at, and Jaccard of halves."""
    ranking = rank_neurons(pool(counts), method, bar)
    lowest = trained.specific[chosen.any(0)].min(initial=np.inf)
    jaccard, _ = halve(counts, select_neurons(ranking, share), method, share, bar, halves, rng)
    return {"jaccard_random_init": jaccard, "count_random_init": (ranking.belongs & (ranking.specific >= lowest)).sum((1, 2))}


def _table(
    languages: tuple[str, ...], moments: Moments, ranking: Ranking, chosen: np.ndarray, again: np.ndarray, null: float
) -> pd.DataFrame:
    """One row a neuron and language it belongs to; `item` is block.neuron."""
    language, layer, neuron = np.nonzero(chosen)
    rate = moments.rate[language, layer, neuron]
    elsewhere = (moments.rate.sum(0)[layer, neuron] - rate) / (len(languages) - 1)
    specific = ranking.specific[layer, neuron]
    return pd.DataFrame({
        "item": [f"{block}.{index}" for block, index in zip(layer, neuron, strict=True)],
        "language": pd.Series([languages[k] for k in language], dtype=str), "layer": layer, "neuron": neuron,
        "specificity": specific, "rate": rate, "rate_elsewhere": elsewhere, "mean": moments.mean[language, layer, neuron],
        "above_null": specific > null, "in_halves": again[language, layer, neuron],
    })  # fmt: skip


@dataclass(frozen=True)
class NeuronReport(Report):
    """One row a neuron and language: how specific it is, its rates of firing, and whether it would be found again.

    `arrays`: `rate`, `mean`, `chosen` `[language layer neuron]`, `jaccard [language draw]`, the same with `_random_init`,
    and after `measure_silencing` the loss of every sentence with and without the neurons.
    """

    question: ClassVar[str] = "Which neurons belong to a language, and what is lost without them?"

    pairing_note: ClassVar[str] = "Firing rates are paired neuron by neuron: their intervals speak of neurons, not of sentences."

    def _item_values(self) -> pd.DataFrame:
        """How often every neuron fires, by language and block; the items are neurons."""
        rate = self.arrays["rate"]
        language, layer, neuron = np.indices(rate.shape).reshape(rate.ndim, -1)
        return pd.DataFrame({"measure": "firing rate", "language": np.array(self.languages)[language], "series": "",
                             "layer": layer.astype(str), "item": neuron.astype(str),
                             "value": rate.ravel().astype(float)})  # fmt: skip

    @property
    def languages(self) -> list[str]:
        return list(self.settings["languages"])

    def neurons(self, language: str) -> dict[int, list[int]]:
        """One language's neurons by block, as `interp.ablated` takes them."""
        own = self.table[self.table["language"] == language]
        return {int(layer): sorted(map(int, found)) for layer, found in own.groupby("layer")["neuron"]}

    def overlap(self) -> pd.DataFrame:
        """Jaccard index of the sets of every two languages."""
        sets = self.arrays["chosen"].reshape(len(self.languages), -1).astype(float)
        both = sets @ sets.T
        size = sets.sum(1)
        either = size[:, None] + size - both
        return pd.DataFrame(np.divide(both, either, out=np.zeros_like(both), where=either > 0), self.languages, self.languages)

    def histogram(self) -> pd.DataFrame:
        """How many neurons of each language stand in each block: a row a block, a column a language."""
        return pd.DataFrame(self.arrays["chosen"].sum(2, dtype=int).T, columns=self.languages)

    def summary(self) -> pd.DataFrame:
        """`stability` (Jaccard of halves) and `count` a language, with random weights as `baseline`; then `damage` a cell.

        For `count` the bounds are the neurons above the null and all of them. For `stability` they hold 95 % of the
        splits: the spread over splits of the same sentences, not a confidence interval.
        """
        rows = pd.DataFrame([row for place, code in enumerate(self.languages) for row in self._of(place, code)])
        rows = rows.sort_values("metric", ascending=False, kind="stable")
        lost = [damage(self.arrays, self.settings).assign(metric="damage")] if "loss" in self.arrays else []
        return pd.concat([rows, *lost], ignore_index=True)

    def _of(self, place: int, code: str) -> list[dict]:
        count = int(self.arrays["chosen"][place].sum())
        sure = int(self.table.loc[self.table["language"] == code, "above_null"].sum())
        jaccard = self.arrays["jaccard"][place]
        lower, upper = np.quantile(jaccard, [0.025, 0.975])
        random = {name: self.arrays[name][place].mean() if name in self.arrays else np.nan
                  for name in ("count_random_init", "jaccard_random_init")}  # fmt: skip
        same = {"language": code, "text": code, "mode": ""}
        return [
            {"metric": "stability", **same, "estimate": jaccard.mean(), "lower": lower, "upper": upper, "n": count,
             "baseline": random["jaccard_random_init"]},
            {"metric": "count", **same, "estimate": count, "lower": sure, "upper": count, "n": self.arrays["chosen"][place].size,
             "baseline": random["count_random_init"]},
        ]  # fmt: skip

    def verdict(self) -> str:
        rows = self.summary()
        count, stable = (rows[rows["metric"] == metric] for metric in ("count", "stability"))
        sure, found = self.table.drop_duplicates("item")["above_null"].sum(), self.table["item"].nunique()
        said = (
            f"{found} neurons are named ({self.settings['method']}, {self.settings['share']:.1%} of all by construction), {sure} "
        )
        said += f"of them above the shuffled-language null; two halves of the text agree on {stable['estimate'].mean():.0%}"
        if count["baseline"].notna().all():
            said += f" (random weights {stable['baseline'].mean():.0%})"
            said += f"; at the same bar random weights give {count['baseline'].sum():.0f} for {count['estimate'].sum():.0f}"
        else:
            said += "; no random-init network was counted, so these may follow from the tokens alone"
        return f"{said}{say_damage(rows[rows['metric'] == 'damage'])}."

    def figures(self) -> dict[str, Figure]:
        from probes.neurons.figures import layer_histogram, silencing_matrices, stability_bars

        rows, line = self.summary(), str(self.signature)
        found = {"layers": layer_histogram(self.histogram(), line), "stability": stability_bars(rows, self.overlap(), line)}
        if "loss" in self.arrays:
            found = {"silencing": silencing_matrices(rows[rows["metric"] == "damage"], line), **found}
        return found

"""Which neurons belong to a language: those that fire in it and hardly elsewhere, held against chance and random weights.

LAPE (Tang et al. 2024, section 2.2): a neuron's rates of firing in each language, made to sum to 1, have an entropy; the
`share` of neurons with the lowest are the specific ones. Their thresholds are the defaults.

When the number misleads: LAPE always names its share, in random weights too, because languages use different tokens. So
each count stands beside the neurons of a random-init network at the same bar, each set beside its agreement between halves
of the sentences, and each neuron beside the most specific one after languages are shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from interp.neurons import NeuronCounts
from interp.provenance import Signature
from interp.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["lape", "mean_difference"]
PerLanguage = Float[np.ndarray, "language layer neuron"]


class Moments(NamedTuple):
    """Share of tokens on which each neuron fires in each language, mean and variance of its value."""

    rate: PerLanguage
    mean: PerLanguage
    variance: PerLanguage


class Ranking(NamedTuple):
    """`specific` orders neurons, higher is more a language's own (-inf: not eligible); `belongs` says to which languages."""

    specific: Float[np.ndarray, "layer neuron"]
    belongs: Bool[np.ndarray, "language layer neuron"]


def rank_neurons(moments: Moments, method: Method = "lape", bar: float = 0.95) -> Ranking:
    """Order all neurons by how much they are some language's own.

    lape             minus the entropy (nats) of the normalised rates (eq. 2-3); eligible where some rate exceeds the `bar`
                     quantile of all rates, and belonging to the languages whose rate does.
    mean_difference  mean value in a language less that in the others, in standard deviations within languages; belonging to
                     the language where it is largest. Sees how strongly a neuron fires, which LAPE does not.
    """
    if method not in get_args(Method):
        raise ValueError(f"method {method!r}: needed one of {', '.join(get_args(Method))}.")
    if method == "mean_difference":
        n = len(moments.mean)
        others = (moments.mean.sum(0) - moments.mean) / (n - 1)
        gap = (moments.mean - others) / np.sqrt(moments.variance.mean(0) + 1e-12)
        return Ranking(gap.max(0), gap == gap.max(0))
    flat = moments.rate.ravel()
    kth = round(flat.size * bar) - 1
    active = moments.rate > np.partition(flat, kth)[kth]
    total = moments.rate.sum(0)
    parts = np.divide(moments.rate, total, out=np.full_like(moments.rate, 1 / len(moments.rate)), where=total > 0)
    entropy = -(parts * np.log(np.where(parts > 0, parts, 1))).sum(0)
    return Ranking(np.where(active.any(0), -entropy, -np.inf), active)


def select_neurons(ranking: Ranking, share: float = 0.01) -> Bool[np.ndarray, "language layer neuron"]:
    """The `share` of all neurons that are the most specific, as one set a language; the sets may overlap."""
    count = round(ranking.specific.size * share)
    if count < 1:
        raise ValueError(
            f"share {share} of {ranking.specific.size} neurons is none. Needed: at least {1 / ranking.specific.size:.1g}."
        )
    chosen = np.zeros(ranking.specific.size, dtype=bool)
    chosen[np.argsort(-ranking.specific, axis=None, kind="stable")[:count]] = True
    return ranking.belongs & (chosen.reshape(ranking.specific.shape) & np.isfinite(ranking.specific))


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
    moments, rng = pool(counts), np.random.default_rng(seed)
    ranking = rank_neurons(moments, method, bar)
    chosen = select_neurons(ranking, share)
    null = _null(counts, method, bar, permutations, rng)
    jaccard, again = _halves(counts, chosen, method, share, bar, halves, rng)
    arrays = {"rate": moments.rate, "mean": moments.mean, "chosen": chosen.astype(np.uint8), "jaccard": jaccard}
    if random_init is not None:
        arrays |= _in_random_init(random_init, ranking, chosen, method, share, bar, halves, rng)
    settings = {"languages": list(counts.languages), "method": method, "share": share, "bar": bar, "halves": halves,
                "permutations": permutations, "seed": seed, "null": float(np.quantile(null, 0.95))}  # fmt: skip
    table = _table(counts.languages, moments, ranking, chosen, again, settings["null"])
    shown = {"method": method, "share": share, "bar": bar, "shards": counts.shards, "seed": seed}
    return NeuronReport(table, Signature("neurons", counts.model, counts.corpus, shown), arrays, settings)


def pool(counts: NeuronCounts, shards: np.ndarray | None = None, owners: np.ndarray | None = None) -> Moments:
    """Moments over some shards, each weighing as much as it has tokens; `owners [language shard]` says whose shard to take."""
    shards = np.arange(counts.shards) if shards is None else shards
    codes = counts.languages
    owners = np.repeat(np.arange(len(codes))[:, None], counts.shards, axis=1) if owners is None else owners
    found = []
    for row in owners:
        weight = np.array([int(counts.tokens[codes[row[s]]][s]) for s in shards], dtype=float)
        weight = (weight / max(weight.sum(), 1)).tolist()
        rate, mean, square = 0.0, 0.0, 0.0
        for w, s in zip(weight, shards, strict=True):
            code = codes[row[s]]
            at = counts.mean[code][s].numpy()
            rate, mean = rate + w * counts.rate[code][s].numpy(), mean + w * at
            square = square + w * (counts.variance[code][s].numpy() + at**2)
        found.append((rate, mean, np.maximum(square - mean**2, 0)))
    return Moments(*(np.stack(parts).astype(np.float32) for parts in zip(*found, strict=True)))


def _null(
    counts: NeuronCounts, method: Method, bar: float, permutations: int, rng: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    own = np.repeat(np.arange(len(counts.languages))[:, None], counts.shards, axis=1)
    draws = [rank_neurons(pool(counts, owners=rng.permuted(own, axis=0)), method, bar).specific.max() for _ in range(permutations)]
    return np.array(draws, dtype=float)


def _halves(
    counts: NeuronCounts, chosen: np.ndarray, method: Method, share: float, bar: float, halves: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "language draw"], Float[np.ndarray, "language layer neuron"]]:
    """Jaccard index of the sets of two random halves of the shards, and how often each chosen neuron is chosen in a half."""
    found, again = [], np.zeros(chosen.shape)
    for _ in range(halves):
        order = rng.permutation(counts.shards)
        parts = (order[: len(order) // 2], order[len(order) // 2 :])
        first, second = (select_neurons(rank_neurons(pool(counts, part), method, bar), share) for part in parts)
        either = (first | second).sum((1, 2))
        found.append(np.divide((first & second).sum((1, 2)), either, out=np.zeros(len(either)), where=either > 0))
        again += (first.astype(float) + second) / (2 * halves)
    return np.stack(found, 1), again


def _in_random_init(
    counts: NeuronCounts, trained: Ranking, chosen: np.ndarray, method: Method, share: float, bar: float, halves: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """What random weights give: neurons a language beyond the entropy the trained ones were chosen at, and Jaccard of halves."""
    ranking = rank_neurons(pool(counts), method, bar)
    lowest = trained.specific[chosen.any(0)].min(initial=np.inf)
    jaccard, _ = _halves(counts, select_neurons(ranking, share), method, share, bar, halves, rng)
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
        """`count` and `stability` (Jaccard of halves) a language, with random weights as `baseline`; then `damage` a cell.

        For `count` the bounds are the neurons above the null and all of them. For `stability` they hold 95 % of the
        splits: the spread over splits of the same sentences, not a confidence interval.
        """
        rows = [row for place, code in enumerate(self.languages) for row in self._of(place, code)]
        return pd.concat([pd.DataFrame(rows), *self._damage()], ignore_index=True)

    def _of(self, place: int, code: str) -> list[dict]:
        count = int(self.arrays["chosen"][place].sum())
        sure = int(self.table.loc[self.table["language"] == code, "above_null"].sum())
        jaccard = self.arrays["jaccard"][place]
        lower, upper = np.quantile(jaccard, [0.025, 0.975])
        random = {name: self.arrays[name][place].mean() if name in self.arrays else np.nan
                  for name in ("count_random_init", "jaccard_random_init")}  # fmt: skip
        same = {"language": code, "text": code, "mode": ""}
        return [
            {"measure": "count", **same, "estimate": count, "lower": sure, "upper": count, "n": self.arrays["chosen"][place].size,
             "baseline": random["count_random_init"]},
            {"measure": "stability", **same, "estimate": jaccard.mean(), "lower": lower, "upper": upper, "n": count,
             "baseline": random["jaccard_random_init"]},
        ]  # fmt: skip

    def _damage(self) -> list[pd.DataFrame]:
        from probes.silencing import damage

        return [damage(self).assign(measure="damage")] if "loss" in self.arrays else []

    def verdict(self) -> str:
        rows = self.summary()
        count, stable = (rows[rows["measure"] == measure] for measure in ("count", "stability"))
        sure = int(self.table.drop_duplicates("item")["above_null"].sum())
        found = self.table["item"].nunique()
        said = f"{found} neurons are named ({self.settings['method']}, {self.settings['share']:.1%} of all by construction)"
        said += (
            f", {sure} of them above the shuffled-language null; two halves of the text agree on {stable['estimate'].mean():.0%}"
        )
        if count["baseline"].notna().all():
            said += f" (random weights {stable['baseline'].mean():.0%}); at the same bar random weights give {count['baseline'].sum():.0f}"
        else:
            said += "; no random-init network was counted, so these may follow from the tokens alone"
        from probes.silencing import say_damage

        return f"{said}{say_damage(rows)}."

    def figures(self) -> dict[str, Figure]:
        from interp.figures_neurons import layer_histogram, silencing_matrices, stability_bars

        rows, line = self.summary(), str(self.signature)
        found = {"layers": layer_histogram(self.histogram(), line), "stability": stability_bars(rows, self.overlap(), line)}
        if "loss" in self.arrays:
            found = {"silencing": silencing_matrices(rows[rows["measure"] == "damage"], line), **found}
        return found

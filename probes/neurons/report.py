"""Report of language-specific neurons: which they are, how stable the selection is, and what switching them off does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from probes.neurons.claims import DamageClaims, damage_claims, random_sets
from probes.report import Report
from probes.statistics.random_draws import widened
from probes.statistics.resampling import bootstrap_ratio
from probes.statistics.significance import LEVEL, said_p

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST_PERMUTATIONS = 19


@dataclass(frozen=True, repr=False)
class NeuronReport(Report):
    """Language-specific neurons, as `find_neurons` selects them.

    `table` has one row per neuron and language: `item` ("block.neuron"), `language, layer, neuron`; `specificity` (higher is more
    specific); `rate` and `rate_elsewhere`, the activation rate in the language and its mean over the others; `mean`, the mean
    activation; `above_null`, whether it passes the permutation test; `in_halves`, the share of half samples that select it.

    `arrays` has `rate`, `mean` and `chosen` `[language layer neuron]`, and `jaccard [language draw]`. With a randomly initialised
    model there are `jaccard_random_init` and `count_random_init [language]`. After `measure_damage` there are `loss` and
    `random_loss` `[mode language text sentence]`, `random_rise [mode language draw text]` (nats per token), `clean_loss` and
    `text_tokens` `[text sentence]`, and `text_cluster [sentence]`.
    Losses are sums over the tokens of a sentence, in nats. `layer` is a block index, 0 to N - 1.

    Example
    -------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=8)
    >>> counts = interp.count_neurons(interp.load("bundled"), corpus, shards=2)
    >>> report = probes.find_neurons(counts, share=0.01, permutations=5, halves=2)
    >>> report.languages, report.arrays["rate"].shape  # language, layer, neuron
    (['eng_Latn', 'zho_Hans'], (2, 8, 512))
    """

    question: ClassVar[str] = "Which neurons are specific to a language, and what does switching them off do?"

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
        """FLORES-200 codes, in the order of the axis `language` of the arrays."""
        return list(self.settings["languages"])

    def neurons(self, language: str) -> dict[int, list[int]]:
        """The neurons of one `language` (a FLORES-200 code) by block, in the form that `interp.ablated` takes."""
        own = self.table[self.table["language"] == language]
        return {int(layer): sorted(map(int, neurons)) for layer, neurons in own.groupby("layer")["neuron"]}

    def overlap(self) -> pd.DataFrame:
        """Jaccard index of the neurons of every two languages: a row and a column per language, from 0 (disjoint) to 1."""
        sets = self.arrays["chosen"].reshape(len(self.languages), -1).astype(float)
        shared = sets @ sets.T
        size = sets.sum(1)
        either = size[:, None] + size - shared
        return pd.DataFrame(np.divide(shared, either, out=np.zeros_like(shared), where=either > 0), self.languages, self.languages)

    def histogram(self) -> pd.DataFrame:
        """The number of neurons of each language in each block: a row per block, a column per language."""
        return pd.DataFrame(self.arrays["chosen"].sum(2, dtype=int).T, columns=self.languages)

    def summary(self) -> pd.DataFrame:
        """Two rows per language, `stability` and `count`, then the rows of `damage` if neurons were switched off.

        `stability` is the mean Jaccard index of two halves of the text. Its bounds hold 95 % of the splits of the same sentences;
        they are not a confidence interval. `count` is the number of neurons, and its lower bound the number above the null.
        `baseline` is the same number in a randomly initialised model.
        """
        rows = pd.DataFrame([row for index, code in enumerate(self.languages) for row in self._rows_of(index, code)])
        rows = rows.sort_values("metric", ascending=False, kind="stable")
        lost = [damage(self.arrays, self.settings).assign(metric="damage")] if "loss" in self.arrays else []
        return pd.concat([rows, *lost], ignore_index=True)

    def _rows_of(self, index: int, code: str) -> list[dict[str, object]]:
        count = int(self.arrays["chosen"][index].sum())
        above_null = int(self.table.loc[self.table["language"] == code, "above_null"].sum())
        jaccard = self.arrays["jaccard"][index]
        lower, upper = np.quantile(jaccard, [0.025, 0.975])
        random = {name: self.arrays[name][index].mean() if name in self.arrays else np.nan
                  for name in ("count_random_init", "jaccard_random_init")}  # fmt: skip
        cell = {"language": code, "text": code, "mode": ""}
        return [
            {"metric": "stability", **cell, "estimate": jaccard.mean(), "lower": lower, "upper": upper, "n": count,
             "baseline": random["jaccard_random_init"]},
            {"metric": "count", **cell, "estimate": count, "lower": above_null, "upper": count,
             "n": self.arrays["chosen"][index].size, "baseline": random["count_random_init"]},
        ]  # fmt: skip

    def finds(self) -> bool:
        """Whether the verdict claims anything: neurons above chance, without which nothing is claimed of switching them off."""
        return bool(self.table["above_null"].any())

    @cached_property
    def claims(self) -> DamageClaims | None:
        """The tests of the damage; None where no neurons were switched off."""
        return damage_claims(self.arrays, self.settings["damage_seed"]) if "loss" in self.arrays else None

    def verdict(self) -> str:
        """What switching off a language's neurons does, or how many are above chance; then how stable they are, and the numbers."""
        rows = self.summary()
        count, stability = (rows[rows["metric"] == metric] for metric in ("count", "stability"))
        selected, above_null = self.table["item"].nunique(), self.table.drop_duplicates("item")["above_null"].sum()
        agreed = f"{stability['estimate'].mean():.0%} (two random selections of that size on {self._agree_by_chance():.1%})"
        text = (
            f"{selected} neurons are selected ({self.settings['method']}, {self.settings['share']:.1%} of all by construction); "
            f"{above_null} of them exceed the permutation null. Two halves of the text agree on {agreed}"
        )
        if count["baseline"].notna().all():
            text += f"; in a randomly initialised model on {stability['baseline'].mean():.0%}. Summed over languages, "
            text += f"which may share neurons, the sets hold {count['estimate'].sum():.0f}; at the same threshold those of the "
            text += f"randomly initialised model hold {count['baseline'].sum():.0f}."
        else:
            text += ". No randomly initialised model was counted, so the tokens alone may explain these neurons."
        first = self._first(selected, int(above_null))
        return f"{first} {text}" + say_damage(rows[rows["metric"] == "damage"])

    def _first(self, selected: int, above: int) -> str:
        """At most 25 words. Neurons that may be chance are not said to do damage, so both tests together are wrong in 5 %."""
        n, permutations = self.signature.corpus.n, self.settings["permutations"]
        if permutations < _FEWEST_PERMUTATIONS:
            few = f"With {permutations} permutation{'' if permutations == 1 else 's'} no neuron can be shown to be above chance"
            return f"{few}: at least {_FEWEST_PERMUTATIONS} are needed (n={n})."
        if not above:
            return f"No neuron is shown to be more specific to a language than chance allows (n={n})."
        if self.claims is None:
            verb = "is" if above == 1 else "are"
            return f"{above} of {selected} selected neurons {verb} more specific to a language than chance allows (n={n})."
        sentences, languages = len(self.arrays["text_cluster"]), len(self.languages)
        worse = int((self.claims.p[0] < LEVEL).sum())
        if not self.claims.possible:
            return (
                f"Whether a language's own neurons hurt it more than random neurons cannot be told with so few sentences or random "
                f"sets (n={sentences})."
            )
        if not worse:
            return (
                f"Switching off a language's own neurons is not shown to hurt it more than random neurons "
                f"in any of {languages} languages (n={sentences})."
            )
        return (
            f"Switching off a language's own neurons hurts it more than random neurons in {worse} of {languages} languages "
            f"(n={sentences})."
        )

    def _agree_by_chance(self) -> float:
        """The Jaccard index of two random sets of as many neurons, mean over languages."""
        share = self.arrays["chosen"].reshape(len(self.languages), -1).mean(axis=1)
        return float((share / (2 - share)).mean())

    def figures(self) -> dict[str, Figure]:
        """Neurons by block, split-half agreement and, if neurons were switched off, the rise in loss."""
        from probes.neurons.figures import layer_histogram, silencing_matrices, stability_bars

        rows, line = self.summary(), str(self.signature)
        figures = {"layers": layer_histogram(self.histogram(), line), "stability": stability_bars(rows, self.overlap(), line)}
        if "loss" in self.arrays:
            damaged = rows[rows["metric"] == "damage"]
            figures = {"silencing": silencing_matrices(damaged.assign(claimed=damaged["p"] < LEVEL), line), **figures}
        return figures


def damage(arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> pd.DataFrame:
    """The rise in log-perplexity (nats per token) when the neurons of one language are off, for every language of the text.

    Parameters
    ----------
    arrays
        The arrays that `measure_damage` adds to a `NeuronReport`.
    settings
        The settings of that report: `languages, modes, resamples, damage_seed`.

    Returns
    -------
    One row per `mode`, `language` (whose neurons are off) and `text` (language of the text). `baseline` is the rise with random
    neurons off. `excess` is the difference of the two, paired by sentence. Bounds are 95 % confidence intervals over sentences (or
    documents), and those of `excess` over other random sets as well. `p` is that of a larger rise than with random neurons, in the
    language's own text (`probes.neurons.claims`); NaN elsewhere.
    """
    tokens, clusters, codes = arrays["text_tokens"].T, arrays["text_cluster"], settings["languages"]
    rise = np.moveaxis(arrays["loss"] - arrays["clean_loss"], -1, 0)  # sentence mode language text
    random = np.moveaxis(arrays["random_loss"] - arrays["clean_loss"], -1, 0)
    lower, upper = bootstrap_ratio(rise, tokens[:, None, None], clusters)
    excess_lower, excess_upper = bootstrap_ratio(rise - random, tokens[:, None, None], clusters)
    estimate, baseline = (part.sum(axis=0) / tokens.sum(axis=0) for part in (rise, random))
    p = np.full(estimate.shape, np.nan)
    p[:, np.arange(len(codes)), np.arange(len(codes))] = damage_claims(arrays, settings["damage_seed"]).p
    for mode, language in np.ndindex(estimate.shape[:2]):
        if (drawn := random_sets(arrays, mode, language)) is not None:
            cell = mode, language
            bounds = widened((estimate - baseline)[cell], excess_lower[cell], excess_upper[cell], drawn)
            excess_lower[cell], excess_upper[cell] = bounds
    index = pd.MultiIndex.from_product([settings["modes"], codes, codes], names=["mode", "language", "text"])
    columns = {"estimate": estimate, "lower": lower, "upper": upper, "baseline": baseline, "excess": estimate - baseline,
               "excess_lower": excess_lower, "excess_upper": excess_upper, "p": p}  # fmt: skip
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index).reset_index().assign(n=len(tokens))


def say_damage(rows: pd.DataFrame) -> str:
    """The `rows` of `damage` as a sentence, for the first mode; empty if there are none."""
    if rows.empty:
        return ""
    rows = rows[rows["mode"] == rows["mode"].iloc[0]]
    own = rows[rows["language"] == rows["text"]]
    other = rows[rows["language"] != rows["text"]]
    above = int((own["p"] < LEVEL).sum())
    return (
        f" Switched off ({rows['mode'].iloc[0]}), they change the log-perplexity of their own language by "
        f"{own['estimate'].mean():+.3f} and of other languages by {other['estimate'].mean():+.3f} (random neurons: own language "
        f"{own['baseline'].mean():+.3f}). The rise exceeds that of random neurons in {above} of {len(own)} languages "
        f"(p < {LEVEL} over sentences and over other random sets, corrected for all languages; lowest {said_p(own['p'].min())})."
    )

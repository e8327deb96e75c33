"""Report of answers by label: how often the right label is chosen, and whether the English label comes first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from probes.item_values import ItemColumns
from probes.report import Report
from probes.statistics.crossover import Crossover, find_crossover
from probes.statistics.resampling import bootstrap, bracketed, known_mean
from probes.statistics.significance import FEWEST, LEVEL, said_p, sign_flip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "all"


@dataclass(frozen=True, repr=False)
class LabelLensReport(Report):
    """The label that every layer chooses, as `measure_labels` reads it.

    `table` has one row per item, language, weights (`trained`, `random`), layer and measure: `correct` (ties share the point); the
    probability of the right label (`gold`) and of any label (`any`), and their ratio `share`; for labels in the target language
    the same of the English labels (`gold_english`, `any_english`); `entropy` in bits. Layers are `embed`, then the output of each
    block.

    Example
    -------
    >>> import interp, probes
    >>> task = interp.ParallelTask(
    ...     "weather",
    ...     prompts={"eng_Latn": ("Sun? ", "Rain? ", "Sun! "), "deu_Latn": ("Sonne? ", "Regen? ", "Sonne! ")},
    ...     answers={code: (("good",), ("bad",), ("good",)) for code in ("eng_Latn", "deu_Latn")},
    ...     choices={code: (("good", "bad"),) * 3 for code in ("eng_Latn", "deu_Latn")},
    ... )
    >>> report = probes.measure_labels(interp.load("bundled"), task, shots=0, controls=False, resamples=20)
    >>> report.accuracy()["language"].tolist(), report.values("correct").shape  # item, layer
    (['all', 'eng_Latn', 'deu_Latn'], (3, 9))
    """

    question: ClassVar[str] = "Does the model answer in other languages, and through which label?"
    item_columns = ItemColumns("item", ("language",), only={"weights": "trained"})

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers: `embed`, then the output of each block."""
        return tuple(self.settings["layers"])

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the questions."""
        return tuple(self.settings["words"])

    def values(self, measure: str, code: str = ALL, weights: str = "trained") -> np.ndarray:
        """One `measure` of a language (`code`), `[item layer]`; for `all`, items are averaged over languages.

        `weights` are `trained` or `random`.
        """
        if code == ALL:
            several = [self.values(measure, language, weights) for language in self.languages]
            return known_mean(np.stack([values for values in several if len(values)])) if any(map(len, several)) else several[0]
        block = self._blocks.get((code, measure, weights))
        return np.empty((0, len(self.layers))) if block is None else block.to_numpy().reshape(len(self.layers), -1).T

    @cached_property
    def _blocks(self) -> dict[tuple[str, ...], pd.Series]:
        return dict(iter(self.table.groupby(["language", "measure", "weights"], sort=False)["value"]))

    def summary(self) -> pd.DataFrame:
        """One row per language (and `all`), measure and layer.

        The baseline of `correct` is the share of the most frequent label; of the others, the randomly initialised model.
        """
        return self._summary

    @cached_property
    def _summary(self) -> pd.DataFrame:
        measures = list(pd.unique(self.table["measure"]))
        rows = [self._sum_up(code, measure) for code in (ALL, *self.languages) for measure in measures]
        return pd.concat([row for row in rows if row is not None], ignore_index=True)

    def _sum_up(self, code: str, measure: str) -> pd.DataFrame | None:
        values, chance = self.values(measure, code), self.values(measure, code, "random")
        values = values[~np.isnan(values).any(1)]
        if not len(values):
            return None
        lower, upper = bootstrap(values, self.settings["resamples"], self.settings["seed"])
        random = np.nanmean(chance, 0) if len(chance) else np.full(len(self.layers), np.nan)
        baseline = self.settings["majority"] if measure == "correct" else random
        return pd.DataFrame({"language": code, "measure": measure, "layer": self.layers, "estimate": values.mean(0), "lower": lower,
                             "upper": upper, "n": len(values), "baseline": baseline, "random_init": random})  # fmt: skip

    def accuracy(self) -> pd.DataFrame:
        """The accuracy, one row per language and `all`: `correct` at the last layer."""
        rows = self.summary()
        return rows[(rows["measure"] == "correct") & (rows["layer"] == self.layers[-1])].reset_index(drop=True)

    def crossover(self) -> Crossover | None:
        """The layer from which the labels asked for stay more probable than the English ones; None if those are asked for.

        Only items whose two right labels share no token count. If there are none, `share` is NaN.
        """
        read = [(self.values("any_english", code), self.values("any", code)) for code in self.languages]
        if not (read := [both for both in read if len(both[0])]):
            return None
        english = known_mean(np.stack([english for english, _ in read]))
        own = known_mean(np.stack([np.where(np.isnan(english), np.nan, own) for english, own in read]))
        known = ~np.isnan(english).any(1)
        return find_crossover(
            english[known], own[known], self.layers, resamples=self.settings["resamples"], seed=self.settings["seed"]
        )

    @cached_property
    def _p(self) -> float:
        """p of being right more often than the most frequent label, over items; 1 where it is not."""
        above = self.values("correct")[:, -1] - self.settings["majority"]
        enough = len(above) >= FEWEST and above.mean() > 0
        return float(sign_flip(above, seed=self.settings["seed"])) if enough else 1.0

    def finds(self) -> bool:
        """Whether the verdict claims that the model is right more often than the most frequent label."""
        return self._p < LEVEL

    def verdict(self) -> str:
        """How often the model answers right, against the most frequent label, and in which language the label leads."""
        rows = self.accuracy().set_index("language")
        whole, languages = rows.loc[ALL], rows.drop(ALL).sort_values("estimate")
        p, better = self._p, "better than" if self.finds() else "not shown to be better than"
        better = f"too few to say if better than chance, {FEWEST} are needed" if whole["n"] < FEWEST else f"{better} chance"
        values = languages["estimate"]
        ends = f"best {values.index[-1]} {values.iloc[-1]:.2f}, worst {values.index[0]} {values.iloc[0]:.2f}"
        asked = {"english": "English", "target": "its own", "irrelevant": "meaningless"}[self.settings["labels"]]
        answer = (
            f"Asked for {asked} labels in {len(languages)} languages, the model is right in {whole['estimate']:.2f} of items, "
            f"{better} (n={whole['n']:.0f}). 95 % interval {bracketed(whole['lower'], whole['upper'], '.2f')}, "
            f"the most frequent label {whole['baseline']:.2f}, {said_p(p)}; {ends}"
        )
        crossover = self.crossover()
        if crossover is None:
            return f"{answer}."
        if np.isnan(crossover.share):
            return f"{answer}; every right label shares tokens with the English one, so which comes first cannot be told."
        if not crossover.certain:
            return f"{answer}; no layer prefers the English labels and gives way later."
        return f"{answer}; English labels lead before the labels asked for overtake them at {crossover}."

    def figures(self) -> dict[str, Figure]:
        """The probability of the labels over layers, how often the right one leads, and the accuracy in each language."""
        from probes.lens.labels_figures import accuracy_dots, label_curves, right_curves

        line = str(self.signature)
        return {
            "labels": label_curves(self.summary(), self.settings["labels"], line),
            "right": right_curves(self.summary(), line),
            "accuracy": accuracy_dots(self.accuracy(), line),
        }

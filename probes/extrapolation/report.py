"""Before and after tuning across languages: what each arm can do, paired with the untuned and the English-only model."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probes.figures.curves import curves
from probes.figures.dots import arm_dots
from probes.report import Report
from probes.statistics.resampling import bracketed, draws
from probes.statistics.significance import LEVEL, holm
from probes.statistics.training_noise import spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = ["arm", "language", "layer"]
_Key = tuple[Hashable, Hashable, Hashable]
_BASELINES = {"answers": "another question's answer", "translation": "the untranslated source", "alignment": "shuffled pairs"}
"""What the baseline of each measure is."""
MIDDLE = "middle"
UNTUNED, ENGLISH = "untuned", "english"


class ExtrapolationReport(Report):
    """One row per model, measure, language, layer and item: `value` beside `baseline`.

    Arms share items and seeds, so their differences are paired. The layer "middle" is the mean over the middle third of the
    blocks' outputs, chosen before looking; "mean" is the mean over languages beside the pivot.

    Example
    -------
    English-only tuning raises German from 0.25 to 0.5, tuning on all languages to 0.75:

    >>> from itertools import product
    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> rates = {"untuned": 1, "english": 2, "muit": 3}
    >>> rows = [(arm, item, float(item < right)) for (arm, right), item in product(rates.items(), range(4))]
    >>> table = pd.DataFrame(rows, columns=["arm", "item", "value"])
    >>> table = table.assign(measure="answers: exact", language="deu_Latn", layer="", seed=0, baseline=0.0)
    >>> made_by = Signature("extrapolate", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 4))
    >>> how = {"pivot": "eng_Latn", "resamples": 20, "seed": 0}
    >>> summary = ExtrapolationReport(table, made_by, settings=how).summary()
    >>> summary[summary["language"] == "mean"][["arm", "estimate", "gain", "over_english"]].values.tolist()[2]
    ['muit', 0.75, 0.5, 0.25]
    """

    question = "Does tuning carry what the model can do in English into other languages?"

    def summary(self) -> pd.DataFrame:
        """One row per measure, arm, language and layer; `baseline` is what
        the measure gives without the ability (another question's answer, the untranslated source, shuffled pairs); `gain` is over
        the untuned model, `over_english` over the model tuned on English alone, both with intervals over items and seeds and their
        p (uncorrected). With one seed these are of the items alone."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        parts = [self._measure(str(name), part) for name, part in self.table.groupby("measure", sort=False)]
        return pd.concat(parts, ignore_index=True)

    def _measure(self, name: str, part: pd.DataFrame) -> pd.DataFrame:
        values, drawn, baselines = self._cells(part)
        rows, n, hits = [], part["item"].nunique(), bool(part["value"].isin((0.0, 1.0)).all())
        for (arm, language, layer), value in sorted(values.items(), key=lambda cell: cell[0][1] != "mean"):
            mine, own = drawn[arm, language, layer], {"measure": name, "arm": arm, "language": language, "layer": layer}
            found = spread(value, mine, n, None if arm == UNTUNED else _between(values, language, layer))
            lower, upper = map(float, found.share_interval() if hits else found.interval())
            own |= {"estimate": float(found.estimate), "lower": lower, "upper": upper, "n": n,
                    "baseline": baselines[arm, language, layer]}  # fmt: skip
            for column, other in (("gain", UNTUNED), ("over_english", ENGLISH)):
                key, apart = (other, language, layer), np.full(4, np.nan)
                if key in values and other != arm:
                    between = _between(values, language, layer, other) if arm != UNTUNED else None
                    gap = spread(value - values[key], mine - drawn[key], n, between)
                    apart = np.array([gap.estimate, *gap.interval(), gap.p()])
                own |= dict(zip((column, f"{column}_lower", f"{column}_upper", f"{column}_p"), map(float, apart), strict=True))
            rows.append(own)
        return pd.DataFrame(rows)

    def _cells(self, part: pd.DataFrame) -> tuple[dict[_Key, np.ndarray], dict[_Key, np.ndarray], dict[_Key, float]]:
        """By arm, language and layer, with the means over languages and middle layers: scores `[seed]`, their draws of items
        `[resample seed]`, and the baseline."""
        how, pivot = self.settings, self.settings["pivot"]
        items = sorted(part["item"].unique())
        seeds = sorted(part.loc[part["arm"] != UNTUNED, "seed"].unique())
        chosen = draws(len(items), how["resamples"], how["seed"])
        values: dict[_Key, np.ndarray] = {}
        drawn: dict[_Key, np.ndarray] = {}
        for key, rows in part.groupby(_CELL, sort=False):
            grid = rows.pivot_table(index="seed", columns="item", values="value", aggfunc="mean").reindex(columns=items)
            grid = grid if key[0] == UNTUNED else grid.reindex(seeds)
            if grid.isna().to_numpy().any():
                raise ValueError(f"arm {key[0]} in {key[1]} lacks items or seeds that others have, expected the same in every arm.")
            once = grid.to_numpy()
            if key[0] == UNTUNED:  # one model stands beside every seed
                once = np.repeat(once[:1], max(1, len(seeds)), axis=0)
            values[key] = once.mean(axis=1)
            drawn[key] = chosen @ once.T / len(items)
        baselines = part.groupby(_CELL, sort=False)["baseline"].mean().to_dict()
        for each in (values, drawn, baselines):
            _add_means(each, pivot)
        return values, drawn, baselines

    @property
    def arms(self) -> tuple[str, ...]:
        """The kinds of models, in the order of the table."""
        return tuple(self.table["arm"].unique())

    def claims(self) -> pd.DataFrame:
        """What the verdict speaks of: the mean over languages of every arm and measure, in the middle layers where it has layers.

        Rows of the summary with `sure`: the difference over English-only tuning, or where there is none over the untuned model, has
        a p below 0.05, Holm-corrected for all rows, and there is more than one training seed, as one cannot tell it from training
        noise.
        """
        rows = self._summary
        rows = rows[
            (rows["language"] == "mean") & rows["layer"].isin(["", MIDDLE]) & (rows["measure"] != "alignment: mexa_centred")
        ]
        p = rows["over_english_p"].where(rows["over_english"].notna(), rows["gain_p"]).to_numpy(dtype=float)
        return rows.assign(sure=(holm(p) < LEVEL) & (self._seeds > 1))

    def finds(self) -> bool:
        """Whether the verdict claims a difference of any arm in any measure."""
        return bool(self.claims()["sure"].any())

    @property
    def _seeds(self) -> int:
        return int(self.table.loc[self.table["arm"] != UNTUNED, "seed"].nunique())

    def verdict(self) -> str:
        """Whether tuning on more than English helps significantly; for each measure, what every arm scores and gains."""
        rows, said = self.claims(), []
        for name, part in rows.groupby("measure", sort=False):
            where = f"{name} in the middle layers" if part["layer"].iloc[0] else str(name)
            baseline = _BASELINES[str(name).partition(":")[0]]
            told = ", ".join(self._described(row) for _, row in part.iterrows())
            said.append(f"{where} (baseline {part['baseline'].max():.3g}, {baseline}): {told}")
        languages = [code for code in self.table["language"].unique() if code != self.settings["pivot"]]
        return f"{self._carried(rows)} In {len(languages)} language{'s' if len(languages) > 1 else ''}, {'; '.join(said)}."

    def _carried(self, rows: pd.DataFrame) -> str:
        """The first sentence, about the first measure."""
        name = rows["measure"].iloc[0]
        own = rows[(rows["measure"] == name) & (rows["arm"] != UNTUNED)]
        end = f"(n={own['n'].max()}, training seeds: {self._seeds})"
        first = self.table[(self.table["measure"] == name) & (self.table["arm"] != UNTUNED)]
        if not str(name).startswith("alignment") and (first["value"] == 0).all():
            return f"The tuned models got nothing right, so this run cannot answer the question {end}."
        if self._seeds < 2:
            return f"One training seed cannot tell a gain from training noise, so nothing is claimed {end}."
        versus = own[own["over_english"].notna()]
        own, value, whom = (versus, "over_english", "English-only tuning") if len(versus) else (own, "gain", "no tuning")
        kind = str(name).partition(":")[0]
        better = own[own["sure"] & (own[value] > 0)]
        if better.empty:
            return f"No tuning is shown to carry {kind} into other languages better than {whom} {end}."
        return f"Tuning on {' and '.join(better['arm'])} carries {kind} into other languages better than {whom} {end}."

    @staticmethod
    def _described(row: pd.Series) -> str:
        number = f"{row.arm} {row.estimate:.3g}"
        if row.arm == UNTUNED:
            return number
        for value, low, high, whom in ((row.over_english, row.over_english_lower, row.over_english_upper, "English-only"),
                                       (row.gain, row.gain_lower, row.gain_upper, UNTUNED)):  # fmt: skip
            if np.isfinite(value):
                doubt = "" if row.sure else ", not distinguishable"
                return f"{number} ({value:+.2g} {bracketed(low, high, '+.2g')} over {whom}{doubt})"
        return number

    def figures(self) -> dict[str, Figure]:
        """Every arm in every language, one figure per measure; alignment over layers, one line per arm."""
        figures, line = {}, str(self.signature)
        for name, part in self._summary.groupby("measure", sort=False):
            what, key = str(name), str(name).partition(": ")[2]
            if (part["layer"] == "").all():
                claims = self.claims()
                sure = {(row.arm, row.language) for row in claims[claims["sure"] & (claims["measure"] == name)].itertuples()}
                claimed = [(row.arm, row.language) in sure for row in part.itertuples()]
                figures[key] = arm_dots(part.assign(claimed=claimed), f"Before and after: {what}", what, line)
            else:
                rows = part[(part["language"] == "mean") & (part["layer"] != MIDDLE)]
                title = f"Before and after: {what}, mean of languages"
                figures[key] = curves(rows, line="arm", ylabel=key, title=title, signature=line, reference=None)
        return figures


def _between(
    values: dict[_Key, np.ndarray], language: Hashable, layer: Hashable, other: str = UNTUNED
) -> tuple[np.ndarray, np.ndarray] | None:
    """The variance between training seeds of a tuned arm's score, or of what it has over the arm `other`, and its freedom.

    Pooled over the tuned arms, which are trained alike and apart: three seeds of one arm say so little of a fourth that no gain
    would be sure. None with one seed.
    """
    tuned = [scores for (arm, *cell), scores in values.items() if cell == [language, layer] and arm != UNTUNED]
    seeds = len(tuned[0])
    if seeds < 2:
        return None
    trainings = 1 if other == UNTUNED else 2
    variance = trainings * np.mean([scores.var(ddof=1) for scores in tuned])
    return np.asarray(variance), np.asarray(float(len(tuned) * (seeds - 1)))


def _add_means(cells: dict[Any, Any], pivot: str) -> None:
    """Add the mean over the languages beside the pivot, and over the middle third of the blocks."""
    arms = dict.fromkeys(arm for arm, _, _ in cells)
    layers = list(dict.fromkeys(layer for _, _, layer in cells))
    blocks = [layer for layer in layers if layer.isdigit()]
    middle = blocks[len(blocks) // 3 : -(-2 * len(blocks) // 3)]
    languages = list(dict.fromkeys(language for _, language, _ in cells))
    for arm in arms:
        for language in languages:
            if middle and (arm, language, middle[0]) in cells:
                cells[arm, language, MIDDLE] = np.mean([cells[arm, language, layer] for layer in middle], axis=0)
    for arm in arms:
        for layer in [*layers, *([MIDDLE] if middle else [])]:
            mine = [cells[arm, code, layer] for code in languages if code != pivot and (arm, code, layer) in cells]
            if mine:
                cells[arm, "mean", layer] = np.mean(mine, axis=0)

"""Do languages draw together inside the model when directions between them are tuned, and those between others too?"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.activations.store import Activations
from interp.provenance import Signature
from probes.alignment.measure import measure_alignment
from probes.directions.roles import Roles
from probes.figures.shares import line_curves
from probes.report import Report
from probes.statistics.resampling import bootstrap, bracketed
from probes.statistics.significance import FEWEST, LEVEL, max_statistic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAIR_CLASSES = ("pair seen", "languages seen", "one unseen", "both unseen")
"""A pair of languages: some direction of it was tuned; both were, but never together; one was not; neither was."""


class PairAlignmentReport(Report):
    """Alignment of pairs of languages by layer before and after tuning, as `measure_pair_alignment` measures it.

    `table` has one row per `class` of pairs (how much of them tuning saw), `layer` and `sentence`: the alignment `before` and
    `after`, the change `value`, the same of shuffled pairs (`before_baseline`, `after_baseline`), and the number of `pairs`. Every
    number is the mean over the pairs of a class. A change is of the same sentences in both models.

    Example
    -------
    >>> import torch, interp, probes
    >>> arrays = {code: torch.eye(8).expand(2, 8, 8) for code in ("eng_Latn", "deu_Latn", "fra_Latn")}
    >>> states = interp.Activations.from_arrays(arrays, layers=["0", "1"])
    >>> roles = probes.Roles(mix=("eng_Latn", "deu_Latn"), read_only=("fra_Latn",))
    >>> report = probes.measure_pair_alignment(states, states, roles, resamples=10)
    >>> report.table.groupby("class", sort=False)["pairs"].first().tolist()
    [3]
    """

    question = "Does tuning on some directions draw the languages of the others together?"

    def summary(self) -> pd.DataFrame:
        """One row per class, layer and series (before, after, change), with `pairs`; the confidence interval is over sentences
        alone, not languages.

        `baseline` is what wrong pairings of the same sentences give. `p_max`, of changes, is their paired sign-flip p, corrected
        for all classes and layers together. One tuned model says nothing of another's training noise.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        rows = []
        for (kind, layer), part in self.table.groupby(["class", "layer"], sort=False):
            values = part[["before", "after", "value"]].to_numpy(dtype=float)
            drawn = self.settings["resamples"], self.settings["seed"]
            spans = bootstrap(values[:, :2], *drawn), bootstrap(values[:, 2:], *drawn, difference=True)
            lower, upper = (np.concatenate(bounds) for bounds in zip(*spans, strict=True))
            chance = {"before": part["before_baseline"].mean(), "after": part["after_baseline"].mean(), "change": 0.0}
            for column, (series, baseline) in enumerate(chance.items()):
                rows.append({"class": kind, "layer": layer, "series": series, "estimate": values[:, column].mean(),
                             "lower": lower[column], "upper": upper[column], "n": len(part), "baseline": baseline,
                             "pairs": int(part["pairs"].iloc[0])})  # fmt: skip
        frame = pd.DataFrame(rows)
        wide = self.table.pivot_table(index="sentence", columns=["class", "layer"], values="value", sort=False)
        p = dict(zip(wide.columns, max_statistic(wide.to_numpy(dtype=float), seed=self.settings["seed"]), strict=True))
        known = [p[row["class"], row["layer"]] if row["series"] == "change" else np.nan for row in rows]
        return frame.assign(p_max=known)

    def finds(self) -> bool:
        """Whether the verdict claims that alignment changed in any class of pairs at any layer."""
        return bool((self._summary["p_max"] < LEVEL).any())

    def verdict(self) -> str:
        """In how many classes of pairs alignment surely rose; for each, its highest layer before tuning, and its change there."""
        frame, clauses = self._summary, []
        for kind, part in frame.groupby("class", sort=False):
            before = part[part["series"] == "before"]
            peak = before.loc[before["estimate"].idxmax()]
            change = part[(part["series"] == "change") & (part["layer"] == peak["layer"])].iloc[0]
            note = "" if change["p_max"] < LEVEL else ", not distinguishable from none"
            clauses.append(f"{kind} {peak['estimate']:.2f} at layer {peak['layer']}, {change['estimate']:+.2f} "
                        f"{bracketed(change['lower'], change['upper'], '+.2f')}{note}")  # fmt: skip
        changed = frame[frame["p_max"] < LEVEL]
        nearer, classes = changed.loc[changed["estimate"] > 0, "class"].nunique(), frame["class"].nunique()
        n = f"(n={frame['n'].max()} sentences, one tuned model)"
        few = frame["n"].max() < FEWEST
        first = f"This tuning drew languages together in {nearer} of {classes} classes of pairs at some layer {n}."
        if not nearer:
            first = f"This tuning is not shown to draw languages together in any of {classes} classes of pairs {n}."
            first = f"{first} At least {FEWEST} sentences are needed to show anything." if few else first
        return f"{first} {self.settings['metric']} before tuning, at its highest layer, and its change there: {'; '.join(clauses)}."

    def figures(self) -> dict[str, Figure]:
        """Before and after over layers, one panel per class of pairs."""
        frame = self._summary[self._summary["series"] != "change"]
        panels = frame.assign(panel=frame["class"] + " (" + frame["pairs"].astype(str) + ")")
        metric = self.settings["metric"]
        return {
            "pairs": line_curves(
                panels,
                "series",
                self.question,
                metric,
                self.signature,
                "shaded: 95 % confidence interval over sentences; dashed: shuffled pairs",
            )
        }


def measure_pair_alignment(
    before: Activations, after: Activations, roles: Roles, *, metric: str = "mexa_centred", resamples: int = 1000, seed: int = 0
) -> PairAlignmentReport:
    """Alignment of every pair of languages in both models, layer by layer, averaged by how much of the pair tuning saw.

    Parameters
    ----------
    before, after
        Activations (`interp.capture`) of the same sentences in the model before and after tuning.
    roles
        The part each language played in tuning. A pair counts as seen where either direction was tuned, as the measure is
        symmetric.
    metric
        How alignment is measured, as `probes.measure_alignment` has it.
    resamples, seed
        Bootstrap resamples of sentences, and their random seed.

    Notes
    -----
    When it misleads: classes hold other languages, so compare a class with itself before tuning, not with another class.

    Example
    -------
    >>> import torch, interp, probes
    >>> arrays = {code: torch.eye(8).expand(2, 8, 8) for code in ("eng_Latn", "deu_Latn", "fra_Latn")}
    >>> states = interp.Activations.from_arrays(arrays, layers=["0", "1"])
    >>> roles = probes.Roles(mix=("eng_Latn", "deu_Latn"), read_only=("fra_Latn",))
    >>> report = probes.measure_pair_alignment(states, states, roles, resamples=10)
    >>> float(report.summary()["estimate"].iloc[0])  # every sentence is nearest to its translation
    1.0
    """
    tables = []
    for acts in (before, after):
        table = measure_alignment(acts, "all", (metric,), seed=seed, resamples=resamples).table
        distinct = table[["language", "pivot"]].drop_duplicates()
        kinds = distinct.assign(**{"class": [_kind(roles, *pair) for pair in distinct.itertuples(index=False)]})
        table = table.merge(kinds, on=["language", "pivot"])
        tables.append(table)
    keys = ["class", "layer", "sentence"]
    first, second = (table.groupby(keys, sort=False, observed=True)[["value", "baseline"]].mean() for table in tables)
    pairs = tables[0].drop_duplicates(["language", "pivot"]).groupby("class", observed=True).size()
    table = pd.DataFrame({"before": first["value"], "after": second["value"], "value": second["value"] - first["value"],
                          "before_baseline": first["baseline"], "after_baseline": second["baseline"]}).reset_index()  # fmt: skip
    table["pairs"] = table["class"].map(pairs).astype(int)
    order = table["class"].map(PAIR_CLASSES.index)
    table = table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)
    signed = {**after.signature.settings, "metric": metric, "before": str(before.signature.model), "boot": resamples, "seed": seed}
    return PairAlignmentReport(
        table.astype({"layer": str, "sentence": str}),
        Signature("pair alignment", after.signature.model, after.signature.corpus, signed),
        settings={"metric": metric, "resamples": resamples, "seed": seed},
        notes=("Confidence intervals are over sentences: they say nothing about other languages.",),
    )


def _kind(roles: Roles, source: str, target: str) -> str:
    unseen = (source in roles.unseen) + (target in roles.unseen)
    if unseen:
        return PAIR_CLASSES[1 + unseen]
    return PAIR_CLASSES["seen" not in (roles.kind(source, target), roles.kind(target, source))]

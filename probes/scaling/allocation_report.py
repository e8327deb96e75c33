"""Whether a planned division of the budget is worth its plan: models tuned on it, on a uniform one, and on random ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.figures.dots import arm_dots
from probes.report import Report
from probes.scaling.allocation import Plan
from probes.statistics.resampling import bracketed
from probes.statistics.significance import LEVEL, holm
from probes.statistics.training_noise import Spread, spread
from probes.sweep.seed_means import FULL, seed_scores, units_of
from probes.translation.metrics import scale_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARMS = ("uniform", "planned", "random")
_ALL = {"sum": "mean", "weighted": "weighted mean", "maxmin": "lowest"}


class AllocationReport(Report):
    """Scores of models tuned on divisions of one budget, as `measure_allocations` measures them.

    `table` is that of `measure_cells`: one row per `arm` ("uniform", "planned" or "random"), `seed`, `language` and `item`, with
    the output and each metric beside its `<metric>_baseline`. Arms share sentences and seeds, so differences are paired. Random
    divisions are drawn anew for every seed.

    Example
    -------
    >>> import pandas as pd
    >>> from interp.provenance import CorpusIdentity, ModelIdentity, Signature
    >>> from itertools import product
    >>> cells = product(ARMS, (0, 1), ("deu_Latn", "fin_Latn"), range(4))
    >>> table = pd.DataFrame(cells, columns=["arm", "seed", "language", "item"]).assign(source="eng_Latn", exact=0.5)
    >>> table = table.assign(cell=table["arm"] + "/" + table["seed"].astype(str), target=table["language"], exact_baseline=0.0)
    >>> table.loc[table["arm"] == "planned", "exact"] = 0.75
    >>> made_by = Signature("allocation", ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 4))
    >>> settings = {"metric": "exact", "objective": "sum", "weights": None, "promised": 20.0, "resamples": 20, "seed": 0}
    >>> summary = AllocationReport(table, made_by, settings=settings).summary()
    >>> summary[summary["arm"] == "planned"][["language", "difference"]].values.tolist()  # points of exact match
    [['deu_Latn', 25.0], ['fin_Latn', 25.0], ['mean', 25.0]]
    """

    question = "Does the planned division of the budget translate better than a uniform one?"

    def summary(self) -> pd.DataFrame:
        """One row per arm and language, and the objective over languages; `difference` from uniform with its interval and `p`.

        Intervals are over sentences and training seeds, of which each arm has its own noise. p is not corrected for languages.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        groups, once, drawn = self._objectives
        arms, languages = list(groups["arm"].unique()), [*groups["language"].unique(), _ALL[self.settings["objective"]]]
        base, units, n = arms.index("uniform"), units_of(self.table), self.table["item"].nunique()
        own, rows = spread(once, drawn, units), []
        hits = bool(self.table[self.settings["metric"]].isin((0.0, 1.0)).all()) and self.settings["objective"] != "maxmin"
        lower, upper = own.share_interval(FULL) if hits else own.interval()
        for k, arm in enumerate(arms):
            apart = self._apart(k, base)
            less, more = apart.interval()
            rows.append(pd.DataFrame({
                "arm": arm, "language": languages, "estimate": own.estimate[k], "lower": lower[k], "upper": upper[k], "n": n,
                "baseline": own.estimate[base], "difference": apart.estimate, "difference_lower": less, "difference_upper": more,
                "p": apart.p() if k != base else np.nan,
            }))  # fmt: skip
        return pd.concat(rows, ignore_index=True)

    @cached_property
    def _objectives(self) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        """The score of each arm by seed, in every language and in the objective: once `[seed arm language]`, and drawn."""
        how = self.settings
        groups, scores, drawn = seed_scores(self.table, how["metric"], ["arm", "language"], how["resamples"], how["seed"])
        languages = list(groups["language"].unique())
        shape = (groups["arm"].nunique(), len(languages))
        share = np.array([(how["weights"] or {}).get(name, 1.0) for name in languages])
        both = []
        for each in (scores, drawn):
            per_language = each.reshape(*each.shape[:-1], *shape)
            whole = per_language.min(-1) if how["objective"] == "maxmin" else per_language @ share / share.sum()
            both.append(np.concatenate([per_language, whole[..., None]], -1))
        return groups, both[0], both[1]

    def _apart(self, arm: int, base: int) -> Spread:
        """One arm less another in every language and in the objective; each was trained by itself (Welch 1947)."""
        _, once, drawn = self._objectives
        known = None
        if len(once) > 1:
            first, second = (once[:, each].var(axis=0, ddof=1) for each in (arm, base))
            parts = (first**2 + second**2) / (len(once) - 1)
            freedom = np.divide((first + second) ** 2, parts, out=np.full(parts.shape, len(once) - 1.0), where=parts > 0)
            known = (np.zeros(parts.shape), freedom) if arm == base else (first + second, freedom)
        return spread(once[:, arm] - once[:, base], drawn[:, :, arm] - drawn[:, :, base], units_of(self.table), known)

    @cached_property
    def claims(self) -> dict[str, bool]:
        """Of each arm beside the uniform one, whether its objective surely differs from that of the uniform division."""
        rows = self._summary.set_index(["arm", "language"])
        name, others = _ALL[self.settings["objective"]], [arm for arm in ARMS if arm != "uniform"]
        p = holm(np.array([rows.loc[(arm, name), "p"] for arm in others]))
        return {arm: bool(self._seeds > 1 and value < LEVEL) for arm, value in zip(others, p, strict=True)}

    def finds(self) -> bool:
        """Whether the verdict claims that the planned or the random division differs from the uniform one."""
        return any(self.claims.values())

    def verdict(self) -> str:
        """Whether the planned division beats the uniform one significantly; both differences in the objective; the prediction."""
        rows = self._summary.set_index(["arm", "language"])
        name, clear, clauses = _ALL[self.settings["objective"]], self.claims, []
        for arm in clear:
            row = rows.loc[(arm, name)]
            difference = f"{row['difference']:+.2f} {bracketed(row['difference_lower'], row['difference_upper'], '+.2f')}"
            clauses.append(f"{arm} minus uniform {difference}{'' if clear[arm] else ', not distinguishable'}")
        scored, languages = scale_label(self.settings["metric"]), self.table["language"].nunique()
        scope = f"the {name} {scored} of {languages} languages, {self._seeds} seeds"
        gain = float(rows.loc[("planned", name), "difference"])
        first = self._settled(clear["planned"], gain)
        return f"{first} In {scope}: {'; '.join(clauses)}. The plan predicted {self.settings['promised']:+.2f}."

    @property
    def _seeds(self) -> int:
        return self.table["seed"].nunique()

    def _settled(self, clear: bool, gain: float) -> str:
        where = f"(n={self.table['item'].nunique()} items, seeds: {self._seeds})"
        if (self.table[self.settings["metric"]] == 0).all():
            return f"The tuned models got nothing right, so this run cannot answer the question {where}."
        if self._seeds < 2:
            return f"One training seed cannot tell a better division from training noise, so nothing is claimed {where}."
        if not clear:
            return f"The planned division is not shown to translate better or worse than a uniform one {where}."
        return f"The planned division translates {'better' if gain > 0 else 'worse'} than a uniform one {where}."

    def figures(self) -> dict[str, Figure]:
        """The score of every language under each division."""
        rows, name = self._summary, _ALL[self.settings["objective"]]
        claimed = [row.language == name and self.claims.get(str(row.arm), False) for row in rows.itertuples()]
        title, label = self.question[:-1], scale_label(self.settings["metric"])
        return {"arms": arm_dots(rows.assign(claimed=claimed), title, label, str(self.signature))}


def measure_allocations(
    table: pd.DataFrame, plan: Plan, model: ModelIdentity, corpus: CorpusIdentity, *, metric: str = "chrf",
    weights: Mapping[str, float] | None = None, how: Mapping[str, object] | None = None, resamples: int = 500, seed: int = 0,
) -> AllocationReport:  # fmt: skip
    """Is the plan worth it when it is carried out?

    Parameters
    ----------
    table
        That of `measure_cells`, its cells tagged `arm` (uniform, planned, random) and `seed`, with a column `language`.
    plan
        The plan that was carried out (`allocate`).
    model, corpus
        Identities of the untuned model and of the text translated, for the signature.
    metric
        The score, a column of the table, such as chrf.
    weights
        Weight of each language's score, for the objective "weighted".
    how
        What the signature says of the tuning.
    resamples, seed
        Bootstrap resamples of sentences and training seeds, and their random seed.

    Raises
    ------
    ValueError
        Where an arm has no model.

    Notes
    -----
    When it misleads: one seed says nothing of training noise, so nothing is claimed with it; two say little.

    Example
    -------
    Uniform scores 50 and the planned division 75 in both languages:

    >>> from itertools import product
    >>> import numpy as np, pandas as pd, probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity
    >>> from probes.scaling.law import Points
    >>> names, sizes = ("deu_Latn", "fin_Latn"), np.tile([100.0, 200, 400, 800], 2)
    >>> law = probes.fit_law(Points(np.repeat(names, 4), sizes, 100 - np.repeat([90, 60], 4) * sizes**-0.1, np.full(8, 0.5)))
    >>> plan = probes.allocate(law, 1000)
    >>> cells = product(ARMS, (0, 1), names, range(4))
    >>> table = pd.DataFrame(cells, columns=["arm", "seed", "language", "item"]).assign(source="eng_Latn", exact=0.5)
    >>> table = table.assign(cell=table["arm"] + "/" + table["seed"].astype(str), target=table["language"], exact_baseline=0.0)
    >>> table.loc[table["arm"] == "planned", "exact"] = 0.75
    >>> model, text = ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 4)
    >>> report = probes.measure_allocations(table, plan, model, text, metric="exact", resamples=20)
    >>> report.summary().query("arm == 'planned' and language == 'mean'")["difference"].tolist()
    [25.0]
    """
    if lost := [arm for arm in ARMS if arm not in set(table["arm"])]:
        raise ValueError(f"got no model of arm {', '.join(lost)}, expected {', '.join(ARMS)}.")
    own = {"budget": plan.budget, "objective": plan.objective, "metric": metric, "boot": resamples, "seed": seed}
    settings = {"metric": metric, "objective": plan.objective, "weights": dict(weights) if weights else None,
                "promised": plan.gain, "resamples": resamples, "seed": seed}  # fmt: skip
    return AllocationReport(table, Signature("allocation", model, corpus, {**(how or {}), **own}), settings=settings)


def random_division(plan: Plan, caps: Mapping[str, int], seed: int) -> dict[str, int]:
    """The budget of `plan` divided at random (uniformly over all divisions) with random seed `seed`.

    Each language gets at least one pair and no more than its entry in `caps`.
    """
    rng = np.random.default_rng(seed)
    most = np.array([caps.get(name, plan.budget) for name in plan.languages])
    pairs = np.ones(len(most), dtype=int)
    share = rng.dirichlet(np.ones(len(most)))
    while (left := int(min(plan.budget, most.sum()) - pairs.sum())) > 0:
        open_share = np.where(pairs < most, share, 0.0)
        pairs = np.minimum(most, pairs + rng.multinomial(left, open_share / open_share.sum()))
    return dict(zip(plan.languages, pairs.tolist(), strict=True))

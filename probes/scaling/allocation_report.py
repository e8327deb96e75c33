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
from probes.scaling.report import METRICS
from probes.statistics.resampling import bracketed, percentiles
from probes.sweep.seed_means import seed_means

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
        """One row per arm and language, and the objective over languages; `difference` from uniform with its interval."""
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        how = self.settings
        groups, scores, drawn = seed_means(self.table, how["metric"], ["arm", "language"], how["resamples"], how["seed"])
        languages = list(groups["language"].unique())
        shape = (groups["arm"].nunique(), len(languages))
        estimates, draws = scores.reshape(shape), drawn.reshape(len(drawn), *shape)
        share = np.array([(how["weights"] or {}).get(name, 1.0) for name in languages])
        whole = [
            scores_of.min(-1) if how["objective"] == "maxmin" else scores_of @ share / share.sum()
            for scores_of in (estimates, draws)
        ]
        estimates, draws = (
            np.concatenate([per_language, overall[..., None]], -1)
            for per_language, overall in zip((estimates, draws), whole, strict=True)
        )
        arms, rows = list(groups["arm"].unique()), []
        base, units = arms.index("uniform"), self.table["document" if "document" in self.table else "item"].nunique()
        for (k, arm), (j, name) in ((a, b) for a in enumerate(arms) for b in enumerate([*languages, _ALL[how["objective"]]])):
            lower, upper = map(float, percentiles(draws[:, k, j], units))
            less, more = map(float, percentiles(draws[:, k, j] - draws[:, base, j], units))
            rows.append({"arm": arm, "language": name, "estimate": estimates[k, j], "lower": lower, "upper": upper,
                         "n": self.table["item"].nunique(), "baseline": estimates[base, j], "difference": estimates[k, j]
                         - estimates[base, j], "difference_lower": less, "difference_upper": more})  # fmt: skip
        return pd.DataFrame(rows)

    def verdict(self) -> str:
        """The planned and the random divisions minus the uniform one, in the objective, and what the plan predicted."""
        rows = self._summary.set_index(["arm", "language"])
        name, clauses = _ALL[self.settings["objective"]], []
        for arm in (arm for arm in ARMS if arm != "uniform"):
            row = rows.loc[(arm, name)]
            difference = f"{row['difference']:+.2f} {bracketed(row['difference_lower'], row['difference_upper'], '+.2f')}"
            clear = row["difference_lower"] > 0 or row["difference_upper"] < 0
            clauses.append(f"{arm} minus uniform {difference}{'' if clear else ', not distinguishable'}")
        metric, seeds = METRICS[self.settings["metric"]], self.table["seed"].nunique()
        scope = f"the {name} {metric} of {self.table['language'].nunique()} languages, {seeds} seeds"
        return f"In {scope}: {'; '.join(clauses)}. The plan predicted {self.settings['promised']:+.2f}."

    def figures(self) -> dict[str, Figure]:
        """The score of every language under each division."""
        return {"arms": arm_dots(self._summary, self.question[:-1], METRICS[self.settings["metric"]], str(self.signature))}


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
        The score: chrf, exact, bleu or spbleu.
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
    When it misleads: with k seeds their part of the interval is too narrow by sqrt((k - 1) / k).

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

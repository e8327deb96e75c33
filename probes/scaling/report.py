"""What a data-scale series says: the law with its intervals, the forms that compete with it, and a plan for a budget."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from probes.report import Report
from probes.scaling.allocation import Plan, allocate
from probes.scaling.figures import allocation_bars, scaling_panels
from probes.scaling.fit import fit_law
from probes.scaling.law import Form, Law, Points, scores_at
from probes.scaling.noise import Noise, with_noise
from probes.scaling.rival_forms import compare_forms, last_known, rank_agreement
from probes.statistics.resampling import bracketed
from probes.statistics.significance import said_p
from probes.statistics.training_noise import Spread, between_seeds, spread
from probes.sweep.seed_means import FULL, seed_scores, units_of
from probes.translation.metrics import scale_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMS = {
    "power": "the law with free gammas", "given": "the law with given gammas", "ceiling": "the law with a free ceiling",
    "slopes": "a beta for each language", "loglinear": "a straight line in log X",
}  # fmt: skip
_ABSENT = 0.05
_REDRAWN = 100
"""Draws for the left-out error, which is fitted once per form."""


class ScalingReport(Report):
    """Translation into each language after tuning on so many pairs of it, and the law of its growth, as `measure_scaling` fits it.

    `table` is that of `measure_cells`: one row per `language`, `size` (number of pairs; 0 is the untuned model), `seed` and `item`,
    with the output and each metric beside its `<metric>_baseline`. S in the law is the score of a direction, 0 to 100, averaged
    over seeds. Draws are of sentences, with training noise of its own in each point: as much as seeds differ by, or as points
    deviate from the law, whichever is more (`probes.scaling.noise`).

    Example
    -------
    >>> import pandas as pd, probes
    >>> from interp.provenance import CorpusIdentity, ModelIdentity
    >>> cells = [(size, seed, item) for size in (50, 100, 200) for seed in (0, 1) for item in range(8)]
    >>> table = pd.DataFrame({
    ...     "cell": [f"{size}/{seed}" for size, seed, _ in cells], "language": "deu_Latn",
    ...     "size": [size for size, _, _ in cells], "seed": [seed for _, seed, _ in cells], "source": "eng_Latn",
    ...     "target": "deu_Latn", "item": [str(item) for *_, item in cells],
    ...     "exact": [float(item < 2 + size // 50) for size, _, item in cells], "exact_baseline": 0.0,
    ... })
    >>> model, text = ModelIdentity("m", "0" * 64, 2, 8, "float32"), CorpusIdentity("c", "0" * 64, 8)
    >>> report = probes.measure_scaling(table, model, text, metric="exact", resamples=20)
    >>> report.points.scores.tolist()  # exact match, 0 to 100, at 50, 100 and 200 pairs
    [37.5, 50.0, 75.0]
    """

    question = "How does translation into a language grow with the pairs it was tuned on?"

    @cached_property
    def points(self) -> Points:
        """One score per language and size, with its standard error and draws; languages at the ceiling everywhere are left out."""
        how = self.settings
        points, trained = _points(self.table, how["metric"], how["resamples"], how["seed"])
        return with_noise(points, how["form"], how["similarity"], trained, how["seed"])

    @cached_property
    def law(self) -> Law:
        """The law that was asked for: with free gammas, or with measured ones."""
        return self.fit(self.settings["form"])

    def fit(self, form: Form) -> Law:
        """Another `form` of the law, fitted to the same points."""
        return fit_law(self.points, form, self._reference, self.settings["similarity"])

    @cached_property
    def forms(self) -> pd.DataFrame:
        """Every form by AIC and by its error at the largest size, left out: see `compare_forms`."""
        points = self.points
        assert points.drawn is not None
        return compare_forms(replace(points, drawn=points.drawn[:_REDRAWN]), self.settings["similarity"])

    @cached_property
    def plan(self) -> Plan | None:
        """The budget divided by the law, where one was asked for."""
        settings = self.settings["plan"]
        if settings is None:
            return None
        points, objective = self.points, settings["objective"]
        caps, weights = ({name: table[name] for name in points.names if name in table} if table else None
                         for table in (settings["caps"], settings["weights"]))  # fmt: skip
        shares = np.array([(weights or {}).get(name, 1.0) for name in points.names])
        noise = self._noise(objective, shares / shares.sum())
        return allocate(self.law, settings["budget"], caps=caps, objective=objective, weights=weights, noise=noise)

    def _noise(self, objective: str, shares: np.ndarray) -> float:
        """The standard error of one evaluation of an objective: the deviation of its draws, and of the points from the law."""
        points, law = self.points, self.law
        assert points.drawn is not None
        top, sizes = points.drawn[:, points.largest()], np.unique(points.sizes)
        fitted = {size: scores_at(law.form, law.estimate, size) for size in sizes}
        missed = [score - fitted[size][row] for score, size, row in zip(points.scores, points.sizes, points.rows, strict=True)]
        off = np.sqrt(np.sum(np.square(missed)) / (len(missed) - law.parameters))
        sampled = (top.min(1) if objective == "maxmin" else top @ shares).std()
        return float(np.hypot(sampled, off if objective == "maxmin" else off * np.sqrt(np.sum(shares**2))))

    def agreement(self) -> tuple[float, float]:
        """Rank correlation of the measured similarity with the free gammas, and its one-sided permutation p; NaN without one."""
        similarity = self.settings["similarity"]
        return (
            rank_agreement(fit_law(self.points.without_draws(), "power"), similarity, self.settings["seed"])
            if similarity
            else (np.nan, np.nan)
        )

    @property
    def _reference(self) -> str:
        """The language with gamma 1: the one named, else the one that scores highest at its largest size."""
        reference = self.settings["reference"]
        top = self.points.scores[self.points.largest()]
        return reference if reference in self.points.names else self.points.names[int(top.argmax())]

    def summary(self) -> pd.DataFrame:
        """One row per quantity: `beta`, `alpha`, `gamma` of each language, `left out` of each form, the plan, and every score.

        `baseline`: 0 for beta, 1 for gamma, the error of expecting no growth for `left out`, uniform for `pairs`, and for a score
        that of the untuned model. Intervals are over sentences (or documents) and training: see `ScalingReport`. A gamma has none
        where it has no estimate, or where one draw in twenty does not grow; with one training seed no parameter of the law has one,
        as deviations from the law alone do not show how far another training would be off.
        """
        return self._summary.copy()

    @cached_property
    def _summary(self) -> pd.DataFrame:
        law = [row if self._seeds > 1 else {**row, "lower": np.nan, "upper": np.nan} for row in self._parameters()]
        rows = [*law, *self._left_out(), *self._planned(), *self._scores()]
        return pd.DataFrame(rows, columns=["quantity", "language", "size", "estimate", "lower", "upper", "n", "baseline"])

    def _parameters(self) -> list[dict[str, object]]:
        law, drawn, n = self.law, self.law.drawn, len(self.points.scores)
        assert drawn is not None
        reference = law.languages.index(law.reference)
        shared = ["all"] if law.form != "slopes" else list(law.languages)
        rows = [_row("beta", name, law.beta[k], drawn.slope[:, k], n, 0.0) for k, name in enumerate(shared)]
        if law.form != "loglinear":
            rows.append(_row("alpha", law.reference, law.alpha, np.exp(drawn.offset[:, reference]), n))
        if law.form == "ceiling":
            rows.append(_row("ceiling", "all", float(law.estimate.ceiling), drawn.ceiling, n, FULL))
        if law.form in ("power", "ceiling"):
            gammas = law.gammas(drawn)
            rows += [_row("gamma", name, law.gamma[k], gammas[:, k], n, 1.0) for k, name in enumerate(law.languages)]
        return rows

    def _left_out(self) -> list[dict[str, object]]:
        flat, n = np.abs(last_known(self.points)).mean(), len(self.points.names)
        return [{"quantity": "left out", "language": row.form, "size": "", "estimate": row.left_out, "lower": row.lower,
                 "upper": row.upper, "n": n, "baseline": flat} for row in self.forms.itertuples()]  # fmt: skip

    def _planned(self) -> list[dict[str, object]]:
        plan = self.plan
        if plan is None:
            return []
        gain: dict[str, object] = {
            "quantity": "gain", "language": plan.objective, "estimate": plan.gain, "lower": plan.lower, "upper": plan.upper,
            "n": len(plan.languages), "baseline": 0.0,
        }  # fmt: skip
        sides = zip(plan.languages, plan.pairs, plan.uniform, strict=True)
        pairs = (
            {"quantity": "pairs", "language": name, "estimate": float(planned), "n": plan.budget, "baseline": float(uniform)}
            for name, planned, uniform in sides
        )
        return [gain, *pairs]

    def _scores(self) -> list[dict[str, object]]:
        untuned, n = self._untuned, self.table["item"].nunique()
        how = self.settings
        groups, found, _ = _all_scores(self.table, how["metric"], how["resamples"], how["seed"])
        lower, upper = (np.clip(bound, 0.0, FULL) for bound in found.interval())
        return [
            {"quantity": "score", "language": row.language, "size": str(row.size_), "estimate": float(found.estimate[k]),
             "lower": float(lower[k]), "upper": float(upper[k]), "n": n, "baseline": untuned.get(row.language, np.nan)}
            for k, row in enumerate(groups.rename(columns={"size": "size_"}).itertuples())
        ]  # fmt: skip

    @cached_property
    def _untuned(self) -> dict[str, float]:
        base = self.table[self.table["size"] == 0]
        if base.empty:
            return {}
        groups, scores, _ = seed_scores(base, self.settings["metric"], ["language"], 1, 0)
        return dict(zip(groups["language"], scores.mean(axis=0), strict=True))

    def finds(self) -> bool:
        """Whether the verdict claims that more pairs improve translation."""
        return self._grows(self._summary.iloc[0]).startswith("More pairs improve")

    def verdict(self) -> str:
        """Whether scores grow, by how much; the law and its rivals, whether a measured gamma agrees, and what a plan gains."""
        beta = self._summary.iloc[0]
        many, sizes = len(self.points.names), np.unique(self.points.sizes)
        law = f"{scale_label(self.settings['metric'])} of {many} languages over {sizes[0]:,.0f} to {sizes[-1]:,.0f} pairs"
        if self.law.form in ("power", "given", "ceiling"):
            law += f": beta {beta['estimate']:.3g} {bracketed(beta['lower'], beta['upper'], '.3g')}"
            law += "" if beta["upper"] < 0 else ", not distinguishable from no growth" if self._seeds > 1 else ", of one seed"
        else:
            law += f", by {_FORMS[self.law.form]}"
        off = np.sqrt(self.law.misfit)
        doubt = ", so it does not describe the scores" if off > 2 else ""
        sentences = [
            self._grows(beta),
            f"{law} (points deviate from the law by {off:.2g} standard errors{doubt})",
            self._preferred(),
            self._agrees(),
        ]
        return " ".join(
            f"{sentence.rstrip('.')}." for sentence in (*sentences, self.plan.verdict() if self.plan else "") if sentence
        )

    def _grows(self, beta: pd.Series) -> str:
        """The first sentence: whether more pairs help significantly, and by how much."""
        n, many = self.table["item"].nunique(), len(self.points.names)
        where = f"(n={n} items, {many} language{'s' if many > 1 else ''}, seeds: {self._seeds})"
        if (self.points.scores == 0).all():
            return f"The tuned models got nothing right at any size, so this run cannot answer the question {where}"
        if self.law.form in ("slopes", "loglinear"):
            return f"Growth is described by {_FORMS[self.law.form]} and not tested {where}"
        if self._seeds < 2:
            return f"One training seed cannot tell growth from training noise, so nothing is claimed {where}"
        if not beta["upper"] < 0:
            return f"More pairs are not shown to improve translation {where}"
        top = "100" if self.law.form != "ceiling" else "the ceiling"
        closed = f"{1 - 2 ** beta['estimate']:.0%}"
        return f"More pairs improve translation: each doubling closes {closed} of what is missing to {top} {where}"

    @property
    def _seeds(self) -> int:
        return self.table.loc[self.table["size"] > 0, "seed"].nunique()

    def _preferred(self) -> str:
        forms = self.forms.set_index("form")
        by_aic, by_error = forms["aic"].idxmin(), forms["left_out"].idxmin() if forms["left_out"].notna().any() else None
        form = self.law.form
        equal = [name for name in forms.index if forms["behind"][name] < 2]
        first = f"AIC prefers {_FORMS[by_aic]}"
        if form in equal and len(equal) > 1:
            first = f"AIC does not distinguish {' from '.join(_FORMS[name] for name in equal)}"
        elif form in forms.index and form != by_aic:
            first += f" ({forms['behind'][form]:.1f} ahead of {_FORMS[form]})"
        if by_error is None:
            return f"{first}; there are too few sizes to hold out the largest"
        flat = np.abs(last_known(self.points)).mean()
        errors = f"{forms['left_out'][by_error]:.2g} points" + (
            f", {forms['left_out'][form]:.2g} for {_FORMS[form]}" if form in forms.index and form != by_error else "")  # fmt: skip
        return f"{first}; the held-out largest size is predicted best by {_FORMS[by_error]} ({errors}; {flat:.2g} for no growth)"

    def _agrees(self) -> str:
        rho, p = self.agreement()
        if not np.isfinite(rho):
            return ""
        source = self.settings["similarity_of"]
        result = (
            "orders the languages as the free gammas do" if p < 0.05 else "is not shown to order the languages as free gammas do"
        )
        return f"Similarity measured by {source} {result} (Spearman {rho:.2f}, {said_p(p)}, {len(self.points.names)} languages)"

    def figures(self) -> dict[str, Figure]:
        """The scores with the fitted law, and the plan where a budget was given."""
        law, points = self.law, self.points
        sizes = np.geomspace(points.sizes.min(), points.sizes.max(), 40)
        fitted = law.predict(np.unique(points.sizes)).set_index(["language", "size"])["estimate"]
        frame = self._summary[self._summary["quantity"] == "score"].astype({"size": float})
        frame = frame[frame["language"].isin(points.names)]
        keys = list(zip(frame["language"], frame["size"], strict=True))
        frame = frame.assign(fitted=[fitted[key] for key in keys], error=points.noise)
        title, ceiling = f"{self.question[:-1]}: {_FORMS[law.form]}", float(law.estimate.ceiling)
        label, line = scale_label(self.settings["metric"]), str(self.signature)
        figures = {"scaling": scaling_panels(frame, law.predict(sizes), ceiling, title, label, line, law.identified())}
        if self.plan:
            title = f"How to divide {self.plan.budget:,} pairs"
            figures["allocation"] = allocation_bars(self.plan.table(), title, self.plan.verdict(), line)
        return figures


def _all_scores(table: pd.DataFrame, metric: str, resamples: int, seed: int) -> tuple[pd.DataFrame, Spread, np.ndarray]:
    """Every language and size: its score with its error, and its draws of sentences `[resample group]`."""
    tuned = table[table["size"] > 0]
    groups, once, drawn = seed_scores(tuned, metric, ["language", "size"], resamples, seed)
    known = between_seeds(once) if len(once) > 1 else None
    return groups, spread(once, drawn, units_of(tuned), known), drawn.mean(axis=1)


def _points(table: pd.DataFrame, metric: str, resamples: int, seed: int) -> tuple[Points, Noise | None]:
    """The points with their draws of sentences, and what their means over seeds owe to training, where there are several."""
    groups, found, drawn = _all_scores(table, metric, resamples, seed)
    units = max(units_of(table), 2)
    drawn = found.estimate + (drawn - found.estimate) * np.sqrt(units / (units - 1))
    errors = np.hypot(np.nan_to_num(found.by_items), found.by_training)
    points = Points(tuple(groups["language"]), groups["size"].to_numpy(float), found.estimate, errors, drawn)
    full = points.scores >= FULL - points.noise
    measurable = np.array([not full[points.rows == row].all() for row in points.rows])
    if not measurable.any():
        raise ValueError("every language is at 100 at every size: there is no curve. Measure smaller sizes, or a harder metric.")
    trained = None
    if found.seeds > 1:
        trained = Noise(float(np.sqrt(np.mean(found.by_training**2))), float(np.min(found.seed_freedom)))
    return points.take(measurable), trained


def _row(quantity: str, language: str, estimate: float, drawn: np.ndarray, n: int, baseline: float = np.nan) -> dict[str, object]:
    known = n > 1 and np.isfinite(estimate) and np.isnan(drawn).mean() <= _ABSENT
    lower, upper = np.nanquantile(drawn, [0.025, 0.975]) if known else (np.nan, np.nan)
    return {"quantity": quantity, "language": language, "size": "", "estimate": float(estimate), "lower": float(lower),
            "upper": float(upper), "n": n, "baseline": float(baseline)}  # fmt: skip

"""`interp scale`: how does translation grow with parallel data, and how should a budget of it be divided over languages?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard
from experiments.runs.training import Training

if TYPE_CHECKING:
    import pandas as pd

    from interp.text.corpus import ParallelCorpus
    from interp.tuning import Mixture
    from probes.scaling.allocation import Plan
    from probes.scaling.measure import Similarity
    from probes.scaling.report import ScalingReport
    from probes.sweep.sweep import Cell


@dataclass(frozen=True)
class ScaleSettings(Training, Settings):
    """How does translation into a language grow with the pairs it was tuned on?

    Tunes a model on more and more pairs of each language, the smaller sets inside the larger, fits the scaling law
    S = 100 - alpha (gamma X)^beta and its rivals, and divides a --budget of pairs over the languages by it.
    """

    corpus: str = "cldr:dates"
    """Parallel text to train on; "{language}" in its name stands for each language's code, where each has text of its own."""
    output: Path = Path("runs/scale")
    """The run folder to write."""
    sizes: tuple[int, ...] = (32, 64, 128, 256)
    """Pairs to tune on, three sizes or more."""
    metric: Literal["chrf", "exact", "bleu", "spbleu"] = "chrf"
    """The score that is to grow."""
    gamma: Literal["free", "alignment", "overlap"] = "free"
    """How near a language is to the pivot: fitted, or measured before tuning by MEXA or by shared tokens, and then tested."""
    reference: str | None = None
    """The language with gamma 1; none given means the one that scores best."""
    budget: int | None = None
    """Pairs to divide over the languages."""
    caps: dict[str, int] = field(default_factory=dict)
    """The most that a language may get; none given means the pairs there are."""
    objective: Literal["sum", "weighted", "maxmin"] = "sum"
    """What the division is to make highest: the mean score, the weighted mean, or the lowest score."""
    weights: dict[str, float] = field(default_factory=dict)
    """What a point of each language's score is worth, for the objective "weighted"."""
    validate: bool = False
    """Also tune models on the planned, a uniform and random divisions of the budget, and compare them."""

    def resolved(self) -> ScaleSettings:
        """The same settings with every language under its one code."""
        from interp.languages import language

        named: dict[str, Any] = {
            name: {language(key).code: value for key, value in getattr(self, name).items()} for name in ("caps", "weights")
        }
        reference = self.reference and language(self.reference).code
        return replace(super().resolved(), reference=reference, **named)


def run(settings: ScaleSettings) -> ScalingReport:
    """Tune and score what is not there yet, fit, plan, and try the plan where that is asked."""
    import interp
    from probes.scaling.measure import measure_scaling

    if settings.validate and settings.budget is None:
        raise ValueError("--validate came without a plan to try. Give --budget.")
    pairs, test = _read(settings)
    model = interp.identify(interp.load(settings.model, device="cpu"))
    most = {code: min(len(each), settings.caps.get(code, len(each))) for code, each in pairs.items()}
    plan = {"budget": settings.budget, "caps": most, "objective": settings.objective, "weights": settings.weights or None}
    report = measure_scaling(
        _measure(settings, _cells(settings, pairs), test),
        model,
        test.identity,
        metric=settings.metric,
        reference=settings.reference,
        similarity=None if settings.gamma == "free" else _similarity(settings, settings.gamma),
        similarity_of=settings.gamma,
        plan=None if settings.budget is None else plan,
        how=settings.told() | {"train": settings.corpus},
        seed=settings.seed,
    )
    return _tried(settings, report, report.plan, pairs, test) if settings.validate and report.plan else report


def share(settings: ScaleSettings, shard: Shard) -> None:
    """Tune and score some of the models of the series, large and small ones to every share; the plan is tried by the last."""
    pairs, test = _read(settings)
    _measure(settings, shard.mine(_cells(settings, pairs)), test)


def _read(settings: ScaleSettings) -> tuple[dict[str, Mixture], ParallelCorpus]:
    """The pairs of each language to train on, and the text to test on."""
    import interp
    from interp.tuning import translations

    codes = [code for code in settings.languages if code != settings.pivot]
    if not codes:
        raise ValueError("no language to tune on. Name some with --languages.")
    pairs = {code: translations(_train_text(settings, code), [(settings.pivot, code)], seed=settings.seed) for code in codes}
    source = settings.test_corpus or settings.corpus
    if (source, settings.test_split) == (settings.corpus, settings.split):
        raise ValueError(f"{source} is to be trained on and tested on. Give another --test-split, or --test-corpus.")
    test = interp.read(source, languages=settings.wanted, split=settings.test_split)
    return pairs, test.select(limit=settings.limit, seed=settings.seed)


def _train_text(settings: ScaleSettings, code: str) -> ParallelCorpus:
    import interp

    source = settings.corpus.replace("{language}", code)
    wanted = (settings.pivot, code) if source != settings.corpus else settings.wanted
    return interp.read(source, languages=wanted, split=settings.split).select([settings.pivot, code])


def _cells(settings: ScaleSettings, pairs: dict[str, Mixture]) -> list[Cell]:
    """The untuned model, and every language in every size and order; the largest first, as they take longest."""
    from probes.sweep.sweep import Cell

    every = tuple((settings.pivot, code) for code in pairs)
    cells = [Cell("untuned", None, settings.recipe(settings.seed), every, {"size": 0, "seed": settings.seed})]
    for size in sorted(settings.sizes, reverse=True):
        for seed in range(settings.seed, settings.seed + settings.seeds):
            cells += [
                Cell(f"{code}/{size}/{seed}", mixture.prefix(size, seed), settings.recipe(seed), ((settings.pivot, code),),
                     {"size": size, "seed": seed}) for code, mixture in pairs.items()
            ]  # fmt: skip
    return cells


def _measure(settings: ScaleSettings, cells: list[Cell], test: ParallelCorpus) -> pd.DataFrame:
    """The scores of some models, item by item, with the language each row is about."""
    from probes.sweep.sweep import measure_cells

    how: dict[str, Any] = {"form": settings.template, "beams": settings.beams, "max_new_tokens": settings.max_new_tokens}
    table = measure_cells(
        settings.model, cells, test, settings.output / "sweep", metrics=(settings.metric,), device=settings.device, **how
    )
    return table.assign(language=table["target"])


def _similarity(settings: ScaleSettings, of: Similarity, sentences: int = 200) -> dict[str, float]:
    """How near each language is to the pivot in the untuned model, on its own training text."""
    import interp
    from probes.scaling.measure import language_similarity

    model = settings.load_model()
    found: dict[str, float] = {}
    for code in (code for code in settings.languages if code != settings.pivot):
        text = _train_text(settings, code).select(limit=sentences, seed=settings.seed)
        acts = interp.capture(model, text, folder=settings.output / "activations" / code)
        found |= language_similarity(acts, settings.pivot, of)
    return found


def _tried(
    settings: ScaleSettings, report: ScalingReport, plan: Plan, pairs: dict[str, Mixture], test: ParallelCorpus
) -> ScalingReport:
    """The report with what came of its plan, whose own report lies beside it."""
    from interp.tuning import muit
    from probes.scaling.allocation_report import measure_allocations, random_division
    from probes.sweep.sweep import Cell

    caps = report.settings["plan"]["caps"]
    every, cells = tuple((settings.pivot, code) for code in plan.languages), []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        divisions = {"uniform": dict(zip(plan.languages, plan.uniform.tolist(), strict=True)),
                     "planned": dict(zip(plan.languages, plan.pairs.tolist(), strict=True)),
                     "random": random_division(plan, caps, seed)}  # fmt: skip
        mixtures = {arm: muit(pairs, budgets=budgets, seed=seed) for arm, budgets in divisions.items()}
        recipe = settings.recipe(seed)
        recipe = replace(recipe, steps=recipe.steps and recipe.steps * len(every))  # as many updates a language as in the series
        cells += [Cell(f"{arm}/{seed}", mixture, recipe, every, {"arm": arm, "seed": seed})
                  for arm, mixture in mixtures.items()]  # fmt: skip
    tried = measure_allocations(
        _measure(settings, cells, test), plan, report.signature.model, test.identity, metric=settings.metric,
        weights=settings.weights or None, how=settings.told() | {"train": settings.corpus}, seed=settings.seed,
    )  # fmt: skip
    tried.save(settings.output / "validation")
    return replace(report, notes=(*report.notes, f"The plan tried: {tried.verdict()}"))

"""`interp scale`: how does translation improve with parallel data, and how should a budget of it be divided over languages?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.shards import Shard
from experiments.settings.tuning.training import Scoped, Training

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from probes.scaling.report import ScalingReport
    from probes.scaling.study import ScalingStudy

_ARMS = 3
"""Divisions of the budget that --validate tries with each seed: uniform, planned and random."""


@dataclass(frozen=True)
class ScaleSettings(Scoped, Training):
    """How does translation improve with parallel data, and how should a budget of it be divided over languages?

    Tunes a model on more and more pairs of each language, the smaller sets inside the larger, fits the scaling law
    S = 100 - alpha (gamma X)^beta and its rivals, and divides a --budget of pairs over the languages by it.

    Example: interp scale --languages nl uk --sizes 16 64 256 --steps 25 --output runs/scale
    """

    corpus: str = "cldr:dates"
    """Parallel text to tune on. "{language}" in its name is replaced by each language's code, if each has a corpus of its own."""
    output: Path = Path("runs/scale")
    """The run folder to write."""
    sizes: tuple[int, ...] = (32, 64, 128, 256)
    """Numbers of pairs to tune on, at least three."""
    metric: str = "chrf"
    """Metric to fit the law to: chrf, exact, bleu, spbleu_flores101, spbleu_flores200, spbleu_spm, script, or a function of your
    own as module:function (a share, 0 to 1)."""
    gamma: Literal["free", "alignment", "overlap"] = "free"
    """Similarity gamma of a language to the pivot: fitted, or measured before tuning by MEXA or by shared tokens."""
    reference: str | None = None
    """Language with gamma 1. Default: the one that scores best."""
    budget: int | None = None
    """Number of pairs to divide over the languages. Default: no plan."""
    caps: dict[str, int] = field(default_factory=dict)
    """Maximum number of pairs of a language. Default: as many as the corpus has."""
    objective: Literal["sum", "weighted", "maxmin"] = "sum"
    """Objective to maximise: the mean score, the weighted mean, or the lowest score."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weight of each language's score, for the objective "weighted"."""
    validate: bool = False
    """Also tune models on the planned, a uniform and random divisions of the budget, and compare their scores."""

    def resolved(self) -> ScaleSettings:
        """The same settings with every language under its one code."""
        from interp.languages import language, languages

        caps = {each.code: value for each, value in zip(languages(self.caps), self.caps.values(), strict=True)}
        weights = {each.code: value for each, value in zip(languages(self.weights), self.weights.values(), strict=True)}
        reference = self.reference and language(self.reference).code
        return replace(super().resolved(), reference=reference, caps=caps, weights=weights)

    def study(self) -> ScalingStudy:
        """The study that these settings ask for."""
        from probes.scaling.study import ScalingStudy

        return ScalingStudy(
            parent=self.model,
            train=self.read_pairs(self.others()),
            train_name=self.corpus,
            test=self.read_test(),
            recipe=self.recipe(),
            sizes=self.sizes,
            pivot=self.pivot,
            seeds=self.seeds,
            seed=self.seed,
            metric=self.metric,
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            gamma=self.gamma,
            reference=self.reference,
            budget=self.budget,
            caps=self.caps,
            objective=self.objective,
            weights=self.weights or None,
            validate=self.validate,
            dtype=self.dtype,
            device=self.device,
        )


def run(settings: ScaleSettings) -> ScalingReport:
    """Tune and score what `settings.output` does not hold yet, fit the law, plan, and validate the plan if asked to."""
    return settings.study().measure(settings.output)


def check(settings: ScaleSettings) -> None:
    """Raise `ValueError` for too few sizes, and for what a plan needs and was not given."""
    if len(settings.sizes) < 3:
        raise ValueError(f"--sizes: got {len(settings.sizes)}, expected at least 3 to see a curve.")
    languages = settings.others()
    named = {"reference": [settings.reference] if settings.reference else [], "caps": settings.caps, "weights": settings.weights}
    for name, codes in named.items():
        for code in codes:
            if code not in languages:
                raise ValueError(f"--{name}: got {code}, expected some of --languages: {', '.join(languages)}.")
    if settings.objective == "weighted" and (missing := [code for code in languages if code not in settings.weights]):
        raise ValueError(
            f"--objective weighted: got no weight of {', '.join(missing)}, expected one of each. Give them with --weights."
        )
    if settings.budget is not None and settings.budget < len(languages):
        raise ValueError(
            f"--budget: got {settings.budget} for {len(languages)} languages, expected at least one pair per language."
        )


def work(settings: ScaleSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every model is tuned, and asked for its language. --gamma reads training texts, --validate tunes again.

    The division of the budget is only known after the run: the models of --validate are counted as if all were uniform ones.
    """
    from experiments.costs.measuring import captured
    from experiments.costs.sweeping import swept

    study = settings.study()
    asked: dict[str, Any] = {"form": settings.form, "beams": settings.beams, "max_new_tokens": settings.max_new_tokens}
    works = swept(model, study.jobs(), study.test, **asked)
    if settings.gamma != "free":
        works += [each for text in study.measured_texts().values() for each in captured(model, text)]
    if settings.validate and settings.budget is not None:
        each = settings.budget // len(study.train)
        uniform = {code: min(each, len(text), settings.caps.get(code, each)) for code, text in study.train.items()}
        for seed in study.training_seeds:
            works += [work.times(_ARMS) for work in swept(model, study.trials({"": uniform}, seed), study.test, **asked)]
    return works


def share(settings: ScaleSettings, shard: Shard) -> None:
    """Tune and score the models of one `shard`, as `settings` say: large and small ones in each. `run` validates the plan."""
    settings.study().share(settings.output, shard.index, shard.count)

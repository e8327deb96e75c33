"""From the settings of a sweep to its models: the mixture and the recipe of every combination and seed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from experiments.settings.tuning.crossing import Crossing
from experiments.settings.tuning.factors import JOIN, with_levels
from experiments.settings.tuning.mixture import Mixing

if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus, ParallelTask
    from interp.tuning import Mixture, Recipe
    from probes.factors.study import Arm


def tuned_arms(settings: Crossing, tested: ParallelCorpus | ParallelTask) -> tuple[Arm, ...]:
    """The models of a sweep, in the order of its combinations, every seed of one after another.

    `tested` is what they are scored on; questions of it are left out of what they are tuned on.
    """
    from probes.factors.study import tuned_arm

    known: dict[str, Mixture] = {}
    directions, arms = settings.scored_directions(), []
    for combination in settings.combinations:
        for seed in settings.training_seeds:
            own = with_levels(settings, {**combination, "seed": seed})
            key = repr([_mixing(own, kind) for kind in own.mixture.split(JOIN)] + [own.total])
            if key not in known:
                known[key] = _mixture(own, tested)
            arms.append(tuned_arm(own.model, combination, known[key], _recipe(own), directions))
    return tuple(arms)


def _recipe(settings: Crossing) -> Recipe:
    """How one model is tuned, at the learning rate of its method."""
    return settings.recipe(learning_rate=settings.rates.get(settings.scope, settings.learning_rate))


def _mixture(settings: Crossing, tested: ParallelCorpus | ParallelTask) -> Mixture:
    """What one model is tuned on."""
    from interp.text.corpus import ParallelTask
    from interp.tuning import union

    parts = []
    for kind in settings.mixture.split(JOIN):
        mixing = _mixing(settings, kind)
        mixture = mixing.build()
        parts.append(mixing.build_control(mixture) if settings.control != "none" else mixture)
    mixture = parts[0] if len(parts) == 1 else union(settings.mixture, parts)
    if isinstance(tested, ParallelTask):
        mixture = _untested(mixture, tested)
    return mixture if settings.total is None else mixture.prefix(settings.total, settings.seed)


def _untested(mixture: Mixture, task: ParallelTask) -> Mixture:
    """The mixture without every item of which a question is tested, in whatever language."""
    asked = {prompt for prompts in task.prompts.values() for prompt in prompts}
    items = {each.item for each in mixture.examples if each.instruction in asked or each.input in asked}
    kept = tuple(each for each in mixture.examples if each.item not in items)
    if not kept:
        raise ValueError(
            f"all {len(items)} questions of {mixture.name} are tested, so none is left to tune on. Give a smaller --limit, or "
            "another --general."
        )
    return replace(mixture, examples=kept)


def _mixing(settings: Crossing, kind: str) -> Mixing:
    """The settings of `interp tune` for one kind of mixture; --limit is that of what is tested."""
    own = {each.name for each in fields(settings)}
    same: dict[str, Any] = {each.name: getattr(settings, each.name) for each in fields(Mixing) if each.name in own}
    return Mixing(**same | {"mixture": kind, "limit": None, "total": None, "output": Mixing.output})

"""The work in tuning a model, and in a sweep of tuned models that each translate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.runs.cost import Work, total
from experiments.runs.counting import reading, training
from experiments.runs.measuring import translated

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus
    from interp.tuning import Mixture, Recipe
    from probes.sweep.models import Cell

_SCORED, _POINTS = 8192, 5
"""Tokens of a batch of held-out examples; how often these are scored during training."""


def tuned(model: TransformerBridge, mixture: Mixture, recipe: Recipe, *, saved: bool = True) -> list[Work]:
    """The work of `interp.tuning.tune`: the updates, and the held-out examples before, during and after. Only the first depends
    on an order drawn at random."""
    from interp.tuning import planned_steps

    train, held_out = mixture.split(recipe.held_out, recipe.seed) if recipe.held_out else (mixture, None)
    lengths = _lengths(model, train, recipe)
    work = training(model, "tune", lengths, recipe, recipe.seed)
    works = [work if saved else replace(work, stored=0)]
    if held_out is not None:
        steps = planned_steps(len(lengths), recipe)
        times = 2 + steps // max(1, steps // _POINTS)
        works.append(reading(model, "score held-out examples", _lengths(model, held_out, recipe), _SCORED, whole=True).times(times))
    return works


def swept(
    model: TransformerBridge, cells: Sequence[Cell], corpus: ParallelCorpus, *, keep: str = "nothing", **asked: Any
) -> list[Work]:
    """The work of `probes.measure_cells`: each model is tuned once for cells that follow each other, and asked in all of them.

    `asked` are the arguments of `measure_translation`. Where a method changes the tokenizer, the parent's own stands for it.
    """
    learned, written, checked, before, known = list[Work](), list[Work](), list[Work](), None, dict[object, list[Work]]()
    for cell in cells:
        made_of = (cell.mixture.identity.sha, cell.recipe) if cell.mixture is not None else None
        if cell.mixture is not None and cell.recipe is not None and made_of != before:
            learned += tuned(model, cell.mixture, cell.recipe, saved=keep == "model")
        before = made_of
        if cell.directions not in known:
            known[cell.directions] = translated(model, corpus, cell.directions, **asked)
        first, *rest = known[cell.directions]
        written.append(first)
        checked += rest
    works = [total("write translations", written), total("checks by plain forwards", checked)]
    return [*_by_passes(f"tune {len(learned)} models", learned), *works]


def _by_passes(what: str, works: Sequence[Work]) -> list[Work]:
    """The sums of works of the same cost of a forward, such as those with and without a backward pass."""
    passes = sorted({work.passes for work in works}, reverse=True)
    return [total_of(what, [work for work in works if work.passes == each]) for each in passes]


def total_of(what: str, works: Sequence[Work]) -> Work:
    """The sum of some works with the same passes, which may be more than one."""
    return replace(total(what, (replace(work, passes=1) for work in works)), passes=works[0].passes)


def _lengths(model: TransformerBridge, mixture: Mixture, recipe: Recipe) -> list[int]:
    from interp.models.batches import context_limit
    from interp.tuning import template
    from interp.tuning.templates import encode_examples

    longest = min(recipe.max_length, context_limit(model) or recipe.max_length)
    data = encode_examples(model.tokenizer, mixture.examples, template(recipe.template), longest, recipe.mask)
    return [len(ids) for ids in data.ids]

"""The work in tuning a model, and in a sweep of tuned models that each translate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from experiments.costs.cost import Work, size_of, total
from experiments.costs.counting import reading, training
from experiments.costs.measuring import answered, translated

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus
    from interp.tuning import Mixture, Recipe
    from probes.factors.study import FactorStudy
    from probes.sweep.models import Cell

_SCORED, _POINTS, _ROW_SETS = 8192, 5, 20
"""Tokens of a batch of scored examples; how often held-out ones are scored during training; sets of embedding rows at most."""
_TOKENIZED = 4096
"""Most examples of a mixture that are tokenized for a plan. The lengths of the others are drawn from those of these."""


def tuned(model: TransformerBridge, mixture: Mixture, recipe: Recipe, *, saved: bool = True) -> list[Work]:
    """The work of `interp.tuning.tune`: the updates, and the held-out examples before, during and after. Only the first depends
    on an order drawn at random. Raises `ValueError` for a model that cannot be tuned so."""
    from interp.models.original import original
    from interp.tuning import planned_steps
    from interp.tuning.scopes import check_scope

    if recipe.scope == "embeddings":  # the bridge renames the linear layers that an adapter would look for
        check_scope(original(model), recipe.scope, recipe.tie)
    train, held_out = mixture.split(recipe.held_out, recipe.seed) if recipe.held_out else (mixture, None)
    lengths = _lengths(model, train, recipe)
    work = training(model, "tune", lengths, recipe, recipe.seed)
    works = [work if saved else replace(work, stored=0)]
    if held_out is not None:
        steps = planned_steps(len(lengths), recipe)
        times = 2 + steps // max(1, steps // _POINTS)
        scored = reading(model, "score held-out examples", _lengths(model, held_out, recipe), _SCORED, whole=True)
        works.append(replace(scored, bound="about" if len(held_out.examples) > _TOKENIZED else scored.bound).times(times))
    return works


def swept(
    model: TransformerBridge, cells: Sequence[Cell], corpus: ParallelCorpus, *, keep: str = "nothing", **asked: Any
) -> list[Work]:
    """The work of `probes.measure_cells`: each model is tuned once for cells that follow each other, and asked in all of them.

    `asked` are the arguments of `measure_translation`. Where a method changes the tokenizer, the parent's own stands for it.
    """
    written, checked, known = list[Work](), list[Work](), dict[object, list[Work]]()
    for cell in cells:
        if cell.directions not in known:
            known[cell.directions] = translated(model, corpus, cell.directions, **asked)
        first, *rest = known[cell.directions]
        written.append(first)
        checked += rest
    works = [total("write translations", written), total("checks by plain forwards", checked)]
    return [*_tunings(model, cells, keep), *works]


def _tunings(model: TransformerBridge, cells: Sequence[Cell], keep: str) -> list[Work]:
    """The work of tuning the models of some cells, once for cells of one model that follow each other."""
    learned, before = list[Work](), None
    for cell in cells:
        made_of = (cell.mixture.identity.sha, cell.recipe) if cell.mixture is not None else None
        if cell.mixture is not None and cell.recipe is not None and made_of != before:
            learned += tuned(model, cell.mixture, cell.recipe, saved=keep == "model")
        before = made_of
    return _by_passes("tune models", learned)


def swept_arms(
    model: TransformerBridge, study: FactorStudy, name: str, *, dtype: str | None = None, device: str | None = None
) -> list[Work]:
    """The work of a sweep of factors. `model` is the outline of the parent `name`; others are outlined here and counted apart."""
    from experiments.costs.outline import outline
    from interp.text.corpus import ParallelTask
    from probes.translation.metrics import metric_name

    works: list[Work] = []
    beams, longest = study.beams, study.max_new_tokens
    for (parent, form), arms in groupby(study.jobs(), key=lambda arm: (arm.parent, arm.form)):
        own = model if parent == name else outline(parent, dtype=dtype, device=device)
        cells = [arm.cell for arm in arms]
        if isinstance(study.test, ParallelTask):
            once = answered(
                own,
                study.test,
                form=None if study.plain else form,
                metrics=[metric_name(study.metric)],
                beams=beams,
                max_new_tokens=longest,
            )
            found = [*_tunings(own, cells, study.keep), *(work.times(len(cells)) for work in once)]
        else:
            found = swept(own, cells, study.test, keep=study.keep, form=form, beams=beams, max_new_tokens=longest)
        works += [work if own is model else replace(work, what=f"{work.what} ({parent})", size=size_of(own)) for work in found]
    return works


def _by_passes(what: str, works: Sequence[Work]) -> list[Work]:
    """The sums of works of the same cost of a forward, such as those with and without a backward pass."""
    passes = sorted({work.passes for work in works}, reverse=True)
    return [total_of(what, [work for work in works if work.passes == each]) for each in passes]


def total_of(what: str, works: Sequence[Work]) -> Work:
    """The sum of some works with the same passes, which may be more than one."""
    return replace(total(what, (replace(work, passes=1) for work in works)), passes=works[0].passes)


def _lengths(model: TransformerBridge, mixture: Mixture, recipe: Recipe) -> list[int]:
    """The lengths in tokens of the examples that are kept; of a large mixture, those of a sample, and others drawn from them."""
    import numpy as np

    from interp.models.batches import context_limit
    from interp.tuning import template
    from interp.tuning.templates import encode_examples

    longest, n, rng = (
        min(recipe.max_length, context_limit(model) or recipe.max_length),
        len(mixture.examples),
        np.random.default_rng(0),
    )
    rows = np.sort(rng.choice(n, _TOKENIZED, replace=False)) if n > _TOKENIZED else np.arange(n)
    data = encode_examples(model.tokenizer, [mixture.examples[row] for row in rows], template(recipe.form), longest, recipe.mask)
    found = [len(ids) for ids in data.ids]
    rest = round((n - len(rows)) * len(found) / len(rows))
    return found + rng.choice(found, rest).tolist() if rest else found


def hybrids(model: TransformerBridge, mixture: Mixture, form: str, which: str) -> Work:
    """The work of `probes.measure_entry`, `measure_blocks` or `measure_rows`: the loss of the answers in every hybrid."""
    from interp.tuning import Recipe
    from interp.tuning.hybrids import parts

    models = {"entry": 2 * (model.cfg.n_layers + 2), "blocks": 3 * len(parts(model)), "rows": _ROW_SETS}[which]
    lengths = _lengths(model, mixture, Recipe(form=form, max_length=10**6))
    once = reading(model, f"{which}: the loss in hybrids", lengths, _SCORED, whole=True)
    return replace(once.times(models + 2), bound="at most", held=once.held + size_of(model).bytes)

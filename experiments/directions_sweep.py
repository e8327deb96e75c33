"""The models of `interp directions` and how they are tuned and scored, each found again where it was measured before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import interp
from interp.tuning import Adapter, Recipe
from probes.cells import Cell, kept_model, measure_cells
from probes.direction_cells import direction_cells, untuned_cell

if TYPE_CHECKING:
    import pandas as pd

    from experiments.directions import DirectionsSettings
    from interp.corpus import ParallelCorpus
    from interp.models import TransformerBridge


def texts(settings: DirectionsSettings) -> tuple[ParallelCorpus, ParallelCorpus]:
    """The text to tune on, and the text to translate."""
    train = interp.read(settings.corpus, languages=settings.wanted, split=settings.split)
    test = interp.read(settings.test or settings.corpus, languages=settings.wanted, split=settings.test_split)
    return train, test.select(limit=settings.limit, seed=settings.seed)


def groups(settings: DirectionsSettings, train: ParallelCorpus) -> Iterator[tuple[list[Cell], dict[str, Any]]]:
    """All models by how they are measured: the one to look into is kept, few-shot has its examples."""
    recipe, roles = _recipe(settings), settings.roles
    first, *rest = direction_cells(
        train,
        roles.rotations(settings.rotations),
        recipe,
        seeds=range(settings.seed, settings.seed + settings.seeds),
        samples=settings.samples,
        controls=settings.controls,
        pivot=settings.pivot,
    )
    yield [first], {"keep": "model" if settings.align else "nothing"}
    yield [*rest, untuned_cell("base", recipe, roles)], {}
    if settings.shots:
        yield [untuned_cell("few-shot", recipe, roles)], {"shots": settings.shots}


def measure(settings: DirectionsSettings, cells: Sequence[Cell], test: ParallelCorpus, **how: Any) -> pd.DataFrame:
    """Every item of some models, tuned and asked where that is not done yet."""
    return measure_cells(
        settings.model,
        cells,
        test,
        settings.output / "sweep",
        form=settings.template,
        metrics=settings.metrics,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
        device=settings.device,
        **how,
    )


def kept(settings: DirectionsSettings) -> TransformerBridge:
    """The tuned model of the roles as given and the first seed."""
    train, _ = texts(settings)
    (first,), _ = next(groups(settings, train))
    return kept_model(settings.output / "sweep", first, settings.device)


def _recipe(settings: DirectionsSettings) -> Recipe:
    same = {each.name for each in fields(Recipe)} & {each.name for each in fields(settings)} - {"dtype", "seed"}
    return Recipe(
        adapter=Adapter(settings.rank, settings.alpha),
        dtype="bfloat16" if settings.dtype == "bfloat16" else "float32",
        held_out=0.0,
        **{name: getattr(settings, name) for name in same},
    )

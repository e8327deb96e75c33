"""The models of `interp directions` and how they are tuned and scored, each found again where it was measured before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interp
from interp.tuning import Recipe
from probes.directions.cells import PairText, direction_cells, untuned_cell
from probes.sweep.sweep import Cell, kept_model, measure_cells

if TYPE_CHECKING:
    import pandas as pd

    from experiments.directions import DirectionsSettings
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus


def texts(settings: DirectionsSettings) -> tuple[PairText, ParallelCorpus]:
    """The text to tune on in each direction, and the text to translate."""
    source = settings.test_corpus or settings.corpus
    if (source, settings.test_split) == (settings.corpus, settings.split):
        raise ValueError(f"{source} is to be tuned on and translated. Give another --test-split, or --test-corpus.")
    test = interp.read(source, languages=settings.wanted, split=settings.test_split)
    return _pair_text(settings), test.select(limit=settings.limit, seed=settings.seed)


def _pair_text(settings: DirectionsSettings) -> PairText:
    """One corpus for every direction, or each pair's own, in whichever order its languages stand in the name."""
    if "{source}" not in settings.corpus:
        whole = interp.read(settings.corpus, languages=settings.wanted, split=settings.split)
        return lambda source, target: whole

    @cache
    def read(source: str, target: str) -> ParallelCorpus:
        names = [settings.corpus.format(source=a, target=b) for a, b in ((source, target), (target, source))]
        found = next((name for name in names if Path(name).exists()), names[0])
        return interp.read(found, languages=[source, target], split=settings.split)

    return read


def written(settings: DirectionsSettings, train: PairText) -> dict[str, tuple[str, ...]]:
    """What each language looks like in the tuning text, beside the pivot."""
    codes = settings.roles.languages
    beside = next(code for code in codes if code != settings.pivot)
    return {code: train(settings.pivot, beside if code == settings.pivot else code)[code] for code in codes}


def groups(settings: DirectionsSettings, train: PairText) -> Iterator[tuple[list[Cell], dict[str, Any]]]:
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
    return replace(settings.recipe(settings.seed), mask=settings.mask, schedule=settings.schedule)

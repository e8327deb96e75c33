"""The models of a study of directions: tuned ones for every role rotation and seed, and what they are compared with.

base        the model before tuning, asked with the same template
few-shot    the same with k examples before the question
copy        tuned to repeat the pivot in the same template: what the format alone gives
shuffled    tuned on the seen directions with their answers shuffled: what the words and the languages' names alone give
all         tuned on every direction: an upper bound
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd

from interp.text.corpus import ParallelCorpus
from interp.tuning import Mixture, Recipe, copies, planned_steps, shuffle_answers, translations, union
from probes.directions.means import TUNED
from probes.directions.roles import Roles
from probes.sweep.sweep import Cell
from probes.translation.errors import Limits, classify
from probes.translation.language_id import Judge, by_script

Control = Literal["copy", "shuffled", "all"]
PairText = Callable[[str, str], ParallelCorpus]
"""A direction's source and target to the text it is tuned on: one corpus for all, or each pair's own."""


def direction_cells(
    text: PairText,
    rotations: Sequence[Roles],
    recipe: Recipe,
    *,
    seeds: Sequence[int] = (0,),
    samples: int | None = None,
    controls: Sequence[Control] = ("copy",),
    pivot: str = "eng_Latn",
) -> list[Cell]:
    """One cell per model, the first tuned one first; each is scored in every direction.

    `text` gives the text of a direction; `rotations` are the partitions to tune on; `recipe` is how to tune, with each of `seeds`.
    `samples` is the number of examples of each direction, and `pivot` the language that the control "copy" repeats. All models
    make as many updates as the tuned one of their seed, with its learning rate. Those of `controls` that do not depend on the roles
    are tuned once per seed.
    """
    every = rotations[0].directions
    cells = []
    for seed in seeds:
        own = replace(recipe, seed=seed)
        for turn, roles in enumerate(rotations):
            mixture = _translated(text, roles.seen, samples, seed)
            equal = replace(own, steps=_updates(mixture, own))
            cells.append(_cell(TUNED, mixture, equal, every, turn, seed))
            if "shuffled" in controls:
                cells.append(_cell("shuffled", shuffle_answers(mixture, seed), equal, every, turn, seed))
        if "copy" in controls:
            own_words = text(*next(pair for pair in every if pivot in pair))
            cells.append(_cell("copy", copies(own_words, pivot, limit=samples, seed=seed), equal, every, -1, seed))
        if "all" in controls:
            cells.append(_cell("all", _translated(text, every, samples, seed), equal, every, -1, seed))
    return cells


def untuned_cell(name: str, recipe: Recipe, roles: Roles) -> Cell:
    """The parent itself under a `name`, in the precision of `recipe`, asked in every direction between the languages of `roles`."""
    return Cell(name, None, recipe, roles.directions, {"system": name, "rotation": -1, "seed": -1})


def with_errors(table: pd.DataFrame, judge: Judge = by_script, limits: Limits | None = None) -> pd.DataFrame:
    """`table` with both sets of error rules beside each output: `corrected_copy` .., `corrected` (the first), and published.

    `judge` says whether an output is in a language, `limits` are the thresholds of the rules: both as `classify` has them.
    """
    errors: Mapping[str, pd.DataFrame] = {
        "corrected": classify(table, "corrected", judge, limits),
        "published": classify(table, "published", judge, limits),
    }
    columns: dict[str, pd.Series] = {}
    for rules, flags in errors.items():
        columns |= {f"{rules}_{name}": flags[name] for name in flags if name != "first"} | {rules: flags["first"]}
    return table.assign(**columns)


def _translated(text: PairText, directions: Sequence[tuple[str, str]], samples: int | None, seed: int) -> Mixture:
    return union("directions", [translations(text(*pair), [pair], limit=samples, seed=seed) for pair in directions])


def _cell(system: str, mixture: Mixture, recipe: Recipe, every: tuple[tuple[str, str], ...], turn: int, seed: int) -> Cell:
    tags: dict[str, str | int | float] = {"system": system, "rotation": turn, "seed": seed}
    return Cell("/".join([system, *(str(tag) for tag in (turn, seed) if tag >= 0)]), mixture, recipe, every, tags)


def _updates(mixture: Mixture, recipe: Recipe) -> int:
    """How many updates a mixture makes: of its items that are not held out."""
    learned = mixture.split(recipe.held_out, recipe.seed)[0] if recipe.held_out else mixture
    return planned_steps(len(learned), recipe)

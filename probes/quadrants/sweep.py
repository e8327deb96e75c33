"""What a study of vocabulary sharing tunes and scores: each language by itself, and the models it is held against."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from interp.models.checkpoints import locate, read_tokenizer
from interp.models.load import identify, load
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Mixture, Recipe, copies, shuffle_answers, translations
from interp.tuning.parents import extended_parent, shortened_parent
from interp.vocabulary.extension import Init
from interp.vocabulary.shortening import Drop, plan_shortening
from probes.quadrants.classes import TUNED_AS
from probes.quadrants.report import QuadrantReport, tell
from probes.sweep.sweep import Cell, Keep, measure_cells

Tags = dict[str, str | int | float]
Control = Literal["format", "shuffled"]
_ALL_MOVES = ("full", "lora", "shorten", "extend")
_CHUNK = 16  # directions of a control scored at once: what a kill can cost
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """The cells of one parent that belong together, for one process: a control, or one language in all its sizes and seeds.

    `method` and `language` are empty for the raw base. Methods "shorten" and "extend" have a parent of their own.
    """

    method: str
    language: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Spelling:
    """Other tokens for a language: the bytes that shortening drops, how many pieces extension adds and what their rows begin as."""

    drop: Drop | None = 1
    pieces: int = 3000
    init: Init = "subword"


@dataclass(frozen=True)
class QuadrantSweep:
    """Tune on pairs from the pivot into each language, and ask for that language and for the probe languages.

    `train[x]` holds the pairs of a language (pivot and x), `test` all that is asked. `recipes` says how to tune by method:
    embeddings, full, lora, shorten, extend. `sizes` are numbers of pairs, the smaller inside the larger (none given: as many
    as the language with fewest has).
    """

    parent: str
    train: Mapping[str, ParallelCorpus]
    test: ParallelCorpus
    probes: tuple[str, ...]
    recipes: Mapping[str, Recipe]
    pivot: str = "eng_Latn"
    sizes: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (0,)
    controls: tuple[Control, ...] = ("format",)
    form: str = "quoted"
    metric: str = "chrf"
    beams: int = 1
    max_new_tokens: int | None = None
    spelling: Spelling = field(default_factory=Spelling)

    def __post_init__(self) -> None:
        if self.pivot in (*self.train, *self.probes):
            raise ValueError(f"the pivot {self.pivot} is among the languages. Needed: languages to translate into.")
        if not self.train or not self.probes:
            raise ValueError("quadrants need languages to tune on and probe languages to ask for. Name some of both.")

    @property
    def amounts(self) -> tuple[int, ...]:
        """How many pairs every language is tuned on."""
        return self.sizes or (min(map(len, self.train.values())),)

    @property
    def scoring(self) -> dict[str, Any]:
        metrics = tuple(dict.fromkeys((self.metric, "exact")))
        return {"form": self.form, "metrics": metrics, "beams": self.beams, "max_new_tokens": self.max_new_tokens}

    def jobs(self) -> list[Job]:
        """Everything to be measured, the controls first: what several processes divide among them."""
        found = [Job("", "", tuple(cell for seed in self.seeds for cell in self._base(seed)))]
        if "format" in self.controls:
            found += [Job(same, "", tuple(self._format(same, recipe))) for same, recipe in self._held_against.items()]
        found += [Job(method, code, tuple(self._tuned(method, code))) for method in self.recipes for code in self.train]
        alone = {same: recipe for same, recipe in self._held_against.items() if same not in self.recipes}
        if "shuffled" in self.controls and alone:
            found += [Job(m, code, tuple(self._shuffled(m, recipe, code))) for m, recipe in alone.items() for code in self.train]
        return found

    @property
    def _held_against(self) -> dict[str, Recipe]:
        """How the controls are tuned, by method. Arms of a changed tokenizer are held against full tuning: by its recipe, or,
        where full tuning is not among the methods, by their own."""
        own = {method: recipe for method, recipe in self.recipes.items() if method not in TUNED_AS}
        return {TUNED_AS.get(method, method): recipe for method, recipe in self.recipes.items()} | own

    def measure(self, jobs: Sequence[Job], folder: str | Path, keep: Keep = "rows", device: str | None = None) -> pd.DataFrame:
        """The item-level table of some jobs; what is finished in `folder` is taken from there. Rows are kept of embeddings only.

        A language that has nothing to shorten is left out of method "shorten", and a log warning says so; where that is every
        language and the method is the first, `ValueError` is raised before anything is tuned.
        """
        self._check_shortening()
        tables, parents = [], ((self._parent(job, Path(folder) / "parents"), job) for job in jobs)
        alike = groupby(parents, key=lambda each: (each[0], "nothing" if keep == "rows" and each[1].method in _ALL_MOVES else keep))
        for (parent, kept), group in alike:
            if parent is not None:
                cells = [cell for _, job in group for cell in job.cells]
                tables.append(measure_cells(parent, cells, self.test, folder, keep=kept, device=device, **self.scoring))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def _check_shortening(self) -> None:
        """Raise where quadrants are to be told of shortening, the first method, and no language can be shortened."""
        if next(iter(self.recipes)) != "shorten":
            return
        refusals = [self._refused(code) for code in self.train]
        if all(refusals):
            raise ValueError(f"method 'shorten': no language can be shortened ({refusals[0]}) Choose other methods or languages.")

    def _refused(self, code: str) -> str:
        """Why a language is not shortened; empty where it can be."""
        try:
            plan_shortening(read_tokenizer(locate(self.parent, None), None), self.train[code][code], self.spelling.drop)
        except ValueError as error:
            return str(error)
        return ""

    def _base(self, seed: int) -> list[Cell]:
        """The raw model, once for every seed: one measurement, so that seeds are drawn alike everywhere."""
        recipe = next(iter(self.recipes.values()))
        return self._chunks(None, recipe, {"role": "base", "language": "", "method": "", "size": 0, "seed": seed})

    def _format(self, method: str, recipe: Recipe) -> list[Cell]:
        """The pivot copied in the same prompt, as often as a language is translated."""
        first, found = next(iter(self.train.values())), []
        for size in self.amounts:
            for seed in self.seeds:
                mixture = copies(first, self.pivot, limit=size, seed=seed)
                tags: Tags = {"role": "format", "language": "", "method": method, "size": len(mixture), "seed": seed}
                found += self._chunks(mixture, replace(recipe, seed=seed), tags)
        return found

    def _shuffled(self, method: str, recipe: Recipe, code: str) -> list[Cell]:
        """One language's pairs with their answers shuffled, in every size and seed."""
        found = []
        for size in self.amounts:
            for seed in self.seeds:
                pairs = translations(self.train[code], [(self.pivot, code)], limit=size, seed=seed)
                mixture = shuffle_answers(pairs, seed)
                tags: Tags = {"role": "shuffled", "language": code, "method": method, "size": len(mixture), "seed": seed}
                found.append(Cell(_name(tags), mixture, replace(recipe, seed=seed), self._directions(code), tags))
        return found

    def _tuned(self, method: str, code: str) -> list[Cell]:
        """One language in every size and seed, and its shuffled control."""
        found = []
        for size in self.amounts:
            for seed in self.seeds:
                pairs = translations(self.train[code], [(self.pivot, code)], limit=size, seed=seed)
                tags: Tags = {"role": "tuned", "language": code, "method": method, "size": len(pairs), "seed": seed}
                found.append(Cell(_name(tags), pairs, replace(self.recipes[method], seed=seed), self._directions(code), tags))
        shuffled = "shuffled" in self.controls and method not in TUNED_AS
        return found + (self._shuffled(method, self.recipes[method], code) if shuffled else [])

    def _directions(self, *codes: str) -> tuple[tuple[str, str], ...]:
        return tuple((self.pivot, target) for target in dict.fromkeys((*self.probes, *codes)))

    def _chunks(self, mixture: Mixture | None, recipe: Recipe, tags: Tags) -> list[Cell]:
        """A model that is asked for every language, some at a time."""
        every = self._directions(*self.train)
        parts = [every[start : start + _CHUNK] for start in range(0, len(every), _CHUNK)]
        return [Cell(f"{_name(tags)}/{place}", mixture, recipe, part, tags) for place, part in enumerate(parts)]

    def _parent(self, job: Job, folder: Path) -> str | Path | None:
        """What a job is tuned from: the parent, or the same with other tokens for the language; None where it has none."""
        if job.method not in ("shorten", "extend"):
            return self.parent
        texts, place = self.train[job.language][job.language], folder / f"{job.method}-{job.language}"
        if job.method == "extend":
            others = [text for code in self.probes if code != job.language for text in self.test[code]]
            keep = [*self.train[job.language][self.pivot], *others]
            return extended_parent(self.parent, texts, place, size=self.spelling.pieces, init=self.spelling.init, keep=keep)
        if why := self._refused(job.language):
            _log.warning("%s is not shortened: %s", job.language, why)
            return None
        return shortened_parent(self.parent, texts, place, drop=self.spelling.drop)


def measure_quadrants(
    sweep: QuadrantSweep,
    folder: str | Path,
    *,
    threshold: float = 0.0,
    relative: bool = False,
    level: float = 0.95,
    tokenization: pd.DataFrame | None = None,
    keep: Keep = "rows",
    device: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> QuadrantReport:
    """Which languages profit from tuning on one of them: the language itself, others, both or none (arXiv 2311.09071)?

    Tunes and scores what `folder` does not hold yet. `threshold`, `relative` and `level` as in `probes.quadrants.classes.classify`;
    `tokenization` is what `probes.tokenization.measure.measure_tokenization` gives, for the regression of the gains.
    """
    table = sweep.measure(sweep.jobs(), folder, keep, device)
    codes = sorted({code for pair in zip(table["source"], table["target"], strict=True) for code in pair})
    parent = identify(load(sweep.parent, device="cpu"))
    recipe = next(iter(sweep.recipes.values()))
    told = {
        "methods": "+".join(sweep.recipes), "pairs": "+".join(map(str, sweep.amounts)), "form": sweep.form, "metric": sweep.metric,
        "beams": sweep.beams, "lr": "+".join(f"{each.learning_rate:g}" for each in sweep.recipes.values()), "batch": recipe.batch,
        "steps": recipe.steps or f"{recipe.epochs:g}epochs", "probes": "+".join(sweep.probes), "t": threshold,
        "gain": "relative" if relative else "absolute", "seeds": len(sweep.seeds), "boot": resamples, "seed": seed,
    }  # fmt: skip
    settings = {
        "methods": list(sweep.recipes), "probes": list(sweep.probes), "metric": sweep.metric, "against": ["base", *sweep.controls],
        "threshold": threshold, "relative": relative, "level": level, "resamples": resamples, "seed": seed,
        "tie": recipe.tie, "caption": _caption(sweep),
        "tokenization": None if tokenization is None else tokenization.to_dict("list"),
    }  # fmt: skip
    signature = Signature("quadrants", parent, sweep.test.select(languages=codes).identity, told)
    return tell(table, signature, settings)


def _caption(sweep: QuadrantSweep) -> str:
    others = f"others: {', '.join(sweep.probes)}"
    if not sweep.test.name.startswith("cldr:"):
        return others
    return f"{others}; cldr text: where a language lies tells of this model and these few words, not of the language"


def _name(tags: Tags) -> str:
    """What a cell is called: "tuned/deu_Latn/embeddings/200/0"."""
    return "/".join(str(value) for value in tags.values() if value != "")

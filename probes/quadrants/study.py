"""What a study of vocabulary sharing tunes and scores: each language by itself, and the models it is compared with."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

import pandas as pd

from interp.models.checkpoints.folders import locate
from interp.models.checkpoints.parts import read_tokenizer
from interp.models.load import identify, load
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Mixture, Recipe, copies, shuffle_answers, translations
from interp.tuning.parents import extended_parent, shortened_parent
from interp.vocabulary.extension import Init
from interp.vocabulary.shortening import Drop, plan_shortening
from probes.quadrants.classes import TUNED_AS
from probes.quadrants.report import QuadrantReport, report_quadrants
from probes.sweep.study import SWEEP, SweepStudy
from probes.sweep.sweep import Cell, Keep, measure_cells
from probes.translation.metrics import Metric, check_studied, metric_name, signed_studied

Tags = dict[str, str | int | float]
Control = Literal["format", "shuffled"]
Method = Literal["embeddings", "full", "lora", "shorten", "extend"]
_MORE_THAN_ROWS = ("full", "lora", "shorten", "extend")
_CHUNK = 16  # directions of a control scored at once: what a kill can cost
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """The cells of one parent that belong together, for one process: a control, or one language in all its sizes and seeds.

    `method` and `language` are empty for the untuned model. Methods "shorten" and "extend" have a parent of their own.
    """

    method: str
    language: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Retokenization:
    """How the methods "shorten" and "extend" change the tokenizer for a language.

    Parameters
    ----------
    drop
        How many leading bytes of a character shortening leaves out, 1 or 2; None means whichever saves most tokens.
    pieces
        How many new pieces extension adds.
    init
        How the embedding rows of new pieces are initialised: "subword", "mean" or "random".

    Example
    -------
    >>> from probes.quadrants.study import Retokenization
    >>> Retokenization(pieces=100)
    Retokenization(drop=1, pieces=100, init='subword')
    """

    drop: Drop | None = 1
    pieces: int = 3000
    init: Init = "subword"


@dataclass(frozen=True, kw_only=True)
class QuadrantStudy(SweepStudy[Job]):
    """Which languages profit from tuning on one of them: the language itself, others, both or none (arXiv 2311.09071)?

    Tunes the parent on pairs from the pivot into each language by itself, asks it for that language and for the probe
    languages, and compares it with the parent and with controls.

    Other parameters are those of every `SweepStudy`.

    Parameters
    ----------
    train
        The text to tune on, `train[language]`, a corpus of the pivot and that language.
    probes
        The other languages that are asked for: the multilingual gain is the mean over them.
    recipes
        How to tune, by method: "embeddings", "full", "lora"; "shorten" and "extend" tune everything after a change of the
        tokenizer. Quadrants are reported for the first; the others check the guideline. All have one prompt form, and models
        are asked in it.
    sizes
        Numbers of pairs to tune on, the smaller sets inside the larger; none given means as many as the language with
        fewest has.
    controls
        "format": the pivot copied in the same prompt with as many updates; "shuffled": the pairs with answers shuffled.
    metric
        The score whose gain is measured: a name of `probes.translation.metrics.STUDIED`, or a function of your own (a share, 0 to
        1).
    threshold
        Changes above this count as gains: points of the metric, or percent where `relative`.
    relative
        Whether gains are in percent of the baseline's score.
    level
        1 less the chance that any language of a set without gains is given a quadrant (`probes.quadrants.classes.classify`).
    retokenization
        How "shorten" and "extend" change the tokenizer.
    tokenization
        How the tokenizer splits each language, one row per language (`probes.quadrants.causes.spelling`), for the regression of
        the gains; None leaves it out.
    keep
        What to keep of each tuned model: "rows" (the embedding rows that moved, of method "embeddings"), "model" or "nothing".

    Raises
    ------
    ValueError
        Where the pivot is among the languages, there is none to tune on or to ask for, or prompt forms differ.

    Example
    -------
    >>> import interp, probes, tempfile
    >>> from interp.tuning import Recipe
    >>> languages = ["deu_Latn", "nld_Latn"]
    >>> train = {code: interp.read("cldr:dates", languages=["eng_Latn", code], split="train") for code in languages}
    >>> study = probes.QuadrantStudy(
    ...     parent="bundled",
    ...     train=train,
    ...     test=interp.read("cldr:dates", languages=["eng_Latn", *languages, "afr_Latn"], split="heldout").select(limit=6),
    ...     probes=("afr_Latn",),
    ...     recipes={"embeddings": Recipe(scope="embeddings", form="named", steps=2, batch=8, held_out=0.0)},  # quick
    ...     sizes=(16,),
    ...     resamples=100,
    ... )
    >>> [job.language for job in study.jobs()]
    ['', '', 'deu_Latn', 'nld_Latn']
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = study.measure(folder)
    >>> sorted({*report.classes()["language"]})
    ['deu_Latn', 'nld_Latn']
    """

    train: Mapping[str, ParallelCorpus]
    probes: tuple[str, ...]
    recipes: Mapping[Method, Recipe]
    sizes: tuple[int, ...] = ()
    controls: tuple[Control, ...] = ("format",)
    metric: Metric = "chrf"
    threshold: float = 0.0
    relative: bool = False
    level: float = 0.95
    retokenization: Retokenization = field(default_factory=Retokenization)
    tokenization: pd.DataFrame | None = field(default=None, compare=False)
    keep: Keep = "rows"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pivot in (*self.train, *self.probes):
            raise ValueError(f"the pivot {self.pivot} is among the languages, expected languages to translate into. Leave it out.")
        if not self.train or not self.probes:
            raise ValueError(
                f"got {len(self.train)} languages to tune on and {len(self.probes)} probe languages, expected some of both."
            )
        check_studied([self.metric], [*self.train, *self.probes], "the gain of languages")
        if len(forms := {recipe.form for recipe in self.recipes.values()}) != 1:
            raise ValueError(f"recipes: got prompt forms {', '.join(sorted(forms)) or 'none'}, expected one. Give all the same.")

    @property
    def amounts(self) -> tuple[int, ...]:
        """How many pairs every language is tuned on."""
        return self.sizes or (min(map(len, self.train.values())),)

    @property
    def _metrics(self) -> tuple[Metric, ...]:
        return (self.metric,) if self.metric == "exact" else (self.metric, "exact")

    @property
    def form(self) -> str:
        """The prompt form that models are tuned and asked in."""
        return next(iter(self.recipes.values())).form

    def jobs(self) -> list[Job]:
        """Everything to be measured, the controls first: what several processes divide among them."""
        controls = [Job("", "", tuple(cell for seed in self.training_seeds for cell in self._base(seed)))]
        if "format" in self.controls:
            controls += [Job(method, "", tuple(self._format(method, recipe))) for method, recipe in self._control_recipes.items()]
        tuned = [Job(method, code, tuple(self._tuned(method, code))) for method in self.recipes for code in self.train]
        if "shuffled" in self.controls:
            alone = {method: recipe for method, recipe in self._control_recipes.items() if method not in self.recipes}
            tuned += [Job(name, code, tuple(self._shuffled(name, how, code))) for name, how in alone.items() for code in self.train]
        return controls + tuned

    @property
    def _control_recipes(self) -> dict[Method, Recipe]:
        """How the controls are tuned, by method. Methods that change the tokenizer are compared with full tuning: by its recipe,
        or, where full tuning is not among the methods, by their own."""
        own = {method: recipe for method, recipe in self.recipes.items() if method not in TUNED_AS}
        return {TUNED_AS.get(method, method): recipe for method, recipe in self.recipes.items()} | own

    def scores(self, jobs: Sequence[Job], folder: str | Path) -> pd.DataFrame:
        """The scores of the models of `jobs`, item by item; what is finished in `folder` is taken from there.

        A language that has nothing to shorten is left out of method "shorten", and a log warning says so. Where that is every
        language and the method is the first, `ValueError` is raised before anything is tuned.
        """
        self._check_shortening()
        sweep, tables = Path(folder) / SWEEP, []
        parents = ((self._parent(job, sweep / "parents"), job) for job in jobs)
        for (parent, keep), group in groupby(parents, key=lambda each: (each[0], self._kept(each[1]))):
            if parent is not None:
                cells = [cell for _, job in group for cell in job.cells]
                tables.append(
                    measure_cells(
                        parent, cells, self.test, sweep, form=self.form, metrics=self._metrics,
                        beams=self.beams, max_new_tokens=self.max_new_tokens, keep=keep, device=self.device,
                    )
                )  # fmt: skip
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def measure(self, folder: str | Path) -> QuadrantReport:
        """Tune and score what `folder` does not hold yet, and classify the languages.

        Parameters
        ----------
        folder
            Where tuned models and scores are kept, in `sweep`; the same for every `share`.
        """
        table = self.scores(self.jobs(), folder)
        codes = sorted({code for pair in zip(table["source"], table["target"], strict=True) for code in pair})
        recipes, metric = list(self.recipes.values()), metric_name(self.metric)
        signed = {
            "methods": "+".join(self.recipes), "pairs": "+".join(map(str, self.amounts)), "form": self.form, "metric": metric,
            "beams": self.beams, "lr": "+".join(f"{each.learning_rate:g}" for each in recipes), "batch": recipes[0].batch,
            "steps": recipes[0].steps or f"{recipes[0].epochs:g}epochs", "probes": "+".join(self.probes), "t": self.threshold,
            "gain": "relative" if self.relative else "absolute", "seeds": self.seeds, "boot": self.resamples, "seed": self.seed,
        }  # fmt: skip
        signed |= signed_studied([self.metric], [*self.train, *self.probes])
        settings = {
            "methods": list(self.recipes), "probes": list(self.probes), "metric": metric, "against": ["base", *self.controls],
            "threshold": self.threshold, "relative": self.relative, "level": self.level, "resamples": self.resamples,
            "seed": self.seed, "tie": recipes[0].tie, "caption": self._caption(),
            "tokenization": None if self.tokenization is None else self.tokenization.to_dict("list"),
        }  # fmt: skip
        parent = identify(load(self.parent, device="cpu"))
        return report_quadrants(table, Signature("quadrants", parent, self.test.select(languages=codes).identity, signed), settings)

    def _caption(self) -> str:
        others = f"others: {', '.join(self.probes)}"
        if not self.test.name.startswith("cldr:"):
            return others
        return f"{others}; cldr text: the quadrants are about this model and these few words, not about languages in general"

    def _kept(self, job: Job) -> Keep:
        """Rows are kept of embedding tuning alone: other methods move more than rows."""
        return "nothing" if self.keep == "rows" and job.method in _MORE_THAN_ROWS else self.keep

    def _base(self, seed: int) -> list[Cell]:
        """The untuned model, once for every seed: one measurement, so that seeds are drawn alike everywhere."""
        recipe = next(iter(self.recipes.values()))
        return self._chunks(None, recipe, {"role": "base", "language": "", "method": "", "size": 0, "seed": seed})

    def _check_shortening(self) -> None:
        """Raise where quadrants are reported for shortening, the first method, and no language can be shortened."""
        if next(iter(self.recipes)) != "shorten":
            return
        refusals = [self._refused(code) for code in self.train]
        if all(refusals):
            raise ValueError(f"method 'shorten': no language can be shortened ({refusals[0]}) Choose other methods or languages.")

    def _refused(self, code: str) -> str:
        """Why a language is not shortened; empty where it can be."""
        try:
            plan_shortening(read_tokenizer(locate(self.parent, None), None), self.train[code][code], self.retokenization.drop)
        except ValueError as error:
            return str(error)
        return ""

    def _format(self, method: Method, recipe: Recipe) -> list[Cell]:
        """The pivot copied in the same prompt, as often as a language is translated."""
        first, cells = next(iter(self.train.values())), []
        for size in self.amounts:
            for seed in self.training_seeds:
                mixture = copies(first, self.pivot, limit=size, seed=seed)
                tags: Tags = {"role": "format", "language": "", "method": method, "size": len(mixture), "seed": seed}
                cells += self._chunks(mixture, replace(recipe, seed=seed), tags)
        return cells

    def _shuffled(self, method: Method, recipe: Recipe, code: str) -> list[Cell]:
        """One language's pairs with their answers shuffled, in every size and seed."""
        cells = []
        for size in self.amounts:
            for seed in self.training_seeds:
                pairs = translations(self.train[code], [(self.pivot, code)], limit=size, seed=seed)
                mixture = shuffle_answers(pairs, seed)
                tags: Tags = {"role": "shuffled", "language": code, "method": method, "size": len(mixture), "seed": seed}
                cells.append(Cell(_name(tags), mixture, replace(recipe, seed=seed), self._directions(code), tags))
        return cells

    def _tuned(self, method: Method, code: str) -> list[Cell]:
        """One language in every size and seed, and its shuffled control."""
        cells = []
        for size in self.amounts:
            for seed in self.training_seeds:
                pairs = translations(self.train[code], [(self.pivot, code)], limit=size, seed=seed)
                tags: Tags = {"role": "tuned", "language": code, "method": method, "size": len(pairs), "seed": seed}
                cells.append(Cell(_name(tags), pairs, replace(self.recipes[method], seed=seed), self._directions(code), tags))
        shuffled = "shuffled" in self.controls and method not in TUNED_AS
        return cells + (self._shuffled(method, self.recipes[method], code) if shuffled else [])

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
        texts, own = self.train[job.language][job.language], folder / f"{job.method}-{job.language}"
        how = self.retokenization
        if job.method == "extend":
            others = [text for code in self.probes if code != job.language for text in self.test[code]]
            keep = [*self.train[job.language][self.pivot], *others]
            return extended_parent(self.parent, texts, own, size=how.pieces, init=how.init, keep=keep)
        if why := self._refused(job.language):
            _log.warning("%s is not shortened: %s", job.language, why)
            return None
        return shortened_parent(self.parent, texts, own, drop=how.drop)


def _name(tags: Tags) -> str:
    """What a cell is called: "tuned/deu_Latn/embeddings/200/0"."""
    return "/".join(str(value) for value in tags.values() if value != "")

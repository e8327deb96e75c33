"""The settings of a sweep: factors and their levels, what is tuned on in each combination, and what all are scored in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import tyro

from experiments.settings.bounds import check_bounds
from experiments.settings.tuning.factors import METHODS, SEED, Levels, check_kinds, read_factors, read_lines, with_levels
from experiments.settings.tuning.training import Scoped, Training
from experiments.settings.values import check_values

if TYPE_CHECKING:
    from interp.text.corpus import ParallelTask

_Table = Annotated[dict[str, list[object]], tyro.conf.Suppress]
_Lines = Annotated[list[dict[str, object]], tyro.conf.Suppress]


@dataclass(frozen=True)
class Crossing(Scoped, Training):
    """What is crossed, tuned on and scored in a sweep of factors."""

    yaml_names: ClassVar[Mapping[str, str]] = {"except": "leave_out"}

    factors: _Table = field(default_factory=dict)
    """YAML only: each factor with its levels, the first being the one that others are compared with."""
    leave_out: _Lines = field(default_factory=list)
    """YAML only, as `except`: parts of combinations that are left out."""
    only: _Lines = field(default_factory=list)
    """YAML only: parts of combinations, of which each must have one."""
    corpus: str = "cldr:dates"
    """Parallel text to tune on."""
    mixture: str = "translation"
    """What to tune on: a mixture of `interp tune` (translation, questions, instructions, coit, muit, mfti, text, copy, generation),
    or several joined by "+", such as translation+generation."""
    direction: Literal["from_pivot", "to_pivot", "both", "all", "without_pivot"] = "from_pivot"
    """Directions to tune on: out of the pivot, into it, both, every ordered pair of the languages, or every pair without it."""
    directions: int | None = None
    """Number of directions to tune on, drawn from those of --direction. Default: all."""
    paraphrases: int | None = None
    """Number of wordings of the instruction that are cycled. Default: all."""
    control: Literal["none", "copy", "shuffled", "english"] = "none"
    """Tune on a control of the mixture instead: copies of the pivot, shuffled answers, or the pivot alone."""
    samples: int | None = None
    """Number of examples of each direction or language (factor "size"). Default: all."""
    total: int | None = None
    """Number of examples in all, drawn from the mixture. Default: all."""
    general: str = "cldr:facts"
    """General instructions: questions with answers, or an instruction .jsonl file. None that is tested is trained on."""
    rates: dict[str, float] = field(default_factory=dict)
    """Largest learning rate of a method, such as lora 0.0001, where it is not --learning-rate."""
    warmup: float = 0.03
    """Share of the updates in which the learning rate rises."""
    mask: Literal["answer", "all"] = "answer"
    """Tokens that the loss is computed on."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Schedule of the learning rate after warm-up."""
    task: Literal["translation", "answers"] = "translation"
    """What every model is scored in: translating the test corpus, or answering --questions."""
    test_languages: tuple[str, ...] = ()
    """Languages to score in. Default: all that are tuned on."""
    test_directions: tuple[str, ...] = ()
    """Directions to score in, as eng_Latn>deu_Latn. Default: from the pivot into every test language."""
    plain: bool = False
    """Ask questions as they stand. Default: in the prompt form of tuning."""
    questions: str = "cldr:facts"
    """Questions to answer; --limit of them."""
    question_split: str | None = None
    """Split of the questions."""

    def resolved(self) -> Self:
        """The same settings with every language under its one code, and every level checked: all before a model is loaded."""
        from interp.languages import languages, nearest

        base = super().resolved()
        factors = read_factors(type(self), self.factors)
        plain = {name: [list(each) if isinstance(each, tuple) else each for each in levels] for name, levels in factors.items()}
        if unknown := [name for name in self.rates if name not in METHODS]:
            raise ValueError(
                f"--rates: got method {unknown[0]!r}, expected one of {', '.join(METHODS)}.{nearest(unknown[0], METHODS, n=1)}"
            )
        settings = replace(
            base,
            factors=plain,
            leave_out=read_lines(self.leave_out),
            only=read_lines(self.only),
            seeds=len(factors[SEED]) if SEED in factors else self.seeds,
            test_languages=tuple(each.code for each in languages(self.test_languages)),
        )
        for combination in settings.combinations:
            own = with_levels(settings, combination)
            check_bounds(own)
            check_values(own)
            check_kinds(own.mixture)
        return settings

    @property
    def levels(self) -> Levels:
        """The levels of every factor but the seed, each as the value of its setting."""
        return {name: levels for name, levels in read_factors(type(self), self.factors).items() if name != SEED}

    @property
    def combinations(self) -> list[dict[str, object]]:
        """The level of each factor but the seed, in every combination that is not left out."""
        from probes.factors.design import cross

        return cross(self.levels, self.leave_out, self.only)

    @property
    def training_seeds(self) -> list[int]:
        """The seeds that every combination is tuned with."""
        given = read_factors(type(self), self.factors).get(SEED)
        return [int(str(each)) for each in given] if given else list(range(self.seed, self.seed + self.seeds))

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to test in: those of the directions, and of every level."""
        return tuple(dict.fromkeys(code for pair in self.scored_directions() for code in pair))

    @property
    def run_model(self) -> str | None:
        """The model to tune, the first of several."""
        models = self.levels.get("model", (self.model,)) if self.factors else (self.model,)
        return str(models[0])

    def scored_directions(self) -> tuple[tuple[str, str], ...]:
        """What every model is scored in. Questions are asked in the languages that these end in."""
        from interp.languages import language

        if self.test_directions:
            sides = [text.partition(">") for text in self.test_directions]
            if bad := [text for text, side in zip(self.test_directions, sides, strict=True) if not side[0] or not side[2]]:
                raise ValueError(f"--test-directions: got {bad[0]!r}, expected source>target, such as eng_Latn>deu_Latn.")
            return tuple((language(a).code, language(b).code) for a, _, b in sides)
        tuned = [code for levels in self.levels.get("languages", ()) for code in _codes(levels)]
        named = self.test_languages or tuple(dict.fromkeys([*self.languages, *tuned]))
        if self.task == "answers":
            return tuple((code, code) for code in (self.test_languages or (self.pivot, *named)))
        others = [code for code in named if code != self.pivot]
        if not others:
            raise ValueError(
                f"got no language beside the pivot {self.pivot}, expected one or more. Give test_languages or languages."
            )
        return tuple((self.pivot, code) for code in others)

    def read_questions(self) -> ParallelTask:
        """The questions to test with, cut to `limit`."""
        from interp.text.read import read_task

        task = read_task(self.questions, languages=self.wanted, split=self.question_split)
        return task.select(limit=self.limit, seed=self.seed)


def _codes(level: object) -> tuple[str, ...]:
    return tuple(map(str, level)) if isinstance(level, list | tuple) else (str(level),)

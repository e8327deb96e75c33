"""`interp extrapolate`: does tuning carry what the model can do in English into other languages?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.runs.training import Scoped, Training

if TYPE_CHECKING:
    from interp.text.corpus import ParallelTask
    from interp.tuning import Mixture
    from probes.extrapolation.measure import Abilities
    from probes.extrapolation.report import ExtrapolationReport
    from probes.sweep.sweep import Cell


@dataclass(frozen=True)
class ExtrapolateSettings(Scoped, Training):
    """Does tuning carry what the model can do in English into other languages?

    Tunes on English instructions alone; on English, one more language and translation into it (CoIT, one model for each
    language); and on all languages at once (MuIT). Every model is tested on questions and translation, and its alignment with
    English is measured.
    """

    output: Path = Path("runs/extrapolate")
    """The run folder to write."""
    arms: tuple[Literal["english", "coit", "muit"], ...] = ("english", "coit", "muit")
    """What to tune on. The untuned model is always measured too."""
    general: str = "cldr:facts"
    """General instructions: questions with answers (cldr:facts, or a folder), or an instruction .jsonl file with languages."""
    general_split: str | None = None
    """Split of the general instructions."""
    questions: str = "cldr:facts"
    """Questions to test with."""
    question_split: str | None = None
    """Split of the questions."""
    held_out: float = 0.5
    """If both are the same text: share of it that is tested and not trained on."""
    text: str = "cldr:phrases"
    """Parallel sentences to measure alignment on, preferably not those of --corpus."""
    text_split: str | None = None
    """Split of the sentences."""
    wording: str | None = None
    """Template around every sentence, with {sentence} and perhaps {language} or {autonym}. Only the sentence itself is pooled."""
    pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How tokens become one vector: mean of the sentence, its last token, the weighted mean of MEXA, or end (last of the text)."""
    answer: Literal["exact", "f1", "contains", "choice"] = "exact"
    """Metric of an answer."""
    samples: int | None = None
    """Number of examples of each kind and language, drawn with --seed. Default: all."""


def run(settings: ExtrapolateSettings) -> ExtrapolationReport:
    """Tune and measure what is not there yet, and pair the models item by item."""
    from probes.extrapolation.measure import measure_extrapolation
    from probes.sweep.study import describe_tuning

    tuning = describe_tuning(settings.recipe(), settings.seeds, settings.beams)
    return measure_extrapolation(
        settings.model,
        _cells(settings),
        _asked(settings),
        settings.output / "models",
        how=tuning | {"train": settings.corpus, "general": settings.general},
        device=settings.device,
        seed=settings.seed,
    )


def share(settings: ExtrapolateSettings, shard: Shard) -> None:
    """Tune and measure some of the models."""
    from probes.extrapolation.measure import measure_models

    if mine := shard.mine(_cells(settings)):
        measure_models(settings.model, mine, _asked(settings), settings.output / "models", settings.device)


def _held_out(settings: ExtrapolateSettings) -> ParallelTask:
    """The questions to test with: a share of them where the general instructions are the same text."""
    from interp.text.read import read_task

    task = read_task(settings.questions, languages=settings.wanted, split=settings.question_split)
    if (settings.general, settings.general_split) != (settings.questions, settings.question_split):
        return task
    held = round(settings.held_out * len(task))
    if not 0 < held < len(task):
        raise ValueError(
            f"held_out {settings.held_out:g} of {len(task)} questions is {held}, expected 1 to {len(task) - 1}. Change --held-out."
        )
    return task.select(limit=held, seed=settings.seed)


def _asked(settings: ExtrapolateSettings) -> Abilities:
    """What every model is asked."""
    import interp
    from probes.extrapolation.measure import Abilities

    text = interp.read(settings.text, languages=settings.wanted, split=settings.text_split)
    return Abilities(
        task=_held_out(settings).select(limit=settings.limit, seed=settings.seed),
        corpus=settings.read_test(),
        text=text.select(limit=settings.limit, seed=settings.seed),
        pivot=settings.pivot,
        form=settings.template,
        answer=settings.answer,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
        template=settings.wording,
        pooling=settings.pooling,
        seed=settings.seed,
    )


def _cells(settings: ExtrapolateSettings) -> list[Cell]:
    """Every model of the study: the untuned one, then for each seed those of each arm, the largest first."""
    from interp.tuning import coit, muit, union
    from probes.sweep.sweep import Cell

    others, pivot = settings.others(), settings.pivot
    every = tuple((pivot, code) for code in others)
    general, pairs = _general(settings), _pairs(settings)
    together = muit({pivot: general[pivot], **{code: union(code, [general[code], pairs[code]]) for code in others}})
    mixtures: dict[str, dict[str, tuple[Mixture, tuple[tuple[str, str], ...]]]] = {
        "muit": {"muit": (together, every)},
        "coit": {f"coit-{code}": (coit(general[pivot], general[code], pairs[code]), ((pivot, code),)) for code in others},
        "english": {"english": (general[pivot], every)},
    }
    cells = [Cell("untuned", None, settings.recipe(), every, {"arm": "untuned", "seed": settings.seed})]
    for seed in range(settings.seed, settings.seed + settings.seeds):
        cells += [Cell(f"{name}/{seed}", mixture, settings.recipe(seed=seed), directions, {"arm": arm, "seed": seed})
                  for arm, models in mixtures.items() if arm in settings.arms
                  for name, (mixture, directions) in models.items()]  # fmt: skip
    return cells


def _general(settings: ExtrapolateSettings) -> dict[str, Mixture]:
    """General instructions of each language, the pivot's among them; no question that is tested is among them."""
    from interp.text.read import read_task
    from interp.tuning import Mixture, answered_questions, read_instructions

    codes, tested = [settings.pivot, *settings.others()], _held_out(settings)
    if Path(settings.general).suffix == ".jsonl":
        every = read_instructions(settings.general, settings.pivot)
    else:
        task = read_task(settings.general, languages=settings.wanted, split=settings.general_split)
        every = answered_questions(task, codes, seed=settings.seed)
    held, general = {f"{tested.name}/{item}" for item in tested.ids}, {}
    for code in codes:
        kept = tuple(each for each in every.examples if each.target == code and each.item not in held)
        if not kept:
            raise ValueError(
                f"{settings.general} has no example in {code}. A .jsonl file needs its lines tagged with their language."
            )
        mine = Mixture(f"{every.name}/{code}", kept)
        general[code] = mine.prefix(min(settings.samples or len(mine), len(mine)), settings.seed)
    return general


def _pairs(settings: ExtrapolateSettings) -> dict[str, Mixture]:
    """Translations from the pivot into each language."""
    from interp.tuning import translations

    texts = settings.read_pairs(settings.others())
    return {
        code: translations(text, [(settings.pivot, code)], limit=settings.samples, seed=settings.seed)
        for code, text in texts.items()
    }

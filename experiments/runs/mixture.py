"""The mixture that the settings of `interp tune` ask for, and the control that goes with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import interp
from interp.languages import language
from interp.text.corpus import ParallelCorpus
from interp.text.read import read_task
from interp.tuning import (
    Mixture,
    answered_questions,
    coit,
    copies,
    muit,
    ordered_pairs,
    plain_text,
    question_translations,
    read_instructions,
    seen_pairs,
    shuffle_answers,
    translations,
)

if TYPE_CHECKING:
    from experiments.tune import TuneSettings
    from interp.text.corpus import ParallelTask


def build_mixture(settings: TuneSettings) -> Mixture:
    """The examples asked for. Raises `ValueError` where the settings do not name what the mixture needs."""
    return _BUILDERS[settings.mixture](settings)


def build_control(settings: TuneSettings, mixture: Mixture) -> Mixture:
    """The same format without the knowledge: copies of the pivot, shuffled answers, or English (the pivot) alone."""
    if settings.control == "shuffled":
        return shuffle_answers(mixture, settings.seed)
    if settings.control == "english" and settings.mixture in ("coit", "muit", "instructions"):
        return _general(settings, settings.pivot)
    corpus = _asked(settings) if settings.mixture == "questions" else _corpus(settings)
    if settings.control == "english":
        return plain_text(corpus, [settings.pivot], limit=settings.samples, seed=settings.seed)
    return copies(corpus, settings.pivot, limit=settings.samples, seed=settings.seed)


def _translation(settings: TuneSettings) -> Mixture:
    directions = [(settings.pivot, code) for code in _others(settings)]
    return translations(_corpus(settings), directions, limit=settings.samples, seed=settings.seed)


def _questions(settings: TuneSettings) -> Mixture:
    return question_translations(_task(settings), _others(settings), settings.pivot, limit=settings.samples, seed=settings.seed)


def _instructions(settings: TuneSettings) -> Mixture:
    return _general(settings, *(settings.languages or (settings.pivot,)))


def _coit(settings: TuneSettings) -> Mixture:
    others = _others(settings)
    if len(others) != 1:
        raise ValueError(f"mixture 'coit' is for one language beside the pivot, but {len(others)} came. Use 'muit' for several.")
    return coit(_general(settings, settings.pivot), _general(settings, *others), _translation(settings))


def _muit(settings: TuneSettings) -> Mixture:
    corpus, pivot = _corpus(settings), settings.pivot
    parts = {code: translations(corpus, [(pivot, code)], limit=settings.samples, seed=settings.seed) for code in _others(settings)}
    parts = {code: Mixture(code, (*part.examples, *_general(settings, code).examples)) for code, part in parts.items()}
    parts[pivot] = _general(settings, pivot)
    return muit(parts, total=settings.total, seed=settings.seed, ratios=settings.ratios or None, budgets=settings.budgets or None)


def _mfti(settings: TuneSettings) -> Mixture:
    partition = (settings.mix, settings.read_only, settings.write_only)
    directions = seen_pairs(*partition) if any(partition) else ordered_pairs(_wanted(settings) or _corpus(settings).languages)
    return translations(_corpus(settings), directions, limit=settings.samples, seed=settings.seed)


def _text(settings: TuneSettings) -> Mixture:
    codes = settings.languages or (settings.pivot,)
    return plain_text(_corpus(settings), codes, limit=settings.samples, seed=settings.seed)


def _copy(settings: TuneSettings) -> Mixture:
    return copies(_corpus(settings), settings.pivot, limit=settings.samples, seed=settings.seed)


_BUILDERS = {
    "translation": _translation, "questions": _questions, "instructions": _instructions, "coit": _coit, "muit": _muit,
    "mfti": _mfti, "text": _text, "copy": _copy,
}  # fmt: skip


def _corpus(settings: TuneSettings) -> ParallelCorpus:
    return interp.read(settings.corpus, languages=_wanted(settings), split=settings.split).select(
        limit=settings.limit, seed=settings.seed
    )


def _task(settings: TuneSettings) -> ParallelTask:
    return read_task(settings.general, languages=_wanted(settings), limit=settings.limit, split=settings.split)


def _asked(settings: TuneSettings) -> ParallelCorpus:
    """The questions of a task as sentences."""
    task = _task(settings)
    return ParallelCorpus(task.name, task.prompts, task.ids)


def _wanted(settings: TuneSettings) -> tuple[str, ...] | None:
    partition = [language(spelling).code for spelling in (*settings.mix, *settings.read_only, *settings.write_only)]
    return tuple(dict.fromkeys((settings.pivot, *settings.languages, *partition))) if settings.languages or partition else None


def _others(settings: TuneSettings) -> list[str]:
    found = [code for code in settings.languages if code != settings.pivot]
    if not found:
        raise ValueError(f"mixture {settings.mixture!r} needs languages beside the pivot. Name them with --languages.")
    return found


def _general(settings: TuneSettings, *codes: str) -> Mixture:
    """General instructions in some languages, from an instruction file or from questions with answers."""
    if Path(settings.general).suffix != ".jsonl":
        task = read_task(settings.general, languages=codes, split=settings.split)
        return answered_questions(task, codes, limit=settings.samples, seed=settings.seed)
    mixture = read_instructions(settings.general, settings.pivot)
    kept = tuple(each for each in mixture.examples if each.target in codes)
    if not kept:
        raise ValueError(f'{settings.general} has no example in {", ".join(codes)}. Tag its lines with "language".')
    found = Mixture(mixture.name, kept)
    return found if settings.samples is None else found.prefix(min(settings.samples, len(found)), settings.seed)

"""`interp translate`: how well does the model translate, in each direction?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.report import Report


@dataclass(frozen=True)
class TranslateSettings(Settings):
    """How well does the model translate?

    Every sentence in every direction, with its hypothesis kept: exact match, chrF++, BLEU, the likelihood of the reference,
    and whether the answer is in the target's script, each beside leaving the source as it is.
    """

    directions: Literal["from", "into", "all"] = "from"
    """From the pivot, into it, or all ordered pairs."""
    split: str | None = None
    """The part of the corpus to measure on, best one that tuning never saw (cldr: heldout)."""
    form: str = "quoted"
    """The prompt template, one of interp.tuning.TEMPLATES."""
    metrics: tuple[Literal["exact", "chrf", "bleu", "spbleu", "nll", "script"], ...] = ("exact", "chrf", "bleu", "nll", "script")
    """What to score; the first is the main one."""
    shots: int = 0
    """Translations shown first, of items that are then not tested."""
    beams: int = 1
    """Beam search with so many beams; 1 is greedy."""
    max_new_tokens: int | None = None
    """How long an answer may be; none given means twice the longest reference."""
    output: Path = Path("runs/translate")
    """The run folder to write."""


def run(settings: TranslateSettings) -> Report:
    """Read, load, translate, score."""
    from itertools import permutations

    import interp
    from probes.translation.measure import measure_translation

    corpus = interp.read(settings.corpus, languages=settings.wanted, split=settings.split).select(
        limit=settings.limit, seed=settings.seed
    )
    pairs = permutations(corpus.languages, 2)
    ends = {
        "from": lambda pair: pair[0] == settings.pivot,
        "into": lambda pair: pair[1] == settings.pivot,
        "all": lambda pair: True,
    }
    return measure_translation(
        settings.load_model(),
        corpus,
        [pair for pair in pairs if ends[settings.directions](pair)],
        form=settings.form,
        metrics=settings.metrics,
        shots=settings.shots,
        beams=settings.beams,
        max_new_tokens=settings.max_new_tokens,
        seed=settings.seed,
    )

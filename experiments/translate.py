"""`interp translate`: how well does the model translate?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus
    from probes.report import Report


@dataclass(frozen=True)
class TranslateSettings(Settings):
    """How well does the model translate?

    Translates every sentence in every direction, and scores exact match, chrF++, BLEU, the likelihood of the reference, and
    whether the output is in the target's script. The baseline of each is the untranslated source. The outputs are in the table.

    Example: interp translate --languages de zh --limit 50 --metrics chrf exact --output runs/translate
    """

    directions: Literal["from", "into", "all"] = "from"
    """Directions: from the pivot, into it, or all ordered pairs of languages."""
    split: str | None = None
    """Split of the corpus to measure on, preferably one that was not trained on (cldr: heldout)."""
    form: str = "quoted"
    """Prompt form: the name of one of interp.tuning.TEMPLATES. For a tuned model, take the one it was tuned with."""
    metrics: tuple[str, ...] = ()
    """Metrics: exact, chrf, bleu, spbleu_flores101, spbleu_flores200, spbleu_spm, nll, script, or a function of your own as
    module:function. The verdict is about the first. Default: exact chrf bleu nll script; bleu where its tokenizer is installed."""
    shots: int = 0
    """Number of few-shot examples. Their items are not tested."""
    beams: int = 1
    """Number of beams of beam search; 1 is greedy."""
    max_new_tokens: int | None = None
    """Maximum number of tokens of an output. Default: twice the longest reference."""
    output: Path = Path("runs/translate")
    """The run folder to write."""


def run(settings: TranslateSettings) -> Report:
    """Translate every sentence of the corpus in every direction and score the outputs."""
    from probes.translation.measure import measure_translation

    corpus, pairs = _read(settings)
    return measure_translation(
        settings.load_model(), corpus, pairs, form=settings.form, metrics=settings.metrics, shots=settings.shots,
        beams=settings.beams, max_new_tokens=settings.max_new_tokens, seed=settings.seed,
    )  # fmt: skip


def _read(settings: TranslateSettings) -> tuple[ParallelCorpus, list[tuple[str, str]]]:
    """The sentences, and the directions to translate them in. A metric that cannot be measured is refused before a model loads."""
    from itertools import permutations

    import interp
    from probes.translation.measure import check_shots, translation_metrics

    corpus = interp.read(settings.corpus, languages=settings.wanted, split=settings.split, columns=settings.chosen_columns)
    corpus = corpus.select(limit=settings.limit, seed=settings.seed)
    pairs, side = list(permutations(corpus.languages, 2)), {"from": 0, "into": 1}
    if settings.directions != "all":
        pairs = [pair for pair in pairs if pair[side[settings.directions]] == settings.pivot]
    translation_metrics(settings.metrics, pairs)
    if not pairs:
        raise ValueError(
            f"corpus {corpus.name!r}: got {settings.pivot} alone, expected a language beside it. Name one with --languages."
        )
    check_shots(settings.shots, len(corpus))
    return corpus, pairs


def check(settings: TranslateSettings) -> None:
    """Raise `ValueError` for a metric or directions that cannot be measured, and for too many examples."""
    _read(settings)


def work(settings: TranslateSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every sentence is translated in every direction; its references are scored twice."""
    from experiments.costs.measuring import translated
    from probes.translation.measure import DEFAULT

    return translated(
        model, *_read(settings), form=settings.form, metrics=settings.metrics or DEFAULT, shots=settings.shots,
        beams=settings.beams, max_new_tokens=settings.max_new_tokens, seed=settings.seed,
    )  # fmt: skip

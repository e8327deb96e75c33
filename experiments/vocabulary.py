"""`interp vocabulary`: how does the tokenizer treat each language?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from probes.report import Report


@dataclass(frozen=True)
class VocabularySettings(Settings):
    """How does the tokenizer treat each language?

    Measures tokens per character, per word and relative to the reference language; characters split over several tokens; tokens
    shared between languages; and how many tokens shortening (leaving out a constant lead byte) would save. No weights are loaded:
    a folder with only a tokenizer is enough.

    Example: interp vocabulary --model org/model --languages de zh th --output runs/vocabulary
    """

    corpus: str = "cldr:phrases"
    """Parallel corpus: a file or folder, or built-in text such as "cldr:phrases"."""
    resamples: int = 1000
    """Number of bootstrap resamples of the items."""
    output: Path = Path("runs/vocabulary")
    """Run folder to write."""

    @property
    def run_model(self) -> None:
        """No model is run."""


def run(settings: VocabularySettings) -> Report:
    """Read the corpus and the tokenizer, and measure."""
    from interp.models.checkpoints.parts import read_tokenizer
    from probes.tokenization.measure import survey_tokenization

    folder = _folder(settings)
    name = Path(folder).resolve().name if Path(folder).is_dir() else folder
    return survey_tokenization(
        read_tokenizer(folder, None),
        settings.read_corpus(),
        settings.pivot,
        name=name,
        resamples=settings.resamples,
        seed=settings.seed,
    )


def check(settings: VocabularySettings) -> None:
    """Raise `ValueError` for a tokenizer or a text that is not there."""
    from interp.models.checkpoints.parts import read_tokenizer

    read_tokenizer(_folder(settings), None)
    settings.read_corpus()


def _folder(settings: VocabularySettings) -> str:
    """The folder or hub name of the tokenizer; a folder needs no weights."""
    from interp.models.checkpoints.folders import locate

    return settings.model if (Path(settings.model) / "tokenizer.json").is_file() else locate(settings.model, None)

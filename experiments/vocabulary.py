"""`interp vocabulary`: how does the tokenizer treat each language?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.report import Report


@dataclass(frozen=True)
class VocabularySettings(Settings):
    """How does the tokenizer treat each language?

    Tokens a character, a word and beside the pivot; parts of characters; tokens shared with the pivot and with every other
    language; and how many tokens shortening (leaving out a constant lead byte) would save. No weights are loaded, so a folder
    with a tokenizer alone will do.
    """

    corpus: str = "cldr:phrases"
    """Parallel text: "cldr:phrases", or a file or folder of it."""
    resamples: int = 1000
    """Bootstrap resamples of the items."""
    output: Path = Path("runs/vocabulary")
    """The run folder to write."""


def run(settings: VocabularySettings) -> Report:
    """Read the text and the tokenizer, count."""
    from interp.models.checkpoints import locate, read_tokenizer
    from probes.tokenization.measure import survey_tokenization

    folder = settings.model if (Path(settings.model) / "tokenizer.json").is_file() else locate(settings.model, None)
    name = Path(folder).resolve().name if Path(folder).is_dir() else folder
    return survey_tokenization(
        read_tokenizer(folder, None),
        settings.read_corpus(),
        settings.pivot,
        name=name,
        resamples=settings.resamples,
        seed=settings.seed,
    )

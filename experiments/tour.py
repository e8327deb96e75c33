"""`interp tour`: every question once, on the bundled model, in a few minutes on one CPU core."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.align import AlignSettings
from experiments.atlas import AtlasSettings
from experiments.compare import CompareSettings
from experiments.directions import DirectionsSettings
from experiments.lens import LensSettings
from experiments.neurons import NeuronsSettings
from experiments.patch import PatchSettings
from experiments.probe import ProbeSettings
from experiments.quadrants import QuadrantsSettings
from experiments.scale import ScaleSettings
from experiments.settings.flags import parse_flags
from experiments.settings.settings import Settings
from experiments.steer import SteerSettings
from experiments.transplant import TransplantSettings
from experiments.tune import TuneSettings
from experiments.vocabulary import VocabularySettings

_CLOSE = ("deu_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab", "hin_Deva", "swh_Latn")
_FEW = ("deu_Latn", "rus_Cyrl", "zho_Hans")
_QUOTED = '{autonym}: "{sentence}"'
"""Words in the form most common in the bundled model's training text; their meaning is represented where the quotation ends."""

_QUESTIONS = TuneSettings(
    mixture="questions",
    languages=("deu_Latn", "zho_Hans"),
    split="train",
    limit=200,
    scope="lora",
    form="question",
    learning_rate=4e-4,
    batch=32,
    device_batch=32,
    output=Path("runs/tune-questions"),
)
"""Questions translated into English and never answered (arXiv 2405.13816), in two languages."""

_UNSEEN = ("swh_Latn", "kor_Hang", "hin_Deva")
"""Languages of the bundled model that are not in this tuning data."""

_ALIGN = AlignSettings(languages=_CLOSE, limit=150, template=_QUOTED, random_init=True, metrics=("mexa", "mexa_centred"))

CHAPTERS: tuple[Settings, ...] = (
    dataclasses.replace(_ALIGN, pooling="end"),
    dataclasses.replace(_ALIGN, corpus="cldr:phrases", output=Path("runs/align-words")),
    LensSettings(languages=_FEW, limit=100),
    TransplantSettings(languages=("swh_Latn",), split="heldout", limit=40, controls=("shuffled", "random")),
    PatchSettings(languages=("deu_Latn",), limit=40),
    ProbeSettings(languages=_FEW, limit=150),
    NeuronsSettings(languages=_CLOSE, limit=200),
    SteerSettings(limit=40),
    AtlasSettings(languages=_CLOSE, limit=100),
    VocabularySettings(languages=(*_CLOSE, "tha_Thai", "khm_Khmr", "amh_Ethi"), limit=200),
    _QUESTIONS,
    dataclasses.replace(_QUESTIONS, control="copy", output=Path("runs/tune-copy")),
    CompareSettings(
        after="tune-questions",
        instruments=("answer", "align", "lens", "weights"),
        languages=(*_QUESTIONS.languages, *_UNSEEN),
        split="heldout",
        limit=60,
    ),
    CompareSettings(
        before="tune-copy",
        after="tune-questions",
        instruments=("answer",),
        languages=(*_QUESTIONS.languages, *_UNSEEN),
        split="heldout",
        limit=100,
        output=Path("runs/compare-with-copy"),
    ),
    QuadrantsSettings(
        languages=("deu_Latn", "jav_Latn", "khm_Khmr"),
        probes=("afr_Latn", "swh_Latn", "fra_Latn"),
        sizes=(150,),
        seeds=1,
        steps=40,
        limit=25,
        threshold=2.0,
    ),
    ScaleSettings(languages=("nld_Latn", "ukr_Cyrl"), sizes=(16, 64, 256), seeds=1, steps=25, limit=20, budget=200),
    DirectionsSettings(
        mix=("eng_Latn",),
        read_only=("deu_Latn",),
        write_only=("fra_Latn",),
        languages=("spa_Latn", "ita_Latn"),
        rotations=1,
        seeds=1,
        limit=8,
        samples=60,
        learning_rate=1e-3,
        steps=40,
    ),
)
"""The settings of each command of the tour, in order. A model tuned by one is named by its run folder in a later one."""


@dataclass(frozen=True)
class TourSettings:
    """Every question once, each in its own run folder, and one page for all.

    Example: interp tour --output runs/tour
    """

    output: Path = Path("runs/tour")
    """The folder to write the run folders and the page to."""
    model: str = "bundled"
    """A hub name, the folder of a Hugging Face model, or "bundled"."""
    resume: bool = False
    """Continue an unfinished tour."""
    debug: bool = False
    """Show the traceback of an error."""


def main(args: Sequence[str]) -> None:
    """Run every chapter on the command line's model, show each answer, and write the page."""
    from experiments.ask import answer, show
    from experiments.pages.render import write_page

    tour = parse_flags(TourSettings, args, "tour")
    folders = [tour.output / chapter.output.name for chapter in CHAPTERS]
    for chapter, folder in zip(CHAPTERS, folders, strict=True):
        if isinstance(chapter, CompareSettings):
            before, after = (str(tour.output / name) if name else "" for name in (chapter.before, chapter.after))
            chapter = dataclasses.replace(chapter, before=before, after=after)
        show(answer(dataclasses.replace(chapter, model=tour.model, output=folder, resume=tour.resume)))
    name = "the bundled model" if tour.model == "bundled" else tour.model
    print(write_page(folders, tour.output / "page.html", f"How {name} holds its languages"))

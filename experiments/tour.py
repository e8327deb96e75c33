"""`interp tour`: every question once, on the bundled model, in a few minutes of one processor."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from experiments.align import AlignSettings
from experiments.atlas import AtlasSettings
from experiments.lens import LensSettings
from experiments.neurons import NeuronsSettings
from experiments.patch import PatchSettings
from experiments.probe import ProbeSettings
from experiments.settings import Settings
from experiments.steer import SteerSettings
from experiments.transplant import TransplantSettings

_CLOSE = ("deu_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab", "hin_Deva", "swh_Latn")
_FEW = ("deu_Latn", "rus_Cyrl", "zho_Hans")
_QUOTED = '{autonym}: "{sentence}"'
"""Words as the bundled model read them most; where the quotation ends it holds what was said."""

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
)
"""What the tour asks, in order: one line a question, each from its question's module."""


@dataclass(frozen=True)
class TourSettings:
    """Every question once, each into its own run folder, and one page over all."""

    output: Path = Path("runs/tour")
    """The folder for the run folders and the page."""
    model: str = "bundled"
    """A hub name, the folder of a Hugging Face model, or "bundled"."""
    resume: bool = False
    """Continue an unfinished tour."""
    debug: bool = False
    """Show the traceback of an error."""


def main(args: Sequence[str]) -> None:
    from experiments.page import write_page
    from experiments.run import answer, show

    tour = tyro.cli(TourSettings, args=list(args), prog="interp tour", config=(tyro.conf.FlagCreatePairsOff,))
    folders = [tour.output / chapter.output.name for chapter in CHAPTERS]
    for chapter, folder in zip(CHAPTERS, folders, strict=True):
        show(answer(dataclasses.replace(chapter, model=tour.model, output=folder, resume=tour.resume)))
    print(write_page(folders, tour.output / "page.html", f"How {tour.model} holds its languages"))

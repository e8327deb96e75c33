"""`interp instruction`: at which layer is the instruction which language to write read?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.report import Report


@dataclass(frozen=True)
class InstructionSettings(Settings):
    """At which layer is the instruction which language to write read?

    The target's name in a translation prompt is swapped, masked and deleted: which language is then written? And what a
    prompt for another language holds at that name is put into the prompt, layer by layer: up to which layer does that turn the
    answer? For any model that translates, tuned or not; a tuned one is best asked in the template of its tuning.
    """

    corpus: str = "cldr:names"
    """Parallel text to translate."""
    split: str | None = "train"
    """The part of it. The question is about the language, not the words: take some that the model knows."""
    languages: tuple[str, ...] = ("deu_Latn", "rus_Cyrl", "zho_Hans")
    """Languages to write; each is turned into the next one."""
    form: str = "quoted"
    """The prompt template, one of interp.tuning.TEMPLATES that names the target."""
    mask: str = "..."
    """What stands in place of a masked name."""
    judge: Literal["learned", "script"] = "learned"
    """Who says in which language an output is: languages learned from the corpus, or scripts."""
    limit: int | None = 30
    """Use at most this many items, drawn by --seed and kept in order."""
    output: Path = Path("runs/instruction")
    """The run folder to write."""


def run(settings: InstructionSettings) -> Report:
    """Ask for each language from the pivot, turned into the next language."""
    import interp
    from probes.instruction.measure import measure_instruction
    from probes.translation.language_id import by_script, learn_languages

    targets = [code for code in settings.languages if code != settings.pivot]
    if len(targets) < 2:
        raise ValueError(f"{len(targets)} languages beside the pivot came. Needed: two or more, to turn one into another.")
    whole = interp.read(settings.corpus, languages=settings.wanted, split=settings.split)
    judge = learn_languages(whole.sentences).judge if settings.judge == "learned" else by_script
    return measure_instruction(
        settings.load_model(),
        whole.select(limit=settings.limit, seed=settings.seed),
        [(settings.pivot, target, other) for target, other in zip(targets, [*targets[1:], targets[0]], strict=True)],
        form=settings.form,
        mask=settings.mask,
        judge=judge,
        seed=settings.seed,
    )

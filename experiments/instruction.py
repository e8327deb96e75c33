"""`interp instruction`: at which layer does the model read the target-language tag?"""

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
class InstructionSettings(Settings):
    """At which layer does the model read the target-language tag?

    Swaps, masks and deletes the name of the target language in a translation prompt, and measures which language is written. Then
    patches the residual stream at that name from a prompt for another language, layer by layer, and measures up to which layer this
    changes the answer. For a tuned model, take the template it was tuned with.

    Example: interp instruction --languages de ru zh --limit 30 --output runs/instruction
    """

    corpus: str = "cldr:names"
    """Parallel text to translate."""
    split: str | None = "train"
    """Split of the corpus. Choose words that the model knows: the question is about the language, not the words."""
    languages: tuple[str, ...] = ("deu_Latn", "rus_Cyrl", "zho_Hans")
    """Target languages; each is patched with the next one."""
    form: str = "quoted"
    """Prompt form, one of interp.tuning.TEMPLATES, that names the target language."""
    mask: str = "..."
    """Text in place of a masked name."""
    judge: Literal["learned", "script"] = "learned"
    """How the language of an output is judged: by a classifier learned from the corpus, or by script."""
    limit: int | None = 30
    """Use at most this many items: a random subset drawn with --seed, in corpus order."""
    output: Path = Path("runs/instruction")
    """The run folder to write."""

    def read(self) -> tuple[ParallelCorpus, list[tuple[str, str, str]]]:
        """All of the corpus; and the languages translated from, into, and patched from. Each target is patched with the next."""
        import interp

        targets = [code for code in self.languages if code != self.pivot]
        if len(targets) < 2:
            raise ValueError(f"got {len(targets)} languages beside the pivot, expected two or more. Give them with --languages.")
        corpus = interp.read(self.corpus, languages=self.wanted, split=self.split, columns=self.chosen_columns)
        return corpus, [(self.pivot, *pair) for pair in zip(targets, [*targets[1:], targets[0]], strict=True)]


def run(settings: InstructionSettings) -> Report:
    """Translate from the pivot into each language, patched with the next one."""
    from probes.instruction.measure import measure_instruction
    from probes.translation.language_id import by_script, learn_languages

    corpus, triples = settings.read()
    judge = learn_languages(corpus.sentences).judge if settings.judge == "learned" else by_script
    return measure_instruction(
        settings.load_model(),
        corpus.select(limit=settings.limit, seed=settings.seed),
        triples,
        form=settings.form,
        mask=settings.mask,
        judge=judge,
        seed=settings.seed,
    )


def check(settings: InstructionSettings) -> None:
    """Raise `ValueError` for a prompt form that does not name the target language."""
    from probes.instruction.measure import tagged_template

    tagged_template(settings.form)
    settings.read()


def work(settings: InstructionSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: prompts are answered in four forms, and every item is patched at five places of every layer."""
    from experiments.costs.patches import instructed

    corpus, triples = settings.read()
    return instructed(model, corpus.select(limit=settings.limit, seed=settings.seed), triples, settings.form)

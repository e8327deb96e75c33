"""What `interp tune` trains on: the settings of a training mixture and its control."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus, ParallelTask
    from interp.tuning import Mixture


@dataclass(frozen=True)
class Mixing(Settings):
    """What to tune on."""

    mixture: Literal["translation", "questions", "instructions", "coit", "muit", "mfti", "text", "copy", "generation"] = (
        "translation"
    )
    """What to tune on: translation from the pivot; translation of questions, without their answers, into the pivot; instructions;
    CoIT for one language; MuIT for several; all ordered pairs (mFTI); plain text; repeating the pivot (the format control); or
    instructions to write a sentence in a language, with nothing to translate (a control of mFTI).
    """
    direction: Literal["from_pivot", "to_pivot", "both", "all", "without_pivot"] = "from_pivot"
    """Translation, CoIT and MuIT: the directions trained on, out of the pivot, into it, both, every ordered pair of the languages,
    or every pair without the pivot. CoIT and MuIT take those of each language with the pivot."""
    directions: int | None = None
    """Translation: number of directions, drawn with --seed from those of --direction. Default: all."""
    paraphrases: int | None = None
    """Translation: number of wordings of the instruction that are cycled, of 8. Default: all. Seen where the prompt form has an
    instruction (alpaca, parrot, bare)."""
    control: Literal["none", "copy", "shuffled", "english"] = "none"
    """The same number of updates on: copies of the pivot, the mixture with its answers shuffled, or the pivot alone."""
    split: str | None = None
    """Split of the corpus to train on (cldr: train)."""
    general: str = "cldr:facts"
    """General instructions: questions with answers (cldr:facts or a folder), or an instruction .jsonl file."""
    samples: int | None = None
    """Number of examples of each direction, drawn with --seed. Default: all."""
    total: int | None = None
    """MuIT: total number of examples, divided by --ratios. Default: all."""
    ratios: dict[str, float] = field(default_factory=dict)
    """MuIT: share of each language in the total."""
    budgets: dict[str, int] = field(default_factory=dict)
    """MuIT: number of examples of each language, instead of a total."""
    mix: tuple[str, ...] = ()
    """mFTI: languages read and written; with --read-only and --write-only, a partition of the languages."""
    read_only: tuple[str, ...] = ()
    """mFTI: languages only read in tuning."""
    write_only: tuple[str, ...] = ()
    """mFTI: languages only written in tuning."""

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read: the pivot, those named, and those of the partition; None means all that the corpus has."""
        from interp.languages import language

        partition = tuple(language(spelling).code for spelling in (*self.mix, *self.read_only, *self.write_only))
        return tuple(dict.fromkeys((self.pivot, *self.languages, *partition))) if self.languages or partition else None

    def build(self) -> Mixture:
        """Build the training mixture. Raises `ValueError` if a setting that the mixture needs is missing."""
        builders: dict[str, Callable[[], Mixture]] = {
            "translation": self._translation, "questions": self._questions, "instructions": self._instructions,
            "coit": self._coit, "muit": self._muit, "mfti": self._mfti, "text": self._text, "copy": self._copy,
            "generation": self._generation,
        }  # fmt: skip
        return builders[self.mixture]()

    def build_control(self, mixture: Mixture) -> Mixture:
        """Build the control of a training `mixture`: copies of the pivot, the mixture with shuffled answers, or the pivot alone."""
        from interp.tuning import copies, plain_text, shuffle_answers

        if self.control == "shuffled":
            return shuffle_answers(mixture, self.seed)
        if self.control == "english" and self.mixture in ("coit", "muit", "instructions"):
            return self._general(self.pivot)
        corpus = self._prompts() if self.mixture == "questions" else self._corpus()
        if self.control == "english":
            return plain_text(corpus, [self.pivot], limit=self.samples, seed=self.seed)
        return copies(corpus, self.pivot, limit=self.samples, seed=self.seed)

    def _translation(self) -> Mixture:
        from interp.tuning import directed

        found = directed(self.direction, self.others(), self.pivot, count=self.directions, seed=self.seed)
        return self._translated(self._corpus(), found)

    def _translated(self, corpus: ParallelCorpus, directions: Sequence[tuple[str, str]]) -> Mixture:
        """Translation in some directions, in as many wordings as were asked for."""
        from interp.tuning import translations
        from interp.tuning.sources import TRANSLATE

        if self.paraphrases is not None and not 1 <= self.paraphrases <= len(TRANSLATE):
            raise ValueError(f"--paraphrases: got {self.paraphrases}, expected 1 to {len(TRANSLATE)}, as many as there are.")
        return translations(corpus, directions, limit=self.samples, seed=self.seed, instructions=TRANSLATE[: self.paraphrases])

    def _questions(self) -> Mixture:
        from interp.tuning import question_translations

        return question_translations(self._task(), self.others(), self.pivot, limit=self.samples, seed=self.seed)

    def _instructions(self) -> Mixture:
        return self._general(*(self.languages or (self.pivot,)))

    def _coit(self) -> Mixture:
        from interp.tuning import coit

        others = self.others()
        if len(others) != 1:
            raise ValueError(f"mixture 'coit': got {len(others)} languages beside the pivot, expected one. Use 'muit' for several.")
        return coit(self._general(self.pivot), self._general(*others), self._translation())

    def _muit(self) -> Mixture:
        from interp.tuning import directed, muit, union

        corpus, pivot = self._corpus(), self.pivot
        parts = {code: self._translated(corpus, directed(self.direction, [code], pivot)) for code in self.others()}
        parts = {code: union(code, [part, self._general(code)]) for code, part in parts.items()}
        parts[pivot] = self._general(pivot)
        return muit(parts, total=self.total, seed=self.seed, ratios=self.ratios or None, budgets=self.budgets or None)

    def _mfti(self) -> Mixture:
        from interp.tuning import ordered_pairs, seen_pairs

        partition, corpus = (self.mix, self.read_only, self.write_only), self._corpus()
        directions = seen_pairs(*partition) if any(partition) else ordered_pairs(self.wanted or corpus.languages)
        return self._translated(corpus, directions)

    def _generation(self) -> Mixture:
        from interp.tuning import generations

        return generations(self._corpus(), self.languages or (self.pivot,), limit=self.samples, seed=self.seed)

    def _text(self) -> Mixture:
        from interp.tuning import plain_text

        return plain_text(self._corpus(), self.languages or (self.pivot,), limit=self.samples, seed=self.seed)

    def _copy(self) -> Mixture:
        from interp.tuning import copies

        return copies(self._corpus(), self.pivot, limit=self.samples, seed=self.seed)

    def _corpus(self) -> ParallelCorpus:
        import interp

        corpus = interp.read(self.corpus, languages=self.wanted, split=self.split, columns=self.chosen_columns)
        return corpus.select(limit=self.limit, seed=self.seed)

    def _task(self) -> ParallelTask:
        from interp.text.read import read_task

        return read_task(self.general, languages=self.wanted, limit=self.limit, split=self.split)

    def _prompts(self) -> ParallelCorpus:
        """The questions of a task as sentences."""
        from interp.text.corpus import ParallelCorpus

        task = self._task()
        return ParallelCorpus(task.name, task.prompts, task.ids)

    def _general(self, *codes: str) -> Mixture:
        """General instructions in some languages, from an instruction file or from questions with answers."""
        from interp.text.read import read_task
        from interp.tuning import Mixture, answered_questions, read_instructions

        if Path(self.general).suffix != ".jsonl":
            task = read_task(self.general, languages=codes, split=self.split)
            return answered_questions(task, codes, limit=self.samples, seed=self.seed)
        mixture = read_instructions(self.general, self.pivot)
        examples = tuple(example for example in mixture.examples if example.target in codes)
        if not examples:
            raise ValueError(f'{self.general} has no example in {", ".join(codes)}. Tag its lines with "language".')
        chosen = Mixture(mixture.name, examples)
        return chosen if self.samples is None else chosen.prefix(min(self.samples, len(chosen)), self.seed)

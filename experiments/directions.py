"""`interp directions`: does tuning on some translation directions carry to unseen ones?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.runs.training import Scoped, Training

if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus
    from probes.directions.cells import PairText
    from probes.directions.companions import Companions
    from probes.directions.report import DirectionReport
    from probes.directions.roles import Roles
    from probes.directions.study import DirectionStudy


@dataclass(frozen=True)
class DirectionsSettings(Scoped, Training):
    """Does tuning on some directions carry to unseen ones?

    Tunes the model on the directions that the roles of the languages allow and scores every direction: seen, reversed, one side
    reversed, source, target or both unseen (in tuning: pre-training may have seen them). Beside it the model before tuning,
    with a few examples shown, and tuned controls. What goes wrong, by published and by corrected rules; whether scores go with
    similarity to English and pre-training share; whether languages draw together inside.
    """

    corpus: str = "cldr:dates"
    """Parallel text to tune on; "{source}" and "{target}" in its name stand for codes, where each pair has text of its own."""
    languages: tuple[str, ...] = ("tur_Latn", "arb_Arab", "spa_Latn", "jpn_Jpan")
    """More languages; those without a role are unseen."""
    mix: tuple[str, ...] = ("eng_Latn", "rus_Cyrl")
    """Languages read and written in tuning."""
    read_only: tuple[str, ...] = ("deu_Latn", "zho_Hans")
    """Languages only read in tuning."""
    write_only: tuple[str, ...] = ("fra_Latn", "hin_Deva")
    """Languages only written in tuning."""
    rotations: int = 1
    """How many times to tune with the roles turned over the languages, so that a class does not stand for its languages."""
    seeds: int = 1
    samples: int | None = 100
    """Examples of each seen direction; none given means all."""
    shots: int = 4
    """Examples shown to the untuned model; 0 leaves few-shot out. They are then tested by nobody."""
    controls: tuple[Literal["copy", "shuffled", "all"], ...] = ("copy",)
    """Other tunings with as many updates: repeating the pivot (the format), shuffled answers, every direction (what can be had)."""
    metrics: tuple[Literal["exact", "chrf", "bleu", "spbleu", "script"], ...] = ("exact", "chrf")
    """What to score; the first is the main one."""
    judge: Literal["learned", "script"] = "learned"
    """Who says whether an output is off target: languages learned from the tuning text, or scripts."""
    shares: dict[str, float] = field(default_factory=dict)
    """What pre-training had of each language (tokens or percent), where it is known."""
    similarity: dict[str, float] = field(default_factory=dict)
    """How like English each language is; none given means alignment measured in the untuned model."""
    align: bool = True
    """Also measure the alignment of all pairs of languages before and after."""
    align_corpus: str | None = None
    """Parallel text to measure it on, and similarity to English; none given means what is translated."""
    align_limit: int | None = 200
    """At most so many items of it."""
    align_metric: Literal["mexa", "mexa_centred", "p_at_1", "cka_debiased"] = "mexa"
    """How it is measured."""
    align_template: str | None = None
    """Words around each sentence when alignment is measured, with {sentence}, {language} and {autonym}."""
    align_pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """Which tokens alignment looks at."""
    template: str = "mfti-own"
    """The prompt format to train and to ask in, one of interp.tuning.TEMPLATES."""
    mask: Literal["answer", "all"] = "all"
    """Which tokens carry loss; the published setting is all of the line."""
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    """How the learning rate falls after warming up."""
    learning_rate: float = 3e-4
    epochs: float = 1.0
    steps: int | None = 100
    max_length: int = 256
    checkpoints: int = 2
    output: Path = Path("runs/directions")
    """The run folder to write."""

    @property
    def wanted(self) -> tuple[str, ...] | None:
        return self.roles.languages

    @property
    def roles(self) -> Roles:
        """The partition; the pivot and --languages without a role are unseen."""
        from interp.languages import languages
        from probes.directions.roles import Roles

        named = Roles(self.mix, self.read_only, self.write_only)
        every = (lang.code for lang in languages((self.pivot, *self.languages)))
        return replace(named, unseen=tuple(code for code in dict.fromkeys(every) if code not in named.of))

    def study(self) -> DirectionStudy:
        """The study that these settings ask for."""
        from probes.directions.study import DirectionStudy

        return DirectionStudy(
            parent=self.model,
            train=self._train_text(),
            test=self.read_test(),
            roles=self.roles,
            recipe=self.recipe(),
            pivot=self.pivot,
            rotations=self.rotations,
            seeds=self.seeds,
            seed=self.seed,
            samples=self.samples,
            shots=self.shots,
            controls=self.controls,
            metrics=self.metrics,
            judge=self.judge,
            beams=self.beams,
            max_new_tokens=self.max_new_tokens,
            companions=self._companions(),
            dtype=self.dtype,
        )

    def _train_text(self) -> ParallelCorpus | PairText:
        """One corpus for every direction, or each pair's own, in whichever order its languages stand in the name."""
        import interp

        if "{source}" not in self.corpus:
            return interp.read(self.corpus, languages=self.wanted, split=self.split)

        @cache
        def read(source: str, target: str) -> ParallelCorpus:
            names = [self.corpus.format(source=a, target=b) for a, b in ((source, target), (target, source))]
            name = next((name for name in names if Path(name).exists()), names[0])
            return interp.read(name, languages=[source, target], split=self.split)

        return read

    def _companions(self) -> Companions:
        """What is measured and known beside the scores; the text of alignment is read where it will be needed."""
        import interp
        from probes.directions.companions import Companions

        text = None
        if self.align or not self.similarity:
            name = self.align_corpus or self.test_corpus or self.corpus
            split = None if self.align_corpus else self.test_split
            text = interp.read(name, languages=self.wanted, split=split).select(limit=self.align_limit, seed=self.seed)
        return Companions(
            align=self.align,
            text=text,
            metric=self.align_metric,
            template=self.align_template,
            pooling=self.align_pooling,
            shares=self.shares,
            similarity=self.similarity,
        )


def run(settings: DirectionsSettings) -> DirectionReport:
    """Tune and score what is not there yet, judge the errors, and put alignment and factors beside."""
    return settings.study().measure(settings.output, settings.device)


def share(settings: DirectionsSettings, shard: Shard) -> None:
    """Tune and score the models of one share."""
    settings.study().share(settings.output, shard.index, shard.count, settings.device)

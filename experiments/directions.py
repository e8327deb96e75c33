"""`interp directions`: does tuning on some translation directions transfer to unseen ones?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard
from experiments.settings.tuning.training import Scoped, Training

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus
    from probes.directions.cells import PairText
    from probes.directions.companions import Companions
    from probes.directions.report import DirectionReport
    from probes.directions.roles import Roles
    from probes.directions.study import DirectionStudy


@dataclass(frozen=True)
class DirectionsSettings(Scoped, Training):
    """Does tuning on some translation directions transfer to unseen ones?

    Tunes the model on the directions that the roles of the languages allow and scores every direction: seen, reversed, one side
    reversed, source, target or both unseen (in tuning: pre-training may have seen them). It is compared with the untuned model,
    zero-shot and few-shot, and with tuned controls. Also reported: types of errors, by published and by corrected rules;
    correlation of scores with similarity to English and pre-training share; change of alignment.

    Example: interp directions --mix en --read-only de --write-only fr --languages es it --output runs/directions
    """

    corpus: str = "cldr:dates"
    """Parallel text to tune on. "{source}" and "{target}" in its name are replaced by codes, if each pair has a corpus of its
    own.
    """
    languages: tuple[str, ...] = ("tur_Latn", "arb_Arab", "spa_Latn", "jpn_Jpan")
    """More languages; those without a role are unseen."""
    mix: tuple[str, ...] = ("eng_Latn", "rus_Cyrl")
    """Languages read and written in tuning."""
    read_only: tuple[str, ...] = ("deu_Latn", "zho_Hans")
    """Languages only read in tuning."""
    write_only: tuple[str, ...] = ("fra_Latn", "hin_Deva")
    """Languages only written in tuning."""
    rotations: int = 1
    """Number of tunings with the roles rotated over the languages, so that a class of directions is not a few fixed languages."""
    seeds: int = 3
    samples: int | None = 100
    """Number of examples of each seen direction. Default: all."""
    shots: int = 4
    """Number of few-shot examples for the untuned model; 0: no few-shot. Their items are not tested."""
    controls: tuple[Literal["copy", "shuffled", "all"], ...] = ("copy",)
    """Control models with as many updates. copy: repeating the pivot (the format alone). shuffled: shuffled answers. all: every
    direction (an upper bound)."""
    metrics: tuple[str, ...] = ("exact", "chrf")
    """Metrics: exact, chrf, bleu, spbleu_flores101, spbleu_flores200, spbleu_spm, script, or a function of your own as
    module:function. The verdict is about the first."""
    judge: Literal["learned", "script"] = "learned"
    """How the language of an output is judged: by a classifier learned from the tuning text, or by script."""
    shares: dict[str, float] = field(default_factory=dict)
    """Amount of each language in the pre-training text (tokens or percent), where known."""
    similarity: dict[str, float] = field(default_factory=dict)
    """Similarity of each language to English. Default: alignment measured in the untuned model."""
    align: bool = True
    """Also measure the alignment of all pairs of languages before and after; --no-align: do not."""
    align_corpus: str | None = None
    """Parallel text to measure alignment, and similarity to English, on. Default: the test sentences."""
    align_limit: int | None = 200
    """Maximum number of items to measure alignment on."""
    align_metric: Literal["mexa", "mexa_centred", "p_at_1", "cka_debiased"] = "mexa"
    """Metric of alignment."""
    align_template: str | None = None
    """Template around every sentence when alignment is measured, with {sentence}, {language} and {autonym}."""
    align_pooling: Literal["mean", "last", "weighted", "end"] = "mean"
    """How tokens become one vector when alignment is measured."""
    form: str = "mfti-own"
    """Prompt form of tuning and testing, one of interp.tuning.TEMPLATES."""
    mask: Literal["answer", "all"] = "all"
    """Tokens that the loss is computed on. Published setting: all."""
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    """Schedule of the learning rate after warm-up."""
    learning_rate: float = 3e-4
    epochs: float = 1.0
    steps: int | None = 100
    max_length: int = 256
    checkpoints: int = 2
    output: Path = Path("runs/directions")
    """The run folder to write."""

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read: all that have a role."""
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
            device=self.device,
        )

    def _train_text(self) -> ParallelCorpus | PairText:
        """One corpus for every direction, or each pair's own, in whichever order its languages stand in the name."""
        import interp

        if "{source}" not in self.corpus:
            return interp.read(self.corpus, languages=self.wanted, split=self.split, columns=self.chosen_columns)

        @cache
        def read(source: str, target: str) -> ParallelCorpus:
            names = [self.corpus.format(source=a, target=b) for a, b in ((source, target), (target, source))]
            name = next((name for name in names if Path(name).exists()), names[0])
            return interp.read(name, languages=[source, target], split=self.split, columns=self.chosen_columns)

        return read

    def _companions(self) -> Companions:
        """What is measured and known to explain the scores; the text for alignment is read where it is needed."""
        import interp
        from probes.directions.companions import Companions

        text = None
        if self.align or not self.similarity:
            name = self.align_corpus or self.test_corpus or self.corpus
            split = None if self.align_corpus else self.test_split
            columns = self.chosen_columns if name == self.corpus else None
            text = interp.read(name, languages=self.wanted, split=split, columns=columns)
            text = text.select(limit=self.align_limit, seed=self.seed)
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
    """Tune and score what `settings.output` does not hold yet, judge the errors, and add alignment and factors."""
    return settings.study().measure(settings.output)


def work(settings: DirectionsSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every model is tuned and asked in every direction; states are read before and after."""
    from experiments.costs.measuring import captured
    from experiments.costs.sweeping import swept

    works: list[Work] = []
    study = settings.study()
    for (keep, shots), jobs in groupby(study.jobs(), key=lambda job: (job.keep, job.shots)):
        works += swept(
            model,
            [job.cell for job in jobs],
            study.test,
            keep=keep,
            shots=shots,
            form=settings.form,
            beams=settings.beams,
            max_new_tokens=settings.max_new_tokens,
        )
    beside = study.companions
    looked_into = 2 if beside.align else 0 if beside.similarity else 1
    for _ in range(looked_into):
        works += captured(model, beside.text or study.test, kept=False, template=beside.template)
    return works


def share(settings: DirectionsSettings, shard: Shard) -> None:
    """Tune and score the models of one `shard`, as `settings` say."""
    settings.study().share(settings.output, shard.index, shard.count)

"""`interp directions`: does tuning on some translation directions carry to unseen ones?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings
from experiments.runs.training import Training

if TYPE_CHECKING:
    from experiments.runs.shards import Shard
    from interp.text.corpus import ParallelCorpus
    from probes.directions.roles import Roles
    from probes.report import Report
    from probes.translation.language_id import LearnedLanguages


@dataclass(frozen=True)
class DirectionsSettings(Training, Settings):
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
    """How many times to tune with another seed, from --seed on."""
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
    """The prompt of tuning and asking, one of interp.tuning.TEMPLATES."""
    mask: Literal["answer", "all"] = "all"
    """Which tokens carry loss; the published setting is all of the line."""
    schedule: Literal["cosine", "linear", "constant"] = "linear"
    learning_rate: float = 3e-4
    epochs: float = 1.0
    steps: int | None = 100
    """Updates, instead of epochs."""
    max_length: int = 256
    """Tokens of one example at most."""
    checkpoints: int = 2
    """How often to save a model on the way; what was killed goes on from the last with --resume."""
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

        given = Roles(self.mix, self.read_only, self.write_only)
        every = (found.code for found in languages((self.pivot, *self.languages)))
        return replace(given, unseen=tuple(code for code in dict.fromkeys(every) if code not in given.of))


def run(settings: DirectionsSettings) -> Report:
    """Tune and score what is not there yet, judge the errors, and put alignment and factors beside."""
    import pandas as pd

    from experiments.directions_beside import with_beside
    from experiments.directions_sweep import groups, measure, texts, written
    from interp.models.load import identify
    from interp.provenance import Signature
    from probes.directions.cells import with_errors
    from probes.directions.means import common_items
    from probes.directions.report import DirectionReport
    from probes.translation.language_id import by_script, learn_languages

    train, test = texts(settings)
    found = [measure(settings, cells, test, **how) for cells, how in groups(settings, train)]
    learned = learn_languages(written(settings, train)) if settings.judge == "learned" else None
    table = with_errors(common_items(pd.concat(found, ignore_index=True)), learned.judge if learned else by_script)
    base, how = settings.load_model(), {"resamples": 1000, "seed": settings.seed}
    told = settings.told() | {"samples": settings.samples, "shots": settings.shots, "rotations": settings.rotations}
    rotations = settings.roles.rotations(settings.rotations)
    report = DirectionReport(
        table,
        Signature("directions", identify(base), test.identity, {**told, "boot": how["resamples"], "seed": settings.seed}),
        settings={"metrics": list(settings.metrics), "roles": [asdict(roles) for roles in rotations], **how},
        notes=tuple(_notes(settings, learned, test)),
    )
    return with_beside(settings, report, base)


def share(settings: DirectionsSettings, shard: Shard) -> None:
    """Tune and score the models of one share."""
    from experiments.directions_sweep import groups, measure, texts

    train, test = texts(settings)
    parts = list(groups(settings, train))
    mine = shard.mine([(place, cell) for place, (cells, _) in enumerate(parts) for cell in cells])
    for place, (_, how) in enumerate(parts):
        if cells := [cell for turn, cell in mine if turn == place]:
            measure(settings, cells, test, **how)


def _notes(settings: DirectionsSettings, learned: LearnedLanguages | None, test: ParallelCorpus) -> Iterator[str]:
    yield "Unseen means not in tuning; pre-training may have seen the language and the direction."
    if test.name.startswith("cldr:"):
        yield "cldr text: a few hundred dates, numbers or names, each of them short."
    if settings.shots:
        yield f"The {settings.shots} items that few-shot prompts show are left out for all models."
    if learned is not None:
        own = [sum(learned.judge(test[code], code)) / len(test) for code in test.languages]
        other = [sum(learned.judge(test[a], b)) / len(test) for a in test.languages for b in test.languages if a != b]
        yield (
            f"Who is off target is told by what was learned from the tuning text: it takes {sum(own) / len(own):.0%} of the test "
            f"sentences for their own language, {sum(other) / len(other):.1%} for another one."
        )
    if settings.rotations == 1:
        yield "Roles are not rotated: a class stands for its languages, too."

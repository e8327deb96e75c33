"""`interp lens`: which language does the model think in?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from experiments.runs.settings import Settings
from experiments.runs.shards import Shard, meet
from probes.lens.word_prompts import LINE

if TYPE_CHECKING:
    from interp.lens.tuned_lens import TunedLens
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus, ParallelTask
    from probes.report import Report


@dataclass(frozen=True)
class LensSettings(Settings):
    """Which language does the model think in?

    Reads every layer out as if it were the last, and asks how probable the answer is there in English, in the language
    asked for, and in others. Beside each probability stand unrelated words of the same language, and random weights.
    """

    languages: tuple[str, ...] = ("deu_Latn", "fra_Latn", "rus_Cyrl", "zho_Hans")
    """The languages to answer in, each in turn, as deu_Latn, de or German."""
    output: Path = Path("runs/lens")
    """The run folder to write."""
    task: Literal["translation", "repetition", "cloze", "labels", "prompt"] = "translation"
    """Words to translate, to repeat or to fill in; labels to choose; or any prompt, read position by position."""
    source: str | None = None
    """The language to translate from; none given means the one before the target."""
    shots: int | None = None
    """Examples shown: 4 by default, 2 for cloze, 6 for labels."""
    line: str = LINE
    """One line of a word list, with {source}, {word}, {target} and, last, {answer}."""
    names: dict[str, str] = field(default_factory=dict)
    """What to call languages, where not by their own names."""
    prompt: str = ""
    """The text to read with --task prompt."""
    template: dict[str, str] = field(default_factory=dict)
    """How each language puts a question, with field names in braces, for labels and cloze."""
    labels: Literal["english", "target", "irrelevant"] = "english"
    """The label words to answer with: English, of the question's language, or meaningless ones."""
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Label words of a language, in the order of the options, where the corpus has them wrong."""
    rule: Literal["first", "prefix"] = "first"
    """The tokens that stand for a word: its first, or all that spell a beginning of it."""
    lens: str = "logit"
    """`logit`, or the file of a tuned lens."""
    lens_corpus: str | None = None
    """Train the tuned lens first on this parallel text, in the languages of the run, where its file is not there yet."""
    lens_steps: int = 250
    """Training steps of the tuned lens."""
    controls: bool = True
    """Read random weights of the same shape too."""

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read: the pivot, those to answer in, and the one to translate from."""
        languages = super().wanted
        if languages is None or self.source is None:
            return languages
        from interp.languages import language

        return tuple(dict.fromkeys((*languages, language(self.source).code)))


def run(settings: LensSettings) -> Report:
    """Load the model and its lens, and read what the task asks for."""
    from probes.lens.labels import measure_labels
    from probes.lens.latent_language import measure_latent_language
    from probes.lens.tokens import measure_tokens

    model = settings.load_model()
    how: dict[str, Any] = {"lens": _lens(settings, model), "controls": settings.controls, "seed": settings.seed}
    if settings.task == "prompt":
        return measure_tokens(model, settings.prompt, pivot=settings.pivot, **how)
    if settings.task == "labels":
        shots = 6 if settings.shots is None else settings.shots
        return measure_labels(
            model, _task(settings), labels=settings.labels, words=settings.words, shots=shots, rule=settings.rule, **how
        )
    return measure_latent_language(model, _words(settings), **how, **_how(settings))


def share(settings: LensSettings, shard: Shard) -> None:
    """Read some of the languages to answer in; the first share trains the lens where one is to be trained."""
    from probes.lens.latent_language import share_latent_language

    if settings.task in ("prompt", "labels"):
        raise ValueError(f"--task {settings.task} is for one process. Several can share translation, repetition and cloze.")
    model = settings.load_model()
    if settings.lens_corpus is not None:
        if shard.index == 0:
            _lens(settings, model)
        if not meet(settings, shard, "lens"):
            return
    how: dict[str, Any] = {"lens": _lens(settings, model), "controls": settings.controls, "seed": settings.seed}
    share_latent_language(model, _words(settings), shard.mine, **how, **_how(settings))


def _words(settings: LensSettings) -> ParallelCorpus | ParallelTask:
    return _task(settings) if settings.task == "cloze" else settings.read_corpus()


def _how(settings: LensSettings) -> dict[str, Any]:
    """How words are asked for, and where what was read lies."""
    same = ("task", "source", "shots", "line", "pivot", "names", "rule")
    return {name: getattr(settings, name) for name in same} | {"folder": settings.output / "words"}


def _task(settings: LensSettings) -> ParallelTask:
    from interp.text.formats.word_lists import is_word_list, read_word_clozes
    from interp.text.read import read_task

    if settings.task == "cloze" and is_word_list(settings.corpus):
        task = read_word_clozes(settings.corpus, settings.wanted)
    else:
        task = read_task(settings.corpus, languages=settings.wanted, template=settings.template or None)
    return task.select(limit=settings.limit, seed=settings.seed)


def _lens(settings: LensSettings, model: TransformerBridge) -> TunedLens | None:
    import interp
    from interp.lens.train import train_lens
    from interp.lens.tuned_lens import load_lens

    if settings.lens == "logit":
        return None
    if settings.lens_corpus is None or Path(settings.lens).is_file():
        return load_lens(settings.lens, model)
    text = interp.read(settings.lens_corpus, languages=settings.wanted)
    return train_lens(model, text, settings.lens, steps=settings.lens_steps, seed=settings.seed)
